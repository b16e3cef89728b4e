"""Verdicts: what may be said of a difference, given its confidence interval."""

from collections.abc import Mapping
from typing import Any

from serkit.formatting import counted, percentage_points, too_few
from serkit.metrics.paired import Difference

# With fewer speakers, a bootstrap over speakers is not reliable. On three test speakers of the
# built-in corpus, two runs that differed only in rounding gave +0.2 points and +5.4 points
# (interval 4.2 to 7.1).
FEWEST_SPEAKERS = 10
"""With fewer speakers no verdict is given, for any interval."""
ONE_SEED = ", in training runs of one seed; the interval does not cover how seeds differ"
_LEVEL = 0.05


def conclusion(
    low: float | None, high: float | None, *, speakers: int, leaky: bool, p_holm: float = 0.0
) -> str:
    """Return what may be concluded from a difference to a baseline. All verdicts follow from it.

    Args:
        low: lower end of the 95 % confidence interval over speakers; None without an interval.
        high: upper end; None without an interval.
        speakers: number of speakers in the test partitions.
        leaky: whether speakers are in both training and test.
        p_holm: Holm-corrected p-value of the permutation test; 0 where no test was made.

    Returns:
        ``leaky``, ``too few speakers``, ``no effect shown``, ``not significant``, ``better`` or
        ``worse``. An effect is stated only if the interval does not contain 0 and ``p_holm`` is at
        most 0.05.

    Example:
        >>> conclusion(0.01, 0.04, speakers=20, leaky=False)
        'better'
        >>> conclusion(0.01, 0.04, speakers=9, leaky=False)
        'too few speakers'
    """
    if leaky:
        return "leaky"
    if low is None or high is None or speakers < FEWEST_SPEAKERS:
        return "too few speakers"
    if low <= 0 <= high:
        return "no effect shown"
    if p_holm > _LEVEL:
        return "not significant"
    return "better" if low > 0 else "worse"


def verdict(
    arm: str, uar: Difference, p_holm: float, speakers: int, seeds: int, *, leaky: bool
) -> str:
    """Return one sentence with an arm's difference to ``none``, its interval, and the conclusion.

    Args:
        arm: name of the arm.
        uar: difference in UAR to ``none``.
        p_holm: Holm-corrected p-value of the permutation test.
        speakers: number of speakers in the test partitions.
        seeds: number of seeds that both arms were trained with.
        leaky: whether speakers are in both training and test.
    """
    found = uar.estimate
    head = f"{arm}: {percentage_points(found.value)} points UAR"
    if found.low is None or found.high is None:
        return f"{head}: {too_few(speakers, 'speaker')} for an interval"
    kind = conclusion(found.low, found.high, speakers=speakers, leaky=leaky, p_holm=p_holm)
    better = "better" if found.low > 0 else "worse"
    said = {
        "leaky": "LEAKY, speakers are in training and test, so nothing can be concluded",
        "too few speakers": f"{too_few(speakers, 'speaker')} for a verdict",
        "not significant": f"{better}, but not beyond chance once all arms are counted "
        f"(p {p_holm:.2f})",
    }.get(kind, kind)
    if kind in ("better", "worse"):
        said += f" on unseen speakers{ONE_SEED if seeds == 1 else ''}"
    ends = f"95 % interval {percentage_points(found.low)} to {percentage_points(found.high)}"
    return f"{head} ({ends}): {said}"


def headline(arms: Mapping[str, Any], what: str, *, leaky: bool) -> str:
    """Return the result of a comparison in one or two sentences.

    Args:
        arms: results by arm, as in ``comparison.json``.
        what: name of the classifier, such as ``compact``, for the start of the sentence.
        leaky: whether speakers are in both training and test.
    """
    apart = {name: arm["difference"] for name, arm in arms.items() if "difference" in arm}
    if not apart:
        return "Nothing was compared: no arm except none is complete."
    speakers = next(iter(apart.values()))["speakers"]
    if leaky:
        return f"LEAKY: {speakers} speakers are in training and test; nothing can be concluded."
    if speakers < FEWEST_SPEAKERS:
        which = next(iter(apart)) if len(apart) == 1 else f"any of {len(apart)} arms"
        return f"{too_few(speakers, 'speaker')} to say whether {which} helps."
    kinds: dict[str, list[str]] = {"better": [], "worse": [], "no effect shown": []}
    for name, found in apart.items():
        ends = found["uar"]["estimate"]
        kind = conclusion(
            ends["low"], ends["high"], speakers=speakers, leaky=False, p_holm=found["p_holm"]
        )
        kinds.get(kind, kinds["no effect shown"]).append(
            f"{name} ({percentage_points(ends['value'])})"
        )
    said = [f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names]
    once = all(len(found["seeds"]) == 1 for found in apart.values())
    return (
        f"{what} on {counted(speakers, 'unseen speaker')}, points of unweighted average recall "
        f"more or less than with none: {'; '.join(said)}." + (" All of one seed." if once else "")
    )


LEAKY = (
    "LEAKY: the random split of the 2021 report has the same speakers in training and test. Its "
    "numbers do not hold for unseen speakers."
)
"""Warning at the top of every result whose split has speakers in both training and test."""
