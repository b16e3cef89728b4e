"""Spectrograms out of a trained generator."""

import keras
import numpy as np

from serkit.errors import check_range
from serkit.seeds import derive_seed

_BATCH = 32


def sample(generator: keras.Model, count: int, seed: int) -> np.ndarray:
    """Generate spectrograms; the first ones are the same whatever the count.

    Args:
        generator: from noise ``(batch, latent)`` to ``(batch, frames, bins, 1)``.
        count: how many, at least 1.
        seed: of the noise.

    Returns:
        float32 ``(count, frames, bins, 1)`` in [-1, 1].

    Raises:
        InputError: if ``count`` is below 1.
    """
    check_range("count", count, 1)
    rng = np.random.default_rng(derive_seed(seed, "sample"))
    # Always whole batches: convolutions may round differently for other batch sizes.
    batches = -(-count // _BATCH)
    noise = rng.standard_normal((batches, _BATCH, generator.input_shape[-1]), dtype=np.float32)
    made = [np.asarray(generator(batch, training=False)) for batch in noise]
    return np.concatenate(made)[:count]
