import itertools
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from serkit.errors import InputError
from serkit.gans.dcgan import DCGANSettings
from serkit.gans.fitting import fit_gan
from serkit.gans.staging import Stages, StagingSettings


class _Stub:
    """What Stages uses of a GAN."""

    def __init__(self):
        self.stage = 0
        self.discriminators = [SimpleNamespace(name="easy"), SimpleNamespace(name="hard")]

    def go_to_stage(self, stage: int) -> None:
        self.stage = stage


def _rows(losses, ahead=True) -> list[dict[str, float]]:
    """A history; ``ahead`` says of all epochs or of each whether the discriminator was."""
    ahead = [ahead] * len(losses) if isinstance(ahead, bool) else ahead
    return [
        {"g_loss": loss, "d_real": 0.6, "d_fake": 0.3 if each else 0.9}
        for loss, each in zip(losses, ahead, strict=True)
    ]


@pytest.mark.parametrize(
    ("losses", "due"),
    [
        ([], False),
        ([2.0, 1.0], False),
        # Means of three: 2, then 2, 1.75 and 1.5, three quarters of the highest.
        ([2.0, 2.0, 2.0], False),
        ([2.0, 2.0, 2.0, 1.25], False),
        ([2.0, 2.0, 2.0, 1.25, 1.25], True),
        # The highest need not be the first: 3, then 2.25.
        ([1.0, 1.0, 1.0, 3.0, 3.0, 3.0, 2.0], False),
        ([1.0, 1.0, 1.0, 3.0, 3.0, 3.0, 2.0, 1.75], True),
        # One low epoch among high ones is noise: the means are 2 and 1.6.
        ([2.0, 2.0, 2.0, 0.8, 2.0, 2.0], False),
        # A loss that has only risen has not fallen.
        ([0.5, 0.7, 0.9, 1.5, 2.0, 2.5], False),
    ],
)
def test_it_is_due_when_the_smoothed_loss_has_fallen(losses, due):
    assert StagingSettings(share=0.25).is_due(_rows(losses)) == due


def test_a_low_loss_while_the_discriminator_is_fooled_does_not_count():
    """It is fooled first, while the loss falls; then it gets ahead, and then the loss falls."""
    settings = StagingSettings(share=0.25)
    fooled = _rows([2.0, 2.0, 2.0, 0.4, 0.3, 0.2, 0.1], ahead=False)
    assert not settings.was_due(fooled)
    ahead = _rows([1.6, 1.6, 1.6, 1.6])
    assert not settings.was_due([*fooled, *ahead])
    assert settings.was_due([*fooled, *ahead, *_rows([1.0, 1.0])])


def test_a_discriminator_without_a_difference_is_not_ahead():
    """It gives both about the same probability; which of them a little more is chance."""
    settings = StagingSettings(share=0.25)
    fallen = _rows([0.7, 0.7, 0.7], ahead=False)
    for d_real, due in ((0.52, False), (0.62, True)):
        before = [{"g_loss": 2.0, "d_real": d_real, "d_fake": 0.5}] * 3
        assert settings.was_due([*before, *fallen]) == due


def test_without_a_fall_it_is_due_at_the_latest_epoch():
    settings = StagingSettings(share=0.25, epochs=5)
    rows = _rows([2.0, 1.9, 2.0, 1.9, 2.0], ahead=False)
    assert [settings.is_due(rows[:length]) for length in range(6)] == [*[False] * 5, True]


@pytest.mark.parametrize("wrong", [{"share": -0.1}, {"share": 1.5}, {"epochs": 0}])
def test_settings_are_checked(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(InputError, match=rf"{name}.*{value}"):
        StagingSettings(**wrong)


def _epochs(callback: Stages, model: _Stub, losses, first: int = 0) -> list[float]:
    """The stages that the history gets."""
    callback.set_model(model)
    callback.on_train_begin()
    stages = []
    for epoch, loss in enumerate(losses, start=first):
        (logs,) = _rows([loss])
        callback.on_epoch_end(epoch, logs)
        stages.append(logs["stage"])
    return stages


def test_the_epoch_after_the_fall_is_the_first_of_the_second_stage():
    said, model = [], _Stub()
    callback = Stages(StagingSettings(share=0.25, epochs=50), None, say=said.append)
    losses = [2.0, 2.0, 2.0, 1.25, 1.25, 0.9, 3.0]
    assert _epochs(callback, model, losses) == [1, 1, 1, 1, 1, 2, 2]
    (line,) = said
    assert "epoch 5" in line
    assert "hard takes over from easy" in line


@pytest.mark.parametrize(
    ("before", "stage"),
    [
        ([], 0),
        ([2.0, 2.0, 2.0, 1.25], 0),
        ([2.0, 2.0, 2.0, 1.25, 1.25], 1),
        # Due once is due for good, however the loss went on.
        ([2.0, 2.0, 2.0, 1.25, 1.25, 1.9, 5.0], 1),
    ],
)
def test_resumed_run_continues_in_its_stage(before, stage):
    said, model = [], _Stub()
    history = _rows(before)
    callback = Stages(StagingSettings(share=0.25, epochs=50), None, history, said.append)
    assert _epochs(callback, model, [1.9], len(before)) == [stage + 1]
    assert said == []


def test_losses_before_a_resume_count():
    model, history = _Stub(), _rows([2.0, 2.0, 2.0, 1.25])
    callback = Stages(StagingSettings(share=0.25, epochs=50), None, history, lambda line: None)
    assert _epochs(callback, model, [1.25, 1.5], 4) == [1, 2]


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
    gan = small_gan(settings, run_eagerly=False)

    def kernels(*_) -> None:
        seen.append([np.array(model.trainable_variables[0]) for model in gan.discriminators])

    seen = []
    kernels()
    history = fit_gan(
        gan,
        small_examples,
        speakers,
        0,
        tmp_path,
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
