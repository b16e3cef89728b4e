"""Out-of-distribution sounds: music, noise, silence, other corpora."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from serkit.audio.loading import fit_length, trim_silence
from serkit.audio.spectrogram import SpectrogramSpec, to_spectrogram
from serkit.datasets.audit import audit
from serkit.errors import LeakError
from serkit.seeds import derive_seed
from serkit.studies.cross_validation import Fold
from serkit.training.spectrograms import compute_spectrograms

STRANGERS = ("noise", "silence", "tones")
"""What :func:`ood_sounds` makes."""

WRONG_SPEEDS = {"fast": 1.5, "slow": 0.67}
"""That recordings are played at to be strange."""

# Of a quiet recorder: its noise lies about 80 dB below full scale.
_QUIET = 1e-4


def ood_sounds(
    spec: SpectrogramSpec, count: int = 100, seconds: float = 3.0, seed: int = 0
) -> dict[str, np.ndarray]:
    """Recordings of nobody, by kind, prepared as recordings are.

    ``noise`` is white to brown; ``silence`` a recorder left running in a quiet room, or nothing but
    zeros, by turns; ``tones`` are chords of a few notes with harmonics, as of an instrument.

    Args:
        spec: of the spectrograms.
        count: of each kind.
        seconds: how long they are, before silence is trimmed.
        seed: of all of them.

    Returns:
        float32 ``(count, frames, bins, 1)`` in [-1, 1] for each of :data:`STRANGERS`.
    """
    makers = {"noise": _noise, "silence": _silence, "tones": _tones}
    samples = round(seconds * spec.sample_rate)
    found = {}
    for kind in STRANGERS:
        rngs = [np.random.default_rng(derive_seed(seed, kind, n)) for n in range(count)]
        waves = [makers[kind](rng, n, samples, spec.sample_rate) for n, rng in enumerate(rngs)]
        found[kind] = np.concatenate([_spectrogram(wave, spec) for wave in waves])
    return found


def all_ood_sounds(
    fold: Fold, spec: SpectrogramSpec, corpora: Sequence[Path], cache: Path
) -> dict[str, np.ndarray]:
    """Those of :func:`ood_sounds`, a fold's test part at wrong speeds, and other corpora.

    Args:
        fold: whose test part it is.
        spec: of the spectrograms.
        corpora: folders of recordings whose speakers are in no part.
        cache: folder of a ``spectrograms`` folder, which gets those that are computed.

    Returns:
        float32 ``(clips, frames, bins, 1)`` by kind: also ``fast`` and ``slow``, and ``other
        corpus`` where there is one.

    Raises:
        LeakError: if somebody of a corpus is in a part of the fold.
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
            raise LeakError(f"{', '.join(shared)} of {', '.join(map(str, corpora))} is no stranger")
        found["other corpus"] = compute_spectrograms(other, spec, cache=kept)[:]
    return found


def _spectrogram(wave: np.ndarray, spec: SpectrogramSpec) -> np.ndarray:
    wave = tf.constant(wave.astype(np.float32))
    if spec.trim_db:
        wave = trim_silence(wave, spec.trim_db)
    return to_spectrogram(fit_length(wave, spec)[tf.newaxis], spec).numpy()


def _noise(rng: np.random.Generator, number: int, samples: int, rate: int) -> np.ndarray:
    spectrum = np.fft.rfft(rng.normal(size=samples))
    falling = np.maximum(np.arange(len(spectrum)), 1.0) ** -rng.uniform(0, 1)
    wave = np.fft.irfft(spectrum * falling, samples)
    return rng.uniform(0.05, 0.5) * wave / np.abs(wave).max()


def _silence(rng: np.random.Generator, number: int, samples: int, rate: int) -> np.ndarray:
    wave = rng.normal(size=samples) * _QUIET * rng.uniform(0.3, 3)
    # As 16-bit recordings have it: rounded to steps, some of it to nothing.
    return np.round(wave * 2**15) / 2**15 if number % 2 else np.zeros(samples)


def _tones(rng: np.random.Generator, number: int, samples: int, rate: int) -> np.ndarray:
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
