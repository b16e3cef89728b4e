"""Anybody's own recordings, listed in a CSV: ``path,label,speaker`` and what else is known."""

import csv
import io
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from serkit.corpora.corpus import Clip
from serkit.corpora.findings import Finding
from serkit.corpora.naming import GROUPS, Naming
from serkit.errors import InputError

_NEEDED = ("path", "label", "speaker")


@dataclass(frozen=True)
class Table:
    """The rows of a CSV, by the path of their recording.

    Attributes:
        rows: what each row says, by POSIX path relative to the CSV's folder.
        rejected: rows that cannot be used: with too few or too many cells, without a path, label or
            speaker, listed twice, or whose file is not there.
    """

    rows: dict[str, dict[str, str]]
    rejected: tuple[Finding, ...]

    def read(self, path: str, corpus: str, naming: Naming) -> Clip:
        """The clip that a row describes.

        Raises:
            InputError: if the label is not known or the repetition is no number.
        """
        return naming.clip(path, corpus, self.rows[path])


def read_table(file: Path, name: str) -> Table:
    """Read a CSV of recordings; comma, semicolon or tab, as its header has them.

    Columns: path (relative to the CSV's folder, or absolute), label, speaker; further ones may be
    gender, sentence, intensity, repetition; others are not looked at.

    Args:
        file: the CSV, UTF-8.
        name: of the root, for the findings.

    Raises:
        InputError: if the file is no such table.
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
) -> Table:
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
    return Table(rows, tuple(rejected))


def _relative(path: str, folder: Path) -> str:
    # As Windows writes them; a backslash is no part of a name that anybody gives a recording.
    path = path.replace("\\", "/")
    where = os.path.realpath(Path(folder, path).parent)
    return Path(os.path.relpath(where, os.path.realpath(folder)), Path(path).name).as_posix()
