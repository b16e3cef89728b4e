"""Parse labels and speakers of the user's own recordings from file names or a CSV file."""

import csv
import io
import os
import re
import signal
import threading
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from serkit.datasets.corpus import EMOTIONS, UNKNOWN_SPEAKER, Clip, emotion_of, gender_of
from serkit.datasets.findings import Finding
from serkit.errors import InputError, SerkitError, short_repr
from serkit.formatting import printable

FIELDS = ("label", "speaker", "gender", "sentence", "intensity", "repetition")
"""Fields that a file name, a pattern or a table may give; only the label is required."""
_MAX_DIGITS = 9


class UnknownName(InputError):
    """The form of a file's name is unknown to the parser."""


@dataclass(frozen=True)
class Naming:
    """Naming rules of recordings that are not of the four known corpora.

    Attributes:
        pattern: regular expression that is searched in the path below the root, written with
            slashes; its named groups are some of :data:`FIELDS`. If it is empty, folders name the
            labels; see :meth:`by_folder`.
        labels: emotion of each label that is not an English word for an emotion, such as ``{"W":
            "angry"}``. An emotion that is none of the 2021 report's seven becomes a new class.
        genders: gender of each speaker for whom neither name nor table gives it.

    Raises:
        InputError: if the pattern is not a regular expression, has no group ``label``, or has a
            group that is not in :data:`FIELDS`.
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
        unknown = sorted(set(groups) - set(FIELDS))
        if unknown or "label" not in groups:
            problem = f"the groups {', '.join(unknown)}" if unknown else "no group label"
            raise InputError(
                "`pattern` must have the group (?P<label>…) and, where known, "
                f"{', '.join(FIELDS[1:])}. Received: {problem} in pattern={self.pattern!r}."
            )

    def by_pattern(self, path: str, corpus: str) -> Clip:
        """Parse a clip from its path by :attr:`pattern`.

        Raises:
            UnknownName: if the path does not match the pattern.
            InputError: if a field is not valid; see :meth:`clip`.
            SlowPatternError: if the search takes longer than a second, as it may with repetitions
                of repetitions. Only a main thread can end it, and not on Windows.
        """
        with _time_limit(_PATTERN_SECONDS, f"`pattern` takes too long on the name {path!r}"):
            match = re.search(self.pattern, path)
        if match is None:
            raise UnknownName("the pattern is not found in its name")
        return self.clip(path, corpus, {k: v or "" for k, v in match.groupdict().items()})

    def by_folder(self, path: str, corpus: str) -> Clip:
        """Parse a clip from ``…/<label>/<file>`` or ``…/<label>/<speaker>/<file>``.

        Raises:
            InputError: if neither of the two folders is a known label, or both are.
        """
        *_, parent_folder, folder = ("", "", *PurePosixPath(path).parent.parts)
        if self.emotion(folder) is not None and self.emotion(parent_folder) is not None:
            raise InputError(
                f"{parent_folder} and {folder} are both labels; say in a CSV which is meant"
            )
        if self.emotion(parent_folder) is not None:
            return self.clip(path, corpus, {"label": parent_folder, "speaker": folder})
        return self.clip(path, corpus, {"label": folder})

    def emotion(self, label: str) -> str | None:
        """Return the emotion that a label means, or None if the label is not known."""
        meaning = self.labels.get(label, label)
        return emotion_of(meaning) or (meaning if label in self.labels else None)

    def clip(self, path: str, corpus: str, fields: Mapping[str, str]) -> Clip:
        """Build a clip from the fields of its name or table row.

        Args:
            path: POSIX path below the root.
            corpus: name of the corpus; it prefixes the speaker, which makes speakers unique.
            fields: value of each given field of :data:`FIELDS`; ``label`` is required.

        Raises:
            InputError: if the label is not known, the repetition is not a number, or emotion or
                gender cannot be the name of a folder.
        """
        # Unicode has two encodings of letters such as é; names must compare equal in both.
        fields = {key: unicodedata.normalize("NFC", value) for key, value in fields.items()}
        emotion = self.emotion(fields["label"])
        if emotion is None:
            raise InputError(
                f"label {fields['label']!r} is not known; valid are {', '.join(EMOTIONS)} and "
                "words for them, or say what it means: "
                f"--label-names {fields['label'] or 'LABEL'}=EMOTION"
            )
        speaker = fields.get("speaker") or UNKNOWN_SPEAKER
        repetition = fields.get("repetition") or "1"
        if not repetition.isdecimal() or len(repetition) > _MAX_DIGITS:
            raise InputError(
                f"repetition {short_repr(repetition)} is not a number of at most {_MAX_DIGITS} "
                "digits"
            )
        gender = gender_of(fields.get("gender") or self.genders.get(speaker, ""))
        for class_name in (emotion, gender):
            # A run folder has a subfolder per class.
            has_separator = any(character in class_name for character in "/\\")
            if class_name.startswith(".") or has_separator or printable(class_name) != class_name:
                raise InputError(
                    f"{class_name!r} cannot be a class; valid are names without /, \\, line breaks "
                    "and other control characters that do not begin with a dot"
                )
        return Clip(
            path=path,
            corpus=corpus,
            speaker=f"{corpus}-{speaker}",
            gender=gender,
            emotion=emotion,
            original_label=fields["label"],
            intensity=fields.get("intensity", ""),
            sentence=fields.get("sentence", ""),
            repetition=int(repetition),
        )


class SlowPatternError(SerkitError):
    """A regular expression takes too long."""


_PATTERN_SECONDS = 1.0


@contextmanager
def _time_limit(seconds: float, problem: str) -> Iterator[None]:
    """Raise SlowPatternError in the block after some seconds, where signals allow it."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: object) -> None:
        raise SlowPatternError(
            f"{problem}: more than {seconds:g} s; a repetition within a repetition, such as "
            "(a+)+, may be the reason"
        )

    earlier_handler = signal.signal(signal.SIGALRM, stop)
    earlier_seconds, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, earlier_seconds)
        signal.signal(signal.SIGALRM, earlier_handler)


_REQUIRED_COLUMNS = ("path", "label", "speaker")


def read_table(file: Path, root_name: str) -> tuple[dict[str, dict[str, str]], tuple[Finding, ...]]:
    """Read a CSV of recordings.

    The delimiter is a comma, semicolon or tab: the one that is most frequent in the header.
    Required columns: path (relative to the CSV's folder, or absolute), label, speaker. Optional
    columns: gender, sentence, intensity, repetition. Other columns are ignored.

    Args:
        file: the CSV, UTF-8.
        root_name: name of the root, for the findings.

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
        rows = [(f"line {reader.line_num} of {file.name}", cells) for cells in reader if any(cells)]
    except csv.Error as error:
        raise InputError(f"{file} is not a CSV: {error}") from error
    columns = [column.strip().lower() for column in rows[0][1]] if rows else []
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    if repeated:
        raise InputError(f"{file} has the columns {', '.join(repeated)} more than once")
    missing = [column for column in _REQUIRED_COLUMNS if column not in columns]
    if missing:
        raise InputError(
            f"{file} lacks the columns {', '.join(missing)}; its columns are: {', '.join(columns)}"
        )
    return _parse_rows(file.parent, root_name, columns, rows[1:])


def _parse_rows(
    folder: Path, root_name: str, columns: list[str], rows: list[tuple[str, list[str]]]
) -> tuple[dict[str, dict[str, str]], tuple[Finding, ...]]:
    """Return the fields by path and the findings; see :func:`read_table`.

    Args:
        folder: folder of the CSV.
        root_name: name of the root.
        columns: names of the columns.
        rows: for each row its place in the file, for messages, and its cells.
    """
    rows_by_path: dict[str, list[tuple[str, dict[str, str]]]] = defaultdict(list)
    findings: list[Finding] = []
    for place, cells in rows:
        if len(cells) != len(columns):
            reason = f"{place} has {len(cells)} cells, its header {len(columns)}"
            findings.append(Finding(root_name, cells[0], "missing", reason))
            continue
        row = {column: cell.strip() for column, cell in zip(columns, cells, strict=True)}
        empty_columns = [column for column in _REQUIRED_COLUMNS if not row[column]]
        path = _path_below(row["path"], folder) if row["path"] else ""
        if empty_columns:
            kind = "label" if path else "missing"
            reason = f"{place} has no {' and no '.join(empty_columns)}"
            findings.append(Finding(root_name, path, kind, reason))
        elif not os.path.isfile(folder / path):
            reason = f"{place} names it; it is not there"
            findings.append(Finding(root_name, path, "missing", reason))
        else:
            rows_by_path[path].append((place, {k: row[k] for k in FIELDS if k in row}))
    fields_by_path = {}
    for path, ((first_place, first_fields), *repeated) in rows_by_path.items():
        if all(fields == first_fields for _, fields in repeated):
            fields_by_path[path] = first_fields
            for place, _ in repeated:
                findings.append(Finding(root_name, path, "duplicate", f"{place} lists it again"))
        else:
            last_place, _ = repeated[-1]
            reason = f"{first_place} and {last_place} say different things of it"
            findings.append(Finding(root_name, path, "contradiction", reason))
    return fields_by_path, tuple(findings)


def _path_below(path: str, folder: Path) -> str:
    """Return a table's path as a POSIX path relative to the table's folder."""
    # Windows writes paths with backslashes. Recordings' names are assumed to have none.
    path = path.replace("\\", "/")
    parent = os.path.realpath(Path(folder, path).parent)
    return Path(os.path.relpath(parent, os.path.realpath(folder)), Path(path).name).as_posix()
