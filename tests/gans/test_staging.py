import itertools
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from serkit.errors import InputError
from serkit.gans.dcgan import DCGANSettings
from serkit.gans.fitting import fit_gan
from serkit.gans.staging import Staging, StagingSettings


class _Stub:
    """A GAN as far as staging knows one."""

    def __init__(self):
        self.stage = 0
        self.discriminators = [SimpleNamespace(name="easy"), SimpleNamespace(name="hard")]

    def go_to_stage(self, stage: int) -> None:
        self.stage = stage


@pytest.mark.parametrize(
    ("losses", "due"),
    [
        ([], False),
        ([2.0], False),
        ([2.0, 1.51], False),
        ([2.0, 1.5], True),
        # Three quarters of the highest, which need not be the first: 0.75 * 4 = 3.
        ([2.0, 4.0, 3.1], False),
        ([2.0, 4.0, 3.0], True),
        ([2.0, 1.9, 2.0, 1.9], False),
        ([2.0, 1.9, 2.0, 1.9, 2.0], True),
    ],
)
def test_it_is_due_when_the_loss_has_fallen_or_at_the_latest_epoch(losses, due):
    assert StagingSettings(share=0.25, epochs=5).is_due(losses) == due


def test_the_first_epoch_alone_is_no_fall():
    """With a share of 0 any second epoch that is not a new high is."""
    settings = StagingSettings(share=0.0, epochs=5)
    assert not settings.is_due([1.0])
    assert settings.is_due([1.0, 1.0])
    assert StagingSettings(epochs=1).is_due([1.0])


@pytest.mark.parametrize("wrong", [{"share": -0.1}, {"share": 1.5}, {"epochs": 0}])
def test_settings_are_checked(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(InputError, match=f"{name}={value}"):
        StagingSettings(**wrong)


def _epochs(callback: Staging, model: _Stub, losses, first: int = 0) -> list[float]:
    """The stages that the history gets."""
    callback.set_model(model)
    callback.on_train_begin()
    stages = []
    for epoch, loss in enumerate(losses, start=first):
        logs = {"g_loss": loss}
        callback.on_epoch_end(epoch, logs)
        stages.append(logs["stage"])
    return stages


def test_the_epoch_after_the_fall_is_the_first_of_the_second_stage():
    said, model = [], _Stub()
    callback = Staging(StagingSettings(share=0.25, epochs=50), say=said.append)
    assert _epochs(callback, model, [1.0, 2.0, 1.6, 1.5, 0.9, 3.0]) == [1, 1, 1, 1, 2, 2]
    (line,) = said
    assert line == (
        "epoch 4: the generator's loss is 1.500, at most it was 2.000; hard takes over from easy"
    )


@pytest.mark.parametrize(
    ("before", "stage"),
    [
        ([], 0),
        ([2.0, 1.6], 0),
        ([2.0, 1.5], 1),
        # Due once is due for good, however the loss went on.
        ([2.0, 1.5, 1.9, 5.0], 1),
    ],
)
def test_a_resumed_training_is_in_the_stage_that_it_was_in(before, stage):
    said, model = [], _Stub()
    history = [{"epoch": n + 1, "g_loss": loss} for n, loss in enumerate(before)]
    callback = Staging(StagingSettings(share=0.25, epochs=50), history, said.append)
    assert _epochs(callback, model, [1.9], len(before)) == [stage + 1]
    assert said == []


def test_resumed_losses_count_for_the_highest():
    model, history = _Stub(), [{"g_loss": 2.0}, {"g_loss": 1.6}]
    callback = Staging(StagingSettings(share=0.25, epochs=50), history, lambda line: None)
    assert _epochs(callback, model, [1.5, 1.5], 2) == [1, 2]


def test_each_discriminator_learns_in_its_own_stage_only(
    small_gan, small_examples, speakers, tmp_path
):
    settings = DCGANSettings(
        discriminator="staged",
        staging=StagingSettings(share=1.0, epochs=2),
        batch_size=4,
        steps=6,
        steps_per_epoch=2,
    )
    gan = small_gan(settings)

    def kernels(*_) -> None:
        seen.append([np.array(model.trainable_variables[0]) for model in gan.discriminators])

    seen = []
    kernels()
    history = fit_gan(
        *(gan, small_examples, speakers, settings, 0, tmp_path),
        callbacks=(keras.callbacks.LambdaCallback(on_epoch_end=kernels),),
        verbose=0,
    )
    assert [row["stage"] for row in history] == [1, 1, 2]
    moved = [
        [not np.array_equal(a, b) for a, b in zip(old, new, strict=True)]
        for old, new in itertools.pairwise(seen)
    ]
    assert moved == [[True, False], [True, False], [False, True]]
    assert [int(optimizer.iterations) for optimizer in gan.discriminator_optimizers] == [4, 2]
    assert int(gan.generator_optimizer.iterations) == 6
