"""Spectrograms back to waveforms, by Griffin-Lim."""

import functools

import numpy as np
import tensorflow as tf

from serkit.audio.spectrogram import SpectrogramSpec, band_weights, hann
from serkit.errors import InputError, check_range
from serkit.seeds import derive_seed

_PEAK = 0.5
# A generator's tanh never quite reaches the floor of -1; that must not be blown up to noise.
_SILENT = -0.99
# On 30 real clips more updates changed the spectral convergence by less than 0.0003.
_UPDATES = 16
_MOMENTUM = 0.99
# At the clip's ends the windows add up to almost nothing, and dividing by that makes clicks.
_LEAST_OVERLAP = 0.01
# Added to nothing, only divided by: far below any magnitude, and its inverse is still finite.
_TINY = 1e-20


def to_waveform(
    spectrograms: tf.Tensor, spec: SpectrogramSpec, *, iterations: int = 32, seed: int = 0
) -> tf.Tensor:
    """Waveforms whose spectrograms are near the given ones; the phase is made up.

    The bands are undone by :func:`linear_power`, the phases come from Griffin-Lim with momentum.
    Each clip is worked on by itself and from the same random phases, so that it comes out the same
    in any batch.

    Args:
        spectrograms: floating point ``(batch, frames, bins, 1)`` in [-1, 1], as from
            :func:`serkit.audio.spectrogram.to_spectrogram`; worked on in float32.
        spec: what they were made with.
        iterations: of Griffin-Lim, at least 1.
        seed: of the random phases; equal seeds give equal results.

    Returns:
        float32 ``(batch, spec.samples)``. The level is not in a spectrogram: each clip's peak is
        0.5. One whose values are all below -0.99 is silence. The first and last
        milliseconds, which hardly any window covers, are faded.

    Raises:
        InputError: if the shape is not the spec's, or ``iterations`` is below 1.

    Source: Griffin & Lim (1984), Signal estimation from modified short-time Fourier transform;
    Perraudin, Balazs & Søndergaard (2013), A fast Griffin-Lim algorithm; momentum as in librosa's
    ``griffinlim``.
    """
    check_range("iterations", iterations, 1)
    power = _relative_power(_checked(spectrograms, spec), spec)
    shape = [spec.frames, spec.fft // 2 + 1]
    seeds = [derive_seed(seed, "phases"), 0]
    angles = tf.random.stateless_uniform(shape, seeds, 0.0, 2.0 * np.pi, alg="philox")
    phases = tf.complex(tf.cos(angles), tf.sin(angles))
    count = tf.constant(iterations)

    def one(clip: tf.Tensor) -> tf.Tensor:
        return _griffin_lim(clip, phases, count, spec)

    result = tf.TensorSpec([spec.samples], tf.float32)
    return tf.map_fn(one, power, fn_output_signature=result)


def spectral_convergence(
    spectrograms: tf.Tensor, waveforms: tf.Tensor, spec: SpectrogramSpec
) -> tf.Tensor:
    """How far the waveforms' spectrograms are from the wanted ones; 0 is perfect, 1 is nothing.

    Frobenius norm of the difference of the band amplitudes, over the norm of the wanted ones. A
    spectrogram has no level, so each waveform is taken at the gain that fits best.

    Args:
        spectrograms: the wanted ones, floating point ``(batch, frames, bins, 1)`` in [-1, 1].
        waveforms: float32 ``(batch, spec.samples)``.
        spec: what the spectrograms were made with.

    Returns:
        float32 ``(batch,)`` from 0 to 1. Where silence is wanted: 0 for silence, 1 for anything
        else.

    Raises:
        InputError: if the spectrograms' shape is not the spec's.

    Source: Sturmel & Daudet (2011), Signal reconstruction from STFT magnitude: a state of the art,
    there on FFT bins instead of bands.
    """
    wanted = tf.sqrt(_relative_power(_checked(spectrograms, spec), spec))
    transform = tf.signal.stft(waveforms, spec.window, spec.hop, spec.fft)
    got = tf.sqrt(tf.matmul(tf.square(tf.abs(transform)), band_weights(spec)))
    peaks = tf.reduce_max(got, axis=[1, 2], keepdims=True)
    got = tf.math.divide_no_nan(got, peaks)
    products = tf.reduce_sum(wanted * got, axis=[1, 2], keepdims=True)
    gain = tf.math.divide_no_nan(products, tf.reduce_sum(got * got, axis=[1, 2], keepdims=True))
    error = tf.norm(wanted - gain * got, axis=[1, 2])
    norm = tf.norm(wanted, axis=[1, 2])
    noise = tf.cast(peaks[:, 0, 0] > 0, tf.float32)
    return tf.where(norm > 0, tf.math.divide_no_nan(error, norm), noise)


def linear_power(power: tf.Tensor, spec: SpectrogramSpec) -> tf.Tensor:
    """A power spectrum, not negative, whose bands hold the given power.

    It starts from each band's power spread over its bins and is improved by multiplicative updates
    for the Kullback-Leibler divergence, which do as much for quiet bands as for loud ones. Those
    for least squares, and the pseudo-inverse clipped at 0, were further off on real clips.

    Args:
        power: float32 ``(..., bins)``, not negative.
        spec: gives the bands.

    Returns:
        float32 ``(..., fft // 2 + 1)``; 0 in bins that no band covers.

    Source: Lee & Seung (2001), Algorithms for non-negative matrix factorization.
    """
    weights = tf.constant(band_weights(spec))
    shares = tf.reduce_sum(weights, axis=1)

    def spread(bands: tf.Tensor) -> tf.Tensor:
        return tf.math.divide_no_nan(tf.matmul(bands, weights, transpose_b=True), shares)

    linear = spread(power / tf.reduce_sum(weights, axis=0))
    for _ in range(_UPDATES):
        linear *= spread(tf.math.divide_no_nan(power, tf.matmul(linear, weights)))
    return linear


def inverse_stft(transform: tf.Tensor, spec: SpectrogramSpec) -> tf.Tensor:
    """Least-squares inverse of ``tf.signal.stft(waveforms, spec.window, spec.hop, spec.fft)``.

    :func:`tf.signal.inverse_stft` divides by the sum of windows in the middle of a clip
    everywhere, which fades the first and last window; here it is the sum at each sample.

    Args:
        transform: complex64 ``(..., frames, fft // 2 + 1)``.
        spec: gives window, hop and FFT length.

    Returns:
        float32 ``(..., spec.samples)``; exact but for the first and last samples, where the
        squared windows add up to less than a hundredth of what they do elsewhere.

    Source: Griffin & Lim (1984), equation 6.
    """
    frames = tf.signal.irfft(transform, [spec.fft])[..., : spec.window]
    frames *= hann(spec.window)
    return tf.signal.overlap_and_add(frames, spec.hop) / _overlap(spec)


@tf.function
def _griffin_lim(
    power: tf.Tensor, phases: tf.Tensor, iterations: tf.Tensor, spec: SpectrogramSpec
) -> tf.Tensor:
    """One clip's waveform, ``(spec.samples,)``, from its band power ``(frames, bins)``."""
    magnitude = tf.sqrt(linear_power(power, spec))
    momentum = tf.constant(_MOMENTUM / (1.0 + _MOMENTUM), tf.complex64)
    start = tf.cast(magnitude, tf.complex64) * phases

    def step(number, estimate, previous):
        rebuilt = tf.signal.stft(inverse_stft(estimate, spec), spec.window, spec.hop, spec.fft)
        estimate = rebuilt - momentum * previous
        gain = magnitude / tf.maximum(tf.abs(estimate), _TINY)
        return number + 1, estimate * tf.cast(gain, tf.complex64), rebuilt

    loop = [tf.constant(0), start, tf.zeros_like(start)]
    _, estimate, _ = tf.while_loop(lambda number, *_: number < iterations, step, loop)
    waveform = inverse_stft(estimate, spec)
    peak = tf.reduce_max(tf.abs(waveform))
    return tf.ensure_shape(tf.math.divide_no_nan(_PEAK * waveform, peak), [spec.samples])


def _relative_power(spectrograms: tf.Tensor, spec: SpectrogramSpec) -> tf.Tensor:
    """Band power ``(batch, frames, bins)`` from 0 to 1; what was cut off at the floor is 0."""
    scaled = tf.cast(spectrograms[..., 0], tf.float32)
    power = tf.exp((scaled - 1.0) * (np.log(10.0) * spec.range_db / 20.0))
    heard = tf.reduce_max(scaled, axis=[1, 2], keepdims=True) > _SILENT
    return tf.where(heard & (scaled > -1.0), power, 0.0)


def _checked(spectrograms: tf.Tensor, spec: SpectrogramSpec) -> tf.Tensor:
    spectrograms = tf.convert_to_tensor(spectrograms)
    if not spectrograms.shape.is_compatible_with([None, *spec.shape]):
        valid = ", ".join(map(str, spec.shape))
        raise InputError(f"spectrograms of shape {spectrograms.shape}; valid is (batch, {valid})")
    return tf.ensure_shape(spectrograms, [None, *spec.shape])


@functools.lru_cache(maxsize=8)
def _overlap(spec: SpectrogramSpec) -> np.ndarray:
    """Sum of the squared windows at each sample, ``(samples,)``, not below the least allowed."""
    with tf.init_scope():
        squares = tf.square(hann(spec.window))
        total = tf.signal.overlap_and_add(tf.tile(squares[tf.newaxis], [spec.frames, 1]), spec.hop)
        return tf.maximum(total, _LEAST_OVERLAP * tf.reduce_max(total)).numpy()
