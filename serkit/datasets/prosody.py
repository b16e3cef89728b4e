"""Measure prosody of clips: fundamental frequency, level, voiced fraction, speaking rate."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from serkit.audio.containers import VALID_SAMPLE_RATES
from serkit.datasets.corpus import Corpus
from serkit.datasets.findings import UnusableError
from serkit.datasets.probing import read_waveform
from serkit.datasets.workers import measure_all
from serkit.errors import InputError, check_range
from serkit.files import replacing

RATE = 16_000
"""Sample rate in Hz. Clips with another rate are resampled to it."""
FRAME, HOP = 1024, 256
"""Frame length (64 ms) and hop length (16 ms) in samples."""
LOWEST_HZ, HIGHEST_HZ = 60, 500
"""Search range of the fundamental frequency in Hz."""
RANGE_DB = 35
"""A frame whose level is more than this many dB below its clip's loudest frame is silent."""

_MIN_AUTOCORRELATION = 0.5
_SILENCE_DB = -80.0
# A level peak is a syllable nucleus if it is at most _PEAK_DB below the loudest frame and has dips
# of at least _DIP_DB on both sides.
_PEAK_DB, _DIP_DB = 25.0, 2.0
_MAX_LAG = math.ceil(RATE / LOWEST_HZ) + 1
_WINDOW = FRAME - _MAX_LAG
# Frames are processed about one minute at a time, which bounds the memory for long recordings.
_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Prosody:
    """Result of :func:`measure_prosody`; NaN where a value cannot be measured.

    Attributes:
        f0_hz: median fundamental frequency of the voiced frames, 60 to 500 Hz. NaN if no frame is
            voiced.
        level_db: root mean square of all frames that are not silent, in dB relative to full scale.
            A square wave of amplitude 1 has 0 dB, a sine of amplitude 1 has -3 dB. NaN if the clip
            is silent or too short.
        voiced_fraction: fraction of voiced frames, 0 to 1, among the frames from the first to the
            last that is not silent. NaN if the clip is silent or too short.
        syllables_per_second: syllable nuclei per second between the same two frames, pauses
            included. NaN if no frame is voiced.
    """

    f0_hz: float = math.nan
    level_db: float = math.nan
    voiced_fraction: float = math.nan
    syllables_per_second: float = math.nan


def measure_prosody(waveform: npt.NDArray[Any], sample_rate: int) -> Prosody:
    """Measure fundamental frequency, level, voiced fraction and speaking rate of one clip.

    The clip is resampled to 16 kHz, its mean is subtracted, and it is cut into frames of 64 ms
    with a hop of 16 ms. A frame is silent if its level is more than 35 dB below that of the
    loudest frame. A frame is voiced if it is not silent and its normalised autocorrelation at the
    period that YIN finds is above 0.5. A syllable nucleus is a voiced peak of the level, at most
    25 dB below the loudest frame, with a dip of at least 2 dB on either side.

    Background noise less than 35 dB below the speech, as in noisy rooms, counts as speech. The
    voiced fraction and the speaking rate then cover the whole clip, silence at both ends included.

    Args:
        waveform: ``(samples,)``, float; 1.0 is full scale.
        sample_rate: Hz, from 1,000 to 1,000,000.

    Returns:
        The four numbers. All are NaN if the clip is shorter than one frame, or if the level of
        every frame is below -80 dB of full scale.

    Raises:
        InputError: if the waveform has another shape or holds values that are not finite, or if
            the sample rate is out of range.

    Source:
        A. de Cheveigné, H. Kawahara (2002): YIN, a fundamental frequency estimator for speech and
        music. https://doi.org/10.1121/1.1458024, by :func:`librosa.yin`. Autocorrelation of a
        voiced frame: P. Boersma (1993): Accurate short-term analysis of the fundamental frequency.
        Nuclei: N. H. de Jong, T. Wempe (2009): Praat script to detect syllable nuclei and measure
        speech rate automatically. https://doi.org/10.3758/BRM.41.2.385; the minimum level of a
        nucleus is that of the script's later versions.

    Example:
        >>> tone = 0.1 * np.sin(2 * np.pi * 200 * np.arange(16_000) / 16_000)
        >>> prosody = measure_prosody(tone, 16_000)
        >>> round(prosody.f0_hz), round(prosody.level_db), prosody.voiced_fraction
        (200, -23, 1.0)
    """
    waveform = _resample_and_centre(waveform, sample_rate)
    if len(waveform) < FRAME:
        return Prosody()
    levels = np.concatenate([_levels(piece) for piece in _split_into_pieces(waveform)])
    loudest = levels.max()
    if loudest < _SILENCE_DB:
        return Prosody()
    is_sounding = levels > loudest - RANGE_DB
    first, last = np.flatnonzero(is_sounding)[[0, -1]]
    speech_frames = slice(first, last + 1)
    # Silence at both ends, often half of a clip, has no period to find.
    speech = waveform[first * HOP : last * HOP + FRAME]
    pitch_of_pieces = [_pitch(piece) for piece in _split_into_pieces(speech)]
    f0 = np.concatenate([frequencies for frequencies, _ in pitch_of_pieces])
    autocorrelation = np.concatenate([correlations for _, correlations in pitch_of_pieces])
    is_voiced = is_sounding[speech_frames] & (autocorrelation > _MIN_AUTOCORRELATION)
    level = 10 * np.log10(np.mean(10 ** (levels[is_sounding] / 10)))
    if not is_voiced.any():
        return Prosody(level_db=float(level), voiced_fraction=0.0)
    nucleus_count = _count_nuclei(levels[speech_frames], is_voiced)
    return Prosody(
        f0_hz=float(np.median(f0[is_voiced])),
        level_db=float(level),
        voiced_fraction=float(is_voiced.mean()),
        syllables_per_second=nucleus_count / (len(is_voiced) * HOP / RATE),
    )


def _resample_and_centre(waveform: npt.NDArray[Any], sample_rate: int) -> npt.NDArray[Any]:
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
    check_range("sample_rate", sample_rate, VALID_SAMPLE_RATES[0], VALID_SAMPLE_RATES[-1])
    if sample_rate != RATE and len(waveform):
        import soxr

        waveform = soxr.resample(waveform, sample_rate, RATE)
    return waveform - waveform.mean() if len(waveform) else waveform


def _split_into_pieces(waveform: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """Split a waveform into pieces of at most ``_BLOCK`` frames; together they hold all frames."""
    frame_count = 1 + (len(waveform) - FRAME) // HOP
    for start in range(0, frame_count, _BLOCK):
        end = min(start + _BLOCK, frame_count)
        yield waveform[start * HOP : (end - 1) * HOP + FRAME]


def _frame_view(waveform: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a view of the waveform's frames, ``(frames, FRAME)``."""
    return np.lib.stride_tricks.sliding_window_view(waveform, FRAME)[::HOP]


def _levels(waveform: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the mean squares of frames in dB, ``(frames,)``, clipped below at -100 dB.

    The lower limit is 20 dB below the silence threshold.
    """
    frames = _frame_view(waveform)
    squares = np.einsum("ij,ij->i", frames, frames).astype(np.float64) / FRAME
    return 10 * np.log10(np.maximum(squares, 10 ** (_SILENCE_DB / 10 - 2)))


def _pitch(waveform: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return fundamental frequencies in Hz and autocorrelations, -1 to 1; both ``(frames,)``.

    The autocorrelation is normalised and taken at the lag of one period.
    """
    # librosa imports numba, which takes seconds.
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
    frames = _frame_view(waveform)
    lags = np.rint(RATE / f0).astype(np.int64)
    early = frames[:, :_WINDOW]
    late = np.take_along_axis(frames, lags[:, None] + np.arange(_WINDOW), axis=1)
    products = np.einsum("ij,ij->i", early, late)
    early_energies = np.einsum("ij,ij->i", early, early)
    late_energies = np.einsum("ij,ij->i", late, late)
    energies = np.maximum(early_energies * late_energies, np.finfo(np.float32).tiny)
    return f0, products / np.sqrt(energies)


def _count_nuclei(levels: npt.NDArray[Any], is_voiced: npt.NDArray[Any]) -> int:
    from scipy.signal import find_peaks

    # Add silence at both ends, so that a syllable there has a dip. Subtract a tiny slope, so that
    # only the first of several equally high peaks counts, as in a steady tone.
    silence = [levels.min() - 2 * _DIP_DB]
    padded_levels = np.concatenate([silence, levels - 1e-9 * np.arange(len(levels)), silence])
    peaks, _ = find_peaks(padded_levels, height=levels.max() - _PEAK_DB, prominence=_DIP_DB)
    return int(is_voiced[peaks - 1].sum())


MEASURES = tuple(field.name for field in fields(Prosody))
"""Names of the columns that hold the values of :class:`Prosody`."""

_CLIP_COLUMNS = ("root", "path", "corpus", "speaker", "gender", "emotion")
PROSODY_HEADER = ",".join((*_CLIP_COLUMNS, *MEASURES, "problem"))
"""First line of every prosody CSV."""

# Worker processes need some seconds to import librosa. In that time one process measures 400 clips.
_MIN_FILES_FOR_PROCESSES, _CHUNK_SIZE = 400, 16
_DECIMALS = 4


def measure_corpus(
    corpus: Corpus,
    track: Callable[[Iterable[Any], int], Iterable[Any]] = lambda items, total: items,
) -> pd.DataFrame:
    """Measure the prosody of every clip.

    From 400 clips on, as many processes as there are cores work in parallel.

    Args:
        corpus: its files are read.
        track: wraps the iteration over the files, for a progress bar. Its arguments are the
            iterable and the number of files.

    Returns:
        One row per clip, in the order of the corpus. The columns are ``root``, ``path``,
        ``corpus``, ``speaker``, ``gender``, ``emotion``, the attributes of :class:`Prosody` rounded
        to 4 digits, and ``problem``: the reason for NaN values, or empty.
    """
    results = measure_all(
        _measure_file,
        corpus.files(),
        min_files_for_processes=_MIN_FILES_FOR_PROCESSES,
        chunk_size=_CHUNK_SIZE,
    )
    rows = [
        asdict(result) | {"problem": _problem(result)}
        if isinstance(result, Prosody)
        else asdict(Prosody()) | {"problem": result[1]}
        for result in track(results, len(corpus))
    ]
    measurements = pd.DataFrame(rows, columns=[*MEASURES, "problem"])
    return corpus.to_frame()[list(_CLIP_COLUMNS)].join(measurements.round(_DECIMALS))


def write_prosody(path: Path, table: pd.DataFrame) -> None:
    """Write a table of :func:`measure_corpus` as a CSV that begins with :data:`PROSODY_HEADER`."""
    with replacing(path) as partial:
        table.to_csv(partial, index=False, lineterminator="\n")


def summarise_prosody(table: pd.DataFrame, emotions: Iterable[str]) -> dict[str, Any]:
    """Compute quartiles by corpus, gender and class, as JSON values.

    Args:
        table: as returned by :func:`measure_corpus`.
        emotions: the classes in the order of the output.

    Returns:
        A dictionary with two entries. ``groups`` is a list of dictionaries with ``corpus``,
        ``gender``, ``emotion`` (null for all emotions), ``clips``, and for each measure the lower
        quartile, median and upper quartile over the clips that have a value, or null.
        ``problems`` maps each problem to its number of clips.
    """
    groups = []
    for (corpus, gender), group in table.groupby(["corpus", "gender"]):
        keys = {"corpus": corpus, "gender": gender}
        groups.append(keys | {"emotion": None} | _quartiles_by_measure(group))
        clips_by_emotion = dict(iter(group.groupby("emotion")))
        groups += [
            keys | {"emotion": e} | _quartiles_by_measure(clips_by_emotion[e])
            for e in emotions
            if e in clips_by_emotion
        ]
    problems = table["problem"][table["problem"] != ""].value_counts().sort_index()
    return {"groups": groups, "problems": {text: int(count) for text, count in problems.items()}}


def _measure_file(path: str) -> Prosody:
    waveform, rate = read_waveform(path)
    try:
        return measure_prosody(waveform, rate)
    except InputError as error:
        raise UnusableError("not-finite", str(error)) from error


def _problem(prosody: Prosody) -> str:
    if math.isnan(prosody.level_db):
        return "silent, or shorter than a frame of 64 ms"
    return "" if prosody.voiced_fraction else "no frame is voiced"


def _quartiles_by_measure(clips: pd.DataFrame) -> dict[str, Any]:
    return {"clips": len(clips)} | {
        name: _rounded_quartiles(clips[name].dropna()) for name in MEASURES
    }


def _rounded_quartiles(values: pd.Series) -> list[float] | None:
    if not len(values):
        return None
    return [round(float(value), _DECIMALS) for value in values.quantile([0.25, 0.5, 0.75])]
