"""Prosody of clips: fundamental frequency, level, voiced fraction, speaking rate."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from serkit.datasets.corpus import Corpus
from serkit.datasets.findings import Unusable
from serkit.datasets.probing import read_waveform
from serkit.datasets.workers import measure_all
from serkit.errors import InputError
from serkit.files import replacing

RATE = 16_000
"""Hz; a clip of another rate is resampled to it."""
FRAME, HOP = 1024, 256
"""Samples of a frame, 64 ms, and between the starts of two, 16 ms."""
LOWEST_HZ, HIGHEST_HZ = 60, 500
"""Where the fundamental frequency is looked for."""
RANGE_DB = 35
"""A frame that is further below the loudest one of its clip is silent."""

_VOICED = 0.5
_SILENCE_DB = -80.0
# An intensity peak is a syllable's if it is so near to the loudest frame, with such dips around it.
_PEAK_DB, _DIP_DB = 25.0, 2.0
_LONGEST_LAG = math.ceil(RATE / LOWEST_HZ) + 1
_WINDOW = FRAME - _LONGEST_LAG
# A minute of frames at a time: of recordings of any length no more is in memory than that.
_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Prosody:
    """What :func:`measure_prosody` finds; NaN is what cannot be measured.

    Attributes:
        f0_hz: median fundamental frequency of voiced frames, 60 to 500 Hz; NaN if none is voiced.
        level_db: root mean square of all frames that are not silent, in dB relative to full scale:
            0 is a square wave of amplitude 1, -3 a sine. NaN if the clip is silent or too short.
        voiced_fraction: frames that are voiced, of those from the first to the last that is not
            silent: 0 to 1. NaN as ``level_db``.
        syllables_per_second: syllable nuclei per second of the same stretch, pauses in it included.
            NaN if no frame is voiced.
    """

    f0_hz: float = math.nan
    level_db: float = math.nan
    voiced_fraction: float = math.nan
    syllables_per_second: float = math.nan


def measure_prosody(waveform: np.ndarray, sample_rate: int) -> Prosody:
    """Measure fundamental frequency, level, voiced fraction and speaking rate of one clip.

    The clip is resampled to 16 kHz, its mean is subtracted, and it is cut into frames of 64 ms
    every 16 ms. A frame is silent if its level is more than 35 dB below that of the loudest frame.
    It is voiced if it is not silent and its normalised autocorrelation at the period that YIN
    finds is above 0.5. A syllable nucleus is a voiced peak of the level, at most 25 dB below the
    loudest frame, with a dip of at least 2 dB on either side.

    Where the background is less than 35 dB below speech, as in noisy rooms, it counts as speech:
    the voiced fraction and the speaking rate are then of the whole clip, silence included.

    Args:
        waveform: ``(samples,)``, float; 1.0 is full scale.
        sample_rate: Hz, from 1,000 to 1,000,000.

    Returns:
        The four numbers. All are NaN if the clip is shorter than a frame, or if no frame has more
        than -80 dB of full scale.

    Raises:
        InputError: if the waveform has another shape or holds numbers that are not finite, or if
            the rate is out of range.

    Source:
        A. de Cheveigné, H. Kawahara (2002): YIN, a fundamental frequency estimator for speech and
        music. https://doi.org/10.1121/1.1458024, by :func:`librosa.yin`. Autocorrelation of a
        voiced frame: P. Boersma (1993): Accurate short-term analysis of the fundamental frequency.
        Nuclei: N. H. de Jong, T. Wempe (2009): Praat script to detect syllable nuclei and measure
        speech rate automatically. https://doi.org/10.3758/BRM.41.2.385; the level they must have
        is that of the script's later versions.

    Example:
        >>> tone = 0.1 * np.sin(2 * np.pi * 200 * np.arange(16_000) / 16_000)
        >>> found = measure_prosody(tone, 16_000)
        >>> round(found.f0_hz), round(found.level_db), found.voiced_fraction
        (200, -23, 1.0)
    """
    waveform = _prepared(waveform, sample_rate)
    if len(waveform) < FRAME:
        return Prosody()
    levels = np.concatenate([_levels(piece) for piece in _pieces(waveform)])
    loudest = levels.max()
    if loudest < _SILENCE_DB:
        return Prosody()
    sounding = levels > loudest - RANGE_DB
    first, last = np.flatnonzero(sounding)[[0, -1]]
    stretch = slice(first, last + 1)
    # Silence at both ends, often half of a clip, has no period to be found.
    spoken = waveform[first * HOP : last * HOP + FRAME]
    found = [_pitch(piece) for piece in _pieces(spoken)]
    f0, likeness = (np.concatenate(parts) for parts in zip(*found, strict=True))
    voiced = sounding[stretch] & (likeness > _VOICED)
    level = 10 * np.log10(np.mean(10 ** (levels[sounding] / 10)))
    if not voiced.any():
        return Prosody(level_db=float(level), voiced_fraction=0.0)
    nuclei = _count_nuclei(levels[stretch], voiced)
    return Prosody(
        f0_hz=float(np.median(f0[voiced])),
        level_db=float(level),
        voiced_fraction=float(voiced.mean()),
        syllables_per_second=nuclei / (len(voiced) * HOP / RATE),
    )


def _prepared(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    waveform = np.asarray(waveform, np.float32)
    if waveform.ndim != 1:
        raise InputError(
            f"`waveform` must be of shape (samples,). Received: shape {waveform.shape}"
        )
    if not np.isfinite(waveform).all():
        raise InputError(
            "`waveform` must hold finite numbers. Received: "
            f"{np.count_nonzero(~np.isfinite(waveform))} that are not"
        )
    if not 1_000 <= sample_rate <= 1_000_000:
        raise InputError(
            f"`sample_rate` must be between 1000 and 1000000 Hz. Received: {sample_rate}"
        )
    if sample_rate != RATE and len(waveform):
        import soxr

        waveform = soxr.resample(waveform, sample_rate, RATE)
    return waveform - waveform.mean() if len(waveform) else waveform


def _pieces(waveform: np.ndarray) -> Iterator[np.ndarray]:
    """A waveform in pieces of at most ``_BLOCK`` frames; together they have all its frames."""
    frames = 1 + (len(waveform) - FRAME) // HOP
    for start in range(0, frames, _BLOCK):
        end = min(start + _BLOCK, frames)
        yield waveform[start * HOP : (end - 1) * HOP + FRAME]


def _frames(waveform: np.ndarray) -> np.ndarray:
    """A view ``(frames, FRAME)``."""
    return np.lib.stride_tricks.sliding_window_view(waveform, FRAME)[::HOP]


def _levels(waveform: np.ndarray) -> np.ndarray:
    """Mean squares of frames in dB, ``(frames,)``; at least 20 dB below what counts as silence."""
    frames = _frames(waveform)
    squares = np.einsum("ij,ij->i", frames, frames).astype(np.float64) / FRAME
    return 10 * np.log10(np.maximum(squares, 10 ** (_SILENCE_DB / 10 - 2)))


def _pitch(waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fundamental frequencies in Hz and how alike two periods are, -1 to 1; both ``(frames,)``."""
    # Brings numba, whose import takes seconds.
    import librosa

    f0 = librosa.yin(
        waveform,
        fmin=LOWEST_HZ,
        fmax=HIGHEST_HZ,
        sr=RATE,
        frame_length=FRAME,
        hop_length=HOP,
        center=False,
    )
    frames = _frames(waveform)
    lags = np.rint(RATE / f0).astype(np.int64)
    early = frames[:, :_WINDOW]
    late = np.take_along_axis(frames, lags[:, None] + np.arange(_WINDOW), axis=1)
    product, *energies = (
        np.einsum("ij,ij->i", one, other)
        for one, other in ((early, late), (early, early), (late, late))
    )
    return f0, product / np.sqrt(np.maximum(np.prod(energies, axis=0), np.finfo(np.float32).tiny))


def _count_nuclei(levels: np.ndarray, voiced: np.ndarray) -> int:
    from scipy.signal import find_peaks

    # Silence before and after, so that a syllable at either end has a dip there; and of peaks that
    # are equally high, as a steady tone has them, only the first is one.
    edge = [levels.min() - 2 * _DIP_DB]
    surrounded = np.concatenate([edge, levels - 1e-9 * np.arange(len(levels)), edge])
    peaks, _ = find_peaks(surrounded, height=levels.max() - _PEAK_DB, prominence=_DIP_DB)
    return int(voiced[peaks - 1].sum())


MEASURES = tuple(field.name for field in fields(Prosody))
"""Columns with the numbers of :class:`Prosody`."""

_CLIP = ("root", "path", "corpus", "speaker", "gender", "emotion")
PROSODY_HEADER = ",".join((*_CLIP, *MEASURES, "problem"))
"""First line of every table of prosody."""

# Other processes need some seconds to import librosa, in which one measures this many clips.
_WORTH_PROCESSES, _CHUNK = 400, 16
_DIGITS = 4


def measure_corpus(
    corpus: Corpus, track: Callable[[Iterable, int], Iterable] = lambda items, total: items
) -> pd.DataFrame:
    """Measure the prosody of every clip, many of them in as many processes as there are cores.

    Args:
        corpus: its files are read.
        track: wraps the iteration over files, for a progress bar; gets their number.

    Returns:
        A row per clip, in order: ``root``, ``path``, ``corpus``, ``speaker``, ``gender``,
        ``emotion``, the attributes of :class:`Prosody`, rounded, and
        ``problem``: why there are NaN among them, or empty.
    """
    found = measure_all(
        _measure_file, corpus.files(), worth_processes=_WORTH_PROCESSES, chunk=_CHUNK
    )
    rows = [
        asdict(one) | {"problem": _problem(one)}
        if isinstance(one, Prosody)
        else asdict(Prosody()) | {"problem": one[1]}
        for one in track(found, len(corpus))
    ]
    measured = pd.DataFrame(rows, columns=[*MEASURES, "problem"])
    return corpus.to_frame()[list(_CLIP)].join(measured.round(_DIGITS))


def write_prosody(path: Path, table: pd.DataFrame) -> None:
    """Write what :func:`measure_corpus` found as a CSV that begins with :data:`PROSODY_HEADER`."""
    with replacing(path) as partial:
        table.to_csv(partial, index=False, lineterminator="\n")


def summarise_prosody(table: pd.DataFrame, emotions: Iterable[str]) -> dict[str, Any]:
    """Quartiles by corpus, speaker group and class, as JSON values.

    Args:
        table: by :func:`measure_corpus`.
        emotions: classes in their order.

    Returns:
        ``groups``, a list of dictionaries: ``corpus``, ``gender``, ``emotion`` (null: of all),
        ``clips``, and for each measure its lower quartile, median and upper quartile over clips
        that have it, or null; and ``problems``, clips by what is wrong with them.
    """
    groups = []
    for (corpus, gender), group in table.groupby(["corpus", "gender"]):
        named = {"corpus": corpus, "gender": gender}
        groups.append(named | {"emotion": None} | _quartiles(group))
        parts = dict(iter(group.groupby("emotion")))
        groups += [named | {"emotion": e} | _quartiles(parts[e]) for e in emotions if e in parts]
    problems = table["problem"][table["problem"] != ""].value_counts().sort_index()
    return {"groups": groups, "problems": {text: int(count) for text, count in problems.items()}}


def _measure_file(path: str) -> Prosody:
    waveform, rate = read_waveform(path)
    try:
        return measure_prosody(waveform, rate)
    except InputError as error:
        raise Unusable("not-finite", str(error)) from error


def _problem(found: Prosody) -> str:
    if found.level_db != found.level_db:
        return "silent, or shorter than a frame of 64 ms"
    return "" if found.voiced_fraction else "no frame is voiced"


def _quartiles(clips: pd.DataFrame) -> dict[str, Any]:
    return {"clips": len(clips)} | {name: _three(clips[name].dropna()) for name in MEASURES}


def _three(values: pd.Series) -> list[float] | None:
    if not len(values):
        return None
    return [round(float(value), _DIGITS) for value in values.quantile([0.25, 0.5, 0.75])]
