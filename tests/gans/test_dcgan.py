import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from serkit.errors import InputError
from serkit.gans import base as adversarial
from serkit.gans import dcgan
from serkit.gans.dcgan import DCGAN, DCGANSettings
from serkit.gans.losses import discriminator_loss
from serkit.gans.small_data import DiffAugmentSettings
from serkit.training.batches import training_batches

TINY = DCGANSettings(width=0.02, batch_size=4, steps=4, steps_per_epoch=2)


def _weights(network) -> list[np.ndarray]:
    return [np.array(variable) for variable in network.trainable_variables]


def test_fit_trains_both_networks_and_reports_their_losses(small_gan, small_examples):
    settings = dataclasses.replace(TINY, steps=20, steps_per_epoch=10, discriminator_rate=1e-2)
    gan = small_gan(settings, run_eagerly=False)
    before = [np.array(variable) for variable in gan.state]
    batches = training_batches((np.full_like(small_examples.spectrograms, -0.9),), 4, 0)
    history = gan.fit(batches, steps_per_epoch=10, epochs=2, verbose=0, shuffle=False).history
    assert set(history) == {"d_loss", "g_loss", "d_real", "d_fake", "d_accuracy"}
    assert all(np.isfinite(values).all() and values[0] > 0 for values in history.values())
    assert max(history["d_accuracy"]) <= 1
    # The discriminator learns to distinguish the samples of a new generator from -0.9.
    assert history["d_loss"][1] < history["d_loss"][0]
    assert history["d_real"][1] > history["d_fake"][1]
    changed = [v.path for a, v in zip(before, gan.state, strict=True) if not np.array_equal(a, v)]
    for name in ("moving_mean", "seed_generator_state", "iteration", "momentum"):
        assert any(name in path for path in changed), name


@pytest.mark.parametrize(
    "wrong",
    [
        {"beta_1": 1.0},
        {"smoothing": 0.6},
        {"smoothing": -0.1},
        {"discriminator_steps": 0},
        {"generator_steps": 0},
        {"generator_rate": 2.0},
        {"discriminator_rate": -1.0},
        {"second_discriminator_rate": 1.5},
    ],
)
def test_ranges_are_checked(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(InputError, match=rf"{name}.*{value}"):
        DCGANSettings(**wrong)


def test_discriminators_are_those_of_the_settings():
    with pytest.raises(InputError, match="d3"):
        DCGANSettings(discriminator="d3")
    gan = DCGAN(dataclasses.replace(TINY, discriminator="staged"), 0)
    assert [network.name for network in gan.discriminators] == ["discriminator1", "discriminator2"]
    rates = [float(optimizer.learning_rate) for optimizer in gan.discriminator_optimizers]
    assert rates == pytest.approx([TINY.discriminator_rate, TINY.second_discriminator_rate])


STEPS = DCGANSettings(batch_size=2, discriminator_steps=3, generator_steps=2)
# Each spectrogram holds its own number.
NUMBERS = np.arange(6, dtype="float32")[:, None, None, None] * np.ones((1, 4, 3, 1), "float32")


def _record(gan, monkeypatch, record) -> None:
    """Call ``record`` with all inputs of the discriminator, in their order."""
    discriminate = gan.discriminate

    def recorded(spectrograms, labels):
        record(spectrograms, labels)
        return discriminate(spectrograms, labels)

    monkeypatch.setattr(gan, "discriminate", recorded)


def test_both_networks_take_as_many_steps_as_the_settings_say(small_gan):
    gan = small_gan(STEPS)
    assert STEPS.examples_per_step == 6
    gan.train_on_batch(NUMBERS)
    assert int(gan.discriminator_optimizer.iterations) == 3
    assert int(gan.generator_optimizer.iterations) == 2
    gan.train_on_batch(NUMBERS)
    assert int(gan.discriminator_optimizer.iterations) == 6
    assert int(gan.generator_optimizer.iterations) == 4


def test_each_step_gets_other_examples_and_other_noise(small_gan, monkeypatch):
    gan, shown, made = small_gan(STEPS), [], []
    noise = gan.noise
    _record(gan, monkeypatch, lambda spectrograms, labels: shown.append(spectrograms.numpy()))
    monkeypatch.setattr(gan, "noise", lambda n, s: made.append(noise(n, s).numpy()) or made[-1])
    gan.train_on_batch(NUMBERS)
    # Real and generated ones for each step of the discriminator, generated ones for the generator.
    assert len(shown) == 3 * 2 + 2
    assert [shown[place][:, 0, 0, 0].tolist() for place in (0, 2, 4)] == [[0, 1], [2, 3], [4, 5]]
    # The generator's first step is on what the discriminator's last was on.
    np.testing.assert_array_equal(shown[6], shown[5])
    assert len(made) == 4
    gan.train_on_batch(NUMBERS)
    assert len({values.tobytes() for values in made}) == 8


def test_a_batch_that_cannot_be_split_is_refused(small_gan):
    with pytest.raises(InputError, match=r"multiple of 3.*5"):
        small_gan(STEPS).train_step(tf.zeros([5, 4, 3, 1]))


def test_all_inputs_of_the_discriminator_are_augmented_with_different_seeds(small_gan, monkeypatch):
    settings = dataclasses.replace(STEPS, augment=DiffAugmentSettings(gain=0.5))
    gan, shown, seeds = small_gan(settings), [], []

    def augment(spectrograms, seed, given):
        assert given == settings.augment
        seeds.append(tuple(seed.numpy().tolist()))
        return spectrograms + 100

    monkeypatch.setattr(adversarial, "diff_augment", augment)
    _record(gan, monkeypatch, lambda spectrograms, labels: shown.append(spectrograms.numpy()))
    gan.train_on_batch(NUMBERS)
    assert len(shown) == len(seeds) == len(set(seeds)) == 8
    assert min(spectrograms.min() for spectrograms in shown) > 98
    # The generator is taught through it.
    assert int(gan.generator_optimizer.iterations) == 2


def test_smoothing_is_for_real_examples_in_discriminator_steps_only(small_gan, monkeypatch):
    settings = dataclasses.replace(STEPS, smoothing=0.2)
    gan, calls = small_gan(settings), []

    def loss(real, fake, smoothing=0.0):
        calls.append((real.numpy(), fake.numpy(), smoothing))
        return discriminator_loss(real, fake, smoothing=smoothing)

    monkeypatch.setattr(dcgan, "discriminator_loss", loss)
    found = gan.train_on_batch(NUMBERS, return_dict=True)
    assert [smoothing for *_, smoothing in calls] == [0.2, 0.2, 0.2, 0.0]
    # What is reported is the last step's, without smoothing.
    real, fake, _ = calls[-1]
    np.testing.assert_array_equal(real, calls[-2][0])
    assert found["d_loss"] == pytest.approx(
        np.log1p(np.exp(-real)).mean() + np.log1p(np.exp(fake)).mean()
    )
    assert found["d_real"] == pytest.approx((1 / (1 + np.exp(-real))).mean())
    assert found["d_fake"] == pytest.approx((1 / (1 + np.exp(-fake))).mean())


def test_both_networks_get_the_same_classes(small_gan, monkeypatch):
    settings = dataclasses.replace(STEPS, classes=3)
    gan, given = small_gan(settings), []
    generate = gan.generate

    def spy(labels, batch, seed):
        given.append(("generate", labels.numpy().tolist()))
        return generate(labels, batch, seed)

    monkeypatch.setattr(gan, "generate", spy)
    _record(
        gan, monkeypatch, lambda _, labels: given.append(("discriminate", labels.numpy().tolist()))
    )
    before = [np.array(n.get_layer("class_vector").embeddings) for n in gan.networks]
    gan.train_on_batch(NUMBERS, np.array([0, 1, 2, 0, 2, 1]))
    training = ["generate", "discriminate", "discriminate"]
    assert given == [
        *((name, [0, 1]) for name in training),
        *((name, [2, 0]) for name in training),
        *((name, [2, 1]) for name in [*training, "discriminate"]),
        *((name, [2, 1]) for name in ["generate", "discriminate"]),
    ]
    # Each has learned from them.
    for old, network in zip(before, gan.networks, strict=True):
        new = np.array(network.get_layer("class_vector").embeddings)
        assert (new != old).all(axis=1)[1:].all()


def test_a_conditional_dcgan_trains_in_bfloat16(rng):
    settings = dataclasses.replace(
        TINY,
        classes=3,
        ema=0.9,
        augment=DiffAugmentSettings(),
        smoothing=0.1,
        precision="mixed_bfloat16",
    )
    gan = DCGAN(settings, 0)
    before = _weights(gan.generator), _weights(gan.discriminator)
    spectrograms = rng.uniform(-1, 1, (4, 224, 224, 1)).astype("float32")
    found = gan.train_step((tf.constant(spectrograms), tf.constant([0, 1, 2, 0])))
    assert all(np.isfinite(float(value)) for value in found.values())
    assert float(found["d_loss"]) == pytest.approx(2 * np.log(2), abs=0.5)
    for old, network in zip(before, (gan.generator, gan.discriminator), strict=True):
        assert all(np.any(a != b) for a, b in zip(old, _weights(network), strict=True))
