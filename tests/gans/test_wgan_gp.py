import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from serkit.errors import InputError
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
    assert int(gan.generator_optimizer.iterations) == 4
    assert int(gan.discriminator_optimizer.iterations) == 8
    for old, network in zip(before, (gan.generator, gan.critic), strict=True):
        pairs = zip(old, network.trainable_variables, strict=True)
        moved = [v.path for a, v in pairs if not np.array_equal(a, v)]
        # A bias behind which layer normalisation follows may move by rounding only; the last
        # bias cancels out of the loss.
        assert all(v.path in moved for v in network.trainable_variables if v.name != "bias")


def test_what_is_reported_adds_up(pictures):
    gan = build_wgan_gp(TINY, seed=0)
    history = _fit(gan, TINY, pictures)
    together = -np.array(history["distance"]) + 10.0 * np.array(history["penalty"])
    np.testing.assert_allclose(history["c_loss"], together, rtol=1e-4, atol=1e-4)


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


def test_the_critic_learns_what_is_easy_and_the_penalty_holds_its_slope(pictures):
    settings = WGANGPSettings(
        width=0.05, batch_size=4, steps=12, steps_per_epoch=4, critic_rate=1e-3
    )
    history = _fit(build_wgan_gp(settings, seed=0), settings, pictures)
    assert history["distance"][-1] > max(1, 2 * history["distance"][0])
    free = dataclasses.replace(settings, penalty=0.0)
    without = _fit(build_wgan_gp(free, seed=0), free, pictures)
    assert without["penalty"][-1] > 3 * history["penalty"][-1]


def test_examples_that_cannot_be_shared_out_are_refused():
    gan = build_wgan_gp(TINY, seed=0)
    with pytest.raises(InputError, match=r"got 5 examples.*multiple of its 2 parts"):
        gan.train_step(tf.zeros([5, 224, 224, 1]))


@pytest.mark.slow
@pytest.mark.usefixtures("deterministic")
def test_same_seed_same_losses(pictures):
    first = _fit(build_wgan_gp(TINY, seed=1), TINY, pictures)
    assert _fit(build_wgan_gp(TINY, seed=1), TINY, pictures) == first
    assert _fit(build_wgan_gp(TINY, seed=2), TINY, pictures) != first


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
