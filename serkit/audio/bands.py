"""Frequency bands of a spectrogram: where they lie, and which FFT bins go into them."""

import numpy as np
import tensorflow as tf

from serkit.errors import check_choice

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


def triangles(
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
