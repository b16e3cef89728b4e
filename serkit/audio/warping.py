"""Slower, faster, higher and lower voices, made of spectrograms rather than of waveforms."""

from dataclasses import dataclass

import tensorflow as tf

from serkit.audio.spectrogram import SpectrogramSpec, band_centres
from serkit.errors import check_range


@dataclass(frozen=True)
class WarpSettings:
    """How far training spectrograms are bent; each clip gets draws of its own.

    Attributes:
        tempo: largest change of the duration, as the logarithm of a factor: 0.1 is up to a tenth
            longer or shorter; 0 to 0.7.
        pitch: the same for all frequencies.
        shift: largest shift in time to either side, as a share of the frames, 0 to 1; what leaves
            at an end is lost, and silence comes in at the other.
    """

    tempo: float = 0.15
    pitch: float = 0.12
    shift: float = 0.1

    def __post_init__(self) -> None:
        check_range("tempo", self.tempo, 0.0, 0.7)
        check_range("pitch", self.pitch, 0.0, 0.7)
        check_range("shift", self.shift, 0.0, 1.0)


def warp(
    spectrograms: tf.Tensor, seed: tf.Tensor, settings: WarpSettings, spec: SpectrogramSpec
) -> tf.Tensor:
    """Stretch each spectrogram along time about its middle, and scale its frequencies.

    With both by the same factor it is what playing the recording at another speed gives
    (:func:`serkit.audio.speed.play`), but for the fine structure between bands; here tempo and
    pitch change independently, at the cost of two gathers a batch, so that no clip is ever seen
    twice in the same way.

    Args:
        spectrograms: float32 ``(batch, frames, bins, 1)`` in [-1, 1].
        seed: int ``(2,)``; equal seeds give equal results.
        settings: how far.
        spec: what the spectrograms are made of; decides where frequencies lie.

    Returns:
        The same shape, interpolated linearly; -1, silence, where nothing was.

    Source: Ko et al. (2015), Audio augmentation for speech recognition, Interspeech, for the two
    together; Jaitly & Hinton (2013), Vocal tract length perturbation, for the frequencies alone.
    """
    batch = tf.shape(spectrograms)[0]
    seeds = tf.random.experimental.stateless_split(seed, 3)

    def draw(row: int, most: float) -> tf.Tensor:
        return tf.random.stateless_uniform([batch, 1], seeds[row], -most, most)

    frames = float(spec.frames)
    middle = (frames - 1.0) / 2.0
    moved = tf.range(frames)[tf.newaxis] - middle - draw(0, settings.shift) * frames
    places = middle + moved / tf.exp(draw(1, settings.tempo))
    heard = _between(spectrograms[..., 0], places)
    places = _bins_at(band_centres(spec) / tf.exp(draw(2, settings.pitch)), spec)
    return tf.transpose(_between(tf.transpose(heard, [0, 2, 1]), places), [0, 2, 1])[
        ..., tf.newaxis
    ]


def _bins_at(hz: tf.Tensor, spec: SpectrogramSpec) -> tf.Tensor:
    """Where frequencies lie among the bands: 0 is the centre of the lowest; float32."""
    centres = tf.constant(band_centres(spec), tf.float32)
    lower = tf.searchsorted(centres, tf.reshape(hz, [-1]), side="right") - 1
    lower = tf.reshape(tf.clip_by_value(lower, 0, spec.bins - 2), tf.shape(hz))
    here, above = tf.gather(centres, lower), tf.gather(centres, lower + 1)
    place = tf.cast(lower, tf.float32) + (hz - here) / (above - here)
    # What lies below the lowest band is heard in it: there is no sound to take its place.
    return tf.maximum(place, 0.0)


def _between(rows: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Rows ``(batch, n, width)`` read off at ``places`` ``(batch, m)``; -1 beyond the ends."""
    last = tf.shape(rows)[1] - 1
    lower = tf.clip_by_value(tf.cast(tf.floor(places), tf.int32), 0, last - 1)
    share = (places - tf.cast(lower, tf.float32))[..., tf.newaxis]
    here, after = (tf.gather(rows, lower + step, batch_dims=1) for step in (0, 1))
    inside = (share >= 0.0) & (share <= 1.0)
    return tf.where(inside, here + share * (after - here), -1.0)
