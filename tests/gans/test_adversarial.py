import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from serkit.errors import InputError
from serkit.gans.dcgan import DCGAN, DCGANSettings
from serkit.gans.steps import split_batch, step_seeds
from serkit.gans.wgan_gp import WGANGP, WGANGPSettings

SIZE = {"width": 0.02, "batch_size": 2, "steps": 4, "steps_per_epoch": 2, "ema": 0.9}
SETTINGS = {
    "dcgan": DCGANSettings(**SIZE, discriminator="staged"),
    "wgan_gp": WGANGPSettings(**SIZE, critic_steps=2),
}


@pytest.fixture(params=SETTINGS)
def settings(request):
    return SETTINGS[request.param]


def _new(settings):
    return (DCGAN if isinstance(settings, DCGANSettings) else WGANGP)(settings)


def test_state_holds_everything_that_training_changes(settings):
    """All that Keras knows of the networks and optimizers, but the metrics of the epoch."""
    gan = _new(settings)
    assert gan(np.zeros((2, 5), "float32")).shape == (2, 224, 224, 1)
    known = {id(v) for v in [*gan.variables, *gan.generator_optimizer.variables]}
    for optimizer in gan.discriminator_optimizers:
        known |= {id(v) for v in optimizer.variables}
    known -= {id(v) for tracker in gan.trackers for v in tracker.variables}
    assert {id(v) for v in gan.state} == known
    assert len(gan.state) == len(known)


def test_random_numbers_depend_on_the_seed_and_the_step_alone(settings, small_gan):
    first, second, other = (small_gan(settings, seed) for seed in (1, 1, 2))
    noise = first.noise(3, first.step_seed()).numpy()
    assert noise.shape == (3, 5)
    np.testing.assert_array_equal(second.noise(3, second.step_seed()), noise)
    assert not np.array_equal(other.noise(3, other.step_seed()), noise)
    first.train_on_batch(np.zeros((4, 4, 3, 1), "float32"))
    assert not np.array_equal(first.noise(3, first.step_seed()), noise)
    # As in a resumed training run.
    second.generator_optimizer.iterations.assign(1)
    np.testing.assert_array_equal(first.step_seed(), second.step_seed())


def test_samples_come_from_the_average_if_there_is_one(settings, small_gan):
    gan = small_gan(settings)
    assert gan.sampler is gan.averaged
    assert gan.sampler is not gan.generator
    without = small_gan(dataclasses.replace(settings, ema=0.0))
    assert without.sampler is without.generator
    assert without.networks == [without.generator, *without.discriminators]


def test_the_average_moves_as_its_decay_says(settings, small_gan):
    """After the first step, 2/11 of what it was and 9/11 of what the generator is."""
    gan = small_gan(settings)
    before = [np.array(v) for v in gan.averaged.variables]
    gan.train_on_batch(np.full((4, 4, 3, 1), 0.5, "float32"))
    pairs = zip(before, gan.generator.variables, gan.averaged.variables, strict=True)
    for old, new, average in pairs:
        np.testing.assert_allclose(average, 2 / 11 * old + 9 / 11 * np.array(new), atol=1e-6)
    assert not np.allclose(before[0], gan.averaged.variables[0], atol=1e-5)


def test_stages_are_the_discriminators(small_gan):
    gan = small_gan(SETTINGS["dcgan"])
    first, second = gan.discriminators
    assert gan.discriminator is first
    assert gan.discriminator_optimizer is gan.discriminator_optimizers[0]
    gan.go_to_stage(1)
    assert gan.discriminator is second
    assert gan.discriminator_optimizer is gan.discriminator_optimizers[1]
    with pytest.raises(InputError, match=r"stage.*2"):
        gan.go_to_stage(2)
    assert gan.discriminator is second
    with pytest.raises(InputError, match=r"stage.*1"):
        small_gan(SETTINGS["wgan_gp"]).go_to_stage(1)


def test_batches_are_split_in_order_and_labels_with_them():
    spectrograms, labels = tf.range(6.0), tf.constant([5, 4, 3, 2, 1, 0], tf.int64)
    for data in (spectrograms, (spectrograms,)):
        parts = split_batch(data, 3)
        assert [part.numpy().tolist() for part, _ in parts] == [[0, 1], [2, 3], [4, 5]]
        assert [numbers for _, numbers in parts] == [None] * 3
    parts = split_batch((spectrograms, labels), 2)
    assert [part.numpy().tolist() for part, _ in parts] == [[0, 1, 2], [3, 4, 5]]
    assert [numbers.numpy().tolist() for _, numbers in parts] == [[5, 4, 3], [2, 1, 0]]
    assert {numbers.dtype for _, numbers in parts} == {tf.int32}


def test_a_batch_that_cannot_be_split_is_refused():
    with pytest.raises(InputError, match=r"multiple of 2.*5"):
        split_batch(tf.zeros([5, 1]), 2)


def test_seeds_of_a_step_differ_and_do_not_depend_on_their_number():
    seed = tf.constant([3, 4])
    few, many = ([s.numpy().tolist() for s in step_seeds(seed, count)] for count in (2, 5))
    assert many[:2] == few
    assert len({tuple(s) for s in [*many, [3, 4]]}) == 6


def test_settings_of_another_kind_are_refused():
    with pytest.raises(InputError, match=r"`settings`.*WGANGPSettings"):
        DCGAN(WGANGPSettings())
