"""Out-of-distribution sounds: music, noise, silence, other corpora."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serkit.audio.loading import fit_length, trim_silence
from serkit.audio.spectrogram import SpectrogramSpec, to_spectrogram
from serkit.datasets.audit import audit
from serkit.errors import LeakError
from serkit.seeds import derive_seed
from serkit.studies.cross_validation import FoldRun
from serkit.training.spectrograms import compute_spectrograms

OOD_KINDS = ("noise", "silence", "tones")
"""Kinds of sounds that :func:`ood_sounds` returns."""

WRONG_SPEEDS = {"fast": 1.5, "slow": 0.67}
"""Speed factors that make recordings of speech out-of-distribution, by kind."""

# Amplitude of the noise of a quiet recorder, about 80 dB below full scale.
_QUIET = 1e-4


def ood_sounds(
    spec: SpectrogramSpec, count: int = 100, seconds: float = 3.0, seed: int = 0
) -> dict[str, npt.NDArray[Any]]:
    """Synthesise sounds without speech and compute their spectrograms.

    ``noise`` ranges from white to brown. ``silence`` alternates between zeros and the noise of a
    recorder in a quiet room. ``tones`` are chords of a few notes with harmonics, as of an
    instrument. Silence is trimmed and the length is fitted as for recordings of speech.

    Args:
        spec: settings of the spectrograms.
        count: number of sounds of each kind.
        seconds: duration of each sound in seconds, before silence is trimmed.
        seed: seed of all sounds.

    Returns:
        For each of :data:`OOD_KINDS`, float32 ``(count, frames, bins, 1)`` in [-1, 1].
    """
    makers = {"noise": _noise, "silence": _silence, "tones": _tones}
    samples = round(seconds * spec.sample_rate)
    found = {}
    for kind in OOD_KINDS:
        rngs = [np.random.default_rng(derive_seed(seed, kind, n)) for n in range(count)]
        waves = [makers[kind](rng, n, samples, spec.sample_rate) for n, rng in enumerate(rngs)]
        found[kind] = np.concatenate([_spectrogram(wave, spec) for wave in waves])
    return found


def all_ood_sounds(
    fold: FoldRun, spec: SpectrogramSpec, corpora: Sequence[Path], cache: Path
) -> dict[str, npt.NDArray[Any]]:
    """Return the sounds of :func:`ood_sounds`, test clips at wrong speeds, and other corpora.

    Args:
        fold: fold that supplies the test clips.
        spec: settings of the spectrograms.
        corpora: folders of recordings of speakers that are in no partition of the fold.
        cache: folder whose subfolder ``spectrograms`` stores the computed spectrograms.

    Returns:
        float32 ``(clips, frames, bins, 1)`` by kind: the kinds of :func:`ood_sounds`, ``fast``,
        ``slow``, and ``other corpus`` if ``corpora`` is not empty.

    Raises:
        LeakError: if a speaker of ``corpora`` is in a partition of the fold.
    """
    found = ood_sounds(spec)
    parts = fold.parts
    kept = cache / "spectrograms"
    for kind, speed in WRONG_SPEEDS.items():
        found[kind] = compute_spectrograms(parts.split.test, spec, cache=kept, speed=speed)[:]
    if corpora:
        other = audit(corpora).corpus
        speakers = parts.split.speakers
        known = speakers.train | speakers.validation | speakers.test
        if shared := sorted(known & other.speakers()):
            raise LeakError(
                "`corpora` must have no speakers of the fold. Received: "
                f"{', '.join(shared)} in {', '.join(map(str, corpora))}."
            )
        found["other corpus"] = compute_spectrograms(other, spec, cache=kept)[:]
    return found


def _spectrogram(wave: npt.NDArray[Any], spec: SpectrogramSpec) -> npt.NDArray[Any]:
    samples = tf.constant(wave.astype(np.float32))
    if spec.trim_db:
        samples = trim_silence(samples, spec.trim_db)
    return to_spectrogram(fit_length(samples, spec)[tf.newaxis], spec).numpy()


def _noise(rng: np.random.Generator, number: int, samples: int, rate: int) -> npt.NDArray[Any]:
    spectrum = np.fft.rfft(rng.normal(size=samples))
    falling = np.maximum(np.arange(len(spectrum)), 1.0) ** -rng.uniform(0, 1)
    wave = np.fft.irfft(spectrum * falling, samples)
    return rng.uniform(0.05, 0.5) * wave / np.abs(wave).max()


def _silence(rng: np.random.Generator, number: int, samples: int, rate: int) -> npt.NDArray[Any]:
    wave = rng.normal(size=samples) * _QUIET * rng.uniform(0.3, 3)
    # Rounded to 16 bits, as in a recording: some samples become 0.
    return np.round(wave * 2**15) / 2**15 if number % 2 else np.zeros(samples)


def _tones(rng: np.random.Generator, number: int, samples: int, rate: int) -> npt.NDArray[Any]:
    time, wave = np.arange(samples) / rate, np.zeros(samples)
    for start in np.arange(0, samples / rate, rng.uniform(0.25, 0.8)):
        root = 110 * 2 ** (rng.integers(0, 24) / 12)
        since = time - start
        fading = np.where(since >= 0, np.exp(-np.maximum(since, 0) * rng.uniform(1, 4)), 0.0)
        for interval in rng.choice([0, 3, 4, 7, 10, 12], rng.integers(1, 4), replace=False):
            for harmonic in range(1, 7):
                pitch = root * 2 ** (interval / 12) * harmonic
                wave += fading * np.sin(2 * np.pi * pitch * since) / harmonic**1.5
    return 0.5 * wave / np.abs(wave).max()
