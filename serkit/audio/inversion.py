"""Estimate waveforms from spectrograms by Griffin-Lim."""

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serkit.audio.spectrogram import SpectrogramSpec, band_weights, hann
from serkit.errors import InputError, check_range
from serkit.seeds import derive_seed

_OUTPUT_PEAK = 0.5
# The tanh output of a generator never quite reaches -1. A generated silent clip must stay silent
# and not be amplified to noise.
_MAX_SILENT_VALUE = -0.99
# Number of multiplicative updates in fft_power_from_bands. More changed the spectral convergence
# by less than 0.0003 on 30 real clips.
_POWER_UPDATES = 16
_MOMENTUM = 0.99
# Lower bound of the sum of the squared windows, as a fraction of its maximum. At the ends of a clip
# the sum is almost 0, and dividing by it would make clicks.
_MIN_WINDOW_SUMSQUARE = 0.01
# Lower bound of a divisor. It is far below any nonzero magnitude that occurs, and its inverse is
# finite in float32.
_MIN_DIVISOR = 1e-20


def griffin_lim(
    spectrograms: tf.Tensor, spec: SpectrogramSpec, *, iterations: int = 32, seed: int = 0
) -> tf.Tensor:
    """Estimate waveforms whose spectrograms approximate the given spectrograms.

    :func:`fft_power_from_bands` estimates the power spectrum from the bands. Griffin-Lim with
    momentum estimates the phases. Each clip is processed separately and starts from the same random
    phases, so that its result does not depend on the rest of the batch.

    Args:
        spectrograms: floating point ``(batch, frames, bins, 1)`` in [-1, 1], as from
            :func:`serkit.audio.spectrogram.to_spectrogram`; processed in float32.
        spec: settings of the spectrograms.
        iterations: number of Griffin-Lim iterations, at least 1.
        seed: seed of the random phases; equal seeds give equal results.

    Returns:
        float32 ``(batch, spec.samples)``. A spectrogram does not hold the level of its clip, so
        each clip's peak is set to 0.5. A clip whose values are all -0.99 or below becomes silence.
        About 7 ms at each end (with the default spec) are faded, because the sum of the squared
        windows is almost 0 there.

    Raises:
        InputError: if the shape does not fit ``spec``, or ``iterations`` is below 1.

    Source: Griffin & Lim (1984), Signal estimation from modified short-time Fourier transform;
    Perraudin, Balazs & Søndergaard (2013), A fast Griffin-Lim algorithm; momentum as in librosa's
    ``griffinlim``.

    Example:
        >>> import serkit, tensorflow as tf
        >>> spec = serkit.SpectrogramSpec(frames=8, bins=16, window=256, hop=128, fft=512)
        >>> waveforms = serkit.griffin_lim(tf.zeros((2, *spec.shape)), spec, iterations=2)
        >>> tuple(waveforms.shape), spec.samples
        ((2, 1152), 1152)
    """
    check_range("iterations", iterations, 1)
    band_power = _relative_power(_validated("spectrograms", spectrograms, spec.shape), spec)
    shape = [spec.frames, spec.fft // 2 + 1]
    phase_seed = (derive_seed(seed, "phases"), 0)
    angles = tf.random.stateless_uniform(shape, phase_seed, 0.0, 2.0 * np.pi, alg="philox")
    unit_phasors = tf.complex(tf.cos(angles), tf.sin(angles))
    # A tensor, so that another number of iterations needs no new trace.
    iteration_count = tf.constant(iterations)

    def estimate_waveform(clip: tf.Tensor) -> tf.Tensor:
        return _estimate_one(clip, unit_phasors, iteration_count, spec)

    waveform_type = tf.TensorSpec([spec.samples], tf.float32)
    return tf.map_fn(estimate_waveform, band_power, fn_output_signature=waveform_type)


def spectral_convergence(
    spectrograms: tf.Tensor, waveforms: tf.Tensor, spec: SpectrogramSpec
) -> tf.Tensor:
    """Compute the spectral convergence between waveforms and target spectrograms.

    The value is the Frobenius norm of the difference of the band amplitudes, divided by the norm
    of the target amplitudes. A spectrogram does not hold the level of its clip, so each waveform is
    scaled by the gain that fits best.

    Args:
        spectrograms: targets, floating point ``(batch, frames, bins, 1)`` in [-1, 1].
        waveforms: float32 ``(batch, spec.samples)``.
        spec: settings of the spectrograms.

    Returns:
        float32 ``(batch,)`` from 0 (perfect) to 1 (as bad as silence). For a silent target the
        value is 0 for a silent waveform and 1 for any other.

    Raises:
        InputError: if the shape of the spectrograms or waveforms does not fit ``spec``.

    Source: Sturmel & Daudet (2011), Signal reconstruction from STFT magnitude: a state of the art.
    The paper uses FFT bins instead of bands.
    """
    spectrograms = _validated("spectrograms", spectrograms, spec.shape)
    waveforms = _validated("waveforms", waveforms, (spec.samples,))
    target = tf.sqrt(_relative_power(spectrograms, spec))
    transform = tf.signal.stft(waveforms, spec.window, spec.hop, spec.fft)
    actual = tf.sqrt(tf.matmul(tf.square(tf.abs(transform)), band_weights(spec)))
    peaks = tf.reduce_max(actual, axis=[1, 2], keepdims=True)
    # Scale to a peak of 1, so that squares of a quiet waveform do not underflow. The gain cancels
    # it.
    actual = tf.math.divide_no_nan(actual, peaks)
    products = tf.reduce_sum(target * actual, axis=[1, 2], keepdims=True)
    gain = tf.math.divide_no_nan(
        products, tf.reduce_sum(actual * actual, axis=[1, 2], keepdims=True)
    )
    error = tf.norm(target - gain * actual, axis=[1, 2])
    norm = tf.norm(target, axis=[1, 2])
    silent_target_value = tf.cast(peaks[:, 0, 0] > 0, tf.float32)
    return tf.where(norm > 0, tf.math.divide_no_nan(error, norm), silent_target_value)


def fft_power_from_bands(band_power: tf.Tensor, spec: SpectrogramSpec) -> tf.Tensor:
    """Estimate the nonnegative power of each FFT bin from the power of the bands.

    The estimate starts from each band's power, spread over its FFT bins. Multiplicative updates for
    the Kullback-Leibler divergence then improve it. Each update multiplies a bin by the weighted
    mean, over its bands, of the band's power divided by the estimated band power. Multiplicative
    updates for least squares, and the pseudo-inverse clipped at 0, had larger errors on real clips.

    Args:
        band_power: float32 ``(..., bins)``, not negative.
        spec: settings that define the bands.

    Returns:
        float32 ``(..., fft // 2 + 1)``; 0 in FFT bins that no band covers.

    Source: Lee & Seung (2001), Algorithms for non-negative matrix factorization.
    """
    weights = tf.constant(band_weights(spec))
    weight_sums = tf.reduce_sum(weights, axis=1)

    def mean_over_bands(values: tf.Tensor) -> tf.Tensor:
        return tf.math.divide_no_nan(tf.matmul(values, weights, transpose_b=True), weight_sums)

    fft_power = mean_over_bands(band_power / tf.reduce_sum(weights, axis=0))
    for _ in range(_POWER_UPDATES):
        estimated = tf.matmul(fft_power, weights)
        fft_power *= mean_over_bands(tf.math.divide_no_nan(band_power, estimated))
    return fft_power


def inverse_stft(transform: tf.Tensor, spec: SpectrogramSpec) -> tf.Tensor:
    """Compute the least-squares inverse of ``tf.signal.stft`` with the spec's parameters.

    The forward transform is ``tf.signal.stft(waveforms, spec.window, spec.hop, spec.fft)``.
    :func:`tf.signal.inverse_stft` with :func:`tf.signal.inverse_stft_window_fn` divides by the sum
    of the squared windows in the middle of a clip everywhere, which fades both ends. This function
    divides by the sum at each sample.

    Args:
        transform: complex64 ``(..., frames, fft // 2 + 1)``.
        spec: settings that give window, hop and FFT length.

    Returns:
        float32 ``(..., spec.samples)``. For the STFT of a waveform the inverse is exact except for
        the first and last samples, where the sum of the squared windows is less than a hundredth of
        its maximum.

    Source: Griffin & Lim (1984), equation 6.
    """
    frames = tf.signal.irfft(transform, [spec.fft])[..., : spec.window]
    frames *= hann(spec.window)
    return tf.signal.overlap_and_add(frames, spec.hop) / _window_sumsquare(spec)


@tf.function(autograph=False)
def _estimate_one(
    band_power: tf.Tensor, unit_phasors: tf.Tensor, iterations: tf.Tensor, spec: SpectrogramSpec
) -> tf.Tensor:
    """Estimate one clip's waveform, ``(spec.samples,)``.

    Args:
        band_power: float32 ``(frames, bins)``.
        unit_phasors: complex64 ``(frames, fft // 2 + 1)``; exp(i phase) of the initial phases.
        iterations: int32 scalar.
        spec: settings of the spectrogram.
    """
    magnitude = tf.sqrt(fft_power_from_bands(band_power, spec))
    momentum = tf.constant(_MOMENTUM / (1.0 + _MOMENTUM), tf.complex64)
    initial_estimate = tf.cast(magnitude, tf.complex64) * unit_phasors

    def step(iteration, estimate, previous):
        consistent = tf.signal.stft(inverse_stft(estimate, spec), spec.window, spec.hop, spec.fft)
        estimate = consistent - momentum * previous
        gain = magnitude / tf.maximum(tf.abs(estimate), _MIN_DIVISOR)
        return iteration + 1, estimate * tf.cast(gain, tf.complex64), consistent

    loop_variables = [tf.constant(0), initial_estimate, tf.zeros_like(initial_estimate)]
    _, estimate, _ = tf.while_loop(
        lambda iteration, *_: iteration < iterations, step, loop_variables
    )
    waveform = inverse_stft(estimate, spec)
    peak = tf.reduce_max(tf.abs(waveform))
    return tf.ensure_shape(tf.math.divide_no_nan(_OUTPUT_PEAK * waveform, peak), [spec.samples])


def _relative_power(spectrograms: tf.Tensor, spec: SpectrogramSpec) -> tf.Tensor:
    """Compute the band power relative to the clip's maximum, 0 to 1.

    Returns:
        float32 ``(batch, frames, bins)``. Values of -1, and clips that count as silent, give 0.
    """
    scaled = tf.cast(spectrograms[:, :, :, 0], tf.float32)
    band_power = tf.exp((scaled - 1.0) * (np.log(10.0) * spec.range_db / 20.0))
    is_audible = tf.reduce_max(scaled, axis=[1, 2], keepdims=True) > _MAX_SILENT_VALUE
    return tf.where(is_audible & (scaled > -1.0), band_power, 0.0)


def _validated(name: str, values: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """Return a tensor of the shape ``(batch, *shape)``; raise InputError for any other shape."""
    values = tf.convert_to_tensor(values)
    if not values.shape.is_compatible_with([None, *shape]):
        valid = ", ".join(map(str, ("batch", *shape)))
        raise InputError(f"`{name}` must have shape ({valid}). Received: {values.shape}.")
    return tf.ensure_shape(values, [None, *shape])


@functools.lru_cache(maxsize=8)
def _window_sumsquare(spec: SpectrogramSpec) -> npt.NDArray[Any]:
    """Compute the sum of the squared windows at each sample, ``(samples,)``, with a lower bound."""
    with tf.init_scope():
        squared_window = tf.square(hann(spec.window))
        sumsquare = tf.signal.overlap_and_add(
            tf.tile(squared_window[tf.newaxis], [spec.frames, 1]), spec.hop
        )
        return tf.maximum(sumsquare, _MIN_WINDOW_SUMSQUARE * tf.reduce_max(sumsquare)).numpy()
