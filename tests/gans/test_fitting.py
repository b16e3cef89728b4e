import dataclasses
import functools
from pathlib import Path

import keras
import numpy as np
import pytest

from serkit.errors import DivergedError, InputError, LeakError, ResumeError
from serkit.gans.dcgan import DCGANSettings, build_dcgan
from serkit.gans.fitting import fit_gan
from serkit.gans.small_data import DiffAugmentSettings
from serkit.gans.staging import StagingSettings
from serkit.gans.wgan_gp import WGANGPSettings, build_wgan_gp
from serkit.training.callbacks import read_state
from serkit.training.examples import Examples

SHORT = {"steps": 6, "steps_per_epoch": 2}
TINY = DCGANSettings(width=0.05, batch_size=4, **SHORT)
SMALL = DCGANSettings(batch_size=4, ema=0.9, **SHORT)
# The change is between the first and the second epoch.
STAGED = {"discriminator": "staged", "staging": StagingSettings(share=1.0, epochs=1)}
MORE = {"batch_size": 4, "classes": 3, "ema": 0.9, "augment": DiffAugmentSettings(), **SHORT}


@pytest.fixture(scope="module")
def pictures() -> Examples:
    drawn = np.random.default_rng(0).uniform(-1, 1, (8, 224, 224, 1)).astype("float32")
    return Examples(drawn, frozenset("ab"))


@pytest.fixture(scope="module")
def trained(small_gan, small_examples, speakers, tmp_path_factory) -> Path:
    """The folder of a training as ``SMALL`` says, with the seed 1; do not write into it."""
    folder = tmp_path_factory.mktemp("trained")
    fit_gan(small_gan(SMALL, 1), small_examples, speakers, SMALL, 1, folder, verbose=0)
    return folder


class _Killed(BaseException):
    pass


def _kill_in(step: int) -> keras.callbacks.Callback:
    """Before what this step does can be kept."""
    steps = iter(range(1, step + 1))

    def stop(batch, logs):
        if next(steps) == step:
            raise _Killed

    return keras.callbacks.LambdaCallback(on_train_batch_end=stop)


def _killed_and_never_killed(make, examples, speakers, settings, folder, **options):
    """Checks that they are equal, and gives the history; the kill is in the second epoch."""

    def fit(gan, name, *callbacks):
        arguments = gan, examples, speakers, settings, 5, folder / name
        return fit_gan(*arguments, callbacks=callbacks, verbose=0, **options)

    whole = make(settings, seed=5)
    expected = fit(whole, "whole")
    with pytest.raises(_Killed):
        fit(make(settings, seed=5), "parts", _kill_in(4))
    again = make(settings, seed=5)
    assert fit(again, "parts") == expected
    for a, b in zip(whole.state, again.state, strict=True):
        np.testing.assert_array_equal(a, b)
    return expected


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize(
    ("build", "settings", "stages"),
    [
        (build_dcgan, TINY, [None] * 3),
        pytest.param(
            *(build_dcgan, dataclasses.replace(TINY, **STAGED), [1, 2, 2]),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            build_wgan_gp,
            WGANGPSettings(width=0.05, batch_size=2, critic_steps=2, **SHORT),
            [None] * 3,
            marks=pytest.mark.slow,
        ),
    ],
    ids=["dcgan", "staged", "wgan_gp"],
)
def test_killed_and_made_again_equals_never_killed(
    build, settings, stages, pictures, speakers, tmp_path
):
    history = _killed_and_never_killed(build, pictures, speakers, settings, tmp_path)
    assert [row.get("stage") for row in history] == stages


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize(
    "settings",
    [
        DCGANSettings(**MORE, **STAGED, discriminator_steps=2, generator_steps=2, smoothing=0.1),
        WGANGPSettings(**MORE, critic_steps=2),
    ],
    ids=["dcgan", "wgan_gp"],
)
def test_so_it_does_with_everything_switched_on(
    settings, small_gan, small_examples, speakers, tmp_path
):
    # So many parts take longer to trace than to run.
    make = functools.partial(small_gan, run_eagerly=True)
    _killed_and_never_killed(make, small_examples, speakers, settings, tmp_path)


def test_a_finished_training_is_not_trained_again(
    small_gan, small_examples, speakers, trained, tmp_path
):
    before = (trained / "state.npz").read_bytes()
    again = small_gan(SMALL, 1)
    history = fit_gan(again, small_examples, speakers, SMALL, 1, trained, verbose=0)
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert int(again.generator_optimizer.iterations) == 6
    assert (trained / "state.npz").read_bytes() == before


@pytest.mark.parametrize("stranger", ["c", "d", "e"])
def test_nobody_is_learned_from_but_training_speakers(
    stranger, small_gan, small_examples, speakers, tmp_path
):
    leak = dataclasses.replace(small_examples, speakers=frozenset({"a", stranger}))
    gan = small_gan(SMALL)
    with pytest.raises(LeakError, match=f"not training speakers: {stranger}"):
        fit_gan(gan, leak, speakers, SMALL, 5, tmp_path / "run", verbose=0)
    assert int(gan.generator_optimizer.iterations) == 0
    assert not (tmp_path / "run").exists()


def _part(examples: Examples, count: int) -> Examples:
    return Examples(examples.spectrograms[:count], examples.speakers)


def test_few_clips_are_worth_a_warning_none_an_error(
    small_gan, small_examples, speakers, tmp_path, monkeypatch, recwarn
):
    gan = small_gan(SMALL)
    monkeypatch.setattr(gan, "fit", lambda *batches, **options: None)
    for count in (7, 8):
        fit_gan(gan, _part(small_examples, count), speakers, SMALL, 5, tmp_path)
        said = [str(w.message) for w in recwarn if "learn them by heart" in str(w.message)]
        assert len(said) == (count < 8)
        recwarn.clear()
    with pytest.raises(InputError, match="0 clips to train a GAN on"):
        fit_gan(gan, _part(small_examples, 0), speakers, SMALL, 5, tmp_path)


@pytest.mark.parametrize("labels", [None, [0, 1, 2, 3] * 2, [0, 1, 2, -1] * 2])
def test_a_gan_of_classes_needs_labels_that_are_its_own(
    labels, small_gan, small_examples, speakers, tmp_path
):
    settings = dataclasses.replace(SMALL, classes=3)
    labels = None if labels is None else np.array(labels)
    wrong = dataclasses.replace(small_examples, labels=labels)
    with pytest.raises(InputError, match=r"labels=.* for a GAN of 3 classes; valid are 0 to 2"):
        fit_gan(small_gan(settings), wrong, speakers, settings, 5, tmp_path / "run")
    assert not (tmp_path / "run").exists()


class _Beginning(keras.callbacks.Callback):
    """What training begins with."""

    def on_train_begin(self, logs=None):
        gan = self.model
        self.weights = [np.array(v) for network in gan.networks for v in network.variables]
        optimizers = gan.generator_optimizer, *gan.discriminator_optimizers
        self.moments = [
            np.array(v) for o in optimizers for v in o.variables if "rate" not in v.name
        ]


def test_it_begins_with_anothers_weights_but_neither_its_epochs_nor_its_momentum(
    small_gan, small_examples, speakers, trained, tmp_path
):
    gan, beginning = small_gan(SMALL, 2), _Beginning()
    history = fit_gan(
        *(gan, small_examples, speakers, SMALL, 2, tmp_path),
        init_from=trained,
        callbacks=(beginning,),
        verbose=0,
    )
    arrays, _ = read_state(trained)
    assert len(beginning.weights) > 10
    for found, expected in zip(beginning.weights, arrays, strict=False):
        np.testing.assert_array_equal(found, expected)
    assert all(not values.any() for values in beginning.moments)
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert int(gan.generator_optimizer.iterations) == 6
    np.testing.assert_array_equal(read_state(trained)[0][0], arrays[0])


def test_a_resumed_training_goes_on_with_its_own_weights(
    small_gan, small_examples, speakers, trained, tmp_path
):
    one = dataclasses.replace(SMALL, steps=2)
    fit = small_examples, speakers
    fit_gan(small_gan(one, 2), *fit, one, 2, tmp_path, init_from=trained, verbose=0)
    own, _ = read_state(tmp_path)
    beginning = _Beginning()
    history = fit_gan(
        *(small_gan(SMALL, 2), *fit, SMALL, 2, tmp_path),
        init_from=trained,
        callbacks=(beginning,),
        verbose=0,
    )
    assert [row["epoch"] for row in history] == [1, 2, 3]
    for found, expected in zip(beginning.weights, own, strict=False):
        np.testing.assert_array_equal(found, expected)
    assert any(values.any() for values in beginning.moments)


@pytest.mark.parametrize("other", [{"latent": 6}, {"classes": 3}, STAGED])
def test_it_cannot_begin_with_other_networks_weights(
    other, small_gan, small_examples, speakers, trained, tmp_path
):
    settings = dataclasses.replace(SMALL, **other)
    with pytest.raises(ResumeError, match="made by a GAN with other networks; valid are"):
        fit_gan(
            *(small_gan(settings), small_examples, speakers, settings, 5, tmp_path),
            init_from=trained,
        )


def test_an_average_begins_with_an_average(small_gan, small_examples, speakers, tmp_path):
    without = dataclasses.replace(SMALL, ema=0.0, steps=2)
    fit_gan(small_gan(without), small_examples, speakers, without, 5, tmp_path / "a", verbose=0)
    with pytest.raises(ResumeError, match="ema switched on there if it is here"):
        fit_gan(
            *(small_gan(SMALL), small_examples, speakers, SMALL, 5, tmp_path / "b"),
            init_from=tmp_path / "a",
        )


def test_it_cannot_begin_with_what_is_not_there_or_torn(
    small_gan, small_examples, speakers, tmp_path
):
    def fit():
        fit_gan(
            *(small_gan(SMALL), small_examples, speakers, SMALL, 5, tmp_path / "run"),
            init_from=tmp_path,
        )

    with pytest.raises(ResumeError, match=r"init_from=.* holds no state\.npz; valid is a folder"):
        fit()
    (tmp_path / "state.npz").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(ResumeError, match=r"state\.npz cannot be read"):
        fit()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("settings", [SMALL, WGANGPSettings(batch_size=4, critic_steps=1, **SHORT)])
def test_a_training_that_diverges_names_the_step_and_leaves_what_was_kept(
    settings, small_gan, small_examples, speakers, tmp_path
):
    first = dataclasses.replace(settings, steps=4)
    fit_gan(small_gan(first), small_examples, speakers, first, 5, tmp_path, verbose=0)
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(kept) == {"state.npz", "history.csv"}
    broken = small_examples.spectrograms.copy()
    broken[:, 0, 0] = np.nan
    seen = []
    with pytest.raises(
        DivergedError, match=r"_loss is nan at step 5 \(epoch 3\); the state after epoch 2 is kept"
    ):
        fit_gan(
            small_gan(settings),
            dataclasses.replace(small_examples, spectrograms=broken),
            *(speakers, settings, 5, tmp_path),
            callbacks=(keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: seen.append(1)),),
            verbose=0,
        )
    assert seen == []
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == kept
