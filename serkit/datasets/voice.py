"""A source-filter voice: glottal pulses and noise through moving formants.

The synthesis follows Fant's source-filter model. Components and typical values are those of
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
    voice: Voice, manner: Manner, sentence: np.random.Generator, take: np.random.Generator
) -> npt.NDArray[Any]:
    """Synthesise one utterance.

    Args:
        voice: the speaker's voice.
        manner: the manner of speaking.
        sentence: draws the phones. Generators with equal state give the same sentence.
        take: draws the properties that differ between takes: timing, accents, noise.

    Returns:
        float32 waveform ``(samples,)`` at 16 kHz with a peak of about 0.1 to 1.0, without pauses at
        either end.
    """
    # Draws from `sentence` come first and do not depend on `take`.
    syllables = int(sentence.integers(5, 9))
    vowels = sentence.integers(0, len(_VOWELS), syllables)
    # Onset of each syllable: 0 vowel only, 1 plosive, 2 fricative.
    consonants = sentence.choice([0.0, 1.0, 2.0], syllables, p=[0.3, 0.35, 0.35])
    stressed = sentence.random(syllables) < 0.4

    lengths = take.normal(1.0, 0.12, syllables).clip(0.6, 1.5) * np.where(stressed, 1.2, 0.9)
    frames = np.maximum(
        (lengths * SAMPLE_RATE / _HOP / (voice.tempo * manner.tempo)).astype(int), 12
    )
    position, index = _positions(frames)
    pitch = _pitch(voice, manner, position, index, stressed, take)
    voiced, noise = _envelopes(position, index, stressed, consonants, manner)
    source = _glottal_source(pitch, voice, manner, take)
    spectra = _frame_spectra(source, len(index)) * (
        voiced[:, None] * _vowel_response(vowels, index, position, voice, manner)
    )
    hiss = _frame_spectra(take.standard_normal(source.size), len(index))
    spectra += hiss * (noise[:, None] * _hiss_response(voice))
    wave = _overlap_add(spectra)
    loudness = 0.35 * 10 ** (manner.effort / 20)
    return (wave * (loudness / np.abs(wave).max())).clip(-1, 1).astype(np.float32)


def _positions(frames: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return each frame's relative position in its syllable, 0 to 1, and the syllable index."""
    index = np.repeat(np.arange(len(frames)), frames)
    position = np.concatenate([np.linspace(0, 1, count) for count in frames])
    return position, index


def _pitch(voice, manner, position, index, stressed, take) -> npt.NDArray[Any]:
    time = np.linspace(0, 1, len(index))
    size = manner.pitch_range * np.where(stressed, 1.0, 0.25) * take.normal(1, 0.25, len(stressed))
    semitones = manner.pitch + manner.rise * time + size[index] * np.sin(np.pi * position)
    seconds = np.arange(len(index)) * _HOP / SAMPLE_RATE
    semitones += manner.tremor * np.sin(2 * np.pi * 6 * seconds)
    semitones += np.cumsum(take.normal(0, 0.06, len(index)))
    return voice.pitch * 2 ** (semitones / 12)


def _envelopes(
    position, index, stressed, consonants, manner
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the amplitudes of the voice and of the consonant noise in every frame."""
    consonant = consonants[index]
    onset = np.array([0.0, 0.2, 0.3])[consonant.astype(int)]
    # A syllable with a vowel onset is connected to the previous syllable.
    rise = np.where(consonant == 0, 0.35 + 0.65 * position, (position - onset) / 0.1).clip(0, 1)
    fall = ((1 - position) / 0.15).clip(0, 1)
    decay = 1 - 0.35 * np.linspace(0, 1, len(index))
    voiced = rise * (0.3 + 0.7 * fall) * np.where(stressed[index], 1.0, 0.65) * decay
    burst = np.exp(-(((position - 0.16) / 0.03) ** 2)) * 0.06
    hiss = np.sin(np.pi * (position / 0.3).clip(0, 1)) * 0.05
    noise = np.select([consonant == 1, consonant == 2], [burst, hiss])
    noise = noise * decay * 10 ** (manner.effort / 40)
    return voiced, noise


def _glottal_source(pitch, voice, manner, take) -> npt.NDArray[Any]:
    """Return Rosenberg's (1971) glottal pulses, differentiated (lip radiation), plus breath."""
    size = len(pitch) * _HOP
    fundamental = np.interp(np.arange(size), np.arange(len(pitch)) * _HOP, pitch)
    phase = np.cumsum(fundamental / SAMPLE_RATE) % 1.0
    opening, closing = 0.4, 0.16
    falling = (phase - opening) / closing
    flow = np.where(
        phase < opening,
        0.5 * (1 - np.cos(np.pi * phase / opening)),
        np.where(falling < 1, np.cos(0.5 * np.pi * falling.clip(0, 1)), 0.0),
    )
    pulses = np.diff(flow, prepend=0.0)
    pulses /= pulses.std()
    breath = np.clip(voice.breathiness + manner.breathiness, 0.0, 0.9)
    return (1 - breath) * pulses + breath * take.standard_normal(size) * (0.3 + flow)


def _frequencies() -> npt.NDArray[Any]:
    return np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE)


def _vowel_response(vowels, index, position, voice, manner) -> npt.NDArray[Any]:
    """Return vocal tract magnitudes ``(frames, frequencies)``, with glides between vowels."""
    following = _VOWELS[np.roll(vowels, -1)][index]
    glide = (((position - 0.7) / 0.3).clip(0, 1) * 0.5)[:, None]
    formants = ((1 - glide) * _VOWELS[vowels][index] + glide * following) * voice.tract
    frequencies = _frequencies()
    response = np.ones((len(index), len(frequencies)))
    for number, bandwidth in enumerate(_BANDWIDTHS):
        centre = formants[:, number, None]
        real = centre**2 - frequencies**2
        response *= centre**2 / np.hypot(real, frequencies * bandwidth)
    tilt = voice.tilt + 0.25 * manner.effort
    octaves = np.log2(np.maximum(frequencies, 125.0) / 500.0)
    return response * 10 ** (tilt * octaves / 20)


def _hiss_response(voice) -> npt.NDArray[Any]:
    frequencies = _frequencies()
    return np.exp(-(((frequencies - 4500 * voice.tract) / 2200) ** 2)) * 6


def _frame_spectra(wave: npt.NDArray[Any], frames: int) -> npt.NDArray[Any]:
    padded = np.pad(wave, (0, _WINDOW))
    starts = np.arange(frames)[:, None] * _HOP + np.arange(_WINDOW)
    return np.fft.rfft(padded[starts] * np.hanning(_WINDOW), _FFT)


def _overlap_add(spectra: npt.NDArray[Any]) -> npt.NDArray[Any]:
    pieces = np.fft.irfft(spectra, _FFT)
    blocks = -(-_FFT // _HOP)
    pieces = np.pad(pieces, ((0, 0), (0, blocks * _HOP - _FFT))).reshape(-1, blocks, _HOP)
    wave = np.zeros((len(pieces) + blocks, _HOP))
    for block in range(blocks):
        wave[block : block + len(pieces)] += pieces[:, block]
    return wave.reshape(-1)
