import itertools

import numpy as np
import pytest

from serkit.errors import InputError
from serkit.gans.dcgan import DCGANSettings, build_dcgan
from serkit.gans.settings import GANSettings
from serkit.gans.wgan_gp import WGANGPSettings, build_wgan_gp
from serkit.training.batches import training_batches

SIZE = {"width": 0.05, "batch_size": 2, "steps": 4, "steps_per_epoch": 2}
BUILDERS = {
    "dcgan": lambda seed: build_dcgan(DCGANSettings(**SIZE), seed),
    "wgan_gp": lambda seed: build_wgan_gp(WGANGPSettings(**SIZE, critic_steps=2), seed),
}


@pytest.fixture(params=BUILDERS)
def build(request):
    return BUILDERS[request.param]


def test_state_holds_everything_that_training_changes(build):
    """All that Keras knows of the model and its optimizers, but the metrics of the epoch."""
    gan = build(0)
    known = {id(v) for v in [*gan.variables, *gan.generator_optimizer.variables]}
    known |= {id(v) for v in gan.discriminator_optimizer.variables}
    known -= {id(v) for tracker in gan.trackers for v in tracker.variables}
    assert {id(v) for v in gan.state} == known
    assert len(gan.state) == len(known)


def test_random_numbers_depend_on_the_seed_and_the_step_alone(build):
    first, second, other = build(1), build(1), build(2)
    noise = first.noise(3, first.step_seed()).numpy()
    assert noise.shape == (3, 5)
    np.testing.assert_array_equal(second.noise(3, second.step_seed()), noise)
    assert not np.array_equal(other.noise(3, other.step_seed()), noise)
    real = np.zeros((8, 224, 224, 1), "float32")
    for (batch,) in itertools.islice(training_batches((real,), 4, 0), 1):
        first.train_on_batch(batch)
    assert not np.array_equal(first.noise(3, first.step_seed()), noise)
    # Where a resumed training would go on.
    second.generator_optimizer.iterations.assign(1)
    np.testing.assert_array_equal(first.step_seed(), second.step_seed())


def test_call_generates(build):
    assert build(0)(np.zeros((2, 5), "float32")).shape == (2, 224, 224, 1)


@pytest.mark.parametrize(
    "wrong",
    [{"width": 0.0}, {"latent": 0}, {"batch_size": 1}, {"steps_per_epoch": 0}, {"steps": 5}],
)
def test_settings_are_checked(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(InputError, match=f"{name}={value}"):
        GANSettings(**{"steps_per_epoch": 10, **wrong})


def test_epochs_are_whole():
    assert GANSettings(steps=45, steps_per_epoch=20).epochs == 3
