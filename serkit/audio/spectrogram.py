"""Spectrograms of a fixed size: mel, log-frequency or linear, in decibels per clip."""

import functools
import math
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf
from scipy.fft import next_fast_len

from serkit.errors import InputError, check_choice, check_range

SCALES = ("linear", "log", "mel")
"""How the centres of bands may be spread: evenly in Hz, in its logarithm, or in (HTK) mel."""


def bands(scale: str, count: int, low_hz: float, high_hz: float) -> np.ndarray:
    """Centre frequencies of bands in Hz, float64 ``(count,)``, ascending.

    Args:
        scale: one of :data:`SCALES`.
        count: number of bands.
        low_hz: centre of the first band; with ``mel`` its lower edge, as everywhere.
        high_hz: centre of the last band; with ``mel`` its upper edge.

    Raises:
        InputError: if the scale is another.
    """
    check_choice("scale", scale, SCALES)
    if scale == "linear":
        return np.linspace(low_hz, high_hz, count)
    if scale == "log":
        return np.geomspace(low_hz, high_hz, count)
    edges = np.linspace(*(1127.0 * np.log1p(np.array([low_hz, high_hz]) / 700.0)), count + 2)
    return 700.0 * np.expm1(edges[1:-1] / 1127.0)


def triangular_filterbank(
    scale: str, count: int, fft_bins: int, sample_rate: int, low_hz: float, high_hz: float
) -> np.ndarray:
    """Weights of the FFT bins in triangular bands, each reaching to its neighbours' centres.

    ``mel`` is :func:`tf.signal.linear_to_mel_weight_matrix`. The others are no narrower than the
    distance of the FFT bins to either side, so that no band is empty: where bands lie closer than
    that, as the low ones of ``log`` do, they interpolate between bins.

    Args:
        scale: one of :data:`SCALES`.
        count: number of bands.
        fft_bins: from 0 Hz to half the sample rate.
        sample_rate: Hz.
        low_hz: see :func:`bands`.
        high_hz: see :func:`bands`.

    Returns:
        float32 ``(fft_bins, count)`` from 0 to 1.

    Raises:
        InputError: if the scale is another.
    """
    centres = bands(scale, count, low_hz, high_hz)
    if scale == "mel":
        with tf.init_scope():
            weights = tf.signal.linear_to_mel_weight_matrix(
                count, fft_bins, sample_rate, low_hz, high_hz, tf.float64
            )
        return weights.numpy().astype(np.float32)
    distance = sample_rate / 2 / (fft_bins - 1)
    gaps = np.maximum(np.diff(centres), distance)
    left = np.concatenate([gaps[:1], gaps]) if count > 1 else np.array([distance])
    right = np.concatenate([gaps, gaps[-1:]]) if count > 1 else np.array([distance])
    offset = np.linspace(0.0, sample_rate / 2, fft_bins)[:, np.newaxis] - centres
    # A rounding in the frequency of a bin is no share of the next band's.
    weights = 1.0 - np.where(offset < 0, -offset / left, offset / right)
    return np.where(weights > 1e-9, weights, 0.0).astype(np.float32)


# Below this power (of a full-scale signal's band) a clip counts as silent.
_SILENT_POWER = 1e-10
# Bands that one matrix product makes. All in one would be mostly zeros, one each mostly overhead.
_TOGETHER = 32


@dataclass(frozen=True)
class SpectrogramSpec:
    """What a spectrogram is made of; the default gives the 2021 report's 224 x 224 points.

    Attributes:
        sample_rate: Hz; recordings are resampled to it.
        frames: number of time steps.
        bins: number of frequency bands.
        window: length of the Hann window in samples.
        hop: samples from one frame to the next.
        fft: FFT length in samples, at least ``window``.
        low_hz: lower edge of the lowest band (``mel``), or its centre.
        high_hz: upper edge of the highest band (``mel``), or its centre; at most half the sample
            rate.
        range_db: what lies further below the clip's maximum than this is cut off.
        kind: how the bands lie, ``mel`` (HTK), ``log`` or ``linear``; see
            :func:`triangular_filterbank`. ``linear`` from 0 Hz to half the sample rate with
            ``fft // 2 + 1`` bins is the plain power spectrum.
        trim_db: leading and trailing parts of a recording that are further below its loudest than
            this are cut off before anything else, in dB; 0 leaves them.

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
    kind: str = "mel"
    trim_db: float = 0.0

    def __post_init__(self) -> None:
        for name in ("sample_rate", "frames", "bins", "window", "hop"):
            check_range(name, getattr(self, name), 1)
        check_choice("kind", self.kind, SCALES)
        check_range("fft", self.fft, self.window)
        check_range("high_hz", self.high_hz, 1.0, self.sample_rate / 2)
        # A logarithm has no 0 Hz.
        check_range("low_hz", self.low_hz, 1.0 if self.kind == "log" else 0.0, self.high_hz - 1.0)
        check_range("range_db", self.range_db, 1.0)
        check_range("trim_db", self.trim_db, 0.0)
        empty = int((band_weights(self).max(axis=0) <= 0).sum())
        if empty:
            raise InputError(
                f"bins={self.bins} leaves {empty} mel band(s) without an FFT bin at "
                f"fft={self.fft}; use fewer bins or a longer fft"
            )

    @classmethod
    def at_rate(
        cls, sample_rate: int, kind: str = "mel", of: "SpectrogramSpec | None" = None
    ) -> "SpectrogramSpec":
        """As another, at this sample rate: as many frames and bands over as many seconds.

        Window, hop and FFT last as long as the other's (window and hop to the nearest sample, the
        FFT up to the next length that factors into 2, 3 and 5), so that the shape, which the
        networks need, stays. Bands reach up to the same fraction of the rate.

        Args:
            sample_rate: Hz, from 1,000.
            kind: how the bands lie.
            of: the other one; default: the default.

        Raises:
            InputError: for a rate out of range, or at which a mel band would hold no FFT bin.

        Source: the 2021 report, section 4.3, whose spectrograms have a logarithmic axis and
        librosa's default rate: ``SpectrogramSpec.at_rate(22_050, "log")``.
        """
        check_range("sample_rate", sample_rate, 1_000, 192_000)
        of = of or cls()
        factor = sample_rate / of.sample_rate
        return replace(
            of,
            sample_rate=sample_rate,
            window=round(of.window * factor),
            hop=round(of.hop * factor),
            fft=2 * next_fast_len(math.ceil(of.fft * factor / 2), real=True),
            high_hz=of.high_hz * sample_rate / of.sample_rate,
            kind=kind,
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
def band_weights(spec: SpectrogramSpec) -> np.ndarray:
    """What each FFT bin gives to each band: float32 ``(fft // 2 + 1, bins)``, peaks of up to 1."""
    return triangular_filterbank(
        spec.kind, spec.bins, spec.fft // 2 + 1, spec.sample_rate, spec.low_hz, spec.high_hz
    )


def band_centres(spec: SpectrogramSpec) -> np.ndarray:
    """Frequency in Hz at the peak of each band, ``(bins,)``, ascending."""
    return bands(spec.kind, spec.bins, spec.low_hz, spec.high_hz)


@functools.lru_cache(maxsize=8)
def _hann_rows(length: int, rows: int) -> np.ndarray:
    """The window of every frame: written out, TensorFlow multiplies without broadcasting."""
    return np.tile(hann(length), [rows, 1])


@functools.lru_cache(maxsize=8)
def hann(length: int) -> np.ndarray:
    """Periodic Hann window, float32 ``(length,)``, as :func:`tf.signal.hann_window` makes it."""
    with tf.init_scope():
        return tf.signal.hann_window(length).numpy()


def to_spectrogram(
    waveforms: tf.Tensor, spec: SpectrogramSpec, dtype: tf.DType = tf.float32
) -> tf.Tensor:
    """Spectrograms in decibels below each clip's own maximum.

    Every clip is scaled by itself: a quiet one beside a loud one in a batch comes out the same as
    alone. (Keras' MelSpectrogram clips against the maximum of the batch.) A silent clip is -1
    everywhere.

    Args:
        waveforms: float32 ``(batch, spec.samples)``.
        spec: what to compute.
        dtype: of the result, float32 or bfloat16; everything before is done in float32.

    Returns:
        ``(batch, frames, bins, 1)`` in [-1, 1]: 1 is the clip's loudest point, -1 is
        ``spec.range_db`` or more below it. The lowest band comes first.

    Source: 2021 report, section 4.3; with ``mel`` equal to librosa's ``melspectrogram(htk=True,
    norm=None)`` and ``power_to_db(ref=max)`` on the same frames.
    """
    frames = tf.signal.frame(waveforms, spec.window, spec.hop)
    frames *= tf.constant(_hann_rows(spec.window, spec.frames))
    power = _power_of_bands(tf.signal.rfft(frames, [spec.fft]), spec)
    loudest = tf.reduce_max(power, axis=[1, 2], keepdims=True)
    relative = power / tf.maximum(loudest, _SILENT_POWER)
    # Cut off below the range, so that the floor is exactly -1 and not a rounding beside it. One
    # factor, not two: a graph would multiply them first, and round otherwise than eager code.
    floor = 0.5 * 10.0 ** (-spec.range_db / 10.0)
    scale = 20.0 / (np.log(10.0) * spec.range_db)
    scaled = tf.maximum(1.0 + scale * tf.math.log(tf.maximum(relative, floor)), -1.0)
    scaled = tf.ensure_shape(scaled[..., tf.newaxis], [None, *spec.shape])
    return scaled if dtype == tf.float32 else tf.cast(scaled, dtype)


def _power_of_bands(transform: tf.Tensor, spec: SpectrogramSpec) -> tf.Tensor:
    """Sums of power ``(batch, frames, bins)`` of spectra ``(batch, frames, fft // 2 + 1)``.

    Each clip has a product of its own, so that its sums are the same in any batch: the order in
    which TensorFlow adds depends on the number of rows.

    Real and imaginary parts are squared as they lie in memory, in turn, and the weights are
    written twice instead: taking them apart would cost more than the larger product.
    """
    parts = tf.bitcast(transform, tf.float32)
    parts = tf.reshape(parts, [-1, spec.frames, 2 * (spec.fft // 2 + 1)])
    # Squared in pieces, in place and while the cache has them.
    groups = [
        tf.matmul(tf.square(parts[..., 2 * low : 2 * high]), np.repeat(weights, 2, axis=0))
        for low, high, weights in _groups(spec)
    ]
    return tf.concat(groups, axis=2)


@functools.lru_cache(maxsize=8)
def _groups(spec: SpectrogramSpec) -> tuple[tuple[int, int, np.ndarray], ...]:
    """Neighbouring bands with the range of FFT bins that is not zero in all of them."""
    found = []
    weights = band_weights(spec)
    for first in range(0, spec.bins, _TOGETHER):
        columns = weights[:, first : first + _TOGETHER]
        used = np.flatnonzero(columns.any(axis=1))
        low, high = int(used[0]), int(used[-1]) + 1
        found.append((low, high, columns[low:high]))
    return tuple(found)
