"""Recordings of the user's own: labels and speakers from file names or a CSV file."""

import csv
import io
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from serkit.datasets.corpus import EMOTIONS, UNKNOWN_SPEAKER, Clip, emotion_of, gender_of
from serkit.datasets.findings import Finding
from serkit.errors import InputError

GROUPS = ("label", "speaker", "gender", "sentence", "intensity", "repetition")
"""Fields that a file name, a pattern or a table may give; only the label is required."""


class UnknownName(InputError):
    """A file's name has no form that its parser knows."""


@dataclass(frozen=True)
class Naming:
    """Naming rules of recordings that are not of the four known corpora.

    Attributes:
        pattern: regular expression that is searched in the path below the root, written with
            slashes; its named groups are some of :data:`GROUPS`. If it is empty, folders name the
            labels; see :meth:`by_folder`.
        labels: emotion of each label that is not an English word for an emotion, such as ``{"W":
            "angry"}``. An emotion that is none of the 2021 report's seven becomes a new class.
        genders: gender of each speaker for whom neither name nor table gives it.

    Raises:
        InputError: if the pattern is not a regular expression, has no group ``label``, or has a
            group that is not in :data:`GROUPS`.
    """

    pattern: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    genders: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.pattern:
            return
        try:
            groups = re.compile(self.pattern).groupindex
        except re.error as error:
            raise InputError(
                f"`pattern` must be a regular expression ({error}). "
                f"Received: pattern={self.pattern!r}."
            ) from error
        unknown = sorted(set(groups) - set(GROUPS))
        if unknown or "label" not in groups:
            wrong = f"the groups {', '.join(unknown)}" if unknown else "no group label"
            raise InputError(
                "`pattern` must have the group (?P<label>…) and, where known, "
                f"{', '.join(GROUPS[1:])}. Received: {wrong} in pattern={self.pattern!r}."
            )

    def by_pattern(self, path: str, corpus: str) -> Clip:
        """Parse a clip from its path by :attr:`pattern`.

        Raises:
            UnknownName: if the path does not match the pattern.
            InputError: if a field is not valid; see :meth:`clip`.
        """
        match = re.search(self.pattern, path)
        if match is None:
            raise UnknownName("the pattern is not found in its name")
        return self.clip(path, corpus, {k: v or "" for k, v in match.groupdict().items()})

    def by_folder(self, path: str, corpus: str) -> Clip:
        """Parse a clip from ``…/<label>/<file>`` or ``…/<label>/<speaker>/<file>``.

        Raises:
            InputError: if neither of the two folders is a known label, or both are.
        """
        *_, above, folder = ("", "", *PurePosixPath(path).parent.parts)
        if self.emotion(folder) is not None and self.emotion(above) is not None:
            raise InputError(f"{above} and {folder} are both labels; say in a CSV which is meant")
        if self.emotion(above) is not None:
            return self.clip(path, corpus, {"label": above, "speaker": folder})
        return self.clip(path, corpus, {"label": folder})

    def emotion(self, label: str) -> str | None:
        """Return the emotion that a label means, or None if the label is not known."""
        meant = self.labels.get(label, label)
        return emotion_of(meant) or (meant if label in self.labels else None)

    def clip(self, path: str, corpus: str, said: Mapping[str, str]) -> Clip:
        """Build a clip from the fields of its name or table row.

        Args:
            path: POSIX path below the root.
            corpus: name of the corpus; it prefixes the speaker, which makes speakers unique.
            said: value of each given field of :data:`GROUPS`; ``label`` is required.

        Raises:
            InputError: if the label is not known, the repetition is not a number, or emotion or
                gender cannot be the name of a folder.
        """
        # Unicode has two encodings of letters such as é; names must compare equal in both.
        said = {key: unicodedata.normalize("NFC", value) for key, value in said.items()}
        emotion = self.emotion(said["label"])
        if emotion is None:
            raise InputError(
                f"label {said['label']!r} is not known; valid are {', '.join(EMOTIONS)} and words "
                f"for them, or say what it means: --label-names {said['label'] or 'LABEL'}=EMOTION"
            )
        speaker = said.get("speaker") or UNKNOWN_SPEAKER
        repetition = said.get("repetition") or "1"
        if not repetition.isdecimal():
            raise InputError(f"repetition {repetition!r} is not a number")
        gender = gender_of(said.get("gender") or self.genders.get(speaker, ""))
        for word in (emotion, gender):
            # A run folder has a subfolder per class.
            if word.startswith(".") or any(character in word for character in "/\\\0"):
                raise InputError(
                    f"{word!r} cannot be a class; valid are names without / and \\ that do not "
                    "begin with a dot"
                )
        return Clip(
            path=path,
            corpus=corpus,
            speaker=f"{corpus}-{speaker}",
            gender=gender,
            emotion=emotion,
            original_label=said["label"],
            intensity=said.get("intensity", ""),
            sentence=said.get("sentence", ""),
            repetition=int(repetition),
        )


_NEEDED = ("path", "label", "speaker")


def read_table(file: Path, name: str) -> tuple[dict[str, dict[str, str]], tuple[Finding, ...]]:
    """Read a CSV of recordings.

    The delimiter is a comma, semicolon or tab: the one that is most frequent in the header.
    Required columns: path (relative to the CSV's folder, or absolute), label, speaker. Optional
    columns: gender, sentence, intensity, repetition. Other columns are ignored.

    Args:
        file: the CSV, UTF-8.
        name: name of the root, for the findings.

    Returns:
        The fields of each row, by the POSIX path of its recording relative to the CSV's folder; and
        findings about unusable rows: rows with too few or too many cells, without a path, label or
        speaker, listed twice, or whose file does not exist.

    Raises:
        InputError: if the file is not UTF-8 or not a CSV, lacks a required column, or has a
            column twice.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 text: {error.reason}") from error
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        lines = [(f"line {reader.line_num} of {file.name}", line) for line in reader if any(line)]
    except csv.Error as error:
        raise InputError(f"{file} is not a CSV: {error}") from error
    columns = [column.strip().lower() for column in lines[0][1]] if lines else []
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise InputError(f"{file} has the columns {', '.join(twice)} more than once")
    missing = [column for column in _NEEDED if column not in columns]
    if missing:
        raise InputError(
            f"{file} lacks the columns {', '.join(missing)}; its columns are: {', '.join(columns)}"
        )
    return _collect(file.parent, name, columns, lines[1:])


def _collect(
    folder: Path, name: str, columns: list[str], lines: list[tuple[str, list[str]]]
) -> tuple[dict[str, dict[str, str]], tuple[Finding, ...]]:
    said: dict[str, list[tuple[str, dict[str, str]]]] = defaultdict(list)
    rejected: list[Finding] = []
    for where, line in lines:
        if len(line) != len(columns):
            reason = f"{where} has {len(line)} cells, its header {len(columns)}"
            rejected.append(Finding(name, line[0], "missing", reason))
            continue
        cells = {column: cell.strip() for column, cell in zip(columns, line, strict=True)}
        empty = [column for column in _NEEDED if not cells[column]]
        path = _relative(cells["path"], folder) if cells["path"] else ""
        if empty:
            kind = "label" if path else "missing"
            reason = f"{where} has no {' and no '.join(empty)}"
            rejected.append(Finding(name, path, kind, reason))
        elif not os.path.isfile(folder / path):
            rejected.append(Finding(name, path, "missing", f"{where} names it; it is not there"))
        else:
            said[path].append((where, {k: cells[k] for k in GROUPS if k in cells}))
    rows = {}
    for path, (first, *others) in said.items():
        if all(row == first[1] for _, row in others):
            rows[path] = first[1]
            rejected += [
                Finding(name, path, "duplicate", f"{where} lists it again") for where, _ in others
            ]
        else:
            reason = f"{first[0]} and {others[-1][0]} say different things of it"
            rejected.append(Finding(name, path, "contradiction", reason))
    return rows, tuple(rejected)


def _relative(path: str, folder: Path) -> str:
    # Windows writes paths with backslashes. Recordings' names are assumed to have none.
    path = path.replace("\\", "/")
    where = os.path.realpath(Path(folder, path).parent)
    return Path(os.path.relpath(where, os.path.realpath(folder)), Path(path).name).as_posix()
