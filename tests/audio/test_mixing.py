import numpy as np
import pytest
import tensorflow as tf

from serkit.errors import InputError
from serkit.training.batches import mixing_coefficients, mixup

SEED = tf.constant([1, 2])


@pytest.fixture
def batch(rng):
    """Sixteen examples, each of a class of its own, so that labels tell who was mixed."""
    return rng.normal(size=(16, 5, 4, 1)).astype("float32"), np.eye(16, dtype="float32")


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_examples_and_labels_are_mixed_in_the_same_proportion(batch, alpha):
    examples, labels = batch
    mixed, shares = (value.numpy() for value in mixup(examples, labels, SEED, alpha))
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert (shares >= 0).all()
    assert ((shares > 0).sum(axis=1) <= 2).all()
    # Row i of the labels holds the weight of every example in row i.
    np.testing.assert_allclose(mixed, np.einsum("ij,j...->i...", shares, examples), atol=1e-5)
    assert len(np.unique(shares.diagonal().round(6))) > 8


def test_every_example_is_the_partner_of_one(batch):
    examples, labels = batch
    _, shares = mixup(examples, labels, SEED, 8.0)
    others = shares.numpy() - np.diag(shares.numpy().diagonal())
    partners = [row.argmax() if row.any() else number for number, row in enumerate(others)]
    assert sorted(partners) == list(range(16))


@pytest.mark.parametrize("alpha", [0.01, 0.1, 0.4, 1.0, 5.0])
def test_coefficients_are_beta_distributed(alpha):
    drawn = mixing_coefficients(200_000, SEED, alpha).numpy().astype(float)
    assert np.isfinite(drawn).all()
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    # Of Beta(a, a): mean 1/2, variance 1/(4(2a + 1)), fourth central moment 3/(16(2a + 1)(2a + 3)).
    assert drawn.mean() == pytest.approx(0.5, abs=0.005)
    assert drawn.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.01)
    fourth = np.mean((drawn - 0.5) ** 4)
    assert fourth == pytest.approx(3 / (16 * (2 * alpha + 1) * (2 * alpha + 3)), rel=0.02)


def test_alpha_zero_returns_the_input(batch):
    for came, left in zip(batch, mixup(*batch, SEED, 0), strict=True):
        np.testing.assert_array_equal(left, came)


def test_bfloat16_is_the_float32_result_rounded_once(batch):
    examples, labels = (tf.cast(value, tf.bfloat16) for value in batch)
    mixed, shares = mixup(examples, labels, SEED, 1.0)
    assert mixed.dtype == shares.dtype == tf.bfloat16
    wide = mixup(tf.cast(examples, tf.float32), tf.cast(labels, tf.float32), SEED, 1.0)
    for narrow, exact in zip((mixed, shares), wide, strict=True):
        np.testing.assert_array_equal(narrow, tf.cast(exact, tf.bfloat16))


def test_labels_may_be_of_another_type_than_the_examples(batch):
    examples, labels = batch
    mixed, shares = mixup(tf.cast(examples, tf.bfloat16), labels, SEED, 1.0)
    assert (mixed.dtype, shares.dtype) == (tf.bfloat16, tf.float32)


def test_same_seed_same_result_eagerly_and_in_map(batch):
    eager = mixup(*batch, SEED, 0.4)
    mapped = tf.data.Dataset.from_tensors(batch).map(lambda x, y: mixup(x, y, SEED, 0.4))
    assert [spec.shape for spec in mapped.element_spec] == [value.shape for value in batch]
    unknown = tf.data.Dataset.from_tensor_slices(batch).batch(16)
    for dataset in (mapped, unknown.map(lambda x, y: mixup(x, y, SEED, 0.4))):
        for graph, wanted in zip(next(iter(dataset)), eager, strict=True):
            np.testing.assert_allclose(graph, wanted, atol=1e-6)
    other = mixup(*batch, tf.constant([1, 3]), 0.4)
    assert not np.allclose(other[1], eager[1], atol=1e-3)


def test_arguments_are_checked(batch):
    with pytest.raises(InputError, match=r"alpha.*-0\.1"):
        mixup(*batch, SEED, -0.1)
    with pytest.raises(InputError, match=r"labels.*int32"):
        mixup(batch[0], batch[1].astype("int32"), SEED, 1.0)
