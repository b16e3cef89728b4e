"""Out-of-distribution sounds: music, noise, silence, other corpora."""

import functools
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
from serkit.models.speech_features import SpeechFeatures
from serkit.seeds import derive_seed
from serkit.studies.cross_validation import FoldRun
from serkit.studies.partitions import compute_inputs

OOD_KINDS = ("noise", "silence", "tones")
"""Kinds of sounds that :func:`ood_sounds` returns."""

WRONG_SPEEDS = {"fast": 1.5, "slow": 0.67}
"""Speed factors that make recordings of speech out-of-distribution, by kind."""

# Standard deviation of the noise of a recorder in a quiet room: 80 dB below full scale.
_QUIET_NOISE = 1e-4


def ood_sounds(
    spec: SpectrogramSpec | SpeechFeatures, count: int = 100, seconds: float = 3.0, seed: int = 0
) -> dict[str, npt.NDArray[Any]]:
    """Synthesise sounds without speech and compute their spectrograms or features.

    ``noise`` ranges from white to brown. ``silence`` alternates between zeros and the noise of a
    recorder in a quiet room. ``tones`` are chords of a few notes with harmonics, as of an
    instrument. Silence is trimmed and the length is fitted as for recordings of speech.

    Args:
        spec: settings of the spectrograms, or the encoder of the features.
        count: number of sounds of each kind.
        seconds: duration of each sound in seconds, before silence is trimmed.
        seed: seed of all sounds.

    Returns:
        For each of :data:`OOD_KINDS`, float32 ``(count, frames, bins, 1)`` in [-1, 1], or features
        ``(count, features)``.
    """
    synthesizers = {"noise": _noise, "silence": _silence, "tones": _tones}
    sample_count = round(seconds * spec.sample_rate)
    inputs_by_kind = {}
    for kind in OOD_KINDS:
        inputs = []
        for index in range(count):
            rng = np.random.default_rng(derive_seed(seed, kind, index))
            waveform = synthesizers[kind](rng, index, sample_count, spec.sample_rate)
            inputs.append(_input(waveform, spec))
        inputs_by_kind[kind] = np.stack(inputs)
    return inputs_by_kind


def all_ood_sounds(
    fold: FoldRun, spec: SpectrogramSpec | SpeechFeatures, corpora: Sequence[Path], cache: Path
) -> dict[str, npt.NDArray[Any]]:
    """Return the sounds of :func:`ood_sounds`, test clips at wrong speeds, and other corpora.

    Args:
        fold: fold whose test clips are played at wrong speeds.
        spec: settings of the spectrograms, or the encoder of the features.
        corpora: folders of recordings of speakers that are in no partition of the fold.
        cache: folder whose subfolder ``spectrograms`` stores what is computed.

    Returns:
        As :func:`ood_sounds`, by kind: its kinds, ``fast``,
        ``slow``, and ``other corpus`` if ``corpora`` is not empty.

    Raises:
        LeakError: if a speaker of ``corpora`` is in a partition of the fold.
    """
    inputs_by_kind = dict(_same_in_all_folds(spec))
    split, folder = fold.partitions.split, cache / "spectrograms"
    for kind, speed in WRONG_SPEEDS.items():
        inputs_by_kind[kind] = compute_inputs(split.test, spec, folder, speed)[:]
    if corpora:
        other_corpus = audit(corpora).corpus
        speakers = split.speakers
        speakers_of_fold = speakers.train | speakers.validation | speakers.test
        if shared := sorted(speakers_of_fold & other_corpus.speakers()):
            raise LeakError(
                "`corpora` must have no speakers of the fold. Received: "
                f"{', '.join(shared)} in {', '.join(map(str, corpora))}."
            )
        inputs_by_kind["other corpus"] = compute_inputs(other_corpus, spec, folder)[:]
    return inputs_by_kind


# Features of 300 sounds take a quarter of a minute or more.
_same_in_all_folds = functools.lru_cache(maxsize=1)(ood_sounds)


def _input(waveform: npt.NDArray[Any], spec: SpectrogramSpec | SpeechFeatures) -> npt.NDArray[Any]:
    """Return the spectrogram ``(frames, bins, 1)`` or the features of a waveform."""
    samples = tf.constant(waveform.astype(np.float32))
    if spec.trim_db:
        samples = trim_silence(samples, spec.trim_db)
    if isinstance(spec, SpeechFeatures):
        return spec.of_waveform(samples).numpy()
    return to_spectrogram(fit_length(samples, spec)[tf.newaxis], spec).numpy()[0]


def _noise(rng: np.random.Generator, index: int, samples: int, rate: int) -> npt.NDArray[Any]:
    """Return noise whose power falls with frequency, from not at all (white) to 6 dB per octave."""
    spectrum = np.fft.rfft(rng.normal(size=samples))
    gains = np.maximum(np.arange(len(spectrum)), 1.0) ** -rng.uniform(0, 1)
    waveform = np.fft.irfft(spectrum * gains, samples)
    return rng.uniform(0.05, 0.5) * waveform / np.abs(waveform).max()


def _silence(rng: np.random.Generator, index: int, samples: int, rate: int) -> npt.NDArray[Any]:
    """Return zeros for an even index, faint noise for an odd one."""
    waveform = rng.normal(size=samples) * _QUIET_NOISE * rng.uniform(0.3, 3)
    # Round to 16 bits, as a recorder does: some samples become 0.
    return np.round(waveform * 2**15) / 2**15 if index % 2 else np.zeros(samples)


def _tones(rng: np.random.Generator, index: int, samples: int, rate: int) -> npt.NDArray[Any]:
    """Return chords of one to three notes, at even intervals; a note has six harmonics."""
    time, waveform = np.arange(samples) / rate, np.zeros(samples)
    for start in np.arange(0, samples / rate, rng.uniform(0.25, 0.8)):
        root_hz = 110 * 2 ** (rng.integers(0, 24) / 12)
        elapsed = time - start
        envelope = np.where(elapsed >= 0, np.exp(-np.maximum(elapsed, 0) * rng.uniform(1, 4)), 0.0)
        for semitones in rng.choice([0, 3, 4, 7, 10, 12], rng.integers(1, 4), replace=False):
            for harmonic in range(1, 7):
                frequency = root_hz * 2 ** (semitones / 12) * harmonic
                sine = np.sin(2 * np.pi * frequency * elapsed)
                waveform += envelope * sine / harmonic**1.5
    return 0.5 * waveform / np.abs(waveform).max()
