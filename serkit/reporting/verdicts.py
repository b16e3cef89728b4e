"""Verdicts: what may be said of a difference, given its confidence interval."""

from collections.abc import Mapping
from typing import Any

from serkit.formatting import counted, too_few
from serkit.metrics.paired import Difference

# With fewer speakers, a bootstrap over speakers is not reliable. On three test speakers of the
# built-in corpus, two runs that differed only in rounding gave +0.2 points and +5.4 points
# (interval 4.2 to 7.1).
FEWEST_SPEAKERS = 10
"""With fewer speakers no verdict is given, for any interval."""
ONE_SEED = ", by trainings of one seed, whose own luck no interval here covers"
_LEVEL = 0.05


def verdict(
    arm: str, uar: Difference, p_holm: float, speakers: int, seeds: int, *, leaky: bool
) -> str:
    """Return one sentence with an arm's difference to ``none``, its interval, and the conclusion.

    An effect is stated only if the interval does not contain 0 and the test is significant after
    the correction for the number of arms.

    Args:
        arm: name of the arm.
        uar: difference in UAR to ``none``.
        p_holm: Holm-corrected p-value of the permutation test.
        speakers: number of speakers in the test partitions.
        seeds: number of seeds that both arms were trained with.
        leaky: whether speakers are in both training and test.
    """
    found = uar.estimate
    head = f"{arm}: {points(found.value)} points UAR"
    if found.low is None:
        return f"{head}: {too_few(speakers, 'speaker')} for an interval"
    head += f" (95 % interval {points(found.low)} to {points(found.high)})"
    if leaky:
        return f"{head}: LEAKY, speakers are in training and test, so nothing can be concluded"
    if speakers < FEWEST_SPEAKERS:
        return f"{head}: {too_few(speakers, 'speaker')} for a verdict"
    if found.low <= 0 <= found.high:
        return f"{head}: no effect shown"
    better = "better" if found.value > 0 else "worse"
    if p_holm > _LEVEL:
        return f"{head}: {better}, but not beyond chance once all arms are counted (p {p_holm:.2f})"
    return f"{head}: {better} on unseen speakers{ONE_SEED if seeds == 1 else ''}"


def headline(arms: Mapping[str, Any], what: str, *, leaky: bool) -> str:
    """Return the result of a comparison in one or two sentences.

    Args:
        arms: results by arm, as in ``comparison.json``.
        what: name of the classifier, such as ``compact``, for the start of the sentence.
        leaky: whether speakers are in both training and test.
    """
    apart = {name: arm["difference"] for name, arm in arms.items() if "difference" in arm}
    if not apart:
        return "Nothing was compared: there is no arm that is done beside none."
    speakers = next(iter(apart.values()))["speakers"]
    if leaky:
        return f"LEAKY: {speakers} speakers are in training and test; nothing can be concluded."
    if speakers < FEWEST_SPEAKERS:
        which = next(iter(apart)) if len(apart) == 1 else f"any of {len(apart)} arms"
        return f"{too_few(speakers, 'speaker')} to say whether {which} helps."
    kinds: dict[str, list[str]] = {"better": [], "worse": [], "no effect shown": []}
    for name, found in apart.items():
        ends = found["uar"]["estimate"]
        known = ends["low"] is not None
        sure = known and found["p_holm"] <= _LEVEL and not ends["low"] <= 0 <= ends["high"]
        kind = ("better" if ends["value"] > 0 else "worse") if sure else "no effect shown"
        kinds[kind].append(f"{name} ({points(ends['value'])})")
    said = [f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names]
    once = all(len(found["seeds"]) == 1 for found in apart.values())
    return (
        f"{what} on {counted(speakers, 'speaker')} who were not heard in training, points "
        f"of unweighted average recall more or less than with none: {'; '.join(said)}."
        + (" All of one seed." if once else "")
    )


def points(share: float) -> str:
    """Format a difference in points with its sign, such as ``+1.2``."""
    return f"{100 * share:+.1f}"


LEAKY = (
    "LEAKY: the random split of the 2021 report has the same speakers in training and test. Its "
    "numbers do not hold for unseen speakers."
)
"""Warning at the top of every result whose split has speakers in both training and test."""
