"""Synthesise a voice by a source-filter model: glottal pulses and noise through moving formants.

The model is Fant's. Components and typical values are those of
Klatt (1980), JASA 67(3). The signals have properties of speech (pitch, formants, syllables, breath,
pauses), but no words.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 16_000
_HOP, _WINDOW, _FFT = 80, 320, 512
# First three formants in Hz of a man's vowels (Peterson & Barney 1952). Higher formants are fixed.
_FIRST_FORMANTS = np.array(
    [
        [270, 2290, 3010],
        [390, 1990, 2550],
        [530, 1840, 2480],
        [660, 1720, 2410],
        [730, 1090, 2440],
        [570, 840, 2410],
        [300, 870, 2240],
        [490, 1350, 1690],
    ],
    dtype=np.float64,
)
_VOWELS = np.hstack([_FIRST_FORMANTS, np.tile([3500.0, 4500.0, 5500.0, 6600.0], (8, 1))])
_BANDWIDTHS = np.array([70.0, 100.0, 140.0, 220.0, 300.0, 400.0, 500.0])


@dataclass(frozen=True)
class Voice:
    """Voice of a speaker.

    Attributes:
        pitch: usual fundamental frequency in Hz.
        tract: factor on the formant frequencies of the vowel table, which are a man's; about 1.17
            for women.
        breathiness: fraction of aspiration noise in the source, 0 to 1.
        tempo: syllables per second.
        tilt: spectral slope in dB per octave, added to that of the glottal pulse.
    """

    pitch: float
    tract: float
    breathiness: float
    tempo: float
    tilt: float


@dataclass(frozen=True)
class Manner:
    """Manner of speaking, relative to the speaker's usual manner.

    Attributes:
        pitch: shift of the fundamental frequency in semitones.
        pitch_range: size of the pitch accents in semitones.
        rise: pitch change over the whole utterance in semitones; negative for a fall.
        tempo: factor on the tempo.
        effort: vocal effort in dB. More effort is louder and has less spectral tilt.
        breathiness: added to the breathiness of the voice.
        tremor: amplitude of a 6 Hz pitch modulation in semitones.
    """

    pitch: float = 0.0
    pitch_range: float = 3.0
    rise: float = -2.0
    tempo: float = 1.0
    effort: float = 0.0
    breathiness: float = 0.0
    tremor: float = 0.0


def speak(
    voice: Voice, manner: Manner, sentence_rng: np.random.Generator, take_rng: np.random.Generator
) -> npt.NDArray[Any]:
    """Synthesise one utterance.

    Args:
        voice: the speaker's voice.
        manner: the manner of speaking.
        sentence_rng: draws the phones. Generators with equal state give the same sentence.
        take_rng: draws the properties that differ between takes: timing, accents, noise.

    Returns:
        float32 waveform ``(samples,)`` at 16 kHz with a peak of about 0.1 to 1.0, without pauses at
        either end.
    """
    # Draws from `sentence` come first and do not depend on `take`.
    syllables = int(sentence_rng.integers(5, 9))
    vowels = sentence_rng.integers(0, len(_VOWELS), syllables)
    # Onset of each syllable: 0 vowel only, 1 plosive, 2 fricative.
    consonants = sentence_rng.choice([0.0, 1.0, 2.0], syllables, p=[0.3, 0.35, 0.35])
    stressed = sentence_rng.random(syllables) < 0.4

    relative_lengths = take_rng.normal(1.0, 0.12, syllables).clip(0.6, 1.5) * np.where(
        stressed, 1.2, 0.9
    )
    frame_counts = np.maximum(
        (relative_lengths * SAMPLE_RATE / _HOP / (voice.tempo * manner.tempo)).astype(int), 12
    )
    position, syllable_of_frame = _positions(frame_counts)
    pitch = _pitch(voice, manner, position, syllable_of_frame, stressed, take_rng)
    voice_amplitude, noise_amplitude = _envelopes(
        position, syllable_of_frame, stressed, consonants, manner
    )
    source = _glottal_source(pitch, voice, manner, take_rng)
    spectra = _frame_spectra(source, len(syllable_of_frame)) * (
        voice_amplitude[:, None]
        * _vowel_response(vowels, syllable_of_frame, position, voice, manner)
    )
    noise_spectra = _frame_spectra(take_rng.standard_normal(source.size), len(syllable_of_frame))
    spectra += noise_spectra * (noise_amplitude[:, None] * _noise_response(voice))
    wave = _overlap_add(spectra)
    loudness = 0.35 * 10 ** (manner.effort / 20)
    return (wave * (loudness / np.abs(wave).max())).clip(-1, 1).astype(np.float32)


def _positions(frame_counts: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return each frame's relative position in its syllable, 0 to 1, and the syllable index."""
    syllable_of_frame = np.repeat(np.arange(len(frame_counts)), frame_counts)
    position = np.concatenate([np.linspace(0, 1, count) for count in frame_counts])
    return position, syllable_of_frame


def _pitch(voice, manner, position, syllable_of_frame, stressed, take_rng) -> npt.NDArray[Any]:
    time = np.linspace(0, 1, len(syllable_of_frame))
    accent_size = (
        manner.pitch_range * np.where(stressed, 1.0, 0.25) * take_rng.normal(1, 0.25, len(stressed))
    )
    semitones = (
        manner.pitch
        + manner.rise * time
        + accent_size[syllable_of_frame] * np.sin(np.pi * position)
    )
    seconds = np.arange(len(syllable_of_frame)) * _HOP / SAMPLE_RATE
    semitones += manner.tremor * np.sin(2 * np.pi * 6 * seconds)
    semitones += np.cumsum(take_rng.normal(0, 0.06, len(syllable_of_frame)))
    return voice.pitch * 2 ** (semitones / 12)


def _envelopes(
    position, syllable_of_frame, stressed, consonants, manner
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the amplitudes of the voice and of the consonant noise in every frame."""
    consonant_of_frame = consonants[syllable_of_frame]
    onset = np.array([0.0, 0.2, 0.3])[consonant_of_frame.astype(int)]
    # A syllable with a vowel onset is connected to the previous syllable.
    rise = np.where(consonant_of_frame == 0, 0.35 + 0.65 * position, (position - onset) / 0.1).clip(
        0, 1
    )
    fall = ((1 - position) / 0.15).clip(0, 1)
    decay = 1 - 0.35 * np.linspace(0, 1, len(syllable_of_frame))
    voice_amplitude = (
        rise * (0.3 + 0.7 * fall) * np.where(stressed[syllable_of_frame], 1.0, 0.65) * decay
    )
    burst = np.exp(-(((position - 0.16) / 0.03) ** 2)) * 0.06
    fricative = np.sin(np.pi * (position / 0.3).clip(0, 1)) * 0.05
    noise_amplitude = np.select(
        [consonant_of_frame == 1, consonant_of_frame == 2], [burst, fricative]
    )
    noise_amplitude = noise_amplitude * decay * 10 ** (manner.effort / 40)
    return voice_amplitude, noise_amplitude


def _glottal_source(pitch, voice, manner, take_rng) -> npt.NDArray[Any]:
    """Return Rosenberg's (1971) glottal pulses, differentiated (lip radiation), plus breath."""
    size = len(pitch) * _HOP
    fundamental = np.interp(np.arange(size), np.arange(len(pitch)) * _HOP, pitch)
    phase = np.cumsum(fundamental / SAMPLE_RATE) % 1.0
    opening, closing = 0.4, 0.16
    closing_phase = (phase - opening) / closing
    flow = np.where(
        phase < opening,
        0.5 * (1 - np.cos(np.pi * phase / opening)),
        np.where(closing_phase < 1, np.cos(0.5 * np.pi * closing_phase.clip(0, 1)), 0.0),
    )
    pulses = np.diff(flow, prepend=0.0)
    pulses /= pulses.std()
    breath = np.clip(voice.breathiness + manner.breathiness, 0.0, 0.9)
    return (1 - breath) * pulses + breath * take_rng.standard_normal(size) * (0.3 + flow)


def _frequencies() -> npt.NDArray[Any]:
    return np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE)


def _vowel_response(vowels, syllable_of_frame, position, voice, manner) -> npt.NDArray[Any]:
    """Return vocal tract magnitudes ``(frames, frequencies)``, with glides between vowels."""
    following = _VOWELS[np.roll(vowels, -1)][syllable_of_frame]
    glide = (((position - 0.7) / 0.3).clip(0, 1) * 0.5)[:, None]
    formants = ((1 - glide) * _VOWELS[vowels][syllable_of_frame] + glide * following) * voice.tract
    frequencies = _frequencies()
    response = np.ones((len(syllable_of_frame), len(frequencies)))
    for formant, bandwidth in enumerate(_BANDWIDTHS):
        centre = formants[:, formant, None]
        real_part = centre**2 - frequencies**2
        response *= centre**2 / np.hypot(real_part, frequencies * bandwidth)
    tilt = voice.tilt + 0.25 * manner.effort
    octaves = np.log2(np.maximum(frequencies, 125.0) / 500.0)
    return response * 10 ** (tilt * octaves / 20)


def _noise_response(voice) -> npt.NDArray[Any]:
    frequencies = _frequencies()
    return np.exp(-(((frequencies - 4500 * voice.tract) / 2200) ** 2)) * 6


def _frame_spectra(wave: npt.NDArray[Any], frame_count: int) -> npt.NDArray[Any]:
    padded = np.pad(wave, (0, _WINDOW))
    sample_indices = np.arange(frame_count)[:, None] * _HOP + np.arange(_WINDOW)
    return np.fft.rfft(padded[sample_indices] * np.hanning(_WINDOW), _FFT)


def _overlap_add(spectra: npt.NDArray[Any]) -> npt.NDArray[Any]:
    frames = np.fft.irfft(spectra, _FFT)
    hops_per_frame = -(-_FFT // _HOP)
    frames = np.pad(frames, ((0, 0), (0, hops_per_frame * _HOP - _FFT))).reshape(
        -1, hops_per_frame, _HOP
    )
    wave = np.zeros((len(frames) + hops_per_frame, _HOP))
    for hop in range(hops_per_frame):
        wave[hop : hop + len(frames)] += frames[:, hop]
    return wave.reshape(-1)
