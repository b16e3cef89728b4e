"""Log-mel spectrograms of a fixed size, by construction rather than by resizing pictures."""

import functools
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from serkit.errors import InputError, check_range

# Below this power (of a full-scale signal's mel band) a clip counts as silent.
_SILENT_POWER = 1e-10


@dataclass(frozen=True)
class SpectrogramSpec:
    """What a spectrogram is made of; the default gives the report's 224 x 224 picture.

    Attributes:
        sample_rate: Hz; recordings are resampled to it.
        frames: number of time steps.
        bins: number of HTK mel bands.
        window: length of the Hann window in samples.
        hop: samples from one frame to the next.
        fft: FFT length in samples, at least ``window``.
        low_hz: lower edge of the lowest band.
        high_hz: upper edge of the highest band, at most half the sample rate.
        range_db: what lies further below the clip's maximum than this is cut off.

    Raises:
        InputError: for a value out of range, or when a mel band would hold no FFT bin.
    """

    sample_rate: int = 16_000
    frames: int = 224
    bins: int = 224
    window: int = 1024
    hop: int = 256
    fft: int = 2048
    low_hz: float = 20.0
    high_hz: float = 8000.0
    range_db: float = 80.0

    def __post_init__(self) -> None:
        for name in ("sample_rate", "frames", "bins", "window", "hop"):
            check_range(name, getattr(self, name), 1)
        check_range("fft", self.fft, self.window)
        check_range("high_hz", self.high_hz, 1.0, self.sample_rate / 2)
        check_range("low_hz", self.low_hz, 0.0, self.high_hz - 1.0)
        check_range("range_db", self.range_db, 1.0)
        empty = int((mel_weights(self).max(axis=0) <= 0).sum())
        if empty:
            raise InputError(
                f"bins={self.bins} leaves {empty} mel band(s) without an FFT bin at "
                f"fft={self.fft}; use fewer bins or a longer fft"
            )

    @property
    def samples(self) -> int:
        """Length of the waveform that gives exactly ``frames`` frames, without padding."""
        return (self.frames - 1) * self.hop + self.window

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one spectrogram: ``(frames, bins, 1)``."""
        return self.frames, self.bins, 1


@functools.lru_cache(maxsize=8)
def mel_weights(spec: SpectrogramSpec) -> np.ndarray:
    """HTK mel triangles ``(fft // 2 + 1, bins)``, peak 1, as :func:`tf.signal` computes them."""
    with tf.init_scope():
        weights = tf.signal.linear_to_mel_weight_matrix(
            num_mel_bins=spec.bins,
            num_spectrogram_bins=spec.fft // 2 + 1,
            sample_rate=spec.sample_rate,
            lower_edge_hertz=spec.low_hz,
            upper_edge_hertz=spec.high_hz,
            dtype=tf.float64,
        )
    return weights.numpy().astype(np.float32)


def band_centres(spec: SpectrogramSpec) -> np.ndarray:
    """Frequency in Hz at the peak of each mel band, ``(bins,)``, ascending."""

    def to_mel(hertz: np.ndarray) -> np.ndarray:
        return 1127.0 * np.log1p(hertz / 700.0)

    edges = np.linspace(*to_mel(np.array([spec.low_hz, spec.high_hz])), spec.bins + 2)
    return 700.0 * np.expm1(edges[1:-1] / 1127.0)


def fit_length(waveform: tf.Tensor, spec: SpectrogramSpec) -> tf.Tensor:
    """Cut the middle out of a longer waveform, put zeros around a shorter one.

    Args:
        waveform: float32 ``(any,)`` at the spec's rate.

    Returns:
        float32 ``(spec.samples,)``.
    """
    surplus = tf.size(waveform) - spec.samples
    start = tf.maximum(surplus, 0) // 2
    waveform = waveform[start : start + spec.samples]
    missing = tf.maximum(-surplus, 0)
    waveform = tf.pad(waveform, [[missing // 2, missing - missing // 2]])
    return tf.ensure_shape(waveform, [spec.samples])


def log_mel(waveforms: tf.Tensor, spec: SpectrogramSpec) -> tf.Tensor:
    """Mel spectrograms in decibels below each clip's own maximum.

    Every clip is scaled by itself: a quiet one beside a loud one in a batch comes out the same as
    alone. (Keras' MelSpectrogram clips against the maximum of the batch.) A silent clip is -1
    everywhere.

    Args:
        waveforms: float32 ``(batch, spec.samples)``.

    Returns:
        float32 ``(batch, frames, bins, 1)`` in [-1, 1]: 1 is the clip's loudest point, -1 is
        ``spec.range_db`` or more below it. The lowest band comes first.

    Source: report, section 4.3; equal to librosa's ``melspectrogram(htk=True, norm=None)`` and
    ``power_to_db(ref=max)`` on the same frames.
    """
    transform = tf.signal.stft(waveforms, spec.window, spec.hop, spec.fft)
    power = tf.square(tf.math.real(transform)) + tf.square(tf.math.imag(transform))
    mel = tf.matmul(power, mel_weights(spec))
    loudest = tf.reduce_max(mel, axis=[1, 2], keepdims=True)
    relative = mel / tf.maximum(loudest, _SILENT_POWER)
    # Cut off below the range, so that the floor is exactly -1 and not a rounding beside it. One
    # factor, not two: a graph would multiply them first, and round otherwise than eager code.
    floor = 0.5 * 10.0 ** (-spec.range_db / 10.0)
    scale = 20.0 / (np.log(10.0) * spec.range_db)
    scaled = tf.maximum(1.0 + scale * tf.math.log(tf.maximum(relative, floor)), -1.0)
    return tf.ensure_shape(scaled[..., tf.newaxis], [None, *spec.shape])
