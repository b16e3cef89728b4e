"""Spectrograms out of a trained generator."""

import itertools
from collections.abc import Iterator

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
        labels: for a generator of several classes: the class number of all, or numbers that take
            turns, such as one for each sample.

    Returns:
        float32 ``(count, frames, bins, 1)`` in [-1, 1].

    Raises:
        InputError: if ``count`` is below 1, or ``labels`` do not fit the generator.
    """
    check_range("count", count, 1)
    stream = sample_stream(generator, seed, labels)
    batches = [next(stream) for _ in range(-(-count // _BATCH))]
    return np.concatenate(batches)[:count]


def sample_stream(
    generator: keras.Model, seed: int, labels: np.ndarray | int | None = None
) -> Iterator[np.ndarray]:
    """Endless spectrograms, in batches; those that :func:`sample` gives, one after the other.

    Args:
        generator: as for :func:`sample`.
        seed: of the noise.
        labels: for a generator of several classes: the class number of all, or numbers that take
            turns.

    Yields:
        float32 ``(32, frames, bins, 1)`` in [-1, 1].

    Raises:
        InputError: if ``labels`` do not fit the generator.
    """
    turns = _turns(generator, labels)
    rng = np.random.default_rng(derive_seed(seed, "sample"))
    shape = _BATCH, generator.inputs[0].shape[-1]
    for start in itertools.count(0, _BATCH):
        # Always whole batches: convolutions may round differently for other batch sizes.
        inputs = rng.standard_normal(shape, dtype=np.float32)
        if turns is not None:
            inputs = [inputs, turns[np.arange(start, start + _BATCH) % len(turns)]]
        yield np.asarray(generator(inputs, training=False))


def classes_of(generator: keras.Model) -> int:
    """How many classes a generator is told apart by; 0 if it makes one only."""
    return generator.get_layer("class_vector").input_dim if len(generator.inputs) > 1 else 0


def _turns(generator: keras.Model, labels: np.ndarray | int | None) -> np.ndarray | None:
    classes = classes_of(generator)
    if not classes:
        if labels is not None:
            raise InputError(f"labels={labels!r}, but this generator makes one class only")
        return None
    turns = np.atleast_1d(np.asarray([] if labels is None else labels, dtype=np.int32))
    if turns.ndim != 1 or not len(turns) or turns.min() < 0 or turns.max() >= classes:
        raise InputError(f"labels={labels!r}; valid are numbers from 0 to {classes - 1}")
    return turns
