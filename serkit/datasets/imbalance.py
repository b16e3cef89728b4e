"""Plan how many examples to add to each class."""

from collections.abc import Mapping

from serkit.errors import InputError, check_range

# Figure 18: what was generated for the classes that were short of clips.
_REPORT = {
    **{f"male_{name}": 250 for name in ("neutral", "fear", "disgust", "happy", "angry", "sad")},
    **{f"{gender}_surprise": 400 for gender in ("female", "male")},
}


RARE_BELOW = 0.5
"""A class with fewer training clips than this fraction of the largest is rare, if nobody says."""
REPORTED_CLASSES = tuple(_REPORT)
"""The classes that the 2021 report added to."""


def nothing_rare(counts: Mapping[str, int], rare_below: float) -> str:
    """A sentence for where :func:`balance_plan` is empty: which class comes nearest.

    Args:
        counts: training clips per class.
        rare_below: as for :func:`balance_plan`.
    """
    least, largest = min(counts, key=counts.get), max(counts.values())
    return (
        f"no class has fewer than {rare_below:.0%} of the largest one's clips; {least}, with "
        f"{counts[least]} of {largest} ({counts[least] / largest:.0%}), comes nearest"
    )


def report_plan(counts: Mapping[str, int]) -> dict[str, int]:
    """What the 2021 report added: 250 to six male classes, 400 to surprise, men's and women's.

    Args:
        counts: training clips per class, labelled by gender and emotion.

    Returns:
        How many to add, of the 2021 report's eight classes those that have clips.

    Raises:
        InputError: if none of them has.

    Source: 2021 report, figure 18.
    """
    plan = {label: count for label, count in _REPORT.items() if counts.get(label)}
    if not plan:
        raise InputError(
            f"the 2021 report's plan is for {', '.join(_REPORT)}; there are "
            f"{', '.join(counts) or 'none'}"
        )
    return plan


def balance_plan(
    counts: Mapping[str, int], rare_below: float = 1.0, share: float = 1.0
) -> dict[str, int]:
    """How many to add to each rare class so that all are nearly as large as the largest.

    Args:
        counts: training clips per class.
        rare_below: share of the largest class below which a class is rare, 0 to 10; above 1 all
            classes are.
        share: what a rare class is filled up to, as a share of the largest, 0 to 10.

    Returns:
        How many to add, rarest first; a rare class that needs none is left out.

    Raises:
        InputError: if ``counts`` is empty, or a share is out of range.
    """
    if not counts:
        raise InputError("counts is empty; valid is one number per class")
    check_range("rare_below", rare_below, 0.0, 10.0)
    check_range("share", share, 0.0, 10.0)
    largest = max(counts.values())
    wanted = round(share * largest)
    return {
        label: wanted - count
        for label, count in sorted(counts.items(), key=lambda item: item[1])
        if count < rare_below * largest and count < wanted
    }
