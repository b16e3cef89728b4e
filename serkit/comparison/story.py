"""The report page of a comparison: which figures, which tables, and what may be said of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from serkit.comparison.arm_sections import ArmSections
from serkit.comparison.arms import NONE
from serkit.comparison.engine import Comparison
from serkit.comparison.examples import gan_section
from serkit.comparison.exports import per_cent, signed_interval
from serkit.comparison.verdicts import FEWEST_SPEAKERS, headline
from serkit.corpora.built_in import WARNING
from serkit.corpora.licences import licences_of
from serkit.files import read_json
from serkit.reporting import figures
from serkit.reporting.page import Section, Table, write_report

_LEAKY = (
    "LEAKY: in the protocol random, the report's own split, the same people are in training and in "
    "test. Its numbers tell how well known voices are recognised, not how well emotion is."
)


def write_story(path: Path, comparison: Comparison, results: dict[str, Any]) -> None:
    """Write the page and its figures.

    Args:
        path: of the HTML file.
        comparison: which was run.
        results: of :func:`serkit.comparison.results.make_results`.
    """
    sections = []
    for protocol, found in results["protocols"].items():
        for classifier in found["classifiers"]:
            sections += ArmSections(comparison, results, protocol, classifier).sections()
    sections += [_balance(results), *gan_section(comparison)]
    sections += [*_corpora(results), _method(comparison, results)]
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
        yield _LEAKY
    if results.get("synthetic"):
        yield WARNING
    for label, share in settings["rarify"]:
        yield f"{label} was made rare on purpose: {share:.0%} of its training clips are left."
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
    if any(0 < arm.get("difference", {}).get("speakers", 99) < FEWEST_SPEAKERS for arm in arms):
        yield f"With fewer than {FEWEST_SPEAKERS} speakers no interval can be trusted."


def _balance(results: dict[str, Any]) -> Section:
    fold = next(iter(results["protocols"].values()))["folds"][0]
    drawing = {
        "balance": (
            figures.balance(fold["training_clips"], fold["added"]),
            "Training clips of the first fold, and what arms that fill classes add.",
        )
    }
    rows = [
        [f"{protocol}, {one['detail']}"]
        + [f"{part['clips']} of {part['speakers']}" for part in one["parts"].values()]
        + [str(sum(one["added"].values()))]
        for protocol, found in results["protocols"].items()
        for one in found["folds"]
    ]
    table = Table(["fold", "training clips, speakers", "validation", "test", "added"], rows)
    return Section("Balance before and after", [], [table], drawing)


def _corpora(results: dict[str, Any]) -> Iterator[Section]:
    if gap := results.get("gap"):
        rows = [
            [f"{classifier}, {arm}", signed_interval({"value": value, "low": None, "high": None})]
            for classifier, arms in gap.items()
            for arm, value in arms.items()
        ]
        text = "How much higher the UAR is where test speakers were heard in training."
        yield Section("Leaky beside honest", [text], [Table(["", "points"], rows)])
    if (probe := results.get("corpora")) and "uar" in probe:
        rows = [[name, per_cent(recall)] for name, recall in probe["recalls"].items()]
        text = (
            f"A linear classifier names the corpus of unseen speakers from means and deviations of "
            f"the spectrogram's bands: UAR {per_cent(probe['uar'])} %, where guessing gives "
            f"{per_cent(probe['chance'])} %. What is told apart so easily may be learned instead "
            "of emotion."
        )
        yield Section("Which corpus is it?", [text], [Table(["recognised, per cent", ""], rows)])
    for corpus, known in results.get("listeners", {}).items():
        yield _beside_listeners(results, corpus, known)


def _beside_listeners(results: dict[str, Any], corpus: str, known: dict[str, Any]) -> Section:
    arms = next(iter(next(iter(results["protocols"].values()))["classifiers"].values()))["arms"]
    found = arms[NONE]["recalls"]
    rows = [
        [label, per_cent(share), per_cent(found[label]["value"]) if label in found else ""]
        for label, share in known["recalls"].items()
    ]
    text = (
        f"{known['source']}: {per_cent(known['accuracy'])} % of clips. The model's recalls are of "
        "all corpora together, so that this is a reference, not a contest."
    )
    return Section(
        f"What listeners make of {corpus}",
        [text],
        [Table(["recall, per cent", "listeners", "model, none"], rows)],
    )


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
        "This page holds sound and pictures made from the recordings; their licences hold for "
        "those, too. Mind them before you publish it.",
    ]
    return Section("How this was made", text, tables)
