"""The prosody of all clips, as the table prosody.csv and by class, speaker group and corpus."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pandas as pd

from serkit.corpora.auditing.probe import read_waveform
from serkit.corpora.auditing.workers import measure_all
from serkit.corpora.corpus import Corpus
from serkit.corpora.findings import Unusable
from serkit.corpora.prosody import Prosody, measure_prosody
from serkit.errors import InputError
from serkit.files import replacing

MEASURES = tuple(field.name for field in fields(Prosody))
"""Columns with the numbers of :class:`~serkit.corpora.prosody.Prosody`."""

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
        ``emotion``, the attributes of :class:`~serkit.corpora.prosody.Prosody`, rounded, and
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
