from types import SimpleNamespace

import pytest

from serkit.errors import InputError
from serkit.gans.dcgan import DCGANSettings
from serkit.gans.fitting import fit_gan
from serkit.gans.staging import Equilibrium, Stages

SETTINGS = Equilibrium(low=1.0, high=1.5, epochs=2)


def _rows(*losses: tuple[float, float]) -> list[dict[str, float]]:
    return [{"d_loss": d, "g_loss": g, "d_real": 0.5} for d, g in losses]


@pytest.mark.parametrize(
    ("losses", "reached"),
    [
        ([], False),
        ([(1.2, 1.2)], False),
        ([(1.2, 1.2), (1.3, 1.1)], True),
        # The ends belong to it.
        ([(1.0, 1.5), (1.5, 1.0)], True),
        ([(0.9, 1.2), (1.2, 1.2)], False),
        ([(1.2, 1.2), (1.2, 1.6)], False),
        # On end, and the last ones.
        ([(1.2, 1.2), (0.5, 1.2), (1.2, 1.2)], False),
        ([(0.5, 0.5), (1.2, 1.2), (1.2, 1.2)], True),
        ([(1.2, 1.2), (1.2, 1.2), (0.5, 0.5)], False),
    ],
)
def test_both_losses_are_in_the_band_for_the_last_epochs(losses, reached):
    assert SETTINGS.reached(_rows(*losses)) == reached


def test_defaults_are_those_of_the_2021_report():
    assert Equilibrium() == Equilibrium(low=1.1, high=1.3, epochs=10)
    assert not Equilibrium().reached(_rows(*[(1.2, 1.2)] * 9))
    assert Equilibrium().reached(_rows(*[(1.2, 1.2)] * 10))


def test_the_accuracy_of_the_discriminator_can_be_watched_instead():
    settings = Equilibrium(0.5, 0.7, epochs=2, measure="accuracy")
    rows = [{"d_accuracy": value, "stage": 2} for value in (0.9, 0.7, 0.5, 0.49)]
    found = [settings.reached(rows[:count], 2) for count in range(1, 5)]
    assert found == [False, False, True, False]
    with pytest.raises(InputError, match=r"high.*1\.3"):
        Equilibrium(measure="accuracy")
    with pytest.raises(InputError, match="accuracy"):
        Equilibrium(measure="loss")


@pytest.mark.parametrize("wrong", [{"low": -0.1}, {"high": 1.0}, {"epochs": 0}])
def test_settings_are_checked(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(InputError, match=rf"{name}.*{value}"):
        Equilibrium(**wrong)


def _epochs(callback: Stages, losses, first: int = 0) -> list[bool]:
    """Whether training is over, after each epoch."""
    callback.set_model(SimpleNamespace(stop_training=False, discriminators=[None]))
    over = []
    for epoch, logs in enumerate(_rows(*losses), start=first):
        callback.on_epoch_end(epoch, logs)
        over.append(callback.model.stop_training)
    return over


def test_an_equilibrium_with_the_first_of_two_discriminators_does_not_count():
    balanced = _rows(*[(1.2, 1.2)] * 4)
    rows = [{**row, "stage": stage} for row, stage in zip(balanced, (1, 1, 2, 2), strict=True)]
    found = [SETTINGS.reached(rows[:count], 2) for count in range(1, 5)]
    assert found == [False, False, False, True]


def test_fit_ends_with_a_message():
    said = []
    callback = Stages(None, SETTINGS, say=said.append)
    losses = [(1.2, 1.2), (2.0, 1.2), (1.2, 1.2), (1.2, 1.2)]
    assert _epochs(callback, losses) == [False, False, False, True]
    assert said == ["epoch 4: both losses were within 1.0 to 1.5 for 2 epochs; training ends"]


def test_epochs_before_a_resume_count():
    callback = Stages(None, SETTINGS, _rows((2.0, 2.0), (1.2, 1.2)), say=lambda line: None)
    assert _epochs(callback, [(1.2, 1.2)], 2) == [True]
    callback = Stages(None, SETTINGS, _rows((1.2, 1.2), (2.0, 2.0)), say=lambda line: None)
    assert _epochs(callback, [(1.2, 1.2)], 2) == [False]


def test_a_run_that_ended_at_the_equilibrium_is_not_continued(
    small_gan, small_examples, speakers, tmp_path
):
    stop = Equilibrium(low=0.0, high=100.0, epochs=3)
    settings = DCGANSettings(batch_size=4, steps=10, steps_per_epoch=2, stop=stop)
    first = fit_gan(small_gan(settings), small_examples, speakers, 0, tmp_path, verbose=0)
    assert [row["epoch"] for row in first] == [1, 2, 3]
    again = small_gan(settings)
    assert fit_gan(again, small_examples, speakers, 0, tmp_path, verbose=0) == first
    assert int(again.generator_optimizer.iterations) == 6
