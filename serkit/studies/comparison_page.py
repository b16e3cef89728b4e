"""Write the report page of a comparison."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from serkit.augmentation.arms import NONE
from serkit.datasets.corpus_info import SYNTHETIC_WARNING, licences_of
from serkit.files import read_json_object
from serkit.reporting import comparison_figures, figures
from serkit.reporting.page import Section, Table, write_report
from serkit.reporting.verdicts import FEW_SPEAKERS, LEAKY, MIN_SPEAKERS_FOR_VERDICT, headline
from serkit.studies.classifier_kinds import HEADS, NETWORKS
from serkit.studies.engine import Comparison
from serkit.studies.exports import (
    arms_table,
    classifiers_table,
    format_interval,
    format_per_cent,
    oversampling_table,
)
from serkit.studies.page_sections import gan_section, recording_sections
from serkit.studies.results import EFFECT_SIZES

# Maximum numbers of arms in figures. More curves in one figure could not be distinguished.
_MAX_LEARNING_CURVES, _MAX_CALIBRATION_CURVES, _MAX_CONFUSION_MATRICES = 7, 4, 3


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
        self.is_leaky: bool = protocol_results["leaky"]
        self.measure_name: str = "UAR, LEAKY" if self.is_leaky else "UAR"
        is_one_of_several = (
            len(results["protocols"]) > 1 or len(protocol_results["classifiers"]) > 1
        )
        mark = "LEAKY, " if self.is_leaky else ""
        self.title_prefix: str = (
            f"{mark}{classifier}, {protocol}: " if is_one_of_several or self.is_leaky else ""
        )

    def _title(self, text: str) -> str:
        return self.title_prefix + text if self.title_prefix else text.capitalize()

    def sections(self) -> list[Section]:
        """Return the sections, in their order on the report page."""
        sections = [
            self._measures(),
            self._detectable_differences(),
            self._errors(),
            self._speakers(),
        ]
        if self.classifier in NETWORKS:
            sections.append(self._learning_curves())
        if self.is_leaky:
            # Every figure is marked, because a reader may copy it without the rest of the page.
            mark = "LEAKY: speakers in training and test"
            for section in sections:
                for figure, _ in section.figures.values():
                    figure.text(0.995, 0.005, mark, color="#b0413e", fontsize=7, ha="right")
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

    def _detectable_differences(self) -> Section:
        rows = []
        for name, difference in self.differences.items():
            needed = difference["speakers_needed"]
            speakers_needed = [str(needed[f"{100 * effect:g}"] or "") for effect in EFFECT_SIZES]
            detectable = [
                format_per_cent(difference["uar"][key])
                for key in ("visible", "visible_with_more_seeds")
            ]
            rows.append([name, str(difference["speakers"]), *detectable, *speakers_needed])
        columns = ["arm", "speakers", "points that would be seen", "with very many seeds"]
        columns += [f"speakers for {100 * effect:g}" for effect in EFFECT_SIZES]
        text = (
            "How large a difference this comparison would have seen in four cases of five, of one "
            "arm alone at the 5 % level (several arms, corrected for their number, take more); "
            "what it would see if each arm were trained with very many seeds (known "
            "where an arm has several); and how many such speakers it takes to see a difference of "
            f"{', '.join(f'{100 * effect:g}' for effect in EFFECT_SIZES)} points."
        )
        return Section(self._title("what could be seen at all"), [text], [Table(columns, rows)])

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
        table = Table(["UAR, per cent", *self.arms], rows)
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


_FEW_CLIPS = 8
# Settings without effect where all classifiers are linear classifiers of features.
_SETTINGS_OF_NETWORKS = {
    *("spec", "masks", "fit", "tuned", "frozen_convs", "precision", "live"),
    *("gans", "gan_recipe", "generated_share", "gated"),
}


def write_comparison_report(path: Path, comparison: Comparison, results: dict[str, Any]) -> None:
    """Write the report page and its figures.

    Args:
        path: path of the HTML file.
        comparison: the finished comparison.
        results: from :func:`serkit.studies.results.make_results`.
    """
    sections = []
    for protocol, protocol_results in results["protocols"].items():
        if protocol_results.get("between_classifiers"):
            mark = "LEAKY, " if protocol_results["leaky"] else ""
            table = Table(*classifiers_table(protocol_results))
            sections.append(Section(f"{mark}{protocol}: which classifier is better", [], [table]))
        for classifier in protocol_results["classifiers"]:
            sections += ArmSections(comparison, results, protocol, classifier).sections()
    sections += [*recording_sections(comparison, results), *gan_section(comparison)]
    sections.append(_method(comparison, results))
    # The headline is about the first protocol and classifier.
    protocol, protocol_results = next(iter(results["protocols"].items()))
    classifier, classifier_results = next(iter(protocol_results["classifiers"].items()))
    is_leaky, arms = protocol_results["leaky"], classifier_results["arms"]
    between = protocol_results.get("between_classifiers", [])
    is_of_arms = len(arms) > 1 or not between
    question = "Does the augmentation help?" if is_of_arms else "Which classifier is better?"
    write_report(
        path,
        f"{'LEAKY SPLIT: ' if is_leaky else ''}{question} "
        f"({', '.join(licences_of(comparison.corpus))})",
        headline(arms, f"{classifier}, {protocol},", leaky=is_leaky)
        if is_of_arms
        else "; ".join(row["verdict"] for row in between) + ".",
        list(_warnings(results)),
        sections,
    )


def _warnings(results: dict[str, Any]) -> Iterator[str]:
    settings, protocols = results["settings"], results["protocols"].values()
    if any(protocol["leaky"] for protocol in protocols):
        yield LEAKY
    if message := results.get("short"):
        yield f"{message}."
    if results.get("synthetic"):
        yield SYNTHETIC_WARNING
    for label, kept in settings["rarify"]:
        amount = f"{kept:.0%}" if kept <= 1 else f"{kept:g}"
        yield f"{label} was made rare on purpose: {amount} of its training clips are left."
    if everywhere := settings["everywhere"]:
        yield f"Every arm, none included, also gets: {', '.join(everywhere)}."
    folds = [fold for protocol in protocols for fold in protocol["folds"]]
    unfilled_folds = [fold["detail"] for fold in folds if not fold["added"]]
    if 0 < len(unfilled_folds) < len(folds):
        yield f"Nothing is filled in {', '.join(unfilled_folds)}: no class is rare enough there."
    if message := results.get("left_out"):
        yield f"{message}."
    for title, reason in results.get("failed", {}).items():
        yield f"{title} failed, and its arm is left out: {reason}"
    classifiers = [item for protocol in protocols for item in protocol["classifiers"].items()]
    named_arms = [(name, arm) for name, found in classifiers for arm in found["arms"].values()]
    arms = [arm for _, arm in named_arms]
    # A linear classifier is the same for every seed.
    if any(len(arm["seeds"]) == 1 for name, arm in named_arms if name in NETWORKS):
        yield (
            "Arms of one seed: their intervals cover which speakers were tested, not how the "
            "training happened to go."
        )
    if len(folds) == 1:
        yield "This run cannot prove anything about augmentation: it is one split."
    speakers = [arm["difference"]["speakers"] for arm in arms if "difference" in arm]
    if any(0 < count < MIN_SPEAKERS_FOR_VERDICT for count in speakers):
        yield FEW_SPEAKERS
    if small_classes := _list_small_classes(folds[0]["training_clips"]):
        yield (
            f"Classes with fewer than {_FEW_CLIPS} training clips in the first fold: "
            f"{small_classes}."
        )
    if arms:
        # All arms have the same test clips. The confusion matrix sums over seeds.
        seed_count = len(arms[0]["seeds"])
        rows = zip(results["classes"], arms[0]["confusion"], strict=True)
        test_clips = {label: sum(row) // seed_count for label, row in rows}
        if small_classes := _list_small_classes(test_clips):
            yield (
                f"Classes with fewer than {_FEW_CLIPS} test clips, whose recall changes by 12 "
                f"points or more with a single clip: {small_classes}."
            )


def _list_small_classes(counts: dict[str, int]) -> str:
    """List the classes with fewer than ``_FEW_CLIPS`` clips, with their numbers of clips."""
    small_classes = {label: count for label, count in counts.items() if count < _FEW_CLIPS}
    return ", ".join(f"{label} ({count})" for label, count in small_classes.items())


def _method(comparison: Comparison, results: dict[str, Any]) -> Section:
    versions = read_json_object(comparison.out / "versions.json")
    classifiers = results["settings"]["classifiers"]
    has_networks = any(name in NETWORKS for name in classifiers)
    settings = {
        name: value
        for name, value in results["settings"].items()
        if has_networks or name not in _SETTINGS_OF_NETWORKS
    }
    flat_settings = pd.json_normalize(settings, sep=".").iloc[0]
    licences = [[name, licence] for name, licence in licences_of(comparison.corpus).items()]
    tables = [
        Table(["arm", ""], [[arm.name, arm.description] for arm in comparison.arms], True),
        Table(
            ["setting", "value"],
            [[name, str(value)] for name, value in flat_settings.items()],
            True,
        ),
        Table(["version of", ""], [[name, value] for name, value in versions.items()], True),
        Table(["recordings", "licence"], licences, True),
    ]
    text = []
    if has_networks:
        text.append(
            "Every arm of a network has the same initial weights and as many optimiser steps."
        )
    if any(name in HEADS for name in classifiers):
        text.append(
            "A linear classifier of features is fitted in closed form, and is the same for every "
            "seed."
        )
    text += [
        "What an arm adds joins the training part only, in the same number for all that fill "
        "classes; GANs are trained once for each fold and class, on training clips. All numbers "
        "are of real test clips.",
        "Intervals: bootstrap over speakers, widened for their number; those of differences, where "
        "there are several seeds, also for what training runs have in common. p: exchange of arms "
        "by speaker, corrected for the number of arms (Holm). Differences are of the seeds that "
        "both arms have.",
        "This page has sound and images made from the recordings; their licences hold for "
        "those, too. Mind them before you publish it.",
    ]
    return Section("How this was made", text, tables)
