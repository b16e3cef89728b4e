"""The outputs of a network's frozen part, computed once for each spectrogram and kept on disk."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from serkit.caching.cache import ArrayCache
from serkit.caching.rows import Rows
from serkit.layers.parts import parts

_BATCH = 32
# To be counted up when the same network and spectrogram give other numbers than before.
_RECIPE = "1"


class Augmented:
    """One augmented view of each of some spectrograms, always the same one, made when asked for.

    Args:
        spectrograms: float32 ``(n, frames, bins, 1)``.
        augment: gets a batch and an int ``(2,)`` seed.
        seed: of this view; each spectrogram gets a seed of its own.
    """

    def __init__(
        self,
        spectrograms: np.ndarray | Rows,
        augment: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
        seed: int,
    ) -> None:
        self._spectrograms, self._seed = spectrograms, seed
        self._augment = tf.function(augment)

    def __len__(self) -> int:
        return len(self._spectrograms)

    def __getitem__(self, number: int) -> np.ndarray:
        """Float32 ``(frames, bins, 1)``."""
        seed = tf.constant([self._seed, number], tf.int64)
        return self._augment(self._spectrograms[number][np.newaxis], seed)[0].numpy()


def open_feature_cache(folder: Path, frozen: keras.Model, **limits: int) -> ArrayCache:
    """The cache of a frozen network's outputs, in a folder that other networks may use as well.

    Outputs of a network that computes in bfloat16 are kept as they are, others are rounded to
    float16.

    Args:
        folder: made when it is first written to.
        frozen: its layers and weights decide what is found.
        limits: see :class:`serkit.caching.cache.ArrayCache`.
    """
    dtype = "bfloat16" if frozen.output.dtype == "bfloat16" else "wide-float16"
    key = f"features {_RECIPE} {_digest(frozen)}"
    return ArrayCache(folder, key, tuple(frozen.output_shape[1:]), dtype, **limits)


def compute_features(
    frozen: keras.Model, spectrograms: np.ndarray | Rows | Augmented, cache: ArrayCache
) -> Rows:
    """A frozen network's outputs for spectrograms, in their order; what is cached is not redone.

    Spectrograms are known by their content, so that folds, seeds and runs share what they have in
    common.

    Args:
        frozen: from ``(batch, frames, bins, 1)`` to ``(batch, *shape)``; gives the same each time.
        spectrograms: float32 ``(n, frames, bins, 1)``, or a view of them.
        cache: of :func:`open_feature_cache`.

    Returns:
        ``(n, *shape)``, read from disk when indexed.

    Raises:
        InputError: if a feature is not finite or too large for how it is kept.
        OSError: if the cache cannot be written to, or does not keep what is written.
    """
    forward = tf.function(lambda batch: tf.cast(frozen(batch, training=False), tf.float32))
    keys = [
        hashlib.sha256(np.ascontiguousarray(spectrograms[number], "<f4")).hexdigest()
        for number in range(len(spectrograms))
    ]
    # Once is enough, twice if a file is damaged; what is left then is a disk that loses things.
    for _ in range(3):
        missing = cache.missing(keys)
        if not missing and (rows := cache.read(keys)) is not None:
            return rows
        for shard in _pieces(missing, cache.shard_clips):
            made = [
                forward(np.stack([spectrograms[place] for place in batch])).numpy()
                for batch in _pieces(shard, _BATCH)
            ]
            cache.write([keys[place] for place in shard], np.concatenate(made))
    raise OSError(f"{cache.folder} does not keep what is written to it")


def _pieces(places: list[int], size: int) -> Iterator[list[int]]:
    return (places[start : start + size] for start in range(0, len(places), size))


def _digest(frozen: keras.Model) -> str:
    """Of all that decides the outputs: layers in their order with their settings, and weights.

    Without names, which Keras numbers in the order in which a process makes layers.
    """
    found = hashlib.sha256()
    for layer in parts(frozen):
        config = {} if isinstance(layer, keras.Model) else layer.get_config()
        known = {name: value for name, value in config.items() if name != "name"}
        text = json.dumps([type(layer).__name__, known], default=str, sort_keys=True)
        found.update(text.encode())
    for weight in frozen.weights:
        found.update(np.ascontiguousarray(weight).tobytes())
    return found.hexdigest()
