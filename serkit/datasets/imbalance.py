"""Plan how many examples to add to each class."""

from collections.abc import Mapping

from serkit.errors import InputError, check_range

# Number of clips that the 2021 report generated for each class with few clips (figure 18).
_REPORT_COUNTS = {
    **{f"male_{name}": 250 for name in ("neutral", "fear", "disgust", "happy", "angry", "sad")},
    **{f"{gender}_surprise": 400 for gender in ("female", "male")},
}


RARE_BELOW = 0.5
"""Default: a class with fewer training clips than this fraction of the largest class is rare."""
REPORTED_CLASSES = tuple(_REPORT_COUNTS)
"""The classes that the 2021 report filled up with generated clips."""


def explain_no_rare_class(counts: Mapping[str, int], rare_below: float, target: float = 1.0) -> str:
    """Return a sentence that explains why :func:`balance_plan` is empty.

    The sentence names the smallest class and its size relative to the largest class.

    Args:
        counts: training clips per class.
        rare_below: as for :func:`balance_plan`.
        target: as for :func:`balance_plan`.
    """
    smallest_class, largest = min(counts, key=lambda label: counts[label]), max(counts.values())
    smallest = counts[smallest_class]
    return (
        f"no class has fewer than {min(rare_below, target):.0%} of the largest one's clips; "
        f"{smallest_class}, with {smallest} of {largest} ({smallest / largest:.0%}), comes nearest"
    )


def report_plan(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the plan of the 2021 report: 250 clips for six male classes, 400 for each surprise.

    The two surprise classes are ``male_surprise`` and ``female_surprise``.

    Args:
        counts: training clips per class, labelled by gender and emotion.

    Returns:
        Number of clips to add to each of the 2021 report's eight classes that has training clips.

    Raises:
        InputError: if none of the eight classes has training clips.

    Source: 2021 report, figure 18.
    """
    plan = {label: count for label, count in _REPORT_COUNTS.items() if counts.get(label)}
    if not plan:
        raise InputError(
            f"The 2021 report's plan must have one of the classes {', '.join(_REPORT_COUNTS)}. "
            f"Received: {', '.join(counts) or 'none'}."
        )
    return plan


def balance_plan(
    counts: Mapping[str, int], rare_below: float = 1.0, target: float = 1.0
) -> dict[str, int]:
    """Compute how many clips to add to each rare class to oversample it.

    By default every class is filled up to the size of the largest class.

    Args:
        counts: training clips per class.
        rare_below: a class with fewer clips than this fraction of the largest class is rare,
            0 to 10. Above 1 all classes are rare.
        target: size that a rare class is filled up to, as a fraction of the largest class, 0 to 10.

    Returns:
        Number of clips to add per class, smallest class first. A rare class that needs no clips is
        left out.

    Raises:
        InputError: if ``counts`` is empty, or a fraction is out of range.

    Example:
        >>> balance_plan({"angry": 40, "sad": 10, "calm": 36}, rare_below=0.5)
        {'sad': 30}
    """
    if not counts:
        raise InputError("`counts` must be one number or more. Received: none.")
    check_range("rare_below", rare_below, 0.0, 10.0)
    check_range("target", target, 0.0, 10.0)
    largest_count = max(counts.values())
    target_count = round(target * largest_count)
    return {
        label: target_count - count
        for label, count in sorted(counts.items(), key=lambda item: item[1])
        if count < rare_below * largest_count and count < target_count
    }
