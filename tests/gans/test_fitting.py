import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from serkit.errors import DivergedError, InputError, LeakError, ResumeError
from serkit.gans.dcgan import DCGAN, DCGANSettings
from serkit.gans.fitting import fit_gan
from serkit.gans.small_data import DiffAugmentSettings
from serkit.gans.staging import StagingSettings
from serkit.gans.wgan_gp import WGANGP, WGANGPSettings
from serkit.training.callbacks import read_state
from serkit.training.examples import Examples

SHORT = {"steps": 6, "steps_per_epoch": 2}
TWO_EPOCHS = {"steps": 4, "steps_per_epoch": 2}
SMALL = DCGANSettings(batch_size=4, ema=0.9, **SHORT)
# The change is between the first and the second epoch.
STAGED = {"discriminator": "staged", "staging": StagingSettings(share=1.0, epochs=1)}
MORE = {"batch_size": 4, "classes": 3, "ema": 0.9, "augment": DiffAugmentSettings()} | TWO_EPOCHS


@pytest.fixture(scope="module")
def spectrograms() -> Examples:
    drawn = np.random.default_rng(0).uniform(-1, 1, (8, 224, 224, 1)).astype("float32")
    return Examples(drawn, frozenset("ab"))


@pytest.fixture(scope="module")
def trained(small_gan, small_examples, speakers, tmp_path_factory) -> Path:
    """The folder of a training run with the settings ``SMALL`` and seed 1; do not write into it."""
    folder = tmp_path_factory.mktemp("trained")
    fit_gan(small_gan(SMALL, 1), small_examples, speakers, 1, folder, verbose=0)
    return folder


class _Killed(BaseException):
    pass


def _kill_in(step: int) -> keras.callbacks.Callback:
    """Kill the training run in this step, before its result can be saved."""
    steps = iter(range(1, step + 1))

    def stop(batch, logs):
        if next(steps) == step:
            raise _Killed

    return keras.callbacks.LambdaCallback(on_train_batch_end=stop)


def _resumed_equals_uninterrupted(gan, examples, speakers, folder):
    """Check that both give the same result; the kill is in epoch 2.

    Before each run the GAN is as it was at first. So its step is traced only once.
    """
    first = [np.array(variable) for variable in gan.state]

    def fit(name, *callbacks):
        for variable, value in zip(gan.state, first, strict=True):
            variable.assign(value)
        if gan.stage:
            gan.go_to_stage(0)
        place = folder / name
        return fit_gan(gan, examples, speakers, 5, place, callbacks=callbacks, verbose=0)

    expected = fit("whole")
    whole = [np.array(variable) for variable in gan.state]
    with pytest.raises(_Killed):
        fit("parts", _kill_in(3))
    assert fit("parts") == expected
    for a, b in zip(whole, gan.state, strict=True):
        np.testing.assert_array_equal(a, b)
    return expected


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize(
    ("kind", "settings", "columns", "steps"),
    [
        (
            DCGAN,
            DCGANSettings(width=0.02, batch_size=4, **TWO_EPOCHS),
            {"d_loss", "g_loss", "d_real", "d_fake", "d_accuracy"},
            (4, 4),
        ),
        (
            WGANGP,
            WGANGPSettings(width=0.02, batch_size=2, critic_steps=2, **TWO_EPOCHS),
            {"c_loss", "g_loss", "distance", "penalty"},
            (4, 8),
        ),
    ],
    ids=["dcgan", "wgan_gp"],
)
def test_both_networks_are_trained_and_resumed_run_equals_uninterrupted_run(
    kind, settings, columns, steps, spectrograms, speakers, tmp_path
):
    gan = kind(settings, 5)
    before = [[np.array(v) for v in network.trainable_variables] for network in gan.networks]
    history = _resumed_equals_uninterrupted(gan, spectrograms, speakers, tmp_path)
    assert set(history[0]) == columns | {"epoch"}
    assert all(np.isfinite(list(row.values())).all() for row in history)
    optimizers = gan.generator_optimizer, gan.discriminator_optimizer
    assert tuple(int(optimizer.iterations) for optimizer in optimizers) == steps
    for old, network in zip(before, gan.networks, strict=True):
        pairs = zip(old, network.trainable_variables, strict=True)
        moved = [v.path for a, v in pairs if not np.array_equal(a, v)]
        # A critic's bias before layer normalisation may move by rounding only; the last bias
        # cancels out of the loss.
        assert all(v.path in moved for v in network.trainable_variables if v.name != "bias")
    if "distance" in columns:
        for row in history:
            loss = 10 * row["penalty"] - row["distance"]
            assert row["c_loss"] == pytest.approx(loss, rel=1e-4, abs=1e-4)


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize(
    ("settings", "stages"),
    [
        (
            DCGANSettings(
                **MORE, **STAGED, discriminator_steps=2, generator_steps=2, smoothing=0.1
            ),
            [1, 2],
        ),
        (WGANGPSettings(**MORE, critic_steps=2), [None] * 2),
    ],
    ids=["dcgan", "wgan_gp"],
)
def test_resumed_run_equals_uninterrupted_run_with_all_options(
    settings, stages, small_gan, small_examples, speakers, tmp_path
):
    gan = small_gan(settings, 5)
    history = _resumed_equals_uninterrupted(gan, small_examples, speakers, tmp_path)
    assert [row.get("stage") for row in history] == stages


def test_finished_run_is_not_trained_again(small_gan, small_examples, speakers, trained, tmp_path):
    before = (trained / "state.npz").read_bytes()
    again = small_gan(SMALL, 1)
    history = fit_gan(again, small_examples, speakers, 1, trained, verbose=0)
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert int(again.generator_optimizer.iterations) == 6
    assert (trained / "state.npz").read_bytes() == before


@pytest.mark.parametrize("speaker", ["c", "d", "e"])
def test_clips_of_other_than_training_speakers_are_refused(
    speaker, small_gan, small_examples, speakers, tmp_path
):
    leak = dataclasses.replace(small_examples, speakers=frozenset({"a", speaker}))
    gan = small_gan(SMALL)
    with pytest.raises(LeakError, match=rf"\b{speaker}\b"):
        fit_gan(gan, leak, speakers, 5, tmp_path / "run", verbose=0)
    assert int(gan.generator_optimizer.iterations) == 0
    assert not (tmp_path / "run").exists()


def _first(examples: Examples, count: int) -> Examples:
    return Examples(examples.spectrograms[:count], examples.speakers)


def test_few_clips_cause_a_warning_and_none_an_error(
    small_gan, small_examples, speakers, tmp_path, monkeypatch, recwarn
):
    gan = small_gan(SMALL)
    monkeypatch.setattr(gan, "fit", lambda *batches, **options: None)
    for count in (7, 8):
        fit_gan(gan, _first(small_examples, count), speakers, 5, tmp_path)
        assert len([w for w in recwarn if "fewer than 8" in str(w.message)]) == (count < 8)
        recwarn.clear()
    with pytest.raises(InputError, match=r"`examples`.*Received: 0"):
        fit_gan(gan, _first(small_examples, 0), speakers, 5, tmp_path)


@pytest.mark.parametrize("labels", [None, [0, 1, 2, 3] * 2, [0, 1, 2, -1] * 2])
def test_labels_must_be_class_numbers_of_the_gan(
    labels, small_gan, small_examples, speakers, tmp_path
):
    settings = dataclasses.replace(SMALL, classes=3)
    labels = None if labels is None else np.array(labels)
    wrong = dataclasses.replace(small_examples, labels=labels)
    with pytest.raises(InputError, match="between 0 and 2"):
        fit_gan(small_gan(settings), wrong, speakers, 5, tmp_path / "run")
    assert not (tmp_path / "run").exists()


class _Start(keras.callbacks.Callback):
    """Keep weights and optimizer states from before the first step."""

    def on_train_begin(self, logs=None):
        gan = self.model
        self.weights = [np.array(v) for network in gan.networks for v in network.variables]
        optimizers = gan.generator_optimizer, *gan.discriminator_optimizers
        self.moments = [
            np.array(v) for o in optimizers for v in o.variables if "rate" not in v.name
        ]


def test_init_from_copies_weights_but_neither_epochs_nor_momentum(
    small_gan, small_examples, speakers, trained, tmp_path
):
    gan, start = small_gan(SMALL, 2), _Start()
    history = fit_gan(
        gan,
        small_examples,
        speakers,
        2,
        tmp_path,
        init_from=trained,
        callbacks=(start,),
        verbose=0,
    )
    arrays, _ = read_state(trained)
    assert len(start.weights) > 10
    for found, expected in zip(start.weights, arrays, strict=False):
        np.testing.assert_array_equal(found, expected)
    assert all(not values.any() for values in start.moments)
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert int(gan.generator_optimizer.iterations) == 6
    np.testing.assert_array_equal(read_state(trained)[0][0], arrays[0])


def test_resumed_run_keeps_its_own_weights(small_gan, small_examples, speakers, trained, tmp_path):
    one = dataclasses.replace(SMALL, steps=2)
    first = small_gan(one, 2)
    fit_gan(first, small_examples, speakers, 2, tmp_path, init_from=trained, verbose=0)
    own, _ = read_state(tmp_path)
    start = _Start()
    history = fit_gan(
        small_gan(SMALL, 2),
        small_examples,
        speakers,
        2,
        tmp_path,
        init_from=trained,
        callbacks=(start,),
        verbose=0,
    )
    assert [row["epoch"] for row in history] == [1, 2, 3]
    for found, expected in zip(start.weights, own, strict=False):
        np.testing.assert_array_equal(found, expected)
    assert any(values.any() for values in start.moments)


@pytest.mark.parametrize("other", [{"latent": 6}, {"classes": 3}, STAGED])
def test_init_from_other_networks_is_refused(
    other, small_gan, small_examples, speakers, trained, tmp_path
):
    settings = dataclasses.replace(SMALL, **other)
    gan = small_gan(settings)
    with pytest.raises(ResumeError, match="width"):
        fit_gan(gan, small_examples, speakers, 5, tmp_path, init_from=trained)


def test_init_from_without_average_is_refused_with_average(
    small_gan, small_examples, speakers, tmp_path
):
    without = dataclasses.replace(SMALL, ema=0.0, steps=2)
    fit_gan(small_gan(without), small_examples, speakers, 5, tmp_path / "a", verbose=0)
    gan, before, folder = small_gan(SMALL), tmp_path / "a", tmp_path / "b"
    with pytest.raises(ResumeError, match="ema"):
        fit_gan(gan, small_examples, speakers, 5, folder, init_from=before)


def test_init_from_missing_or_damaged_state_is_refused(
    small_gan, small_examples, speakers, tmp_path
):
    def fit():
        gan, folder = small_gan(SMALL), tmp_path / "run"
        fit_gan(gan, small_examples, speakers, 5, folder, init_from=tmp_path)

    with pytest.raises(ResumeError, match=r"`init_from`.*state\.npz"):
        fit()
    (tmp_path / "state.npz").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(ResumeError, match=r"state\.npz"):
        fit()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("settings", [SMALL, WGANGPSettings(batch_size=4, critic_steps=1, **SHORT)])
def test_diverged_run_names_the_step_and_keeps_earlier_files(
    settings, small_gan, small_examples, speakers, tmp_path
):
    first = dataclasses.replace(settings, steps=4)
    fit_gan(small_gan(first), small_examples, speakers, 5, tmp_path, verbose=0)
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(kept) == {"state.npz", "history.csv"}
    broken = small_examples.spectrograms.copy()
    broken[:, 0, 0] = np.nan
    seen = []
    with pytest.raises(DivergedError, match=r"_loss is nan at step 5 \(epoch 3\)"):
        fit_gan(
            small_gan(settings),
            dataclasses.replace(small_examples, spectrograms=broken),
            speakers,
            5,
            tmp_path,
            callbacks=(keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: seen.append(1)),),
            verbose=0,
        )
    assert seen == []
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == kept
