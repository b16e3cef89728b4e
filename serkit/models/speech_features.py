"""Features of recordings: means and deviations of a speech encoder's hidden states."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from serkit.audio.compressed import decode_any
from serkit.audio.decoding import Decoded, decode_wav
from serkit.audio.loading import LoadedRecording, load_whole, split_into_segments
from serkit.audio.speed import change_speed
from serkit.audio.whisper_spectrogram import HOP, MAX_SAMPLES, SAMPLE_RATE, whisper_spectrogram
from serkit.datasets.corpus import Corpus
from serkit.errors import check_range
from serkit.models.frozen_features import network_digest
from serkit.training.cache import ArrayCache
from serkit.training.recordings import (
    ComputedBatch,
    Skipped,
    Track,
    batches_of,
    cached_rows,
    file_dataset,
)
from serkit.training.shards import Rows

# Part of the cache key. Increase it when the same recording and encoder give other values.
_CODE_VERSION = "4"
MIN_SAMPLES = SAMPLE_RATE // 10
"""A shorter recording, such as one that is silent throughout, is padded to a tenth of a second."""
# Files per shard of the cache: an interrupted computation loses at most so many.
_SHARD_CLIPS = 64


class SpeechFeatures:
    """Features of recordings from the blocks of a frozen Whisper encoder.

    The features of a recording are the mean and the standard deviation, over time, of each hidden
    state of each block. The state after the last normalisation is left out: the middle blocks tell
    emotions apart best. Each recording is computed alone and unpadded, so that its features do not
    depend on other recordings. Of a recording longer than 30 seconds, the features of overlapping
    segments are averaged.

    Args:
        encoder: model of :func:`serkit.models.whisper.whisper_encoder`, with its weights.
        trim_db: trim silence at both ends this many decibels below the loudest frame; None for no
            trimming.

    Attributes:
        shape: ``(features,)``. The features of the blocks follow one another, of each block the
            means and then the deviations.
        block_width: number of features of one block.
        sample_rate: sample rate of the waveforms in Hz.
        mels: number of mel bands of the encoder's input.

    Raises:
        InputError: if ``trim_db`` is out of range.

    Example:
        >>> import tensorflow as tf
        >>> from serkit.models.whisper import WhisperSettings, whisper_encoder
        >>> features = SpeechFeatures(whisper_encoder(WhisperSettings(depth=2, width=64)))
        >>> features.shape, features.of_waveform(tf.random.normal([16_000])).shape.as_list()
        ((256,), [256])

    Source: Pepino et al. (2021), arXiv:2104.03502, for all blocks instead of the last.
    """

    sample_rate: int = SAMPLE_RATE

    def __init__(self, encoder: keras.Model, trim_db: float | None = 40.0) -> None:
        if trim_db is not None:
            check_range("trim_db", trim_db, 1.0, 100.0)
        self.encoder: keras.Model = encoder
        self.trim_db: float | None = trim_db
        self.mels: int = encoder.inputs[0].shape[-1]
        *blocks, _ = encoder.outputs
        self.block_width: int = 2 * blocks[0].shape[-1]
        self.shape: tuple[int] = (len(blocks) * self.block_width,)
        # As a function, the encoder is only once in the graph of an exported model.
        self._of_waveform = tf.function(
            self._compute, [tf.TensorSpec([None], tf.float32)], autograph=False
        )

    def to_json(self) -> dict[str, Any]:
        """Return the name of the encoder, the sample rate and ``trim_db``, as JSON values."""
        return {
            "encoder": self.encoder.name,
            "sample_rate": self.sample_rate,
            "trim_db": self.trim_db,
        }

    @property
    def key(self) -> str:
        """Text that identifies everything that the features depend on, except the recording."""
        return f"speech {_CODE_VERSION} {self.trim_db} {network_digest(self.encoder)}"

    def open_cache(self, folder: Path | str, speed: float = 1.0) -> ArrayCache:
        """Open the cache of these features, in a folder that other caches may share.

        Args:
            folder: created at the first write.
            speed: playback speed of the recordings.
        """
        key = self.key if speed == 1.0 else f"{self.key} speed {speed}"
        return ArrayCache(folder, key, self.shape, "wide-float16", shard_clips=_SHARD_CLIPS)

    @tf.autograph.experimental.do_not_convert
    def load(
        self,
        data: tf.Tensor,
        decode: Callable[[tf.Tensor], Decoded] = decode_wav,
        speed: float = 1.0,
    ) -> LoadedRecording:
        """Compute the features of a recording from the bytes of its file.

        Args:
            data: scalar string, the whole file. Of a recording longer than ten minutes, the middle
                ten minutes are used; a note says so.
            decode: function that decodes the bytes; the default reads WAV only.
            speed: playback speed, 0.5 to 2, see :func:`serkit.audio.speed.change_speed`. A faster
                recording is shorter.

        Returns:
            A :class:`~serkit.audio.loading.LoadedRecording` with the features ``(features,)`` in
            place of the waveform.
        """
        loaded = load_whole(data, self.sample_rate, self.trim_db, decode)
        waveform = loaded.waveform
        if speed != 1.0:
            waveform = _at_speed(waveform, speed)
        return loaded._replace(waveform=self.of_waveform(waveform))

    def of_waveform(self, waveform: tf.Tensor) -> tf.Tensor:
        """Compute the features of a waveform.

        Args:
            waveform: float32 ``(samples,)`` in [-1, 1] at :attr:`sample_rate`, of any length.

        Returns:
            float32 ``(features,)``.
        """
        return self._of_waveform(waveform)

    def _compute(self, waveform: tf.Tensor) -> tf.Tensor:
        missing = tf.maximum(MIN_SAMPLES - tf.size(waveform), 0)
        segments = split_into_segments(tf.pad(waveform, [[0, missing]]), MAX_SAMPLES)
        # One segment after the other, as training does: the last bits of a matrix product depend on
        # the number of rows.
        features = tf.map_fn(self._of_segment, segments, parallel_iterations=1)
        return tf.ensure_shape(tf.reduce_mean(features, axis=0), self.shape)

    def _of_segment(self, segment: tf.Tensor) -> tf.Tensor:
        spectrogram = whisper_spectrogram(segment[tf.newaxis], self.mels)
        return self.of_spectrogram(spectrogram, tf.size(segment) // HOP)

    def of_spectrogram(self, spectrogram: tf.Tensor, frame_count: tf.Tensor) -> tf.Tensor:
        """Compute the features of a spectrogram.

        Args:
            spectrogram: float32 ``(1, frames, mels)``, see
                :func:`serkit.audio.whisper_spectrogram.whisper_spectrogram`.
            frame_count: int32 scalar, the number of frames.

        Returns:
            float32 ``(features,)``.
        """
        *states, _ = self.encoder([spectrogram, frame_count[tf.newaxis]], training=False)
        moments = [tf.nn.moments(tf.cast(state[0], tf.float32), axes=[0]) for state in states]
        return tf.concat(
            [part for mean, variance in moments for part in (mean, tf.sqrt(variance))], axis=0
        )


def _at_speed(waveform: tf.Tensor, speed: float) -> tf.Tensor:
    """Return the whole waveform at another speed; its length changes, too."""
    length = tf.cast(tf.round(tf.cast(tf.size(waveform), tf.float64) / speed), tf.int32)
    # ``change_speed`` keeps the length: it cuts slower clips and pads faster ones at both ends.
    missing = tf.maximum(length - tf.size(waveform), 0)
    padded = tf.pad(waveform, [[missing // 2, missing - missing // 2]])
    changed = change_speed(padded[tf.newaxis], tf.constant([speed]))[0]
    start = (tf.size(changed) - length) // 2
    return changed[start : start + length]


def compute_speech_features(
    corpus: Corpus,
    features: SpeechFeatures,
    *,
    cache: Path | str | ArrayCache,
    skipped: Skipped | None = None,
    speed: float = 1.0,
    track: Track = lambda items, total: items,
) -> Rows:
    """Return the features of all recordings of a corpus, in order; compute those missing.

    Args:
        corpus: audited clips; the cache identifies them by their ``sha256``, not by their paths.
        features: the encoder.
        cache: folder of the features, which runs and processes may share; or an open cache of
            these features and this speed, see :meth:`SpeechFeatures.open_cache`.
        skipped: as for :func:`serkit.training.spectrograms.compute_spectrograms`.
        speed: as for :meth:`SpeechFeatures.load`.
        track: as for :func:`serkit.training.spectrograms.compute_spectrograms`.

    Returns:
        ``(clips, features)``, read from disk when indexed, as float32 (rounded to float16 by the
        cache).

    Raises:
        RecordingError: if a file cannot be read or decoded and ``skipped`` is None; the message
            names it. Features that were computed before are kept.
        InputError: if ``speed`` is out of range.
        OSError: if the cache cannot be written to, or loses what is written.

    Example:
        .. code-block:: python

            encoder = serkit.whisper_from_preset("whisper-tiny.en")
            features = serkit.SpeechFeatures(encoder)
            rows = serkit.compute_speech_features(corpus, features, cache="cache")
    """
    check_range("speed", speed, 0.5, 2.0)
    if not isinstance(cache, ArrayCache):
        cache = features.open_cache(cache, speed)

    def load(data: tf.Tensor) -> LoadedRecording:
        return features.load(data, decode_any, speed)

    def compute(files: Sequence[str]) -> Iterator[ComputedBatch]:
        return batches_of(file_dataset(files, load, skipped), cache.shard_clips)

    return cached_rows(corpus, cache, compute, skipped, track)
