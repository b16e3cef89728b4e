"""Compute the spectrograms of a corpus with tf.data."""

import itertools
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from serkit.training.shards import Rows

_log = logging.getLogger(__name__)


class Skipped:
    """Collect the files that a pipeline leaves out.

    Args:
        log: whether to log one warning per file; False if the caller reports the files.

    Attributes:
        files: the problem of each file that was left out, by path, in the order of discovery.
    """

    def __init__(self, log: bool = True) -> None:
        self.files: dict[str, str] = {}
        self._log = log
        # tf.data calls ``add`` from several threads.
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return the number of files that were left out."""
        return len(self.files)

    def add(self, path: str, problem: str) -> None:
        """Add a file that was left out; a file that is added again, in later epochs, is ignored."""
        with self._lock:
            if path not in self.files:
                self.files[path] = problem
                if self._log:
                    _log.warning("skipped %s: %s", path, problem)

    def readable(self, files: Sequence[str]) -> list[int]:
        """Return the positions of the files that exist and can be read; add the other files."""
        positions = []
        for position, path in enumerate(files):
            if os.path.isfile(path) and os.access(path, os.R_OK):
                positions.append(position)
            else:
                self.add(path, "cannot be opened" if os.path.exists(path) else "is not there")
        return positions

    def is_usable(self, path: tf.Tensor, status: tf.Tensor) -> tf.Tensor:
        """Return, in a graph, whether ``status`` is empty; add the file if it is not.

        Use this method in ``Dataset.filter``, which uses its result and keeps the order of the
        files. TensorFlow may drop a call whose result is not used, because the Python function is
        declared stateless. Otherwise tf.data would read one file after another where ops are
        deterministic.

        Args:
            path: scalar string.
            status: scalar string, as :func:`serkit.audio.decoding.decode_wav` gives it.

        Returns:
            bool scalar.
        """

        def add_and_reject(path: bytes, status: bytes) -> bool:
            self.add(os.fsdecode(path), status.decode())
            return False

        # Python is called for bad files only; good files do not wait for Python's lock.
        is_usable = tf.cond(
            status == b"",
            lambda: tf.constant(True),
            lambda: tf.numpy_function(add_and_reject, [path, status], tf.bool, stateful=False),
        )
        return tf.ensure_shape(is_usable, [])

    def remaining(self, corpus: Corpus) -> Corpus:
        """Return the corpus without the clips that were left out, in order."""
        return corpus.where(lambda clip: str(corpus.file(clip)) not in self.files)


ComputedBatch = tuple[npt.NDArray[Any], npt.NDArray[Any]]
"""Positions of clips ``(batch,)``, and their spectrograms or features ``(batch, …)``."""
Track = Callable[[Iterable[ComputedBatch], int], Iterable[ComputedBatch]]
"""Function that gets an iterable and the number of its items and yields the items."""

_BATCH_SIZE = 32

# Part of the cache key. Increase it when the same samples and spec give other values than before.
_CODE_VERSION = "3"
_SPEED_RANGE = (0.5, 2.0)


def spectrogram_dataset(
    files: Sequence[str],
    spec: SpectrogramSpec,
    batch_size: int = _BATCH_SIZE,
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
    return dataset.prefetch(1).with_options(_pipeline_options())


def file_dataset(
    files: Sequence[str],
    load: Callable[[tf.Tensor], LoadedRecording],
    skipped: Skipped | None = None,
    batch_size: int = _BATCH_SIZE,
    workers: int | None = None,
) -> "tf.data.Dataset[tuple[tf.Tensor, ...]]":
    """Return a dataset of what is computed from the bytes of files, in order.

    Args:
        files: paths of recordings.
        load: function of TensorFlow ops from the bytes of a file to its value, in the first field,
            and its status.
        skipped: as for :func:`spectrogram_dataset`.
        batch_size: files per batch.
        workers: number of files that are loaded in parallel; default: the number of cores.

    Returns:
        A dataset of ``(positions, values)``: int64 ``(batch,)``, positions in ``files``, and the
        values ``(batch, …)``.
    """
    readable = range(len(files)) if skipped is None else skipped.readable(files)
    positions = tf.constant(list(readable), tf.int64)
    paths = tf.constant([files[position] for position in readable], tf.string)

    @tf.autograph.experimental.do_not_convert
    def load_file(position: tf.Tensor, path: tf.Tensor) -> tuple[tf.Tensor, ...]:
        value, status, _ = load(tf.io.read_file(path))
        if skipped is not None:
            return position, value, path, status
        text = tf.strings.join([path, ": ", status])
        with tf.control_dependencies([tf.debugging.Assert(status == b"", [text])]):
            return position, tf.identity(value)

    dataset = tf.data.Dataset.from_tensor_slices((positions, paths))
    dataset = dataset.map(load_file, workers or joblib.cpu_count())
    if skipped is not None:
        # ``filter`` is sequential, so bad files are reported in order.
        dataset = dataset.filter(
            lambda *element: skipped.is_usable(path=element[2], status=element[3])
        )
        dataset = dataset.map(lambda position, values, path, status: (position, values))
    return dataset.batch(batch_size).prefetch(1).with_options(_pipeline_options())


def _pipeline_options() -> tf.data.Options:
    """Return the options of a pipeline that computes with TensorFlow ops inside ``Dataset.map``."""
    # All numbers of workers are fixed, so there is nothing to tune. The FFT has threads of its own.
    # A thread that waits for the FFT leaves its core idle. So there are more threads than cores.
    cores = joblib.cpu_count()
    options = tf.data.Options()
    options.autotune.enabled = False
    options.threading.private_threadpool_size = cores + -(-cores // 2)
    # Use as many threads per operation as outside tf.data, which would use one. On processors where
    # TensorFlow multiplies matrices with Eigen, the last bits of sums depend on that number.
    options.threading.max_intra_op_parallelism = 0
    return options


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
        size = min(cache.shard_clips, _BATCH_SIZE)
        dataset = spectrogram_dataset(files, spec, size, skipped=skipped, speed=speed)
        return batches_of(dataset, cache.shard_clips)

    return cached_rows(corpus, cache, batches, skipped, track)


def cached_rows(
    corpus: Corpus,
    cache: ArrayCache,
    compute: Callable[[Sequence[str]], Iterator[ComputedBatch]],
    skipped: Skipped | None,
    track: Track,
) -> Rows:
    """Return the cached values of all clips of a corpus, in order; compute those missing.

    Args:
        corpus: audited clips; the cache identifies them by their ``sha256``.
        cache: cache of the values.
        compute: function that yields positions in a list of files, and the values of these files.
        skipped: as for :func:`compute_spectrograms`.
        track: as for :func:`compute_spectrograms`.

    Raises:
        RecordingError: as :func:`compute_spectrograms`.
        OSError: if the cache cannot be written to, or loses what is written.
    """
    # One round is enough, or two if a shard is damaged. If more are needed, the disk loses data.
    for _ in range(3):
        clips = (corpus if skipped is None else skipped.remaining(corpus)).clips
        keys = [clip.sha256 for clip in clips]
        missing_clips = [clips[position] for position in cache.missing(keys)]
        if not missing_clips and (rows := cache.read(keys)) is not None:
            return rows
        batches = compute([str(corpus.file(clip)) for clip in missing_clips])
        batch_count = -(-len(missing_clips) // cache.shard_clips)
        for positions, values in track(batches, batch_count):
            cache.write([missing_clips[position].sha256 for position in positions], values)
    raise OSError(f"{cache.folder} does not keep what is written to it")


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
        raise RecordingError(_cause(error)) from error
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


def batches_of(
    dataset: "tf.data.Dataset[tuple[tf.Tensor, ...]]", count: int
) -> Iterator[ComputedBatch]:
    """Yield the positions and values of a dataset of batches, about ``count`` at a time.

    Raises:
        RecordingError: if a file cannot be read or decoded; the message names it.
    """
    batches = iter(dataset)
    while True:
        try:
            next_batches = list(itertools.islice(batches, -(-count // _BATCH_SIZE)))
        except tf.errors.OpError as error:
            raise RecordingError(_cause(error)) from error
        if not next_batches:
            return
        positions = np.concatenate([positions.numpy() for positions, _ in next_batches])
        yield positions, np.concatenate([values.numpy() for _, values in next_batches])


def _cause(error: tf.errors.OpError) -> str:
    """Return the cause from TensorFlow's message, without the long location around it."""
    message = error.message
    if "assertion failed: [" in message:
        return message.split("assertion failed: [", 1)[1].split("]", 1)[0].strip("'\"")
    # Most often a file was moved after the audit; the message names the file.
    return f"a recording cannot be read: {message}"
