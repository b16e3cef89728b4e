from dataclasses import replace

import keras
import numpy as np
import pytest

from serkit.datasets.splits import Speakers
from serkit.errors import InputError
from serkit.gans.dcgan import DCGANSettings, build_dcgan
from serkit.gans.fitting import fit_gan
from serkit.gans.small_data import tune_norms_alone
from serkit.training.examples import Examples

SETTINGS = DCGANSettings(width=0.02, batch_size=4, steps=2, steps_per_epoch=1, ema=0.9)
SPEAKERS = Speakers(frozenset("a"), frozenset("b"), frozenset("c"))


@pytest.mark.filterwarnings("ignore:a GAN is trained on")
def test_norms_move_and_what_draws_stays(rng, tmp_path):
    pictures = rng.uniform(-1, 1, (4, 224, 224, 1)).astype("float32")
    examples = Examples(pictures, frozenset("a"))
    first = build_dcgan(SETTINGS, 0)
    fit_gan(first, examples, SPEAKERS, SETTINGS, 0, tmp_path / "first", verbose=0)
    before = [np.array(v) for v in first.generator.variables]

    second = build_dcgan(replace(SETTINGS), 0)
    tune_norms_alone(second.generator)
    fit_gan(
        *(second, examples, SPEAKERS, SETTINGS, 1, tmp_path / "second"),
        init_from=tmp_path / "first",
        verbose=0,
    )
    pairs = zip(before, second.generator.variables, strict=True)
    moved = [(not np.array_equal(old, v), v.path.split("/")[-1]) for old, v in pairs]
    assert {name for changed, name in moved if not changed} == {"kernel"}
    assert {"gamma", "beta"} <= {name for changed, name in moved if changed}
    assert "kernel" not in {name for changed, name in moved if changed}
    # What is sampled follows, and the discriminator learns as ever.
    assert second.sampler.count_params() == first.sampler.count_params()
    assert all(v.trainable for v in second.discriminator.trainable_variables)


def test_a_network_without_norms_is_refused():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name="plain")
    with pytest.raises(InputError, match="plain has no batch normalisation"):
        tune_norms_alone(model)
