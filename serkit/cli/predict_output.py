"""What ``serkit predict`` prints: text, CSV or JSON."""

import csv
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from serkit.formatting import printable

if TYPE_CHECKING:
    from serkit.serving.prediction import Prediction

# Columns of --timeline only.
_TIMES = ("start", "end")
_COLUMNS = ("file", "label", "abstain", "entropy", "mutual_information", "note", "problem")


def most_probable(prediction: "Prediction", top: int | None) -> "Prediction":
    """Keep the ``top`` most probable classes, sorted; None returns the prediction unchanged."""
    if top is None:
        return prediction
    return replace(prediction, probabilities=dict(_ranked(prediction)[:top]))


def _ranked(prediction: "Prediction") -> list[tuple[str, float]]:
    """Return classes with their probabilities, the most probable first."""
    return sorted(prediction.probabilities.items(), key=lambda item: -item[1])


def print_message(line: str) -> None:
    """Print a line beside the predictions, so that these can be read by a program."""
    print(f"serkit predict: {printable(line)}", file=sys.stderr)


def as_json(prediction: "Prediction") -> dict[str, Any]:
    """Return the fields of a prediction; None for numbers that an unusable file has not."""
    fields = dict(vars(prediction))
    if prediction.problem:
        fields |= {"entropy": None, "mutual_information": None}
    return fields


def print_text(prediction: "Prediction") -> None:
    if prediction.problem:
        print_message(f"{prediction.file}: {prediction.problem}")
    else:
        print(format_prediction(prediction), flush=True)


class CsvTable:
    """Write CSV to standard output; only the ``top`` most probable classes of a row have a value.

    The classes are not known before the first usable file. So rows of unusable files before it are
    kept until then.
    """

    def __init__(self, top: int | None) -> None:
        self._top, self._columns = top, _COLUMNS
        self._writer: csv.DictWriter | None = None
        self._pending_rows: list[dict[str, object]] = []

    def add(self, prediction: "Prediction") -> None:
        """Write the row of a prediction, or keep it until the classes are known."""
        times = [name for name in _TIMES if hasattr(prediction, name)]
        self._columns = ("file", *times, *_COLUMNS[1:])
        self._pending_rows.append(self._row(prediction))
        if self._writer is None and prediction.probabilities:
            self._writer = self._write_header(list(prediction.probabilities))
        if self._writer is not None:
            self._write_rows(self._writer)
            self._pending_rows.clear()
            sys.stdout.flush()

    def end(self) -> None:
        """If no file was usable, write the rows that were kept, without class columns."""
        if self._writer is None:
            self._write_rows(self._write_header([]))

    def _write_rows(self, writer: "csv.DictWriter[str]") -> None:
        # A program that reads the table needs the names as they are.
        shown = printable if sys.stdout.isatty() else str
        for row in self._pending_rows:
            writer.writerow({name: shown(str(value)) for name, value in row.items()})

    def _write_header(self, classes: Sequence[str]) -> "csv.DictWriter[str]":
        header = [*self._columns, *(f"p_{printable(label)}" for label in classes)]
        writer = csv.DictWriter(sys.stdout, header, lineterminator="\n")
        writer.writeheader()
        return writer

    def _row(self, prediction: "Prediction") -> dict[str, object]:
        if prediction.problem:
            return {"file": prediction.file, "abstain": True, "problem": prediction.problem}
        row: dict[str, object] = {name: getattr(prediction, name) for name in self._columns}
        for label, probability in most_probable(prediction, self._top).probabilities.items():
            row[f"p_{printable(label)}"] = probability
        return row


def format_prediction(prediction: "Prediction") -> str:
    abstains = " (abstains)" if prediction.abstain else ""
    probabilities = "  ".join(f"{label} {value:.3f}" for label, value in _ranked(prediction))
    uncertainty = f"entropy {prediction.entropy:.3f} nats"
    if prediction.mutual_information:
        uncertainty += f", of which disagreement {prediction.mutual_information:.3f}"
    times = [f"{getattr(prediction, name):.1f}" for name in _TIMES if hasattr(prediction, name)]
    where = prediction.file + (f", {' to '.join(times)} s" if times else "")
    lines = [f"{where}: {prediction.label}{abstains}", probabilities, uncertainty]
    if prediction.note:
        lines.append(f"note: {prediction.note}")
    return "\n   ".join(map(printable, lines))
