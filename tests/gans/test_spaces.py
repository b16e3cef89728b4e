import keras_tuner
import pytest

from serkit.gans.dcgan import DCGANSettings
from serkit.gans.wgan_gp import WGANGPSettings
from serkit.studies.search_spaces import dcgan_space, wgan_gp_space


@pytest.mark.parametrize(
    ("space", "base"),
    [
        (wgan_gp_space, WGANGPSettings(width=0.1, steps=30, steps_per_epoch=10)),
        (dcgan_space, DCGANSettings(width=0.1, steps=30, steps_per_epoch=10)),
    ],
)
def test_all_of_a_space_is_valid_and_the_rest_is_kept(space, base):
    hp = keras_tuner.HyperParameters()
    space(hp, base)
    found = set()
    for seed in range(40):
        for number, one in enumerate(hp.space):
            hp.values[one.name] = one.random_sample(100 * seed + number)
        made = space(hp, base)
        assert (made.width, made.steps, made.steps_per_epoch) == (0.1, 30, 10)
        found.add(made)
    assert len(found) == 40
    assert {made.augment is None for made in found} == {True, False}


def test_the_papers_settings_are_in_the_space():
    """Gulrajani et al. (2017): five critic steps, a penalty of 10, momenta of 0 and 0.9."""
    hp = keras_tuner.HyperParameters()
    wgan_gp_space(hp, WGANGPSettings())
    paper = WGANGPSettings()
    for one in hp.space:
        value = getattr(paper, one.name)
        if isinstance(one, keras_tuner.engine.hyperparameters.Float):
            assert one.min_value <= value <= one.max_value
        elif one.name in ("critic_steps", "beta_1", "beta_2"):
            assert value in one.values
