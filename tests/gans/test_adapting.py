import keras
import numpy as np
import pytest

from serkit.errors import InputError
from serkit.gans.dcgan import DCGANSettings
from serkit.gans.fitting import fit_gan
from serkit.gans.small_data import tune_norms_alone

SETTINGS = DCGANSettings(batch_size=4, steps=2, steps_per_epoch=1, ema=0.9)


def test_only_batch_normalisation_of_the_generator_is_trained(
    small_gan, small_examples, speakers, tmp_path
):
    first, second = small_gan(SETTINGS), small_gan(SETTINGS)
    folder = tmp_path / "first"
    fit_gan(first, small_examples, speakers, 0, folder, verbose=0)
    before = [np.array(v) for v in first.generator.variables]
    tune_norms_alone(second.generator)
    own = tmp_path / "second"
    fit_gan(second, small_examples, speakers, 1, own, init_from=folder, verbose=0)
    pairs = zip(before, second.generator.variables, strict=True)
    moved = [(not np.array_equal(old, v), v.path.split("/")[-1]) for old, v in pairs]
    assert {name for changed, name in moved if not changed} == {"kernel", "bias"}
    assert {name for changed, name in moved if changed} > {"gamma", "beta"}
    assert second.sampler.count_params() == first.sampler.count_params()
    assert all(v.trainable for v in second.discriminator.trainable_variables)


def test_a_network_without_batch_normalisation_is_refused():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name="plain")
    with pytest.raises(InputError, match="plain"):
        tune_norms_alone(model)
