import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf

from serkit.errors import InputError
from serkit.gans import base as adversarial
from serkit.gans import dcgan
from serkit.gans.dcgan import DCGANSettings, build_dcgan
from serkit.gans.losses import discriminator_loss
from serkit.gans.small_data import DiffAugmentSettings
from serkit.training.batches import training_batches

TINY = DCGANSettings(width=0.05, batch_size=4, steps=4, steps_per_epoch=2)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Clearly not what a fresh generator makes."""
    return np.full((6, 224, 224, 1), -0.9, "float32")


def _weights(network) -> list[np.ndarray]:
    return [np.array(variable) for variable in network.trainable_variables]


def test_a_step_moves_both_networks_and_reports_both_losses(pictures):
    gan = build_dcgan(TINY, seed=0)
    before = _weights(gan.generator), _weights(gan.discriminator)
    history = gan.fit(
        training_batches((pictures,), 4, 0), steps_per_epoch=2, epochs=1, verbose=0, shuffle=False
    ).history
    assert set(history) == {"d_loss", "g_loss", "d_real", "d_fake", "d_accuracy"}
    assert all(np.isfinite(values).all() and values[0] > 0 for values in history.values())
    assert history["d_accuracy"][0] <= 1
    for old, network in zip(before, (gan.generator, gan.discriminator), strict=True):
        moved = [not np.array_equal(a, b) for a, b in zip(old, _weights(network), strict=True)]
        assert all(moved)
    assert int(gan.generator_optimizer.iterations) == 2


def test_the_discriminator_learns_what_is_easy(pictures):
    settings = DCGANSettings(
        width=0.05, batch_size=4, steps=20, steps_per_epoch=10, discriminator_rate=1e-3
    )
    gan = build_dcgan(settings, seed=0)
    history = gan.fit(
        training_batches((pictures,), 4, 0), steps_per_epoch=10, epochs=2, verbose=0, shuffle=False
    ).history
    assert history["d_loss"][1] < history["d_loss"][0]
    assert history["d_real"][1] > history["d_fake"][1]


@pytest.mark.usefixtures("deterministic")
def test_same_seed_same_losses(small_gan, small_examples):
    """Of the real networks: in ``test_fitting.py``, where two trainings are one in two parts."""

    def losses(seed):
        fit = small_gan(TINY, seed).fit(
            training_batches((small_examples.spectrograms,), 4, 0),
            steps_per_epoch=2, epochs=2, verbose=0, shuffle=False,
        )  # fmt: skip
        return fit.history

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


def test_state_holds_everything_that_changes(pictures):
    gan = build_dcgan(TINY, seed=0)
    before = [np.array(variable) for variable in gan.state]
    for (batch,) in itertools.islice(training_batches((pictures,), 4, 0), 1):
        gan.train_on_batch(batch)
    changed = {
        id(variable)
        for old, variable in zip(before, gan.state, strict=True)
        if not np.array_equal(old, variable)
    }
    names = [v.path for v in gan.state if id(v) in changed]
    for part in ("moving_mean", "seed_generator_state", "iteration", "momentum", "kernel"):
        assert any(part in name for name in names), part


@pytest.mark.parametrize(
    "wrong",
    [
        *({"beta_1": 1.0}, {"smoothing": 0.6}, {"smoothing": -0.1}),
        *({"discriminator_steps": 0}, {"generator_steps": 0}),
        *({"generator_rate": 2.0}, {"discriminator_rate": -1.0}),
        {"second_discriminator_rate": 1.5},
    ],
)
def test_ranges_are_checked(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(InputError, match=f"{name}={value}"):
        DCGANSettings(**wrong)


def test_the_discriminator_is_one_that_is_known():
    match = r"discriminator='d3'.*discriminator1, discriminator2, staged"
    with pytest.raises(InputError, match=match):
        DCGANSettings(discriminator="d3")
    gan = build_dcgan(dataclasses.replace(TINY, discriminator="staged"), 0)
    assert [network.name for network in gan.discriminators] == ["discriminator1", "discriminator2"]
    rates = [float(optimizer.learning_rate) for optimizer in gan.discriminator_optimizers]
    assert rates == pytest.approx([TINY.discriminator_rate, TINY.second_discriminator_rate])


STEPS = DCGANSettings(batch_size=2, discriminator_steps=3, generator_steps=2)
# Each picture is its own number.
NUMBERS = np.arange(6, dtype="float32")[:, None, None, None] * np.ones((1, 4, 3, 1), "float32")


def _listen(gan, monkeypatch, hear) -> None:
    """Hears of all pictures and labels that the discriminator judges, in their order."""
    discriminate, discriminate_both = gan.discriminate, gan.discriminate_both

    def one(pictures, labels):
        hear(pictures, labels)
        return discriminate(pictures, labels)

    def both(real, fake, labels):
        hear(real, labels)
        hear(fake, labels)
        return discriminate_both(real, fake, labels)

    monkeypatch.setattr(gan, "discriminate", one)
    monkeypatch.setattr(gan, "discriminate_both", both)


def test_both_networks_take_as_many_steps_as_the_settings_say(small_gan):
    gan = small_gan(STEPS, run_eagerly=True)
    assert STEPS.examples_per_step == 6
    gan.train_on_batch(NUMBERS)
    assert int(gan.discriminator_optimizer.iterations) == 3
    assert int(gan.generator_optimizer.iterations) == 2
    gan.train_on_batch(NUMBERS)
    assert int(gan.discriminator_optimizer.iterations) == 6
    assert int(gan.generator_optimizer.iterations) == 4


def test_each_step_sees_other_examples_and_other_noise(small_gan, monkeypatch):
    gan, judged, made = small_gan(STEPS, run_eagerly=True), [], []
    noise = gan.noise
    _listen(gan, monkeypatch, lambda pictures, labels: judged.append(pictures.numpy()))
    monkeypatch.setattr(gan, "noise", lambda n, s: made.append(noise(n, s).numpy()) or made[-1])
    gan.train_on_batch(NUMBERS)
    # Real and generated ones for each step of the discriminator, generated ones for the generator.
    assert len(judged) == 3 * 2 + 2
    assert [judged[place][:, 0, 0, 0].tolist() for place in (0, 2, 4)] == [[0, 1], [2, 3], [4, 5]]
    # The generator's first step is on what the discriminator's last was on.
    np.testing.assert_array_equal(judged[6], judged[5])
    assert len(made) == 4
    gan.train_on_batch(NUMBERS)
    assert len({values.tobytes() for values in made}) == 8


def test_examples_that_cannot_be_shared_out_are_refused(small_gan):
    with pytest.raises(InputError, match=r"got 5 examples.*multiple of its 3 parts"):
        small_gan(STEPS).train_step(tf.zeros([5, 4, 3, 1]))


def test_all_that_is_judged_is_augmented_each_time_by_another_seed(small_gan, monkeypatch):
    settings = dataclasses.replace(STEPS, augment=DiffAugmentSettings(gain=0.5))
    gan, judged, seeds = small_gan(settings, run_eagerly=True), [], []

    def augment(pictures, seed, given):
        assert given == settings.augment
        seeds.append(tuple(seed.numpy().tolist()))
        return pictures + 100

    monkeypatch.setattr(adversarial, "diff_augment", augment)
    _listen(gan, monkeypatch, lambda pictures, labels: judged.append(pictures.numpy()))
    gan.train_on_batch(NUMBERS)
    assert len(judged) == len(seeds) == len(set(seeds)) == 8
    assert min(pictures.min() for pictures in judged) > 98
    # The generator is taught through it.
    assert int(gan.generator_optimizer.iterations) == 2


def test_only_real_ones_are_smoothed_and_only_where_the_discriminator_is_taught(
    small_gan, monkeypatch
):
    settings = dataclasses.replace(STEPS, smoothing=0.2)
    gan, calls = small_gan(settings, run_eagerly=True), []

    def loss(real, fake, smoothing=0.0):
        calls.append((real.numpy(), fake.numpy(), smoothing))
        return discriminator_loss(real, fake, smoothing)

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


def test_both_networks_are_told_the_same_classes(small_gan, monkeypatch):
    settings = dataclasses.replace(STEPS, classes=3)
    gan, told = small_gan(settings, run_eagerly=True), []
    generate = gan.generate

    def spy(labels, batch, seed):
        told.append(("generate", labels.numpy().tolist()))
        return generate(labels, batch, seed)

    monkeypatch.setattr(gan, "generate", spy)
    _listen(gan, monkeypatch, lambda _, labels: told.append(("judge", labels.numpy().tolist())))
    before = [np.array(n.get_layer("class_vector").embeddings) for n in gan.networks]
    gan.train_on_batch(NUMBERS, np.array([0, 1, 2, 0, 2, 1]))
    teaching = ["generate", "judge", "judge"]
    assert told == [
        *((name, [0, 1]) for name in teaching),
        *((name, [2, 0]) for name in teaching),
        *((name, [2, 1]) for name in [*teaching, "judge"]),
        *((name, [2, 1]) for name in ["generate", "judge"]),
    ]
    # Each has learned from them.
    for old, network in zip(before, gan.networks, strict=True):
        new = np.array(network.get_layer("class_vector").embeddings)
        assert (new != old).all(axis=1)[1:].all()


def test_a_real_one_of_classes_takes_a_step_in_half_precision(rng):
    settings = dataclasses.replace(
        *(TINY,),
        **{"classes": 3, "ema": 0.9, "augment": DiffAugmentSettings(), "smoothing": 0.1},
        precision="mixed_bfloat16",
    )
    gan = build_dcgan(settings, 0)
    before = _weights(gan.generator), _weights(gan.discriminator)
    pictures = rng.uniform(-1, 1, (4, 224, 224, 1)).astype("float32")
    found = gan.train_step((tf.constant(pictures), tf.constant([0, 1, 2, 0])))
    assert all(np.isfinite(float(value)) for value in found.values())
    assert float(found["d_loss"]) == pytest.approx(2 * np.log(2), abs=0.5)
    for old, network in zip(before, (gan.generator, gan.discriminator), strict=True):
        assert all(np.any(a != b) for a, b in zip(old, _weights(network), strict=True))
