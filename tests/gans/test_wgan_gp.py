import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from serkit.errors import InputError
from serkit.gans import base as adversarial
from serkit.gans.small_data import DiffAugmentSettings
from serkit.gans.wgan_gp import WGANGP, WGANGPSettings
from serkit.training.batches import training_batches

TINY = WGANGPSettings(width=0.02, batch_size=3, critic_steps=2, steps=4, steps_per_epoch=2)


def _fit(gan: WGANGP, settings: WGANGPSettings, spectrograms: np.ndarray) -> dict:
    batches = training_batches((spectrograms,), settings.examples_per_step, 0)
    fit = gan.fit(
        batches,
        steps_per_epoch=settings.steps_per_epoch,
        epochs=settings.epochs,
        verbose=0,
        shuffle=False,
    )
    return fit.history


def test_each_critic_step_gets_other_examples_and_other_noise(small_gan, monkeypatch):
    """A batch is split into one batch per critic step, in order."""
    gan = small_gan(TINY)
    seen = []
    monkeypatch.setattr(
        WGANGP,
        "_train_critic",
        lambda self, real, labels, seed: (
            seen.append((real.numpy()[:, 0, 0, 0].tolist(), self.noise(3, seed).numpy())),
            tf.zeros([3]),
        )[1],
    )
    real = np.arange(6, dtype="float32")[:, None, None, None] * np.ones((1, 4, 3, 1), "float32")
    gan.train_step(tf.constant(real))
    assert [examples for examples, _ in seen] == [[0, 1, 2], [3, 4, 5]]
    assert not np.array_equal(seen[0][1], seen[1][1])
    seen.clear()
    gan.train_step(tf.constant(real))
    assert len({noise.tobytes() for _, noise in seen}) == 2


def test_the_critic_learns_and_the_penalty_limits_its_slope(small_gan, small_examples):
    settings = dataclasses.replace(TINY, steps=20, steps_per_epoch=20, critic_rate=1e-2)
    free = dataclasses.replace(settings, penalty=0.0)
    spectrograms = np.full_like(small_examples.spectrograms, -0.9)
    held, loose = (
        _fit(small_gan(one, run_eagerly=False), one, spectrograms) for one in (settings, free)
    )
    assert loose["distance"][0] > held["distance"][0] > 1
    assert loose["penalty"][0] > 10 * held["penalty"][0]


def test_a_batch_that_cannot_be_split_is_refused(small_gan):
    with pytest.raises(InputError, match=r"multiple of 2.*5"):
        small_gan(TINY).train_step(tf.zeros([5, 4, 3, 1]))


@pytest.mark.parametrize(
    "wrong", [{"critic_steps": 0}, {"penalty": -1.0}, {"beta_2": 1.0}, {"critic_rate": 2.0}]
)
def test_settings_are_checked(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(InputError, match=rf"{name}.*{value}"):
        WGANGPSettings(**wrong)


def test_defaults_are_the_authors():
    settings = WGANGPSettings()
    found = settings.critic_steps, settings.penalty, settings.generator_rate, settings.critic_rate
    assert found == (5, 10.0, 1e-4, 1e-4)
    assert (settings.beta_1, settings.beta_2) == (0.0, 0.9)
    assert settings.examples_per_step == 5 * 64


SMALL = WGANGPSettings(batch_size=2, critic_steps=2)
# Each spectrogram holds its own number.
NUMBERS = np.arange(4, dtype="float32")[:, None, None, None] * np.ones((1, 4, 3, 1), "float32")


def test_all_inputs_of_the_critic_are_augmented_with_different_seeds(small_gan, monkeypatch):
    """For each critic step real and generated ones; what is between them is of both as shown."""
    settings = dataclasses.replace(SMALL, augment=DiffAugmentSettings(gain=0.5))
    gan, shown, seeds = small_gan(settings), [], []

    def augment(spectrograms, seed, given):
        assert given == settings.augment
        seeds.append(tuple(seed.numpy().tolist()))
        return spectrograms + 100

    discriminate = gan.discriminate
    monkeypatch.setattr(adversarial, "diff_augment", augment)
    monkeypatch.setattr(
        gan, "discriminate", lambda x, y: (shown.append(x.numpy()), discriminate(x, y))[1]
    )
    gan.train_on_batch(NUMBERS)
    assert [len(spectrograms) for spectrograms in shown] == [4, 2, 4, 2, 2]
    assert len(seeds) == len(set(seeds)) == 5
    assert min(spectrograms.min() for spectrograms in shown) > 98
    assert [shown[place][:2, 0, 0, 0].tolist() for place in (0, 2)] == [[100, 101], [102, 103]]
    # The generator is taught through it.
    assert int(gan.generator_optimizer.iterations) == 1


def test_both_networks_get_the_same_classes(small_gan, monkeypatch):
    gan, given = small_gan(dataclasses.replace(SMALL, classes=3)), []
    generate, discriminate = gan.generate, gan.discriminate

    def spy_generate(labels, batch, seed):
        given.append(("made", labels.numpy().tolist()))
        return generate(labels, batch, seed)

    def spy_discriminate(spectrograms, labels):
        given.append(("shown", labels.numpy().tolist()))
        return discriminate(spectrograms, labels)

    monkeypatch.setattr(gan, "generate", spy_generate)
    monkeypatch.setattr(gan, "discriminate", spy_discriminate)
    before = [np.array(n.get_layer("class_vector").embeddings) for n in gan.networks]
    gan.train_on_batch(NUMBERS, np.array([0, 1, 2, 1]))
    assert given == [
        # Real and generated ones together, then those between them.
        *(("made", [0, 1]), ("shown", [0, 1, 0, 1]), ("shown", [0, 1])),
        *(("made", [2, 1]), ("shown", [2, 1, 2, 1]), ("shown", [2, 1])),
        *(("made", [2, 1]), ("shown", [2, 1])),
    ]
    # Each has learned from them.
    for old, network in zip(before, gan.networks, strict=True):
        new = np.array(network.get_layer("class_vector").embeddings)
        assert (new != old).all(axis=1)[1:].all()


def test_a_conditional_wgan_gp_trains_in_bfloat16(rng):
    settings = WGANGPSettings(
        width=0.02,
        batch_size=3,
        critic_steps=1,
        classes=3,
        ema=0.9,
        augment=DiffAugmentSettings(),
        precision="mixed_bfloat16",
    )
    gan = WGANGP(settings, 0)
    before = [[np.array(v) for v in network.trainable_variables] for network in gan.networks]
    spectrograms = rng.uniform(-1, 1, (3, 224, 224, 1)).astype("float32")
    found = gan.train_step((tf.constant(spectrograms), tf.constant([0, 1, 2])))
    assert all(np.isfinite(float(value)) for value in found.values())
    assert 0 < float(found["penalty"]) < 2
    for old, network in zip(before, gan.networks, strict=True):
        pairs = zip(old, network.trainable_variables, strict=True)
        assert all(np.any(a != v.numpy()) for a, v in pairs if v.name != "bias")
