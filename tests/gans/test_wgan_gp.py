import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from serkit.errors import InputError
from serkit.gans import base as adversarial
from serkit.gans.small_data import DiffAugmentSettings
from serkit.gans.wgan_gp import WGANGP, WGANGPSettings, build_wgan_gp
from serkit.training.batches import training_batches

TINY = WGANGPSettings(width=0.05, batch_size=3, critic_steps=2, steps=4, steps_per_epoch=2)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Clearly not what a fresh generator makes."""
    return np.full((6, 224, 224, 1), -0.9, "float32")


def _fit(gan: WGANGP, settings: WGANGPSettings, pictures: np.ndarray) -> dict:
    batches = training_batches((pictures,), settings.examples_per_step, 0)
    fit = gan.fit(
        batches,
        steps_per_epoch=settings.steps_per_epoch,
        epochs=settings.epochs,
        verbose=0,
        shuffle=False,
    )
    return fit.history


def test_the_critic_is_taught_several_times_a_step_the_generator_once(pictures):
    gan = build_wgan_gp(TINY, seed=0)
    before = [
        [np.array(v) for v in network.trainable_variables]
        for network in (gan.generator, gan.critic)
    ]
    history = _fit(gan, TINY, pictures)
    assert set(history) == {"c_loss", "g_loss", "distance", "penalty"}
    assert all(np.isfinite(values).all() for values in history.values())
    together = -np.array(history["distance"]) + 10.0 * np.array(history["penalty"])
    np.testing.assert_allclose(history["c_loss"], together, rtol=1e-4, atol=1e-4)
    assert int(gan.generator_optimizer.iterations) == 4
    assert int(gan.discriminator_optimizer.iterations) == 8
    for old, network in zip(before, (gan.generator, gan.critic), strict=True):
        pairs = zip(old, network.trainable_variables, strict=True)
        moved = [v.path for a, v in pairs if not np.array_equal(a, v)]
        # A bias behind which layer normalisation follows may move by rounding only; the last
        # bias cancels out of the loss.
        assert all(v.path in moved for v in network.trainable_variables if v.name != "bias")


def test_each_critic_step_sees_other_examples_and_other_noise(monkeypatch):
    """A batch is cut into as many as there are critic steps, in order."""
    gan = build_wgan_gp(TINY, seed=0)
    seen = []
    monkeypatch.setattr(
        WGANGP,
        "_teach_critic",
        lambda self, real, labels, seed: (
            seen.append((real.numpy()[:, 0, 0, 0].tolist(), self.noise(3, seed).numpy())),
            tf.zeros([3]),
        )[1],
    )
    real = np.arange(6, dtype="float32")[:, None, None, None] * np.ones((1, 224, 224, 1), "float32")
    gan.train_step(tf.constant(real))
    assert [examples for examples, _ in seen] == [[0, 1, 2], [3, 4, 5]]
    assert not np.array_equal(seen[0][1], seen[1][1])
    seen.clear()
    gan.train_step(tf.constant(real))
    assert len({noise.tobytes() for _, noise in seen}) == 2


def test_the_critic_learns_what_is_easy_and_the_penalty_holds_its_slope(small_gan, small_examples):
    settings = dataclasses.replace(TINY, steps=20, steps_per_epoch=20, critic_rate=1e-2)
    free = dataclasses.replace(settings, penalty=0.0)
    pictures = np.full_like(small_examples.spectrograms, -0.9)
    held, loose = (_fit(small_gan(one), one, pictures) for one in (settings, free))
    assert loose["distance"][0] > held["distance"][0] > 1
    assert loose["penalty"][0] > 10 * held["penalty"][0]


def test_examples_that_cannot_be_shared_out_are_refused():
    gan = build_wgan_gp(TINY, seed=0)
    with pytest.raises(InputError, match=r"got 5 examples.*multiple of its 2 parts"):
        gan.train_step(tf.zeros([5, 224, 224, 1]))


@pytest.mark.usefixtures("deterministic")
def test_same_seed_same_losses(small_gan, small_examples):
    """Of the real networks: in ``test_fitting.py``, where two trainings are one in two parts."""

    def losses(seed):
        return _fit(small_gan(TINY, seed), TINY, small_examples.spectrograms)

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


@pytest.mark.parametrize(
    "wrong", [{"critic_steps": 0}, {"penalty": -1.0}, {"beta_2": 1.0}, {"critic_rate": 2.0}]
)
def test_settings_are_checked(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(InputError, match=f"{name}={value}"):
        WGANGPSettings(**wrong)


def test_defaults_are_the_authors():
    settings = WGANGPSettings()
    found = settings.critic_steps, settings.penalty, settings.generator_rate, settings.critic_rate
    assert found == (5, 10.0, 1e-4, 1e-4)
    assert (settings.beta_1, settings.beta_2) == (0.0, 0.9)
    assert settings.examples_per_step == 5 * 64


SMALL = WGANGPSettings(batch_size=2, critic_steps=2)
# Each picture is its own number.
NUMBERS = np.arange(4, dtype="float32")[:, None, None, None] * np.ones((1, 4, 3, 1), "float32")


def test_all_that_is_judged_is_augmented_each_time_by_another_seed(small_gan, monkeypatch):
    """For each critic step real and generated ones; what is between them is of both as shown."""
    settings = dataclasses.replace(SMALL, augment=DiffAugmentSettings(gain=0.5))
    gan, judged, seeds = small_gan(settings, run_eagerly=True), [], []

    def augment(pictures, seed, given):
        assert given == settings.augment
        seeds.append(tuple(seed.numpy().tolist()))
        return pictures + 100

    discriminate = gan.discriminate
    monkeypatch.setattr(adversarial, "diff_augment", augment)
    monkeypatch.setattr(
        gan, "discriminate", lambda x, y: (judged.append(x.numpy()), discriminate(x, y))[1]
    )
    gan.train_on_batch(NUMBERS)
    assert [len(pictures) for pictures in judged] == [4, 2, 4, 2, 2]
    assert len(seeds) == len(set(seeds)) == 5
    assert min(pictures.min() for pictures in judged) > 98
    assert [judged[place][:2, 0, 0, 0].tolist() for place in (0, 2)] == [[100, 101], [102, 103]]
    # The generator is taught through it.
    assert int(gan.generator_optimizer.iterations) == 1


def test_both_networks_are_told_the_same_classes(small_gan, monkeypatch):
    gan, told = small_gan(dataclasses.replace(SMALL, classes=3), run_eagerly=True), []
    generate, discriminate = gan.generate, gan.discriminate

    def spy_generate(labels, batch, seed):
        told.append(("made", labels.numpy().tolist()))
        return generate(labels, batch, seed)

    def spy_judge(pictures, labels):
        told.append(("judged", labels.numpy().tolist()))
        return discriminate(pictures, labels)

    monkeypatch.setattr(gan, "generate", spy_generate)
    monkeypatch.setattr(gan, "discriminate", spy_judge)
    before = [np.array(n.get_layer("class_vector").embeddings) for n in gan.networks]
    gan.train_on_batch(NUMBERS, np.array([0, 1, 2, 1]))
    assert told == [
        # Real and generated ones together, then those between them.
        *(("made", [0, 1]), ("judged", [0, 1, 0, 1]), ("judged", [0, 1])),
        *(("made", [2, 1]), ("judged", [2, 1, 2, 1]), ("judged", [2, 1])),
        *(("made", [2, 1]), ("judged", [2, 1])),
    ]
    # Each has learned from them.
    for old, network in zip(before, gan.networks, strict=True):
        new = np.array(network.get_layer("class_vector").embeddings)
        assert (new != old).all(axis=1)[1:].all()


def test_a_real_one_of_classes_takes_a_step_in_half_precision(rng):
    settings = WGANGPSettings(
        **{"width": 0.05, "batch_size": 3, "critic_steps": 1, "classes": 3, "ema": 0.9},
        augment=DiffAugmentSettings(),
        precision="mixed_bfloat16",
    )
    gan = build_wgan_gp(settings, 0)
    before = [[np.array(v) for v in network.trainable_variables] for network in gan.networks]
    pictures = rng.uniform(-1, 1, (3, 224, 224, 1)).astype("float32")
    found = gan.train_step((tf.constant(pictures), tf.constant([0, 1, 2])))
    assert all(np.isfinite(float(value)) for value in found.values())
    assert 0 < float(found["penalty"]) < 2
    for old, network in zip(before, gan.networks, strict=True):
        pairs = zip(old, network.trainable_variables, strict=True)
        assert all(np.any(a != v.numpy()) for a, v in pairs if v.name != "bias")
