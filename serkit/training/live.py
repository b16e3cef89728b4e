"""Compute the spectrograms of training batches from waveforms at each step."""

from collections.abc import Callable, Sequence
from typing import Any

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
    :func:`serkit.training.batches.training_batches` calls :meth:`batch` instead. That method
    augments the waveforms anew at each step and transforms them. Without augmentation the result is
    bit-identical to the cached spectrograms on the same device.

    Args:
        precomputed: float32 ``(n, frames, bins, 1)``, rounded to float16 as in the cache.
        waveforms: float32 ``(m, spec.samples)``; several objects may share this array.
        spec: settings of the spectrograms.
        augmentation: augmentation of the waveforms.
        device: device on which waveforms are augmented and transformed, such as
            ``/device:GPU:0``.
        waveform_rows: int ``(n,)``, the row of ``waveforms`` for each spectrogram. -1 stands for a
            spectrogram without a waveform, such as a generated one, which is used unchanged.
            Default: row ``i`` for spectrogram ``i``.

    Raises:
        InputError: if the lengths do not match.
    """

    dtype: np.dtype[np.float32] = np.dtype(np.float32)

    def __init__(
        self,
        precomputed: npt.NDArray[Any] | Rows,
        waveforms: npt.NDArray[Any],
        spec: SpectrogramSpec,
        augmentation: WaveAugmentation,
        device: str,
        waveform_rows: npt.NDArray[Any] | None = None,
    ) -> None:
        self.precomputed: npt.NDArray[Any] | Rows = precomputed
        self.waveforms: npt.NDArray[Any] = waveforms
        self.spec: SpectrogramSpec = spec
        self.augmentation: WaveAugmentation = augmentation
        self.device: str = device
        if waveform_rows is None:
            waveform_rows = np.arange(len(waveforms))
        self.waveform_rows: npt.NDArray[Any] = np.asarray(waveform_rows, np.int64)
        if len(self.waveform_rows) != len(precomputed) or waveforms.shape[1:] != (spec.samples,):
            raise InputError(
                f"`waveforms` must be one of {spec.samples} samples for each of {len(precomputed)} "
                f"spectrograms. Received: {waveforms.shape} and {len(self.waveform_rows)} rows."
            )
        self.shape: tuple[int, ...] = precomputed.shape

    @classmethod
    def joined(
        cls, sets: Sequence["LiveSpectrograms | npt.NDArray[Any] | Rows"]
    ) -> "LiveSpectrograms":
        """Concatenate several sets; spectrograms without waveforms are used unchanged.

        Raises:
            InputError: if the sets differ in waveforms, spec or augmentation, or none has
                waveforms.
        """
        live_sets = [each for each in sets if isinstance(each, LiveSpectrograms)]
        if not live_sets or any(
            live.waveforms is not live_sets[0].waveforms
            or live.spec != live_sets[0].spec
            or live.augmentation != live_sets[0].augmentation
            for live in live_sets
        ):
            raise InputError(
                f"`sets` must share one array of waveforms. Received: {len(sets)} sets, of which "
                f"{len(live_sets)} have waveforms."
            )
        precomputed, waveform_rows = [], []
        for spectrograms in sets:
            if isinstance(spectrograms, LiveSpectrograms):
                precomputed.append(spectrograms.precomputed)
                waveform_rows.append(spectrograms.waveform_rows)
            else:
                precomputed.append(spectrograms)
                waveform_rows.append(np.full(len(spectrograms), _NO_WAVEFORM))
        return live_sets[0]._with(_concatenate_stored(precomputed), np.concatenate(waveform_rows))

    @property
    def is_random(self) -> bool:
        """Whether the spectrograms of a training step differ from the precomputed ones."""
        return self.augmentation != WaveAugmentation()

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return len(self.waveform_rows)

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        """Return precomputed spectrograms, indexed as in NumPy."""
        return self.precomputed[index]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self.precomputed, dtype)

    def select(self, index: Any) -> "LiveSpectrograms":
        """Return the spectrograms at a slice, integers ``(m,)`` or a mask ``(n,)``.

        The result keeps the waveforms of these spectrograms.
        """
        precomputed = self.precomputed
        selected = (
            precomputed.select(index) if isinstance(precomputed, Rows) else precomputed[index]
        )
        return self._with(selected, self.waveform_rows[index])

    def augmented(self, augmentation: WaveAugmentation) -> "LiveSpectrograms":
        """Return the same spectrograms and waveforms with another augmentation."""
        return LiveSpectrograms(
            self.precomputed,
            self.waveforms,
            self.spec,
            augmentation,
            self.device,
            self.waveform_rows,
        )

    def batch(self, indices: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Compute spectrograms of augmented waveforms, in a graph.

        Args:
            indices: integers ``(batch,)``, the spectrograms of the batch.
            seed: int ``(2,)``, seed of the augmentation.

        Returns:
            Float32 ``(batch, frames, bins, 1)`` in [-1, 1], rounded to float16 like the precomputed
            spectrograms.
        """
        waves = read_in_graph(self._read_waveforms, indices, [self.spec.samples])
        # ``Dataset.map`` runs on the CPU; only the ops inside can run on an accelerator. TensorFlow
        # copies their inputs.
        with tf.device(self.device):
            augment_seed = tf.convert_to_tensor(tf.random.fold_in(seed, 1))
            waves = augment(waves, augment_seed, self.augmentation)
            spectrograms = to_spectrogram(waves, self.spec)
            spectrograms = tf.cast(tf.cast(spectrograms, tf.float16), tf.float32)
        has_no_waveform = self.waveform_rows == _NO_WAVEFORM
        if has_no_waveform.any():
            is_unchanged = tf.gather(tf.constant(has_no_waveform), indices)
            unchanged = read_in_graph(self._read_unchanged, indices, self.shape[1:])
            is_unchanged = is_unchanged[:, tf.newaxis, tf.newaxis, tf.newaxis]
            spectrograms = tf.where(is_unchanged, unchanged, spectrograms)
        return spectrograms

    def _read_waveforms(self, indices: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the waveforms of spectrograms; silence for those without a waveform."""
        rows = self.waveform_rows[indices]
        waveforms = self.waveforms[np.maximum(rows, 0)]
        waveforms[rows == _NO_WAVEFORM] = 0.0
        return waveforms

    def _read_unchanged(self, indices: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Read the spectrograms without a waveform; return 0 for all others."""
        spectrograms = np.zeros((len(indices), *self.shape[1:]), self.dtype)
        is_unchanged = self.waveform_rows[indices] == _NO_WAVEFORM
        if is_unchanged.any():
            spectrograms[is_unchanged] = self.precomputed[indices[is_unchanged]]
        return spectrograms

    def _with(
        self, precomputed: npt.NDArray[Any] | Rows, waveform_rows: npt.NDArray[Any]
    ) -> "LiveSpectrograms":
        return LiveSpectrograms(
            precomputed, self.waveforms, self.spec, self.augmentation, self.device, waveform_rows
        )


def concatenate_spectrograms(
    sets: Sequence[npt.NDArray[Any] | Rows | LiveSpectrograms],
) -> npt.NDArray[Any] | Rows | LiveSpectrograms:
    """Concatenate spectrograms of several sets.

    Rows stay on disk if all sets are rows. Live spectrograms keep their waveforms.

    Raises:
        InputError: as :meth:`LiveSpectrograms.joined` and
            :meth:`serkit.training.shards.Rows.joined`.
    """
    stored = [each for each in sets if not isinstance(each, LiveSpectrograms)]
    if len(stored) < len(sets):
        return LiveSpectrograms.joined(sets)
    return _concatenate_stored(stored)


def select_spectrograms(
    spectrograms: npt.NDArray[Any] | Rows | LiveSpectrograms,
    positions: Sequence[int] | npt.NDArray[Any],
) -> npt.NDArray[Any] | Rows | LiveSpectrograms:
    """Return some spectrograms in a given order; rows stay on disk."""
    if isinstance(spectrograms, np.ndarray):
        return spectrograms[list(positions)]
    return spectrograms.select(list(positions))


def _concatenate_stored(sets: Sequence[npt.NDArray[Any] | Rows]) -> npt.NDArray[Any] | Rows:
    rows = [each for each in sets if isinstance(each, Rows)]
    return Rows.joined(rows) if len(rows) == len(sets) else np.concatenate(sets)


def read_in_graph(
    read: Callable[[npt.NDArray[Any]], npt.NDArray[Any]], indices: tf.Tensor, shape: Sequence[int]
) -> tf.Tensor:
    """Call a Python function in a graph.

    Args:
        read: function from integers ``(batch,)`` to float32 ``(batch, *shape)``.
        indices: integers ``(batch,)``.
        shape: shape of one value.
    """
    values = tf.numpy_function(read, [indices], tf.float32, stateful=False)
    return tf.ensure_shape(values, [*indices.shape, *shape])
