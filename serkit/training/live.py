"""Compute the spectrograms of training batches from waveforms at each step."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from serkit.audio.augmentation import WaveAugmentation, augment
from serkit.audio.spectrogram import SpectrogramSpec, to_spectrogram
from serkit.errors import InputError
from serkit.training.shards import Rows

_NO_WAVEFORM = -1


class LiveSpectrograms:
    """Reads like the spectrograms that are kept; training batches come from the waveforms.

    What is indexed, such as for validation, is what was computed before.
    :func:`serkit.training.batches.training_batches` calls :meth:`batch` instead: waveforms are
    augmented anew at each step, and transformed. Without augmentation that gives the same numbers
    as the cache, bit for bit on the same device.

    Args:
        kept: spectrograms as they were computed before, float32 ``(n, frames, bins, 1)``, rounded
            to float16 as the cache does it.
        waveforms: float32 ``(m, spec.samples)``, which may be shared with other sets.
        spec: of the spectrograms.
        augmentation: of the waveforms.
        device: that waveforms are augmented and transformed on, such as ``/device:GPU:0``.
        rows: int ``(n,)``, the row of ``waveforms`` that each spectrogram is of; -1 for one that
            has none, such as a generated one, which is taken as it is. Default: the same row.

    Raises:
        InputError: if lengths do not fit.
    """

    dtype = np.dtype(np.float32)

    def __init__(
        self,
        kept: np.ndarray | Rows,
        waveforms: np.ndarray,
        spec: SpectrogramSpec,
        augmentation: WaveAugmentation,
        device: str,
        rows: np.ndarray | None = None,
    ) -> None:
        self.kept, self.waveforms, self.spec = kept, waveforms, spec
        self.augmentation, self.device = augmentation, device
        self.rows = np.arange(len(waveforms)) if rows is None else np.asarray(rows, np.int64)
        if len(self.rows) != len(kept) or waveforms.shape[1:] != (spec.samples,):
            raise InputError(
                f"`waveforms` must be one of {spec.samples} samples for each of {len(kept)} "
                f"spectrograms. Received: {waveforms.shape} and {len(self.rows)} rows."
            )
        self.shape = kept.shape

    @classmethod
    def joined(cls, parts: Sequence["LiveSpectrograms | np.ndarray | Rows"]) -> "LiveSpectrograms":
        """All of several, one after another; those of no waveform are taken as they are.

        Raises:
            InputError: if they are of several sets of waveforms, or of none.
        """
        live = [part for part in parts if isinstance(part, cls)]
        if len({(id(part.waveforms), part.spec, part.augmentation) for part in live}) != 1:
            raise InputError(
                f"`parts` must be of one set of waveforms. Received: {len(parts)} parts, of which "
                f"{len(live)} have waveforms."
            )
        kept = [part.kept if isinstance(part, cls) else part for part in parts]
        rows = [
            part.rows if isinstance(part, cls) else np.full(len(part), _NO_WAVEFORM)
            for part in parts
        ]
        return live[0]._with(one_after_another(kept), np.concatenate(rows))

    @property
    def is_random(self) -> bool:
        """Whether a step's spectrograms are others than those that are kept."""
        return self.augmentation != WaveAugmentation()

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> np.ndarray:
        """What is kept, as NumPy would give it."""
        return self.kept[index]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.kept, dtype)

    def select(self, index: Any) -> "LiveSpectrograms":
        """Those at a slice, integers ``(m,)`` or a mask ``(n,)``, with their waveforms."""
        kept = self.kept.select(index) if isinstance(self.kept, Rows) else self.kept[index]
        return self._with(kept, self.rows[index])

    def augmented(self, augmentation: WaveAugmentation) -> "LiveSpectrograms":
        """The same waveforms, augmented in another way."""
        given = self.kept, self.waveforms, self.spec, augmentation, self.device
        return LiveSpectrograms(*given, self.rows)

    def batch(self, chosen: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Spectrograms of augmented waveforms, for a graph.

        Args:
            chosen: integers ``(batch,)``.
            seed: int ``(2,)``, of the augmentation.

        Returns:
            Float32 ``(batch, frames, bins, 1)`` in [-1, 1], rounded to float16 as those that are
            kept.
        """
        waves = looked_up(self._waves, chosen, [self.spec.samples])
        # Of a map only the ops inside can be on an accelerator; TensorFlow copies their inputs.
        with tf.device(self.device):
            waves = augment(waves, tf.random.fold_in(seed, 1), self.augmentation)
            made = tf.cast(tf.cast(self._transformed(waves), tf.float16), tf.float32)
        if (self.rows == _NO_WAVEFORM).any():
            without = tf.gather(tf.constant(self.rows == _NO_WAVEFORM), chosen)
            kept = looked_up(self._generated, chosen, self.shape[1:])
            made = tf.where(without[:, tf.newaxis, tf.newaxis, tf.newaxis], kept, made)
        return made

    def _transformed(self, waves: tf.Tensor) -> tf.Tensor:
        if "CPU" not in self.device:
            return to_spectrogram(waves, self.spec)
        # One clip at a time: its frames fit into the cache of a CPU, those of a batch do not.
        return tf.map_fn(
            lambda wave: to_spectrogram(wave[tf.newaxis], self.spec)[0],
            waves,
            parallel_iterations=len(os.sched_getaffinity(0)),
            fn_output_signature=tf.TensorSpec(self.spec.shape),
        )

    def _waves(self, chosen: np.ndarray) -> np.ndarray:
        """Silence for those that have none."""
        rows = self.rows[chosen]
        found = self.waveforms[np.maximum(rows, 0)]
        found[rows == _NO_WAVEFORM] = 0.0
        return found

    def _generated(self, chosen: np.ndarray) -> np.ndarray:
        """Those that have no waveform; 0 for all others, which are not read."""
        found = np.zeros((len(chosen), *self.shape[1:]), self.dtype)
        without = self.rows[chosen] == _NO_WAVEFORM
        if without.any():
            found[without] = self.kept[chosen[without]]
        return found

    def _with(self, kept: np.ndarray | Rows, rows: np.ndarray) -> "LiveSpectrograms":
        given = self.waveforms, self.spec, self.augmentation, self.device
        return LiveSpectrograms(kept, *given, rows)


def one_after_another(
    parts: Sequence[np.ndarray | Rows | LiveSpectrograms],
) -> np.ndarray | Rows | LiveSpectrograms:
    """Spectrograms of several sets; rows stay on disk if all are such, waveforms stay with theirs.

    Raises:
        InputError: as :meth:`LiveSpectrograms.joined` and
            :meth:`serkit.training.shards.Rows.joined`.
    """
    if any(isinstance(part, LiveSpectrograms) for part in parts):
        return LiveSpectrograms.joined(parts)
    on_disk = all(isinstance(part, Rows) for part in parts)
    return Rows.joined(parts) if on_disk else np.concatenate(parts)


def looked_up(
    read: Callable[[np.ndarray], np.ndarray], chosen: tf.Tensor, shape: Sequence[int]
) -> tf.Tensor:
    """What ``read`` gives for integers ``(batch,)``, in a graph: float32 ``(batch, *shape)``."""
    found = tf.numpy_function(read, [chosen], tf.float32, stateful=False)
    return tf.ensure_shape(found, [*chosen.shape, *shape])
