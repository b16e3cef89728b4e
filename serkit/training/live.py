"""Compute the spectrograms of training batches from waveforms at each step."""

from collections.abc import Callable, Sequence
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serkit.audio.augmentation import WaveAugmentation, augment
from serkit.audio.spectrogram import SpectrogramSpec, to_spectrogram
from serkit.errors import InputError
from serkit.training.shards import Rows

_NO_WAVEFORM = -1


class LiveSpectrograms:
    """Precomputed spectrograms whose training batches are computed anew from waveforms.

    Indexing, such as for validation, returns precomputed spectrograms.
    :func:`serkit.training.batches.training_batches` calls :meth:`batch` instead, which augments the
    waveforms anew at each step and transforms them. Without augmentation the result is
    bit-identical to the cached spectrograms on the same device.

    Args:
        kept: precomputed spectrograms, float32 ``(n, frames, bins, 1)``, rounded to float16 as in
            the cache.
        waveforms: float32 ``(m, spec.samples)``; other sets may use the same array.
        spec: of the spectrograms.
        augmentation: of the waveforms.
        device: on which waveforms are augmented and transformed, such as ``/device:GPU:0``.
        rows: int ``(n,)``, the row of ``waveforms`` for each spectrogram; -1 for a spectrogram
            without a waveform, such as a generated one, which is used unchanged. Default: row ``i``
            for spectrogram ``i``.

    Raises:
        InputError: if the lengths do not match.
    """

    dtype: np.dtype[np.float32] = np.dtype(np.float32)

    def __init__(
        self,
        kept: npt.NDArray[Any] | Rows,
        waveforms: npt.NDArray[Any],
        spec: SpectrogramSpec,
        augmentation: WaveAugmentation,
        device: str,
        rows: npt.NDArray[Any] | None = None,
    ) -> None:
        self.kept: npt.NDArray[Any] | Rows = kept
        self.waveforms: npt.NDArray[Any] = waveforms
        self.spec: SpectrogramSpec = spec
        self.augmentation: WaveAugmentation = augmentation
        self.device: str = device
        self.rows: npt.NDArray[Any] = (
            np.arange(len(waveforms)) if rows is None else np.asarray(rows, np.int64)
        )
        if len(self.rows) != len(kept) or waveforms.shape[1:] != (spec.samples,):
            raise InputError(
                f"`waveforms` must be one of {spec.samples} samples for each of {len(kept)} "
                f"spectrograms. Received: {waveforms.shape} and {len(self.rows)} rows."
            )
        self.shape: tuple[int, ...] = kept.shape

    @classmethod
    def joined(
        cls, parts: Sequence["LiveSpectrograms | npt.NDArray[Any] | Rows"]
    ) -> "LiveSpectrograms":
        """Concatenate several sets; spectrograms without waveforms are used unchanged.

        Raises:
            InputError: if the sets differ in waveforms, spec or augmentation, or none has
                waveforms.
        """
        live = [part for part in parts if isinstance(part, LiveSpectrograms)]
        if not live or any(
            part.waveforms is not live[0].waveforms
            or (part.spec, part.augmentation) != (live[0].spec, live[0].augmentation)
            for part in live
        ):
            raise InputError(
                f"`parts` must be of one set of waveforms. Received: {len(parts)} parts, of which "
                f"{len(live)} have waveforms."
            )
        kept = [part.kept if isinstance(part, LiveSpectrograms) else part for part in parts]
        rows = [
            part.rows if isinstance(part, LiveSpectrograms) else np.full(len(part), _NO_WAVEFORM)
            for part in parts
        ]
        return live[0]._with(_concatenated(kept), np.concatenate(rows))

    @property
    def is_random(self) -> bool:
        """Whether the spectrograms of a training step differ from the precomputed ones."""
        return self.augmentation != WaveAugmentation()

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        """Return precomputed spectrograms, indexed as in NumPy."""
        return self.kept[index]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self.kept, dtype)

    def select(self, index: Any) -> "LiveSpectrograms":
        """Return the spectrograms at a slice, integers ``(m,)`` or a mask ``(n,)``.

        The result keeps the waveforms of these spectrograms.
        """
        kept = self.kept.select(index) if isinstance(self.kept, Rows) else self.kept[index]
        return self._with(kept, self.rows[index])

    def augmented(self, augmentation: WaveAugmentation) -> "LiveSpectrograms":
        """Return the same spectrograms and waveforms with another augmentation."""
        given = self.kept, self.waveforms, self.spec, augmentation, self.device
        return LiveSpectrograms(*given, self.rows)

    def batch(self, chosen: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Compute spectrograms of augmented waveforms, in a graph.

        Args:
            chosen: integers ``(batch,)``.
            seed: int ``(2,)``, of the augmentation.

        Returns:
            Float32 ``(batch, frames, bins, 1)`` in [-1, 1], rounded to float16 as the precomputed
            ones.
        """
        waves = looked_up(self._waves, chosen, [self.spec.samples])
        # ``Dataset.map`` runs on the CPU; only the ops inside can run on an accelerator. TensorFlow
        # copies their inputs.
        with tf.device(self.device):
            own_seed = tf.convert_to_tensor(tf.random.fold_in(seed, 1))
            waves = augment(waves, own_seed, self.augmentation)
            made = tf.cast(tf.cast(self._transformed(waves), tf.float16), tf.float32)
        if (self.rows == _NO_WAVEFORM).any():
            without = tf.gather(tf.constant(self.rows == _NO_WAVEFORM), chosen)
            kept = looked_up(self._generated, chosen, self.shape[1:])
            made = tf.where(without[:, tf.newaxis, tf.newaxis, tf.newaxis], kept, made)
        return made

    def _transformed(self, waves: tf.Tensor) -> tf.Tensor:
        if "CPU" not in self.device:
            return to_spectrogram(waves, self.spec)
        # One clip at a time: the frames of a clip fit into the cache of a CPU, those of a batch do
        # not.
        return tf.map_fn(
            lambda wave: to_spectrogram(wave[tf.newaxis], self.spec)[0],
            waves,
            parallel_iterations=joblib.cpu_count(),
            fn_output_signature=tf.TensorSpec(self.spec.shape),
        )

    def _waves(self, chosen: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Waveforms of spectrograms; silence for spectrograms without a waveform."""
        rows = self.rows[chosen]
        found = self.waveforms[np.maximum(rows, 0)]
        found[rows == _NO_WAVEFORM] = 0.0
        return found

    def _generated(self, chosen: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Spectrograms without a waveform; 0 for all others, which are not read."""
        found = np.zeros((len(chosen), *self.shape[1:]), self.dtype)
        without = self.rows[chosen] == _NO_WAVEFORM
        if without.any():
            found[without] = self.kept[chosen[without]]
        return found

    def _with(self, kept: npt.NDArray[Any] | Rows, rows: npt.NDArray[Any]) -> "LiveSpectrograms":
        given = self.waveforms, self.spec, self.augmentation, self.device
        return LiveSpectrograms(kept, *given, rows)


def one_after_another(
    parts: Sequence[npt.NDArray[Any] | Rows | LiveSpectrograms],
) -> npt.NDArray[Any] | Rows | LiveSpectrograms:
    """Concatenate spectrograms of several sets.

    Rows stay on disk if all sets are rows. Live spectrograms keep their waveforms.

    Raises:
        InputError: as :meth:`LiveSpectrograms.joined` and
            :meth:`serkit.training.shards.Rows.joined`.
    """
    stored = [part for part in parts if not isinstance(part, LiveSpectrograms)]
    return _concatenated(stored) if len(stored) == len(parts) else LiveSpectrograms.joined(parts)


def _concatenated(parts: Sequence[npt.NDArray[Any] | Rows]) -> npt.NDArray[Any] | Rows:
    rows = [part for part in parts if isinstance(part, Rows)]
    return Rows.joined(rows) if len(rows) == len(parts) else np.concatenate(parts)


def looked_up(
    read: Callable[[npt.NDArray[Any]], npt.NDArray[Any]], chosen: tf.Tensor, shape: Sequence[int]
) -> tf.Tensor:
    """Call ``read`` on integers ``(batch,)`` in a graph; return float32 ``(batch, *shape)``."""
    found = tf.numpy_function(read, [chosen], tf.float32, stateful=False)
    return tf.ensure_shape(found, [*chosen.shape, *shape])
