"""A corpus' spectrograms, computed in a tf.data pipeline and kept on disk."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import astuple
from pathlib import Path

import numpy as np
import tensorflow as tf

from serkit.audio.loading import load_waveform
from serkit.audio.spectrogram import SpectrogramSpec, log_mel
from serkit.corpora.corpus import Corpus
from serkit.errors import RecordingError
from serkit.files import replacing


def spectrogram_dataset(
    files: Iterable[str], spec: SpectrogramSpec, batch_size: int = 32
) -> tf.data.Dataset:
    """Spectrograms of files in their order.

    Returns:
        A dataset of ``(spectrograms, status)``: float32 ``(batch, frames, bins, 1)`` in [-1, 1],
        and a string ``(batch,)``, empty for files that were decoded.
    """
    dataset = tf.data.Dataset.from_tensor_slices(list(files))
    dataset = dataset.map(
        lambda path: load_waveform(tf.io.read_file(path), spec),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    # One transform for a whole batch: tf.signal uses all cores, and a GPU fills up.
    dataset = dataset.batch(batch_size).map(lambda waves, status: (log_mel(waves, spec), status))
    return dataset.prefetch(tf.data.AUTOTUNE)


def compute_spectrograms(
    corpus: Corpus,
    spec: SpectrogramSpec,
    *,
    cache: Path | str,
    track: Callable[[Iterable, int], Iterable] = lambda items, total: items,
    batch_size: int = 32,
) -> np.ndarray:
    """All spectrograms of a corpus, in its order; read from ``cache`` if they are there.

    Args:
        corpus: audited clips: their ``sha256`` is what the cache goes by, not their paths.
        spec: what to compute.
        cache: folder that keeps one ``.npy`` file per corpus and spec, written whole or not at
            all; safe to delete.
        track: wraps the iteration over batches, for a progress bar; gets their number.

    Returns:
        float32 ``(clips, frames, bins, 1)`` in [-1, 1], mapped from the file, read-only.

    Raises:
        RecordingError: if a file cannot be read or decoded; the message names it.
    """
    path = Path(cache, f"{_key(corpus, spec)}.npy")
    if not path.exists():
        batches = spectrogram_dataset(corpus.files(), spec, batch_size)
        with replacing(path) as partial:
            out = np.lib.format.open_memmap(
                partial, mode="w+", dtype=np.float32, shape=(len(corpus), *spec.shape)
            )
            start = 0
            try:
                for spectrograms, status in track(batches, -(-len(corpus) // batch_size)):
                    _require_decoded(corpus, start, status.numpy())
                    out[start : start + len(status)] = spectrograms.numpy()
                    start += len(status)
            except tf.errors.OpError as error:
                # Most often a file that was moved since the audit; the message names it.
                raise RecordingError(f"a recording cannot be read: {error.message}") from error
            out.flush()
            del out
    return np.load(path, mmap_mode="r")


def _key(corpus: Corpus, spec: SpectrogramSpec) -> str:
    text = "\n".join([repr(astuple(spec)), *(clip.sha256 for clip in corpus.clips)])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _require_decoded(corpus: Corpus, start: int, status: np.ndarray) -> None:
    for clip, problem in zip(corpus.clips[start : start + len(status)], status, strict=True):
        if problem:
            raise RecordingError(f"{corpus.file(clip)}: {problem.decode()}")
