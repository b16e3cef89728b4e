"""How a comparison was made, and what limits it: warnings and a section of its report page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from serkit.augmentation.arms import COPIES, DCGAN, GANS, Arm
from serkit.datasets.corpus_info import SYNTHETIC_WARNING, licences_of
from serkit.files import read_json_object
from serkit.models.transfer import TRANSFER
from serkit.reporting.page import Section, Table
from serkit.reporting.verdicts import (
    FEW_SPEAKERS,
    LEAKY,
    MIN_SPEAKERS_FOR_VERDICT,
    TRANSDUCTIVE,
)
from serkit.studies.classifier_kinds import FEATURES, HEADS, NETWORKS
from serkit.studies.engine import Comparison

_FEW_CLIPS = 8


def warnings_of(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a reader must know before relying on the numbers, a sentence each.

    Args:
        results: from :func:`serkit.studies.results.make_results`.
    """
    settings, protocols = results["settings"], results["protocols"].values()
    if any(protocol["leaky"] for protocol in protocols):
        yield LEAKY
    if settings.get("speaker_normalization"):
        yield TRANSDUCTIVE
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


def method_section(comparison: Comparison, results: Mapping[str, Any]) -> Section:
    """Return the section on arms, settings, versions, licences and statistics.

    Args:
        comparison: the finished comparison.
        results: from :func:`serkit.studies.results.make_results`.
    """
    versions = read_json_object(comparison.out / "versions.json")
    classifiers = results["settings"]["classifiers"]
    has_networks = any(name in NETWORKS for name in classifiers)
    settings = used_settings(results["settings"], comparison.arms)
    licences = [[name, licence] for name, licence in licences_of(comparison.corpus).items()]
    tables = [
        Table(["arm", ""], [[arm.name, arm.description] for arm in comparison.arms], True),
        Table(["recordings", "licence"], licences, True),
        Table(
            ["setting", "value"],
            [[name, str(value)] for name, value in settings.items()],
            True,
            "Settings that were used",
        ),
        Table(
            ["version of", ""],
            [[name, value] for name, value in versions.items()],
            True,
            "Versions of packages",
        ),
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


def used_settings(settings: Mapping[str, Any], arms: Sequence[Arm]) -> dict[str, Any]:
    """Return the settings that had an effect, with a name such as ``gans.steps`` each.

    Settings without a value, and switches that are off, are left out.

    Args:
        settings: ``settings`` of ``comparison.json``.
        arms: the arms of the comparison.
    """
    classifiers = settings["classifiers"]
    fills = {arm.fill for arm in arms if arm.fill}
    has_gan = not fills.isdisjoint(GANS)
    has_networks = any(name in NETWORKS for name in classifiers)
    has_transfer = any(name in TRANSFER for name in classifiers)
    has_encoder = any(name in HEADS and name != FEATURES for name in classifiers)
    is_used = {
        "best": bool(settings["more_seeds"]),
        # 0 stands for all folds.
        "first_folds": settings["first_folds"] > 0,
        "generated_share": bool(fills - {COPIES}),
        "gans": has_gan,
        "gan_recipe": DCGAN in fills,
        "live": has_networks,
        "masks": has_networks and any(arm.spec_augment for arm in arms),
        "spec": has_networks or has_gan,
        "weights": has_transfer or has_encoder,
        **dict.fromkeys(("frozen_convs", "precision"), has_transfer),
    }
    used = {name: value for name, value in settings.items() if is_used.get(name, True)}
    used["fit"] = {name: fit for name, fit in used["fit"].items() if name in classifiers}
    flat = pd.json_normalize(used, sep=".").iloc[0].to_dict()
    return {
        name: value
        for name, value in flat.items()
        if not (value is None or value is False or value in ("", [], {}))
    }
