"""The report page of a comparison."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from serkit.augmentation.arms import NONE
from serkit.datasets.corpus_info import WARNING, licences_of
from serkit.files import read_json
from serkit.reporting import comparison_figures as drawn
from serkit.reporting import figures
from serkit.reporting.page import Section, Table, write_report
from serkit.reporting.verdicts import FEWEST_SPEAKERS, LEAKY, headline
from serkit.studies.engine import Comparison
from serkit.studies.exports import arm_cells, beside_cells, interval, per_cent
from serkit.studies.page_sections import gan_section, recording_sections
from serkit.studies.results import EFFECTS

# Maximum numbers of arms in figures; more curves in one figure could not be distinguished.
_MOST_CURVES, _MOST_MATRICES = 7, 3


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
        found = results["protocols"][protocol]
        self.arms: dict[str, Any] = found["classifiers"][classifier]["arms"]
        self.name: str = f"{protocol}-{classifier}"
        self.measured = "UAR, LEAKY" if found["leaky"] else "UAR"
        several = len(results["protocols"]) > 1 or len(found["classifiers"]) > 1
        self.leaky: bool = found["leaky"]
        marked = "LEAKY, " if self.leaky else ""
        self.head: str = f"{marked}{classifier}, {protocol}: " if several or self.leaky else ""

    def _title(self, text: str) -> str:
        return self.head + text if self.head else text.capitalize()

    def sections(self) -> list[Section]:
        """Return the sections, in their order on the report page."""
        made = [self._answer(), self._power(), self._errors(), self._speakers(), self._learning()]
        for figure, _ in (pair for section in made for pair in section.figures.values()):
            if self.leaky:
                # A reader may copy a figure without the rest of the report page.
                stamp = "LEAKY: speakers in training and test"
                figure.text(0.995, 0.005, stamp, color="#b0413e", fontsize=7, ha="right")
        return made

    def _answer(self) -> Section:
        head, rows = arm_cells(self.arms)
        apart = {
            name: arm["difference"]["uar"]["estimate"]
            for name, arm in self.arms.items()
            if "difference" in arm
        }
        drawing = {}
        if apart:
            caption = "Each arm less none, the same classifier on the same clips."
            drawing[f"forest-{self.name}"] = drawn.forest(apart, self.measured), caption
        text = [
            arm["difference"]["verdict"] + "." for arm in self.arms.values() if "difference" in arm
        ]
        tables = [Table(head, rows)]
        head, beside = beside_cells(self.arms)
        if beside:
            tables.append(Table(head, beside))
        return Section(self._title("what helps"), text, tables, drawing)

    def _power(self) -> Section:
        rows = []
        for name, arm in self.arms.items():
            if apart := arm.get("difference"):
                needed = [str(apart["speakers_needed"][f"{100 * e:g}"] or "") for e in EFFECTS]
                visible = [
                    "" if apart["uar"][key] is None else per_cent(apart["uar"][key])
                    for key in ("visible", "visible_with_more_seeds")
                ]
                rows.append([name, str(apart["speakers"]), *visible, *needed])
        columns = ["arm", "speakers", "points that would be seen", "with very many seeds"]
        columns += [f"speakers for {100 * effect:g}" for effect in EFFECTS]
        text = (
            "How large a difference this comparison would have seen in four cases of five, of one "
            "arm alone at the 5 % level (several arms, corrected for their number, take more); "
            "what it would see if each arm were trained with very many seeds (known "
            "where an arm has several); and how many such speakers it takes to see a difference of "
            f"{', '.join(f'{100 * effect:g}' for effect in EFFECTS)} points."
        )
        return Section(self._title("what could be seen at all"), [text], [Table(columns, rows)])

    def _errors(self) -> Section:
        recalls = {
            name: {label: found["value"] for label, found in arm["recalls"].items()}
            for name, arm in self.arms.items()
        }
        drawing = {
            f"recalls-{self.name}": (
                drawn.recalls(recalls, self.results["rare"]),
                "Recall of every class, per cent.",
            )
        }
        for name in self._shown(_MOST_MATRICES):
            drawing[f"confusion-{self.name}-{name}"] = (
                figures.confusion(self.arms[name]["confusion"], self.results["classes"], name),
                f"Test clips by true and predicted class, {name}, all seeds.",
            )
        drawing[f"calibration-{self.name}"] = (
            drawn.calibration({n: self.arms[n]["calibration"] for n in self._shown(4)}),
            "How often a classifier was right, by how sure it was; ECE: the mean distance from "
            "the dotted line, in points.",
        )
        groups = self._groups()
        return Section(self._title("where they are right and wrong"), [], groups, drawing)

    def _groups(self) -> list[Table]:
        first = self.arms[NONE]["groups"]
        if not first:
            return []
        columns = ["UAR, per cent", "speakers", *self.arms]
        rows = [
            [group["value"] or f"{group['attribute']} unknown", str(group["speakers"])]
            + [interval(arm["groups"][number]["uar"]) for arm in self.arms.values()]
            for number, group in enumerate(first)
        ]
        return [Table(columns, rows)]

    def _speakers(self) -> Section:
        apart = {
            name: arm["difference"]["uar_of_speakers"]
            for name, arm in self.arms.items()
            if "difference" in arm
        }
        rows = [
            [name, *(per_cent(arm["uar_of_speakers"][name]) for arm in self.arms.values())]
            for name in self.arms[NONE]["uar_of_speakers"]
        ]
        drawing = {}
        if apart:
            figure = drawn.speaker_differences(apart, self.measured)
            drawing[f"speakers-{self.name}"] = figure, "Each speaker's own difference to none."
        table = Table(["UAR, per cent", *self.arms], rows)
        return Section(self._title("speaker by speaker"), [], [table], drawing)

    def _learning(self) -> Section:
        histories = {}
        for name in self._shown(_MOST_CURVES):
            arm = next(each for each in self.comparison.arms if each.name == name)
            mine = self.comparison.runs(self.protocol, self.classifier, arm)
            histories[name] = [run.history() for run in mine]
        caption = "Means of all trainings; solid: validation speakers, dashed: training batches."
        drawing = {f"learning-{self.name}": (drawn.mean_curves(histories), caption)}
        return Section(self._title("how they learned"), [], [], drawing)

    def _shown(self, most: int) -> list[str]:
        """Return ``none`` and the arms with the highest validation UAR, at most ``most`` in all."""
        others = sorted(
            (name for name in self.arms if name != NONE),
            key=lambda name: -self.arms[name]["validation_uar"],
        )
        return [NONE, *others[: most - 1]]


_FEW_CLIPS = 8


def write_story(path: Path, comparison: Comparison, results: dict[str, Any]) -> None:
    """Write the report page and its figures.

    Args:
        path: path of the HTML file.
        comparison: the finished comparison.
        results: from :func:`serkit.studies.results.make_results`.
    """
    sections = []
    for protocol, found in results["protocols"].items():
        for classifier in found["classifiers"]:
            sections += ArmSections(comparison, results, protocol, classifier).sections()
    sections += [*recording_sections(comparison, results), *gan_section(comparison)]
    sections.append(_method(comparison, results))
    protocol, first = next(iter(results["protocols"].items()))
    classifier, arms = next(iter(first["classifiers"].items()))
    arms = arms["arms"]
    write_report(
        path,
        f"{'LEAKY SPLIT: ' if first['leaky'] else ''}Does the augmentation help? "
        f"({', '.join(licences_of(comparison.corpus))})",
        headline(arms, f"{classifier}, {protocol},", leaky=first["leaky"]),
        list(_warnings(results)),
        sections,
    )


def _warnings(results: dict[str, Any]) -> Iterator[str]:
    settings = results["settings"]
    if any(found["leaky"] for found in results["protocols"].values()):
        yield LEAKY
    if results.get("synthetic"):
        yield WARNING
    for label, fraction in settings["rarify"]:
        yield f"{label} was made rare on purpose: {fraction:.0%} of its training clips are left."
    if everywhere := settings["everywhere"]:
        yield f"Every arm, none included, also gets: {', '.join(everywhere)}."
    folds = [one for found in results["protocols"].values() for one in found["folds"]]
    if any(one["added"] for one in folds) and not all(one["added"] for one in folds):
        empty = [one["detail"] for one in folds if not one["added"]]
        yield f"Nothing is filled in {', '.join(empty)}: no class is rare enough there."
    if why := results.get("left_out"):
        yield f"{why}; so these arms are left out."
    for name, why in results.get("failed", {}).items():
        yield f"{name} failed, and its arm is left out: {why}"
    arms = [
        arm
        for found in results["protocols"].values()
        for classifier in found["classifiers"].values()
        for arm in classifier["arms"].values()
    ]
    if any(len(arm["seeds"]) == 1 for arm in arms):
        yield (
            "Arms of one seed: their intervals cover which speakers were tested, not how the "
            "training happened to go."
        )
    if len(folds) == 1:
        yield "This run cannot prove anything about augmentation: it is one split."
    if any(0 < arm.get("difference", {}).get("speakers", 99) < FEWEST_SPEAKERS for arm in arms):
        yield f"With fewer than {FEWEST_SPEAKERS} speakers no interval can be trusted."
    if few := _fewer(folds[0]["training_clips"]):
        yield f"Classes with fewer than {_FEW_CLIPS} training clips in the first fold: {few}."
    for arm in arms[:1]:
        pairs = zip(results["classes"], arm["confusion"], strict=True)
        if few := _fewer({label: sum(row) // len(arm["seeds"]) for label, row in pairs}):
            yield (
                f"Classes with fewer than {_FEW_CLIPS} test clips, whose recall changes by 12 "
                f"points or more with a single clip: {few}."
            )


def _fewer(counts: dict[str, int]) -> str:
    few = {label: count for label, count in counts.items() if count < _FEW_CLIPS}
    return ", ".join(f"{label} ({count})" for label, count in few.items())


def _method(comparison: Comparison, results: dict[str, Any]) -> Section:
    versions = read_json(comparison.out / "versions.json")
    flat = pd.json_normalize(results["settings"], sep=".").iloc[0]
    licences = [[name, licence] for name, licence in licences_of(comparison.corpus).items()]
    tables = [
        Table(["arm", ""], [[arm.name, arm.meaning] for arm in comparison.arms], True),
        Table(["setting", "value"], [[name, str(value)] for name, value in flat.items()], True),
        Table(["version of", ""], [[name, value] for name, value in versions.items()], True),
        Table(["recordings", "licence"], licences, True),
    ]
    text = [
        "Every arm is the same network with the same initial weights and the same number of "
        "optimiser steps. What an arm adds joins the training part only, in the same number for "
        "all that fill classes; GANs are trained once for each fold and class, on training clips. "
        "All numbers are of real test clips.",
        "Intervals: bootstrap over speakers, widened for their number; those of differences, where "
        "there are several seeds, also for what trainings have in common. p: exchange of arms by "
        "speaker, corrected for "
        "the number of arms (Holm). Differences are of the seeds that both arms have.",
        "This page has sound and images made from the recordings; their licences hold for "
        "those, too. Mind them before you publish it.",
    ]
    return Section("How this was made", text, tables)
