"""Results of an evaluation as text, files and a report page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from serkit.export.versions import MODEL_CARD
from serkit.files import replacing, write_json
from serkit.formatting import counted, percent
from serkit.metrics.bootstrap import Interval
from serkit.metrics.intervals import Group
from serkit.reporting.clips import surest_mistakes
from serkit.reporting.comparison_figures import calibration
from serkit.reporting.figures import confusion
from serkit.reporting.page import Section, Table, files_section, write_report
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


def takeaway(results: Mapping[str, Any]) -> str:
    """Return the result in one sentence of plain words."""
    accuracy, uar = (Interval(**results[name]) for name in ("accuracy", "uar"))
    clips, speakers = counted(results["clips"], "clip"), counted(results["speakers"], "speaker")
    return (
        f"Of {clips} of {speakers}, the model classifies {accuracy} % correctly. The mean over the "
        f"classes (UAR) is {uar} %."
    )


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
    out: Path,
    results: Mapping[str, Any],
    table: pd.DataFrame,
    groups: Sequence[Group],
    roots: Mapping[str, Path],
    model: Path | None,
    command: str,
) -> None:
    """Write ``predictions.csv``, the report page and ``evaluation.json``.

    Args:
        out: folder of the files.
        results: from :func:`serkit.studies.evaluation.evaluate`.
        table: a row per clip, with its label and prediction.
        groups: scores of all clips, by corpus and by gender.
        roots: folder of each root name of the clips.
        model: folder of the exported model; None of a served one.
        command: the command that the report page names as the one to repeat; empty: none.
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
    files = {out / "predictions.csv": "the prediction of each clip, with its probabilities"}
    if model is not None:
        files |= {model / MODEL_CARD: "model card", model: "the model"}
    page = out / "report.html"
    write_report(
        page,
        f"Evaluation of {results['model']}",
        takeaway(results),
        warnings_of(results),
        [
            section,
            *_mistakes_section(results, table, roots),
            files_section(page, files, command),
        ],
    )
    # This file is written last: with it the evaluation is complete.
    write_json(out / "evaluation.json", results)


def _mistakes_section(
    results: Mapping[str, Any], table: pd.DataFrame, roots: Mapping[str, Path]
) -> list[Section]:
    usable = table[table["problem"] == ""]
    clips = list(surest_mistakes(usable, results["classes"], roots))
    if not clips:
        return []
    text = (
        f"The {counted(len(clips), 'clip')} whose wrong class had the highest probability. At most "
        "ten seconds of each; the spectrogram reaches 80 dB below its loudest value."
    )
    if results["corruptions"]:
        text += " They are heard as recorded; the model got them corrupted."
    return [Section("Wrong predictions that the model was surest of", [text], clips=clips)]


def _as_table(markdown: str) -> Table:
    """Return a Markdown table for the report page."""
    header, _, *rows = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines()
    )
    return Table(header, rows)
