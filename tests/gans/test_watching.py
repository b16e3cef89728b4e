from types import SimpleNamespace

import keras
import numpy as np
import pytest

from serkit.errors import InputError
from serkit.files import read_json
from serkit.gans.dcgan import DCGANSettings
from serkit.gans.fitting import BEST_GENERATOR_FILE, Watch, fit_gan
from serkit.gans.sampling import sample


def _offset(model):
    (norm,) = [layer for layer in model.sampler.layers if hasattr(layer, "beta")]
    return norm.beta


def _epochs(watch: Watch, model, numbers, epochs: int = 100) -> list[dict]:
    """Return the logs of these epochs; the weights differ after each."""
    watch.set_model(model)
    watch.set_params({"epochs": epochs})
    found = []
    for number in numbers:
        watch.on_epoch_begin(number - 1)
        offset = _offset(model)
        offset.assign(np.full(offset.shape, number / 10))
        found.append({"g_loss": 1.0})
        watch.on_epoch_end(number - 1, found[-1])
    return found


@pytest.fixture
def model(small_networks):
    """What Watch uses of a GAN."""
    make, _ = small_networks
    return SimpleNamespace(sampler=make(), settings=SimpleNamespace(classes=0))


def _measure(kids):
    """Return these values of KID one after the other."""
    left = iter(kids)
    return lambda spectrograms: {"kid": next(left), "spread": float(spectrograms.std())}


def test_measures_of_the_same_noise_are_added_to_the_history(model, tmp_path):
    seen = []

    def measure(spectrograms):
        seen.append(spectrograms)
        return {"kid": 0.5, "mean": float(spectrograms.mean())}

    watch = Watch(tmp_path, measure=measure, sample_count=40, drawn_count=3, seed=7)
    history = _epochs(watch, model, [1, 2, 2])
    assert [row["kid"] for row in history] == [0.5] * 3
    assert [row["mean"] for row in history] == [float(spectrograms.mean()) for spectrograms in seen]
    assert seen[0].shape == (40, 4, 3, 1)
    assert not np.array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[1], seen[2])
    np.testing.assert_array_equal(seen[2], sample(model.sampler, 40, 7))


def test_the_generator_with_the_lowest_kid_is_kept(model, tmp_path):
    _epochs(
        Watch(
            tmp_path / "run", measure=_measure([0.5, 0.3, 0.4, 0.3]), sample_count=4, drawn_count=1
        ),
        model,
        [1, 2, 3, 4],
    )
    assert {item.name for item in (tmp_path / "run").iterdir()} == {
        BEST_GENERATOR_FILE,
        "best-generator.json",
    }
    kept = keras.models.load_model(tmp_path / "run" / BEST_GENERATOR_FILE)
    offset = _offset(model)
    assert not np.array_equal(sample(kept, 5, 1), sample(model.sampler, 5, 1))
    # As it was after epoch 2; epoch 4 is no better.
    offset.assign(np.full(offset.shape, 0.2))
    np.testing.assert_array_equal(sample(kept, 5, 1), sample(model.sampler, 5, 1))


def test_resumed_run_knows_the_best_generator(model, tmp_path):
    _epochs(
        Watch(tmp_path, measure=_measure([0.4, 0.2]), sample_count=4, drawn_count=1), model, [1, 2]
    )
    kept = (tmp_path / BEST_GENERATOR_FILE).read_bytes()
    numbers = tmp_path / "best-generator.json"
    best = read_json(numbers)
    assert (best["epoch"], best["kid"]) == (2, 0.2)
    _epochs(
        Watch(tmp_path, measure=_measure([0.3, 0.2]), sample_count=4, drawn_count=1), model, [3, 4]
    )
    assert (tmp_path / BEST_GENERATOR_FILE).read_bytes() == kept
    _epochs(Watch(tmp_path, measure=_measure([0.1]), sample_count=4, drawn_count=1), model, [5])
    assert (tmp_path / BEST_GENERATOR_FILE).read_bytes() != kept
    assert read_json(numbers)["kid"] == 0.1


def test_restarted_run_has_its_own_best_generator(model, tmp_path):
    """Its state was removed, and the best generator of the old one was left."""
    _epochs(Watch(tmp_path, measure=_measure([0.1]), sample_count=4, drawn_count=1), model, [1])
    _epochs(
        Watch(tmp_path, measure=_measure([0.4, 0.5]), sample_count=4, drawn_count=1), model, [1, 2]
    )
    assert read_json(tmp_path / "best-generator.json")["kid"] == 0.4


def test_without_kid_no_generator_is_kept(model, tmp_path):
    watch = Watch(
        tmp_path, measure=lambda spectrograms: {"spread": 1.0}, sample_count=4, drawn_count=1
    )
    assert _epochs(watch, model, [1]) == [{"g_loss": 1.0, "spread": 1.0}]
    assert list(tmp_path.iterdir()) == []


def test_first_last_and_every_third_epoch_are_drawn(model, tmp_path):
    drawn = []

    def draw(spectrograms):
        drawn.append(spectrograms)
        return f"image {len(drawn)}".encode()

    watch = Watch(tmp_path, draw=draw, sample_count=6, drawn_count=3, draw_every=3, seed=2)
    assert _epochs(watch, model, range(1, 9), epochs=8) == [{"g_loss": 1.0}] * 8
    files = sorted((tmp_path / "samples").iterdir())
    assert [file.name for file in files] == [f"epoch-0000{n}.png" for n in (1, 3, 6, 8)]
    assert [file.read_bytes() for file in files] == [b"image %d" % n for n in (1, 2, 3, 4)]
    np.testing.assert_array_equal(drawn[-1], sample(model.sampler, 6, 2)[:3])
    assert not (tmp_path / BEST_GENERATOR_FILE).exists()


def test_no_samples_without_measure_or_drawing(tmp_path):
    """Neither between two PNGs, nor without both functions."""
    draw = Watch(
        tmp_path, draw=lambda spectrograms: b"", sample_count=4, drawn_count=1, draw_every=5
    )
    for watch, epoch in ((draw, 3), (Watch(tmp_path), 0)):
        watch.set_model(None)
        watch.set_params({"epochs": 20})
        watch.on_epoch_end(epoch, {})


def test_classes_alternate(small_networks, tmp_path):
    make, _ = small_networks
    model = SimpleNamespace(sampler=make(classes=3), settings=SimpleNamespace(classes=3))
    seen = []
    measure = lambda spectrograms: seen.append(spectrograms) or {}  # noqa: E731
    _epochs(Watch(tmp_path, measure=measure, sample_count=7, drawn_count=1, seed=5), model, [1])
    turns = np.array([0, 1, 2, 0, 1, 2, 0])
    np.testing.assert_array_equal(seen[0], sample(model.sampler, 7, 5, turns))
    alone = sample(model.sampler, 7, 5, 1)
    equal = [np.array_equal(a, b) for a, b in zip(seen[0], alone, strict=True)]
    assert equal == [False, True, False, False, True, False, False]


@pytest.mark.parametrize(
    "wrong",
    [
        {"sample_count": 1, "drawn_count": 1},
        {"drawn_count": 0},
        {"drawn_count": 65},
        {"draw_every": 0},
    ],
)
def test_arguments_are_checked(wrong, tmp_path):
    name, value = next(iter(wrong.items()))
    with pytest.raises(InputError, match=rf"{name}.*{value}"):
        Watch(tmp_path, **wrong)


def test_measures_are_in_the_history_of_fit_gan(small_gan, small_examples, speakers, tmp_path):
    settings = DCGANSettings(batch_size=4, steps=4, steps_per_epoch=2, ema=0.5)
    gan = small_gan(settings)
    watch = Watch(tmp_path, measure=_measure([0.2, 0.1]), sample_count=4, drawn_count=1)
    history = fit_gan(gan, small_examples, speakers, 0, tmp_path, callbacks=(watch,), verbose=0)
    assert [row["kid"] for row in history] == [0.2, 0.1]
    assert set(history[0]) > {"epoch", "d_loss", "g_loss", "kid", "spread"}
    header = (tmp_path / "history.csv").read_text().splitlines()[0]
    assert header.split(",")[-2:] == ["kid", "spread"]
    # Samples come from the averaged generator.
    kept = keras.models.load_model(tmp_path / BEST_GENERATOR_FILE)
    np.testing.assert_array_equal(sample(kept, 5, 1), sample(gan.averaged, 5, 1))
    assert not np.array_equal(sample(kept, 5, 1), sample(gan.generator, 5, 1))
