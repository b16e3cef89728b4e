"""Compare arms by tables of their predictions, each arm with one of them."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from serkit.formatting import markdown_table
from serkit.metrics.bootstrap import Estimate, estimate
from serkit.metrics.classification import (
    ConfusionBySpeaker,
    average_recall,
    confusion_by_speaker,
)
from serkit.metrics.paired import Difference, difference, holm
from serkit.studies.arm_predictions import mean_recall
from serkit.studies.exports import format_interval, format_signed_interval


@dataclass(frozen=True)
class ArmResult:
    """Measures of an arm, and its difference in UAR to the baseline.

    Attributes:
        arm: name of the arm.
        seeds: number of seeds.
        uar: UAR over all seeds.
        rare_recall: mean recall of the rare classes; None if none is named.
        difference: UAR minus that of the baseline, over the seeds that both arms have; None for the
            baseline, and without a common seed.
        p: p-value of the difference, corrected by Holm's method for the number of arms; None where
            ``difference`` is None.
    """

    arm: str
    seeds: int
    uar: Estimate
    rare_recall: Estimate | None
    difference: Difference | None
    p: float | None


def compare_answers(
    answers: pd.DataFrame, classes: Sequence[str], baseline: str, rare: Sequence[str] = ()
) -> list[ArmResult]:
    """Compare arms with one of them.

    Args:
        answers: a row for each prediction, with the columns ``arm``, ``seed``, ``speaker``,
            ``truth`` and ``predicted``. With each seed, all arms predict the same clips. Folds may
            differ between seeds: the variance between seeds then includes that of the folds.
        classes: names of all classes.
        baseline: name of the arm that the others are compared with.
        rare: names of rare classes, for ``rare_recall``.

    Returns:
        The results in the order in which the arms first occur.

    Raises:
        InputError: if two arms have not predicted the same clips with their common seeds.

    Example:
        >>> import pandas as pd
        >>> rows = [("none", "sad", "sad"), ("none", "sad", "happy"), ("none", "happy", "happy")]
        >>> rows += [("speed", truth, truth) for _, truth, _ in rows]
        >>> table = pd.DataFrame(rows, columns=["arm", "truth", "predicted"])
        >>> table = table.assign(seed=0, speaker="ann")
        >>> none, speed = compare_answers(table, ["happy", "sad"], "none")
        >>> none.uar.value, speed.difference.estimate.value
        (0.75, 0.25)
    """
    rare_recall = mean_recall([classes.index(label) for label in rare])
    by_arm = {name: answers[answers["arm"] == name] for name in answers["arm"].unique()}
    seeds_by_arm = {name: set(rows["seed"]) for name, rows in by_arm.items()}
    differences = {}
    for name, rows in by_arm.items():
        common_seeds = seeds_by_arm[name] & seeds_by_arm.get(baseline, set())
        if name != baseline and common_seeds:
            before, after = (
                _confusion(each, classes, common_seeds) for each in (by_arm[baseline], rows)
            )
            differences[name] = difference(before, after, average_recall, seed=0)
    p_values = holm([found.p for found in differences.values()])
    p_by_arm = dict(zip(differences, p_values, strict=True))
    results = []
    for name, rows in by_arm.items():
        confusion = _confusion(rows, classes, seeds_by_arm[name])
        results.append(
            ArmResult(
                name,
                len(seeds_by_arm[name]),
                estimate(confusion, average_recall, seed=0),
                estimate(confusion, rare_recall, seed=0) if rare else None,
                differences.get(name),
                p_by_arm.get(name),
            )
        )
    return results


def _confusion(
    answers: pd.DataFrame, classes: Sequence[str], seeds: Collection[int]
) -> ConfusionBySpeaker:
    """Return confusion matrices by seed and speaker, as if each seed had one fold."""
    rows = answers[answers["seed"].isin(seeds)]
    truth, predicted = (rows[column].map(list(classes).index) for column in ("truth", "predicted"))
    one_fold = np.zeros(len(rows))
    return confusion_by_speaker(
        truth, predicted, rows["seed"], one_fold, rows["speaker"], len(classes)
    )


def results_table(results: Sequence[ArmResult], baseline: str) -> str:
    """Return results of :func:`compare_answers` as Markdown."""
    header = ["arm", "seeds", "UAR", f"difference to {baseline}", "p, Holm"]
    rows = []
    for result in results:
        cells = [result.arm, str(result.seeds), format_interval(asdict(result.uar)), "", ""]
        if result.difference:
            cells[3:] = [
                format_signed_interval(asdict(result.difference.estimate)),
                f"{result.p:.3f}",
            ]
        if result.rare_recall:
            cells.append(format_interval(asdict(result.rare_recall)))
        rows.append(cells)
    if any(result.rare_recall for result in results):
        header.append("recall of rare classes")
    return markdown_table(header, rows)
