"""Change the speed, tempo or pitch of batches by a given factor per clip."""

import numpy as np
import tensorflow as tf

# Zeros on either side of a clip, so that ringing at one end does not wrap around to the other; and
# the length of which the FFT length is a multiple, so that it has no large prime factors.
_MARGIN, _BLOCK = 1024, 4096
_OVERSAMPLING = 2
# Window and hop of the phase vocoder in samples. At 16 kHz the window is 64 ms, the hop 16 ms.
_WINDOW, _HOP = 1024, 256


def change_speed(waveforms: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """Change the speed of each clip by its own factor; pitch and tempo change together.

    The middle of a clip stays in the middle. A slower clip is cut at both ends, a faster clip is
    padded with zeros at both ends.

    The clip is oversampled in the frequency domain, where frequencies that would alias are removed.
    A cubic B-spline then interpolates between the samples. The spectrum is corrected for the
    frequency response of the B-spline. A tone that is below 0.4 of the sample rate before and after
    the change keeps its amplitude. Its images are at least 48 dB below the tone, a fraction of
    (0.2 / 0.8) ** 4.

    Args:
        waveforms: float32 ``(batch, samples)``.
        factors: float32 ``(batch,)``, above 0. A factor above 1 makes a clip faster and higher in
            pitch.

    Returns:
        Waveforms of the same shape. At a factor of exactly 1 the clip is unchanged.

    Source: Unser (1999), Splines: a perfect fit for signal and image processing, IEEE Signal
    Processing Magazine 16(6).
    """
    factor = factors[:, tf.newaxis]
    samples = tf.shape(waveforms)[1]
    middle = tf.cast(samples - 1, tf.float64) / 2.0
    # In float64: float32 has too few digits for positions between two samples of a long clip.
    steps = tf.range(tf.cast(samples, tf.float64), dtype=tf.float64) - middle
    position = middle + tf.cast(factor, tf.float64) * steps
    is_inside = (position >= 0.0) & (position <= 2.0 * middle)
    resampled = tf.where(
        is_inside, _evaluate_spline(_spline_coefficients(waveforms, factor), position), 0.0
    )
    return tf.ensure_shape(tf.where(factor == 1.0, waveforms, resampled), waveforms.shape)


def change_tempo(waveforms: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """Change the tempo of each clip by its own factor at constant pitch, with a phase vocoder.

    The middle of a clip stays in the middle and keeps its phases. A slower clip is cut at both
    ends, a faster clip is padded with zeros at both ends. Onsets are blurred and may be up to 400
    samples early or late, as with librosa.

    Args:
        waveforms: float32 ``(batch, samples)``.
        factors: float32 ``(batch,)``, above 0. A factor above 1 makes a clip faster.

    Returns:
        Waveforms of the same shape. At a factor of exactly 1 the clip is unchanged.

    Source: Laroche & Dolson (1999), Improved phase vocoder time-scale modification of audio, IEEE
    Transactions on Speech and Audio Processing 7(3), section II; as in librosa's ``time_stretch``.
    """
    factor = factors[:, tf.newaxis]
    samples = tf.shape(waveforms)[1]
    # Number of frames on either side of the middle frame. The outermost frames hold only zeros.
    frames_per_side = -(-samples // (2 * _HOP)) + _WINDOW // _HOP
    clip_start = frames_per_side * _HOP + _WINDOW // 2 - samples // 2
    padded_length = 2 * frames_per_side * _HOP + _WINDOW
    padded = _pad(waveforms, clip_start, padded_length - clip_start - samples)
    frames = tf.signal.stft(padded, _WINDOW, _HOP)
    steps = tf.cast(tf.range(-frames_per_side, frames_per_side + 1), tf.float32)
    frame_positions = tf.cast(frames_per_side, tf.float32) + factor * steps
    stretched = _inverse_stft(_interpolate_frames(frames, frame_positions, frames_per_side))[
        :, clip_start : clip_start + samples
    ]
    return tf.ensure_shape(tf.where(factor == 1.0, waveforms, stretched), waveforms.shape)


def change_pitch(waveforms: tf.Tensor, factors: tf.Tensor, highest: float) -> tf.Tensor:
    """Change the pitch of each clip by its own factor at constant tempo. Formants move, too.

    :func:`change_tempo` first changes the tempo by the inverse factor. :func:`change_speed` then
    restores the tempo and changes the pitch.

    Args:
        waveforms: float32 ``(batch, samples)``.
        factors: float32 ``(batch,)``, above 0. All frequencies are multiplied by the factor.
        highest: upper bound of the factors. If it is above 1, the clips are padded in proportion to
            ``highest - 1``, so that a slower clip is not cut between the two steps.

    Returns:
        Waveforms of the same shape. At a factor of exactly 1 the clip is unchanged.
    """
    samples = tf.shape(waveforms)[1]
    fraction = max(highest - 1.0, 0.0) / 2.0
    margin = tf.cast(tf.math.ceil(fraction * tf.cast(samples, tf.float32)), tf.int32)
    padded = _pad(waveforms, margin, margin)
    shifted = change_speed(change_tempo(padded, 1.0 / factors), factors)
    return tf.ensure_shape(shifted[:, margin : margin + samples], waveforms.shape)


def _pad(rows: tf.Tensor, before: tf.Tensor | int, after: tf.Tensor | int) -> tf.Tensor:
    """Pad the rows of ``(batch, any)`` with zeros."""
    return tf.pad(rows, [[0, 0], [before, after]])  # pyright: ignore[reportArgumentType]


def _interpolate_frames(
    frames: tf.Tensor, positions: tf.Tensor, fixed_frame: tf.Tensor
) -> tf.Tensor:
    """Interpolate an STFT at ``positions``, given in frames.

    Magnitudes are interpolated linearly. The phase step from one output frame to the next is the
    phase step between the two input frames around the output frame's position.

    Args:
        frames: complex64 ``(batch, frames, bins)``.
        positions: float32 ``(batch, any)``, positions in frames. Beyond the ends the result is 0.
        fixed_frame: index of the output frame whose position is the input frame of the same index.
            This frame keeps its phases.
    """
    # tf.atan2 is several times as fast as tf.math.angle.
    angles = tf.atan2(tf.math.imag(frames), tf.math.real(frames))
    magnitudes = tf.abs(frames)
    lower = tf.clip_by_value(tf.cast(tf.floor(positions), tf.int32), 0, tf.shape(frames)[1] - 2)
    fraction = tf.expand_dims(positions - tf.cast(lower, tf.float32), -1)
    magnitude_before, magnitude_after = (
        tf.gather(magnitudes, lower + step, batch_dims=1) for step in (0, 1)
    )
    is_inside = (fraction >= 0.0) & (fraction <= 1.0)
    magnitude = tf.where(
        is_inside, magnitude_before + fraction * (magnitude_after - magnitude_before), 0.0
    )
    phase_steps = tf.gather(angles[:, 1:] - angles[:, :-1], lower, batch_dims=1)
    phase = tf.cumsum(phase_steps, axis=1, exclusive=True)
    phase += (angles - phase)[:, fixed_frame, tf.newaxis]
    return tf.complex(magnitude * tf.cos(phase), magnitude * tf.sin(phase))


def _inverse_stft(frames: tf.Tensor) -> tf.Tensor:
    """Compute the inverse STFT; several times as fast as ``tf.signal.inverse_stft``."""
    window = tf.signal.inverse_stft_window_fn(_HOP)(_WINDOW, tf.float32)
    windowed_frames = tf.signal.irfft(frames, [_WINDOW]) * window
    hops_per_frame = _WINDOW // _HOP
    windowed_frames = tf.reshape(
        windowed_frames,
        [tf.shape(windowed_frames)[0], tf.shape(windowed_frames)[1], hops_per_frame, _HOP],
    )
    shifted_frames = [
        tf.pad(windowed_frames[:, :, piece], [[0, 0], [piece, hops_per_frame - 1 - piece], [0, 0]])
        for piece in range(hops_per_frame)
    ]
    return tf.reshape(tf.add_n(shifted_frames), [tf.shape(windowed_frames)[0], -1])


def _spline_coefficients(waveforms: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Compute B-spline coefficients of the padded clips without frequencies that would alias."""
    samples = tf.shape(waveforms)[1]
    length = -(-(samples + 2 * _MARGIN) // _BLOCK) * _BLOCK
    oversampled_length = _OVERSAMPLING * length
    padded = _pad(waveforms, _MARGIN, length - samples - _MARGIN)
    spectrum = tf.signal.rfft(padded)
    bins = tf.range(tf.cast(length // 2 + 1, tf.float32))
    # Replace bin 0 by a small number to avoid 0 / 0; its sine is equal to the angle.
    angle = np.pi * tf.maximum(bins, 1e-3) / tf.cast(oversampled_length, tf.float32)
    response = (tf.sin(angle) / angle) ** 4 / _OVERSAMPLING
    is_kept = bins * tf.maximum(factor, 1.0) < tf.cast(length // 2, tf.float32)
    spectrum *= tf.cast(tf.where(is_kept, 1.0 / response, 0.0), tf.complex64)
    spectrum = _pad(spectrum, 0, (oversampled_length - length) // 2)
    return tf.signal.irfft(spectrum, [oversampled_length])


def _evaluate_spline(coefficients: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
    """Evaluate the cubic spline at ``position``, float64 ``(batch, any)`` in samples of a clip."""
    oversampled_position = (position + _MARGIN) * _OVERSAMPLING
    lower_position = tf.floor(oversampled_position)
    distance_after = tf.cast(oversampled_position - lower_position, tf.float32)
    distance_before = 1.0 - distance_after
    last_tap = tf.shape(coefficients)[1] - 3
    first_tap = tf.clip_by_value(tf.cast(lower_position, tf.int32), 1, last_tap) - 1
    weights = (
        distance_before**3 / 6.0,
        2.0 / 3.0 - 0.5 * distance_after**2 * (1.0 + distance_before),
        2.0 / 3.0 - 0.5 * distance_before**2 * (1.0 + distance_after),
        distance_after**3 / 6.0,
    )
    taps = [tf.gather(coefficients, first_tap + tap, batch_dims=1) for tap in range(4)]
    return tf.add_n([weight * tap for weight, tap in zip(weights, taps, strict=True)])
