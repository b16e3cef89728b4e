import pytest

from serkit.errors import InputError
from serkit.gans.dcgan import DCGAN_RECIPES, REPORT, SMALL_DATA, dcgan_recipe
from serkit.gans.staging import Equilibrium


def test_report_is_what_the_2021_report_says():
    found = DCGAN_RECIPES[REPORT]
    size = found.discriminator, found.batch_size, found.width, found.latent
    assert size == ("staged", 128, 1.0, 5)
    assert 1.7e-4 <= found.generator_rate <= 2e-4
    for rate in (found.discriminator_rate, found.second_discriminator_rate):
        assert 2e-5 <= rate <= 5e-5
    assert (found.discriminator_steps, found.generator_steps) == (1, 1)
    assert (found.smoothing, found.ema, found.augment, found.classes) == (0.0, 0.0, None, 0)
    assert found.stop == Equilibrium(1.1, 1.3)


@pytest.mark.parametrize(
    ("name", "clips", "batch"),
    [
        (REPORT, 500, 128),
        (REPORT, 56, 56),
        (REPORT, 1, 2),
        (SMALL_DATA, 500, 16),
        (SMALL_DATA, 5, 16),
    ],
)
def test_a_batch_of_the_report_has_no_clip_twice(name, clips, batch):
    assert dcgan_recipe(name, clips).batch_size == batch


def test_a_recipe_can_be_changed():
    found = dcgan_recipe(SMALL_DATA, 20, width=0.5, steps=40)
    assert (found.width, found.steps, found.ema) == (0.5, 40, 0.99)
    with pytest.raises(InputError, match="1921"):
        dcgan_recipe("1921", 20)
