"""Write the report page of a comparison."""

import itertools
from pathlib import Path
from typing import Any

from serkit.augmentation.arms import NONE
from serkit.datasets.corpus_info import licences_of
from serkit.export.versions import MODEL_CARD
from serkit.reporting import comparison_figures, figures, verdicts
from serkit.reporting.page import Section, Table, files_section, write_report
from serkit.studies.classifier_kinds import NETWORKS
from serkit.studies.engine import Comparison
from serkit.studies.exports import (
    arms_table,
    classifiers_table,
    format_interval,
    format_per_cent,
    oversampling_table,
)
from serkit.studies.page_method import method_section, warnings_of
from serkit.studies.page_sections import gan_section, mistakes_section, recording_sections
from serkit.studies.results import EFFECT_SIZES

# Maximum numbers of arms in figures. More curves in one figure could not be distinguished.
_MAX_LEARNING_CURVES, _MAX_CALIBRATION_CURVES, _MAX_CONFUSION_MATRICES = 7, 4, 3
# A longer table of speakers is folded.
_MAX_OPEN_ROWS = 12


class ArmSections:
    """Sections of the report page for one protocol and classifier.

    Args:
        comparison: the finished comparison.
        results: from :func:`serkit.studies.results.make_results`.
        protocol: key of ``results["protocols"]``.
        classifier: key of the protocol's ``classifiers``.
    """

    def __init__(
        self, comparison: Comparison, results: dict[str, Any], protocol: str, classifier: str
    ) -> None:
        self.comparison: Comparison = comparison
        self.results: dict[str, Any] = results
        self.protocol: str = protocol
        self.classifier: str = classifier
        protocol_results = results["protocols"][protocol]
        self.arms: dict[str, Any] = protocol_results["classifiers"][classifier]["arms"]
        self.differences: dict[str, dict[str, Any]] = {
            name: arm["difference"] for name, arm in self.arms.items() if "difference" in arm
        }
        self.file_suffix: str = f"{protocol}-{classifier}"
        self.mark: str = verdicts.mark_of(protocol_results)
        self.measure_name: str = f"UAR, {self.mark}" if self.mark else "UAR"
        is_one = len(results["protocols"]) == len(protocol_results["classifiers"]) == 1
        mark = f"{self.mark}, " if self.mark else ""
        self.title_prefix: str = "" if is_one and not mark else f"{mark}{classifier}, {protocol}: "

    def _title(self, text: str) -> str:
        return self.title_prefix + text if self.title_prefix else text.capitalize()

    def sections(self) -> list[Section]:
        """Return the sections, in their order on the report page."""
        sections = [
            self._measures(),
            # A few speakers have no intervals, so that nothing can be said.
            *([self._detectable_effects()] if self._has_intervals() else []),
            self._errors(),
            self._speakers(),
        ]
        if self.classifier in NETWORKS:
            sections.append(self._learning_curves())
        if self.mark:
            # Every figure is marked, because a reader may copy it without the rest of the page.
            mark = self.mark.replace("LEAKY", "LEAKY: speakers in training and test")
            for section in sections:
                for figure, _ in section.figures.values():
                    style = {"color": "#b0413e", "fontsize": 7, "backgroundcolor": "white"}
                    figure.text(0.995, 0.005, mark, ha="right", **style)
        return sections

    def _measures(self) -> Section:
        header, rows = arms_table(self.arms)
        tables = [Table(header, rows)]
        oversampling_header, oversampling_rows = oversampling_table(self.arms)
        if oversampling_rows:
            tables.append(Table(oversampling_header, oversampling_rows))
        section_figures = {}
        if self.differences:
            estimates = {
                name: difference["uar"]["estimate"] for name, difference in self.differences.items()
            }
            section_figures[f"forest-{self.file_suffix}"] = (
                comparison_figures.forest(estimates, self.measure_name),
                "Each arm less none, the same classifier on the same clips.",
            )
        text = [difference["verdict"] + "." for difference in self.differences.values()]
        return Section(self._title("what helps"), text, tables, section_figures)

    def _has_intervals(self) -> bool:
        return any(found["uar"]["visible"] is not None for found in self.differences.values())

    def _detectable_effects(self) -> Section:
        rows = []
        for name, difference in self.differences.items():
            needed = difference["speakers_needed"]
            speakers_needed = [str(needed[f"{100 * effect:g}"] or "") for effect in EFFECT_SIZES]
            detectable = [
                format_per_cent(difference["uar"][key])
                for key in ("visible", "visible_with_more_seeds")
            ]
            rows.append([name, str(difference["speakers"]), *detectable, *speakers_needed])
        columns = ["arm", "speakers", "minimum detectable effect", "the same, with many seeds"]
        columns += [f"speakers for {100 * effect:g}" for effect in EFFECT_SIZES]
        # Without intervals or several seeds, whole columns are empty.
        filled = [any(row[i] for row in rows) for i in range(len(columns))]
        header, *rows = [list(itertools.compress(row, filled)) for row in (columns, *rows)]
        text = (
            "The minimum detectable effect is the difference in points of UAR that such a "
            "comparison shows in four cases of five, of one arm alone at the 5 % level (several "
            "arms, corrected for their number, take more). More seeds make it smaller, where the "
            "randomness of training is known; more speakers, too: so many show a difference of "
            f"{', '.join(f'{100 * effect:g}' for effect in EFFECT_SIZES)} points."
        )
        return Section(self._title("minimum detectable effect"), [text], [Table(header, rows)])

    def _errors(self) -> Section:
        recalls = {
            name: {label: recall["value"] for label, recall in arm["recalls"].items()}
            for name, arm in self.arms.items()
        }
        section_figures = {
            f"recalls-{self.file_suffix}": (
                comparison_figures.recalls(recalls, self.results["rare"]),
                "Recall of every class, per cent.",
            )
        }
        for name in self._best_arms(_MAX_CONFUSION_MATRICES):
            section_figures[f"confusion-{self.file_suffix}-{name}"] = (
                figures.confusion(self.arms[name]["confusion"], self.results["classes"], name),
                f"Test clips by true and predicted class, {name}, all seeds.",
            )
        calibrations = {
            name: self.arms[name]["calibration"]
            for name in self._best_arms(_MAX_CALIBRATION_CURVES)
        }
        section_figures[f"calibration-{self.file_suffix}"] = (
            comparison_figures.calibration(calibrations),
            "How often a classifier was right, by how sure it was; ECE: the mean distance from "
            "the dotted line, in points.",
        )
        title = self._title("where they are right and wrong")
        return Section(title, [], self._group_tables(), section_figures)

    def _group_tables(self) -> list[Table]:
        """Return a table of the UAR by corpus and gender; no table if there are no such groups."""
        groups = self.arms[NONE]["groups"]
        if not groups:
            return []
        columns = ["UAR, per cent", "speakers", *self.arms]
        rows = [
            [group["value"] or f"{group['attribute']} unknown", str(group["speakers"])]
            + [format_interval(arm["groups"][index]["uar"]) for arm in self.arms.values()]
            for index, group in enumerate(groups)
        ]
        return [Table(columns, rows)]

    def _speakers(self) -> Section:
        rows = [
            [
                speaker,
                *(format_per_cent(arm["uar_of_speakers"][speaker]) for arm in self.arms.values()),
            ]
            for speaker in self.arms[NONE]["uar_of_speakers"]
        ]
        section_figures = {}
        if self.differences:
            uar_differences = {
                name: difference["uar_of_speakers"] for name, difference in self.differences.items()
            }
            section_figures[f"speakers-{self.file_suffix}"] = (
                comparison_figures.speaker_differences(uar_differences, self.measure_name),
                "Each speaker's own difference to none.",
            )
        folded = "UAR of each speaker" if len(rows) > _MAX_OPEN_ROWS else ""
        table = Table(["UAR, per cent", *self.arms], rows, folded=folded)
        return Section(self._title("speaker by speaker"), [], [table], section_figures)

    def _learning_curves(self) -> Section:
        arms = {arm.name: arm for arm in self.comparison.arms}
        histories = {}
        for name in self._best_arms(_MAX_LEARNING_CURVES):
            runs = self.comparison.finished_runs(self.protocol, self.classifier, arms[name])
            histories[name] = [run.history() for run in runs]
        caption = "Means of all trainings; solid: validation speakers, dashed: training batches."
        figure = comparison_figures.mean_curves(histories)
        section_figures = {f"learning-{self.file_suffix}": (figure, caption)}
        return Section(self._title("how they learned"), [], [], section_figures)

    def _best_arms(self, count: int) -> list[str]:
        """Return ``none`` and the arms with the highest validation UAR, up to ``count`` in all."""
        others = sorted(
            (name for name in self.arms if name != NONE),
            key=lambda name: -self.arms[name]["validation_uar"],
        )
        return [NONE, *others[: count - 1]]


def write_comparison_report(
    path: Path,
    comparison: Comparison,
    results: dict[str, Any],
    *,
    command: str = "",
    model: Path | None = None,
) -> None:
    """Write the report page and its figures.

    Args:
        path: path of the HTML file, in the run folder.
        comparison: the finished comparison.
        results: from :func:`serkit.studies.results.make_results`.
        command: the command that made the run; empty if there was none.
        model: folder of the exported model; None if there is none.
    """
    sections = []
    for protocol, protocol_results in results["protocols"].items():
        if protocol_results.get("between_classifiers"):
            mark = ", ".join(filter(None, (verdicts.mark_of(protocol_results), protocol)))
            table = Table(*classifiers_table(protocol_results))
            sections.append(Section(f"{mark}: which classifier is better", [], [table]))
        for classifier in protocol_results["classifiers"]:
            sections += ArmSections(comparison, results, protocol, classifier).sections()
    sections += [
        *mistakes_section(comparison, results),
        *gan_section(comparison),
        *recording_sections(comparison, results),
        method_section(comparison, results),
        files_section(path, _files(path.parent, model), command),
    ]
    mark = verdicts.mark_of(next(iter(results["protocols"].values())))
    mark = f"{mark.replace('LEAKY', 'LEAKY SPLIT')}: " if mark else ""
    question = "Does the augmentation help?"
    if not verdicts.is_about_arms(results):
        question = "Which classifier is better?"
    write_report(
        path,
        f"{mark}{question} ({', '.join(licences_of(comparison.corpus))})",
        verdicts.takeaway(results),
        list(warnings_of(results)),
        sections,
    )


def _files(folder: Path, model: Path | None) -> dict[Path, str]:
    """Return what the report page links to, if it exists, with a description each."""
    files = {
        folder / "tables" / "arms.csv": "all numbers of all arms, as fractions",
        folder / "tables": "the tables of this page as Markdown and LaTeX",
        folder / "comparison.json": "all results",
        folder / "metrics.json": "scores of both classifiers on all partitions",
        folder / "manifest.csv": "the usable clips",
        folder / "rejected.csv": "the rejected files, with reasons",
    }
    if model is not None:
        files[model / MODEL_CARD] = "model card of the exported model"
        files[model] = "the exported model"
    return files
