"""Recordings that a pipeline could not use: counted and named instead of ending it."""

import logging
import os
import threading
from collections.abc import Sequence

import tensorflow as tf

from serkit.corpora.corpus import Corpus

_log = logging.getLogger(__name__)


class Skipped:
    """Gets every file that a pipeline leaves out.

    Args:
        log: whether each is logged, once, as a warning; False is for who tells of them otherwise.

    Attributes:
        files: what was wrong with each, by its path, in the order of finding.
    """

    def __init__(self, log: bool = True) -> None:
        self.files: dict[str, str] = {}
        self._log = log
        # tf.data calls from threads of its own.
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many files were left out."""
        return len(self.files)

    def add(self, path: str, problem: str) -> None:
        """Name a file that was left out; once is enough, whatever the number of epochs."""
        with self._lock:
            if path not in self.files:
                self.files[path] = problem
                if self._log:
                    _log.warning("skipped %s: %s", path, problem)

    def readable(self, files: Sequence[str]) -> list[int]:
        """Places of the files that are there and may be read; the others are added."""
        places = []
        for place, path in enumerate(files):
            if os.path.isfile(path) and os.access(path, os.R_OK):
                places.append(place)
            else:
                self.add(path, "cannot be opened" if os.path.exists(path) else "is not there")
        return places

    def usable(self, path: tf.Tensor, status: tf.Tensor) -> tf.Tensor:
        """In a graph: whether ``status`` is empty; else the file is added.

        TensorFlow takes the Python call to have no state, as tf.data would otherwise read one file
        after another where ops are deterministic. A call whose result nobody uses may therefore be
        left out: this belongs into ``Dataset.filter``, which also keeps the order.

        Args:
            path: scalar string.
            status: scalar string, as :func:`serkit.audio.decoding.decode_wav` gives it.

        Returns:
            bool scalar.
        """

        def tell(path: bytes, status: bytes) -> bool:
            self.add(os.fsdecode(path), status.decode())
            return False

        # Python is called for bad files only; the good ones do not wait for its lock.
        told = tf.cond(
            status == b"",
            lambda: tf.constant(True),
            lambda: tf.numpy_function(tell, [path, status], tf.bool, stateful=False),
        )
        return tf.ensure_shape(told, [])

    def rest(self, corpus: Corpus) -> Corpus:
        """The clips of a corpus that were not left out, in order."""
        return corpus.where(lambda clip: str(corpus.file(clip)) not in self.files)
