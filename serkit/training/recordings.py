"""Compute spectrograms or features of many recordings with tf.data, and cache them."""

import itertools
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serkit.audio.loading import LoadedRecording
from serkit.datasets.corpus import Corpus
from serkit.errors import RecordingError
from serkit.training.cache import ArrayCache
from serkit.training.shards import Rows

_log = logging.getLogger(__name__)

ComputedBatch = tuple[npt.NDArray[Any], npt.NDArray[Any]]
"""Positions of clips ``(batch,)``, and their spectrograms or features ``(batch, …)``."""
Track = Callable[[Iterable[ComputedBatch], int], Iterable[ComputedBatch]]
"""Function that gets an iterable and the number of its items and yields the items."""

BATCH_SIZE = 32
"""Recordings per batch."""


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


def file_dataset(
    files: Sequence[str],
    load: Callable[[tf.Tensor], LoadedRecording],
    skipped: Skipped | None = None,
    batch_size: int = BATCH_SIZE,
    workers: int | None = None,
) -> "tf.data.Dataset[tuple[tf.Tensor, ...]]":
    """Return a dataset of what is computed from the bytes of files, in order.

    Args:
        files: paths of recordings.
        load: function of TensorFlow ops from the bytes of a file to its value, in the first field,
            and its status.
        skipped: collects the files that cannot be used, which are left out; None: the first such
            file raises an error that names it.
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
    return dataset.batch(batch_size).prefetch(1).with_options(pipeline_options())


def pipeline_options() -> tf.data.Options:
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
        skipped: collects the files that cannot be used, which are left out; None: the first such
            file raises an error that names it.
        track: for a progress bar.

    Raises:
        RecordingError: if a file cannot be read or decoded and ``skipped`` is None. Values that
            were computed before are kept.
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
            next_batches = list(itertools.islice(batches, -(-count // BATCH_SIZE)))
        except tf.errors.OpError as error:
            raise RecordingError(cause_of(error)) from error
        if not next_batches:
            return
        positions = np.concatenate([positions.numpy() for positions, _ in next_batches])
        yield positions, np.concatenate([values.numpy() for _, values in next_batches])


def cause_of(error: tf.errors.OpError) -> str:
    """Return the cause of a pipeline's error from TensorFlow's message, without its location."""
    message = error.message
    if "assertion failed: [" in message:
        return message.split("assertion failed: [", 1)[1].split("]", 1)[0].strip("'\"")
    # Most often a file was moved after the audit; the message names the file.
    return f"a recording cannot be read: {message}"
