"""Spectrograms out of a trained generator."""

import keras
import numpy as np

from serkit.errors import InputError, check_range
from serkit.seeds import derive_seed

_BATCH = 32


def sample(
    generator: keras.Model, count: int, seed: int, labels: np.ndarray | int | None = None
) -> np.ndarray:
    """Generate spectrograms; the first ones are the same whatever the count.

    Args:
        generator: from noise ``(batch, latent)`` to ``(batch, frames, bins, 1)``; one of several
            classes also takes class numbers ``(batch,)``.
        count: how many, at least 1.
        seed: of the noise.
        labels: for a generator of several classes: the class number of all, or ``(count,)`` of
            them.

    Returns:
        float32 ``(count, frames, bins, 1)`` in [-1, 1].

    Raises:
        InputError: if ``count`` is below 1, or ``labels`` do not fit the generator.
    """
    check_range("count", count, 1)
    rng = np.random.default_rng(derive_seed(seed, "sample"))
    # Always whole batches: convolutions may round differently for other batch sizes.
    batches = -(-count // _BATCH)
    noise = rng.standard_normal((batches, _BATCH, _latent(generator)), dtype=np.float32)
    inputs = noise
    if len(generator.inputs) > 1:
        inputs = zip(noise, _label_batches(generator, labels, count, batches), strict=True)
    elif labels is not None:
        raise InputError(f"labels={labels!r}, but this generator makes one class only")
    made = [np.asarray(generator(batch, training=False)) for batch in inputs]
    return np.concatenate(made)[:count]


def classes_of(generator: keras.Model) -> int:
    """How many classes a generator is told apart by; 0 if it makes one only."""
    return generator.get_layer("class_vector").input_dim if len(generator.inputs) > 1 else 0


def _latent(generator: keras.Model) -> int:
    return generator.inputs[0].shape[-1]


def _label_batches(
    generator: keras.Model, labels: np.ndarray | int | None, count: int, batches: int
) -> np.ndarray:
    classes = classes_of(generator)
    whole = np.zeros(batches * _BATCH, np.int32)
    if labels is None or np.shape(labels) not in ((), (count,)):
        shape = None if labels is None else np.shape(labels)
        raise InputError(f"labels of shape {shape}; valid are one class number or {count} of them")
    whole[:count] = labels
    if whole.min() < 0 or whole.max() >= classes:
        raise InputError(f"labels={labels!r}; valid are 0 to {classes - 1}")
    return whole.reshape(batches, _BATCH)
