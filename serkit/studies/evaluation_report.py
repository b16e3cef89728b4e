"""Results of an evaluation as text, files and a report page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from serkit.files import replacing, write_json
from serkit.formatting import counted, percent
from serkit.metrics.bootstrap import Interval
from serkit.metrics.intervals import Group
from serkit.reporting.comparison_figures import calibration
from serkit.reporting.figures import confusion
from serkit.reporting.page import Section, Table, write_report
from serkit.reporting.tables import measure_table, recall_table
from serkit.reporting.verdicts import interval_warnings


def summary(results: Mapping[str, Any]) -> str:
    """Return the main results in a few lines, in per cent."""
    scores = [
        f"{title} {Interval(**results[name])} %"
        for title, name in (("UAR", "uar"), ("accuracy", "accuracy"), ("macro F1", "macro_f1"))
    ]
    lines = [
        f"{', '.join(scores)} on {counted(results['clips'], 'clip')} of "
        f"{counted(results['speakers'], 'speaker')}"
    ]
    abstention = results["abstention"]
    if abstention["accuracy"] is not None:
        lines.append(
            f"answers {percent(abstention['coverage'])} of the clips, "
            f"{percent(abstention['accuracy'])} of these correctly; expected calibration error "
            f"{percent(results['calibration']['ece'])}"
        )
    return "\n".join([*lines, *warnings_of(results)])


def warnings_of(results: Mapping[str, Any]) -> list[str]:
    """Return what a reader must know before relying on the numbers, a sentence each."""
    warnings = []
    if results["leaky"]:
        warnings.append(
            "LEAKY: clips or speakers of the training set are among these recordings; the numbers "
            "are higher than on unseen speakers."
        )
    if results["leaky"] is None:
        warnings.append("Not known whether the model was trained on some of these recordings.")
    if results["left_out"]:
        labels = ", ".join(f"{label} ({count})" for label, count in results["left_out"].items())
        warnings.append(f"Left out, since the model does not know these labels: {labels}.")
    recalls = results["recalls"]
    if missing := [label for label, recall in recalls.items() if recall is None]:
        warnings.append(
            f"No clip here has these classes of the model: {', '.join(missing)}. UAR is the mean "
            f"over the classes that have clips, {len(recalls) - len(missing)} of {len(recalls)}."
        )
    warnings += interval_warnings(results["speakers"])
    if results["problems"]:
        warnings.append(f"{counted(results['problems'], 'recording')} could not be used.")
    if results["corruptions"]:
        names = ", ".join(f"{name} {value:g}" for name, value in results["corruptions"])
        warnings.append(f"All recordings were corrupted: {names}.")
    return warnings


def write_evaluation(
    out: Path, results: Mapping[str, Any], table: pd.DataFrame, groups: Sequence[Group]
) -> None:
    """Write ``predictions.csv``, the report page and ``evaluation.json``.

    Args:
        out: folder of the files.
        results: from :func:`serkit.studies.evaluation.evaluate`.
        table: a row per clip, with its label and prediction.
        groups: scores of all clips, by corpus and by gender.
    """
    classes = results["classes"]
    with replacing(out / "predictions.csv") as partial:
        table.to_csv(partial, index=False, lineterminator="\n")
    matrix = confusion(results["confusion"], classes, "")
    diagram = calibration({results["model"]: results["calibration"]["reliability"]})
    section = Section(
        "Results",
        ["In per cent, with 95 % confidence intervals over speakers where there are enough."],
        [_as_table(measure_table(groups)), _as_table(recall_table(groups, classes))],
        {
            "confusion": (
                matrix,
                "Confusion matrix: numbers of clips, shaded by their fraction of the true class.",
            ),
            "calibration": (diagram, "Accuracy by confidence."),
        },
    )
    title = f"Evaluation of {results['model']}"
    write_report(
        out / "report.html",
        title,
        summary(results).splitlines()[0],
        warnings_of(results),
        [section],
    )
    # This file is written last: with it the evaluation is complete.
    write_json(out / "evaluation.json", results)


def _as_table(markdown: str) -> Table:
    """Return a Markdown table for the report page."""
    header, _, *rows = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines()
    )
    return Table(header, rows)
