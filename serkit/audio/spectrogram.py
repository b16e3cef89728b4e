"""Spectrograms of a fixed size: mel, log-frequency or linear, in decibels per clip."""

import functools
import math
from dataclasses import dataclass, replace
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from scipy.fft import next_fast_len

from serkit.errors import InputError, check_choice, check_range

SCALES = ("linear", "log", "mel")
"""Frequency scales. Band centres are equally spaced in Hz, in log frequency, or in (HTK) mel."""


def centre_frequencies(scale: str, count: int, low_hz: float, high_hz: float) -> npt.NDArray[Any]:
    """Compute the centre frequencies of bands in Hz, float64 ``(count,)``, ascending.

    Args:
        scale: one of :data:`SCALES`.
        count: number of bands.
        low_hz: centre of the first band; with ``mel`` the lower edge of this band, as is usual.
        high_hz: centre of the last band; with ``mel`` the upper edge of this band.

    Raises:
        InputError: if ``scale`` is not in :data:`SCALES`.
    """
    check_choice("scale", scale, SCALES)
    if scale == "linear":
        return np.linspace(low_hz, high_hz, count)
    if scale == "log":
        return np.geomspace(low_hz, high_hz, count)
    low, high = 1127.0 * np.log1p(np.array([low_hz, high_hz]) / 700.0)
    edges = np.linspace(low, high, count + 2)
    return 700.0 * np.expm1(edges[1:-1] / 1127.0)


def triangular_filterbank(
    scale: str, count: int, fft_bins: int, sample_rate: int, low_hz: float, high_hz: float
) -> npt.NDArray[Any]:
    """Compute the weights of the FFT bins in triangular bands.

    Each triangle reaches to the centres of the neighbouring bands. ``mel`` is
    :func:`tf.signal.linear_to_mel_weight_matrix`. With ``log`` and ``linear`` each side of a
    triangle is at least as wide as the distance between two FFT bins, so that no band is empty.
    Bands that are closer than this distance, such as the low bands of ``log``, interpolate between
    FFT bins.

    Args:
        scale: one of :data:`SCALES`.
        count: number of bands.
        fft_bins: number of FFT bins, from 0 Hz to half the sample rate.
        sample_rate: sample rate in Hz.
        low_hz: see :func:`centre_frequencies`.
        high_hz: see :func:`centre_frequencies`.

    Returns:
        float32 ``(fft_bins, count)`` from 0 to 1.

    Raises:
        InputError: if ``scale`` is not in :data:`SCALES`.
    """
    centres = centre_frequencies(scale, count, low_hz, high_hz)
    if scale == "mel":
        with tf.init_scope():
            weights = tf.signal.linear_to_mel_weight_matrix(
                count, fft_bins, sample_rate, low_hz, high_hz, tf.float64
            )
        return weights.numpy().astype(np.float32)
    bin_distance = sample_rate / 2 / (fft_bins - 1)
    gaps = np.maximum(np.diff(centres), bin_distance)
    left_widths = np.concatenate([gaps[:1], gaps]) if count > 1 else np.array([bin_distance])
    right_widths = np.concatenate([gaps, gaps[-1:]]) if count > 1 else np.array([bin_distance])
    offsets = np.linspace(0.0, sample_rate / 2, fft_bins)[:, np.newaxis] - centres
    # Tiny weights are rounding errors of the bin frequencies. Set them to 0.
    weights = 1.0 - np.where(offsets < 0, -offsets / left_widths, offsets / right_widths)
    return np.where(weights > 1e-9, weights, 0.0).astype(np.float32)


# A clip whose highest band power is below this value counts as silent.
_SILENT_POWER = 1e-10
# Neighbouring bands share a matrix product while they use at most so many FFT bins. One product for
# all bands would multiply mostly zeros. One product per band would be mostly overhead.
_BINS_PER_PRODUCT = 64


@dataclass(frozen=True)
class SpectrogramSpec:
    """Settings of a spectrogram. The defaults give 224 x 224 points as in the 2021 report.

    Attributes:
        sample_rate: sample rate in Hz; recordings are resampled to it.
        frames: number of time steps.
        bins: number of frequency bands.
        window: length of the Hann window in samples.
        hop: samples from one frame to the next.
        fft: FFT length in samples, at least ``window``.
        low_hz: lower edge of the lowest band with ``mel``, else the centre of this band.
        high_hz: upper edge of the highest band with ``mel``, else the centre of this band; at most
            half the sample rate.
        range_db: dynamic range in dB. Values further below the clip's maximum are clipped.
        kind: frequency scale of the bands, ``mel`` (HTK), ``log`` or ``linear``; see
            :func:`triangular_filterbank`. ``linear`` from 0 Hz to half the sample rate with
            ``fft // 2 + 1`` bins is the plain power spectrum.
        trim_db: threshold in dB below the loudest frame for trimming leading and trailing silence,
            see :func:`serkit.audio.loading.trim_silence`; 0 switches trimming off.

    Raises:
        InputError: if a value is out of range, or a mel band would hold no FFT bin.

    Example:
        >>> import serkit
        >>> spec = serkit.SpectrogramSpec(frames=64, bins=40)
        >>> spec.shape, spec.samples
        ((64, 40, 1), 17152)
        >>> serkit.SpectrogramSpec.at_rate(22_050, "log").hop
        353
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
        # The logarithm of 0 Hz does not exist.
        check_range("low_hz", self.low_hz, 1.0 if self.kind == "log" else 0.0, self.high_hz - 1.0)
        check_range("range_db", self.range_db, 1.0)
        check_range("trim_db", self.trim_db, 0.0)
        empty_bands = int((band_weights(self).max(axis=0) <= 0).sum())
        if empty_bands:
            raise InputError(
                f"`bins` must be fewer, or `fft` longer, so that every mel band holds an FFT bin. "
                f"Received: bins={self.bins}, fft={self.fft}, with {empty_bands} empty band(s)."
            )

    @classmethod
    def at_rate(
        cls, sample_rate: int, kind: str = "mel", base: "SpectrogramSpec | None" = None
    ) -> "SpectrogramSpec":
        """Return a spec at another sample rate with the same shape and duration.

        Window, hop and FFT keep their duration. Window and hop are rounded to the nearest sample.
        The FFT length is rounded up to the next even length that factors into 2, 3 and 5. So the
        shape stays, as the networks require. The highest band stays at the same fraction of the
        sample rate.

        Args:
            sample_rate: sample rate in Hz, 1,000 to 192,000.
            kind: frequency scale of the bands.
            base: spec to adapt; the default spec if None.

        Returns:
            The new spec.

        Raises:
            InputError: if the rate is out of range, or a mel band would hold no FFT bin.

        Source: the 2021 report, section 4.3. Its spectrograms have a logarithmic axis and librosa's
        default rate: ``SpectrogramSpec.at_rate(22_050, "log")``.
        """
        check_range("sample_rate", sample_rate, 1_000, 192_000)
        base = base or cls()
        factor = sample_rate / base.sample_rate
        return replace(
            base,
            sample_rate=sample_rate,
            window=round(base.window * factor),
            hop=round(base.hop * factor),
            fft=2 * next_fast_len(math.ceil(base.fft * factor / 2), real=True),
            high_hz=base.high_hz * sample_rate / base.sample_rate,
            kind=kind,
        )

    @property
    def samples(self) -> int:
        """Number of samples of a waveform that gives exactly ``frames`` frames without padding."""
        return (self.frames - 1) * self.hop + self.window

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one spectrogram: ``(frames, bins, 1)``."""
        return self.frames, self.bins, 1


@functools.lru_cache(maxsize=8)
def band_weights(spec: SpectrogramSpec) -> npt.NDArray[Any]:
    """Compute the weight of each FFT bin in each band, float32 ``(fft // 2 + 1, bins)``, 0 to 1."""
    return triangular_filterbank(
        spec.kind, spec.bins, spec.fft // 2 + 1, spec.sample_rate, spec.low_hz, spec.high_hz
    )


def band_centres(spec: SpectrogramSpec) -> npt.NDArray[Any]:
    """Return the frequency in Hz at the peak of each band, ``(bins,)``, ascending."""
    return centre_frequencies(spec.kind, spec.bins, spec.low_hz, spec.high_hz)


@functools.lru_cache(maxsize=8)
def hann(length: int) -> npt.NDArray[Any]:
    """Return a periodic Hann window, float32 ``(length,)``, from :func:`tf.signal.hann_window`."""
    with tf.init_scope():
        return tf.signal.hann_window(length).numpy()


@tf.autograph.experimental.do_not_convert
def to_spectrogram(
    waveforms: tf.Tensor, spec: SpectrogramSpec, dtype: tf.DType = tf.float32
) -> tf.Tensor:
    """Compute spectrograms in decibels relative to each clip's own maximum.

    Every clip is scaled separately, so that its spectrogram does not depend on the rest of the
    batch. (Keras' MelSpectrogram clips relative to the maximum of the batch.) A silent clip is -1
    everywhere.

    Args:
        waveforms: float32 ``(batch, spec.samples)``.
        spec: settings of the spectrograms.
        dtype: dtype of the result, float32 or bfloat16; the computation is in float32.

    Returns:
        ``(batch, frames, bins, 1)`` in [-1, 1]: 1 is the clip's loudest point, -1 is
        ``spec.range_db`` or more below it. The lowest band comes first.

    Source: the 2021 report, section 4.3; with ``mel`` equal to librosa's
    ``melspectrogram(htk=True, norm=None)`` and ``power_to_db(ref=max)`` on the same frames.
    """
    if waveforms.shape[0] == 1 or tf.config.list_logical_devices("GPU"):
        return _to_spectrogram(waveforms, spec, dtype)
    # One clip at a time: the frames of a clip fit into the cache of a CPU, those of a batch do not.
    # And the order of addition in a matrix product depends on the number of rows.
    return tf.map_fn(
        lambda waveform: _to_spectrogram(waveform[tf.newaxis], spec, dtype)[0],
        waveforms,
        parallel_iterations=joblib.cpu_count(),
        fn_output_signature=tf.TensorSpec(spec.shape, dtype),
    )


def _to_spectrogram(waveforms: tf.Tensor, spec: SpectrogramSpec, dtype: tf.DType) -> tf.Tensor:
    frames = tf.signal.frame(waveforms, spec.window, spec.hop)
    frames *= tf.constant(hann(spec.window))
    scaled = scale_power(_band_power(tf.signal.rfft(frames, [spec.fft]), spec), spec)
    scaled = tf.ensure_shape(tf.expand_dims(scaled, -1), [None, *spec.shape])
    return scaled if dtype == tf.float32 else tf.cast(scaled, dtype)


def scale_power(power: tf.Tensor, spec: SpectrogramSpec) -> tf.Tensor:
    """Scale the band powers of clips to [-1, 1], see :func:`to_spectrogram`.

    Args:
        power: float32 ``(batch, frames, bins)``.
        spec: settings of the spectrograms.

    Returns:
        float32 of the same shape.
    """
    loudest = tf.reduce_max(power, axis=[1, 2], keepdims=True)
    relative = power / tf.maximum(loudest, _SILENT_POWER)
    # Clip at half the floor first, and at -1 after scaling, so that the floor is exactly -1 without
    # a rounding error. Use one factor, not two: a graph would multiply two factors first, and its
    # rounding would differ from eager code.
    floor = 0.5 * 10.0 ** (-spec.range_db / 10.0)
    scale = 20.0 / (np.log(10.0) * spec.range_db)
    return tf.maximum(1.0 + scale * tf.math.log(tf.maximum(relative, floor)), -1.0)


def _band_power(transform: tf.Tensor, spec: SpectrogramSpec) -> tf.Tensor:
    """Compute band powers ``(batch, frames, bands)`` of spectra ``(batch, frames, fft // 2 + 1)``.

    The function squares real and imaginary parts interleaved, as they are in memory, and repeats
    each weight twice. Separating the parts would take longer than the larger matrix product.
    """
    components = tf.bitcast(transform, tf.float32)
    components = tf.reshape(components, [-1, 2 * (spec.fft // 2 + 1)])
    # Square group by group, so that the squares are still in the CPU's cache.
    groups = [
        tf.matmul(tf.square(components[:, first : first + len(weights)]), weights)
        for first, weights in _band_groups(spec)
    ]
    return tf.reshape(tf.concat(groups, axis=1), [-1, spec.frames, spec.bins])


@functools.lru_cache(maxsize=8)
def _band_groups(spec: SpectrogramSpec) -> list[tuple[int, npt.NDArray[Any]]]:
    """Group neighbouring bands.

    Returns:
        For each group the first component (real or imaginary part of an FFT bin) with nonzero
        weights, and the weights ``(components, bands)``.
    """
    weights = band_weights(spec)
    is_used = weights > 0
    first_bins = is_used.argmax(axis=0)
    end_bins = len(weights) - is_used[::-1].argmax(axis=0)
    groups, first_band = [], 0
    for band in range(1, spec.bins + 1):
        low = int(first_bins[first_band])
        if band == spec.bins or end_bins[band] - low > _BINS_PER_PRODUCT:
            group_weights = weights[low : end_bins[band - 1], first_band:band]
            groups.append((2 * low, group_weights.repeat(2, axis=0)))
            first_band = band
    return groups
