"""Compute the spectrograms of a corpus with tf.data."""

from collections.abc import Iterator, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serkit.audio.compressed import decode_any
from serkit.audio.loading import LoadedRecording, load_waveform
from serkit.audio.spectrogram import SpectrogramSpec, to_spectrogram
from serkit.audio.speed import change_speed
from serkit.datasets.corpus import Corpus
from serkit.errors import RecordingError, check_range
from serkit.training.cache import ArrayCache
from serkit.training.recordings import (
    BATCH_SIZE,
    ComputedBatch,
    Skipped,
    Track,
    batches_of,
    cached_rows,
    cause_of,
    file_dataset,
    pipeline_options,
)
from serkit.training.shards import Rows

# Part of the cache key. Increase it when the same samples and spec give other values than before.
_CODE_VERSION = "6"
_SPEED_RANGE = (0.5, 2.0)


def spectrogram_dataset(
    files: Sequence[str],
    spec: SpectrogramSpec,
    batch_size: int = BATCH_SIZE,
    *,
    skipped: Skipped | None = None,
    device: str | None = None,
    clips_per_transform: int | None = None,
    dtype: tf.DType = tf.float32,
    speed: float = 1.0,
) -> "tf.data.Dataset[tuple[tf.Tensor, ...]]":
    """Return a dataset of the spectrograms of recordings, in order.

    Args:
        files: paths of WAV, FLAC, MP3 or Ogg Vorbis files.
        spec: settings of the spectrograms.
        batch_size: spectrograms per batch; the last batch may have fewer.
        skipped: collects the files that cannot be used, which are left out. If None, the first such
            file ends the iteration with an error that names it.
        device: device on which the spectrograms are computed; default: the first accelerator, else
            the CPU.
        clips_per_transform: default: 1 on a CPU, whose cache holds one clip, and ``batch_size`` on
            an accelerator, which needs many clips to be fully used.
        dtype: float32 or bfloat16.
        speed: playback speed of the recordings, 0.5 to 2; see
            :func:`serkit.audio.speed.change_speed`.

    Returns:
        A dataset of ``(rows, spectrograms)``: int64 ``(batch,)``, positions in ``files``, and
        ``(batch, frames, bins, 1)`` in [-1, 1].

    Raises:
        InputError: if ``speed`` is out of range.
    """
    check_range("speed", speed, *_SPEED_RANGE)
    device = accelerator() if device is None else device
    clips_per_transform = clips_per_transform or (1 if "CPU" in device else batch_size)
    cores = joblib.cpu_count()

    @tf.autograph.experimental.do_not_convert
    def transform(waves: tf.Tensor) -> tf.Tensor:
        # ``Dataset.map`` runs on the CPU; TensorFlow copies its function's inputs to the device.
        with tf.device(device):
            if speed != 1.0:
                waves = change_speed(waves, tf.fill(tf.shape(waves)[:1], speed))
            return to_spectrogram(waves, spec, dtype)

    def load(data: tf.Tensor) -> LoadedRecording:
        return load_waveform(data, spec, decode_any)

    def load_and_transform(data: tf.Tensor) -> LoadedRecording:
        loaded = load(data)
        return loaded._replace(waveform=transform(loaded.waveform[tf.newaxis])[0])

    if clips_per_transform == 1:
        # Transform in the map that decodes: a second map costs three per cent.
        return file_dataset(files, load_and_transform, skipped, batch_size, 2 * cores)
    dataset = file_dataset(files, load, skipped, clips_per_transform, 2 * cores)
    dataset = dataset.map(lambda positions, waves: (positions, transform(waves)), cores)
    if clips_per_transform != batch_size:
        dataset = dataset.rebatch(batch_size)
    return dataset.prefetch(1).with_options(pipeline_options())


def accelerator() -> str:
    """Return the name of the first GPU, else of the CPU, such as ``/device:CPU:0``."""
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return devices[0].name


def compute_spectrograms(
    corpus: Corpus,
    spec: SpectrogramSpec,
    *,
    cache: Path | str | ArrayCache,
    skipped: Skipped | None = None,
    speed: float = 1.0,
    track: Track = lambda items, total: items,
) -> Rows:
    """Return all spectrograms of a corpus, in order; compute those missing from ``cache``.

    Args:
        corpus: audited clips; the cache identifies them by their ``sha256``, not by their paths.
        spec: settings of the spectrograms.
        cache: folder, which runs and processes may share; or a cache opened for this spec and speed
            by :func:`open_cache`.
        skipped: collects the files that cannot be used; the result then has the clips of
            ``skipped.remaining(corpus)``. If None, the first such file raises an error.
        speed: as for :func:`spectrogram_dataset`. Other speeds give more versions of the same
            recordings to train on.
        track: function that gets an iterable of the computed batches and their number, and yields
            the batches; for a progress bar.

    Returns:
        ``(clips, frames, bins, 1)`` in [-1, 1], read from disk when indexed, as float32 (rounded by
        the cache by up to 0.00025).

    Raises:
        RecordingError: if a file cannot be read or decoded and ``skipped`` is None; the message
            names it. Spectrograms that were computed before are kept.
        OSError: if the cache cannot be written to, or loses what is written.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> import serkit
        >>> from scipy.io import wavfile
        >>> folder = tempfile.mkdtemp()
        >>> noise = np.random.default_rng(0).normal(0, 3000, 16_000).astype("int16")
        >>> wavfile.write(f"{folder}/03-01-05-01-01-01-01.wav", 16_000, noise)  # as in RAVDESS
        >>> corpus = serkit.audit([folder]).corpus
        >>> spec = serkit.SpectrogramSpec(frames=32, bins=32)
        >>> rows = serkit.compute_spectrograms(corpus, spec, cache=tempfile.mkdtemp())
        >>> rows.shape, rows[0].dtype
        ((1, 32, 32, 1), dtype('float32'))
    """
    if not isinstance(cache, ArrayCache):
        cache = open_cache(cache, spec, speed=speed)

    def batches(files: Sequence[str]) -> Iterator[ComputedBatch]:
        size = min(cache.shard_clips, BATCH_SIZE)
        dataset = spectrogram_dataset(files, spec, size, skipped=skipped, speed=speed)
        return batches_of(dataset, cache.shard_clips)

    return cached_rows(corpus, cache, batches, skipped, track)


def read_waveforms(corpus: Corpus, spec: SpectrogramSpec) -> npt.NDArray[Any]:
    """Read the waveforms from which a corpus' spectrograms are computed, in order.

    Args:
        corpus: audited clips.
        spec: gives sampling rate and length.

    Returns:
        Float32 ``(clips, spec.samples)``; a thousand clips of the default spec are 232 MB.

    Raises:
        RecordingError: if a file cannot be read or decoded; the message names it.
    """
    waveforms = np.empty((len(corpus), spec.samples), np.float32)
    files = [str(corpus.file(clip)) for clip in corpus.clips]

    def load(data: tf.Tensor) -> LoadedRecording:
        return load_waveform(data, spec, decode_any)

    try:
        for positions, waves in file_dataset(files, load, workers=2 * joblib.cpu_count()):
            waveforms[positions] = waves
    except tf.errors.OpError as error:
        raise RecordingError(cause_of(error)) from error
    return waveforms


def open_cache(
    folder: Path | str,
    spec: SpectrogramSpec,
    dtype: str = "float16",
    speed: float = 1.0,
    **limits: int,
) -> ArrayCache:
    """Open the cache of a spec's spectrograms, in a folder that specs may share.

    Args:
        folder: created at the first write.
        spec: settings of the spectrograms.
        dtype: ``float16``, or ``uint8`` at half the size, with the resolution of an 8-bit image.
        speed: playback speed of the recordings.
        limits: ``limit_bytes`` and ``shard_clips`` of
            :class:`serkit.training.cache.ArrayCache`.
    """
    spec_key = (_CODE_VERSION, *astuple(spec))
    if speed != 1.0:
        spec_key = (*spec_key, speed)
    return ArrayCache(folder, repr(spec_key), spec.shape, dtype, **limits)
