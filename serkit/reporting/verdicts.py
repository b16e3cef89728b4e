"""Verdicts: what may be said of a difference, given its confidence interval."""

from collections.abc import Mapping
from typing import Any

from serkit.formatting import counted, percentage_points, too_few
from serkit.metrics.bootstrap import MIN_SPEAKERS
from serkit.metrics.paired import Difference

# With fewer speakers, a bootstrap over speakers is not reliable. On three test speakers of the
# built-in corpus, two runs that differed only in rounding gave +0.2 points and +5.4 points
# (interval 4.2 to 7.1).
MIN_SPEAKERS_FOR_VERDICT = 10
"""Smallest number of speakers for a verdict."""
FEW_SPEAKERS = f"With fewer than {MIN_SPEAKERS_FOR_VERDICT} speakers no interval can be trusted."
"""Warning above intervals over fewer speakers."""
ONE_SEED = ", in training runs of one seed; the interval does not cover how seeds differ"
LEAKY = (
    "LEAKY: the random split of the 2021 report has the same speakers in training and test. Its "
    "numbers do not hold for unseen speakers."
)
"""Warning at the top of every result whose split has speakers in both training and test."""
TRANSDUCTIVE = (
    "TRANSDUCTIVE: the mean of all clips of a test speaker is taken off the features of each. The "
    "numbers do not hold for a single recording."
)
"""Warning at the top of every result of speaker normalisation."""
_SIGNIFICANCE_LEVEL = 0.05


def conclusion(
    low: float | None, high: float | None, *, speakers: int, leaky: bool, p_holm: float = 0.0
) -> str:
    """Return what may be concluded from a difference to a baseline.

    All verdicts, in every table and sentence, come from this function.

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
    if low is None or high is None or speakers < MIN_SPEAKERS_FOR_VERDICT:
        return "too few speakers"
    if low <= 0 <= high:
        return "no effect shown"
    if p_holm > _SIGNIFICANCE_LEVEL:
        return "not significant"
    return "better" if low > 0 else "worse"


def mark_of(protocol_results: Mapping[str, Any]) -> str:
    """Return what every table and figure of a protocol is marked with; empty for most.

    Args:
        protocol_results: a value of ``protocols`` in ``comparison.json``.

    Example:
        >>> mark_of({"leaky": False, "transductive": True})
        'TRANSDUCTIVE'
    """
    names = ("leaky", "transductive")
    return ", ".join(name.upper() for name in names if protocol_results.get(name))


def interval_warnings(speakers: int) -> list[str]:
    """Return why intervals over so few speakers are missing or not reliable; empty for enough.

    Example:
        >>> interval_warnings(2)
        ['2 speakers are too few for an interval.']
        >>> interval_warnings(8)
        ['With fewer than 10 speakers no interval can be trusted.']
    """
    if speakers < MIN_SPEAKERS:
        return [f"{too_few(speakers, 'speaker')} for an interval."]
    return [FEW_SPEAKERS] if speakers < MIN_SPEAKERS_FOR_VERDICT else []


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
    value, low, high = uar.estimate.value, uar.estimate.low, uar.estimate.high
    arm_and_value = f"{arm}: {percentage_points(value)} points UAR"
    if low is None or high is None:
        return f"{arm_and_value}: {too_few(speakers, 'speaker')} for an interval"
    concluded = conclusion(low, high, speakers=speakers, leaky=leaky, p_holm=p_holm)
    direction = "better" if low > 0 else "worse"
    text = {
        "leaky": "LEAKY, speakers are in training and test, so nothing can be concluded",
        "too few speakers": f"{too_few(speakers, 'speaker')} for a verdict",
        "not significant": f"{direction}, but not beyond chance once all arms are counted "
        f"(p {p_holm:.2f})",
    }.get(concluded, concluded)
    if concluded in ("better", "worse"):
        text += f" on unseen speakers{ONE_SEED if seeds == 1 else ''}"
    interval = f"95 % interval {percentage_points(low)} to {percentage_points(high)}"
    return f"{arm_and_value} ({interval}): {text}"


def headline(arms: Mapping[str, Any], classifier: str, *, leaky: bool) -> str:
    """Return the result of a comparison in one or two sentences.

    Args:
        arms: results by arm, as in ``comparison.json``.
        classifier: what the sentence says of the classifier, such as ``classifier compact``.
        leaky: whether speakers are in both training and test.
    """
    differences = {name: arm["difference"] for name, arm in arms.items() if "difference" in arm}
    if not differences:
        return "Nothing was compared: no arm except none is complete."
    speakers = next(iter(differences.values()))["speakers"]
    if leaky:
        return f"LEAKY: {speakers} speakers are in training and test; nothing can be concluded."
    if speakers < MIN_SPEAKERS_FOR_VERDICT:
        subject = f"any of {len(differences)} arms"
        if len(differences) == 1:
            subject = next(iter(differences))
        return f"{too_few(speakers, 'speaker')} to say whether {subject} helps."
    arms_by_conclusion: dict[str, list[str]] = {"better": [], "worse": [], "no effect shown": []}
    for name, difference in differences.items():
        uar = difference["uar"]["estimate"]
        concluded = conclusion(
            uar["low"], uar["high"], speakers=speakers, leaky=False, p_holm=difference["p_holm"]
        )
        # A difference without an interval, or not significant, counts as no effect shown.
        if concluded not in ("better", "worse"):
            concluded = "no effect shown"
        arms_by_conclusion[concluded].append(f"{name} ({percentage_points(uar['value'])})")
    phrases = {
        "better": "recognition is better with {}",
        "worse": "recognition is worse with {}",
        "no effect shown": "no effect is shown for {}",
    }
    sentence = "; ".join(
        phrases[concluded].format(", ".join(names))
        for concluded, names in arms_by_conclusion.items()
        if names
    )
    has_one_seed = all(len(difference["seeds"]) == 1 for difference in differences.values())
    return (
        f"On {counted(speakers, 'unseen speaker')}, {sentence}. In brackets: percentage points of "
        f"mean recall over the classes (UAR), compared with the baseline none; {classifier}"
        f"{', training runs of one seed' if has_one_seed else ''}."
    )


def takeaway(results: Mapping[str, Any]) -> str:
    """Return the result of a comparison's first protocol and classifier, in a few sentences.

    With the baseline alone in several classifiers, it is the verdict on their differences.

    Args:
        results: content of ``comparison.json``.
    """
    protocol, protocol_results = next(iter(results["protocols"].items()))
    classifier, classifier_results = next(iter(protocol_results["classifiers"].items()))
    between = protocol_results.get("between_classifiers", [])
    if is_about_arms(results):
        mark = mark_of(protocol_results)
        setting = f"{mark}{', ' if mark else ''}classifier {classifier}, protocol {protocol}"
        return headline(classifier_results["arms"], setting, leaky=protocol_results["leaky"])
    return "; ".join(row["verdict"] for row in between) + "."


def is_about_arms(results: Mapping[str, Any]) -> bool:
    """Return whether a comparison is one of arms, and not one of classifiers alone."""
    protocol_results = next(iter(results["protocols"].values()))
    classifier_results = next(iter(protocol_results["classifiers"].values()))
    return len(classifier_results["arms"]) > 1 or not protocol_results.get("between_classifiers")
