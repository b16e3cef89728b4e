import pytest

from serkit.errors import InputError
from serkit.gans.base import GANSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0.0},
        {"latent": 0},
        {"batch_size": 1},
        {"steps_per_epoch": 0},
        {"steps": 5},
        {"ema": 1.0},
        {"ema": -0.1},
        {"classes": 1},
        {"classes": -1},
    ],
)
def test_ranges_are_checked(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(InputError, match=rf"{name}.*{value}"):
        GANSettings(**{"steps_per_epoch": 10, **wrong})


def test_choices_are_checked():
    with pytest.raises(InputError, match="float16"):
        GANSettings(precision="float16")
    with pytest.raises(InputError, match="jit_compile"):
        GANSettings(jit_compile="yes")
    for choice in (True, False, "auto"):
        assert GANSettings(jit_compile=choice).jit_compile == choice


@pytest.mark.parametrize(("steps", "epochs"), [(45, 3), (40, 2), (41, 3), (20, 1)])
def test_epochs_are_whole(steps, epochs):
    assert GANSettings(steps=steps, steps_per_epoch=20).epochs == epochs


def test_options_beyond_the_2021_report_are_off():
    settings = GANSettings()
    off = settings.augment, settings.ema, settings.classes, settings.precision
    assert off == (None, 0.0, 0, "float32")
    assert settings.examples_per_step == settings.batch_size == 128
