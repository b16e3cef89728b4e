"""Make classes rare on purpose, and plan how many examples to add to each class."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from serkit.datasets.corpus import Clip
from serkit.datasets.splits import Split
from serkit.errors import InputError, check_range
from serkit.seeds import derive_seed


def make_rare(split: Split, label_set: str, label: str, clips: int, seed: int) -> Split:
    """Leave so many training clips of one class that only some remain; other parts stay whole.

    Clips are taken away from the speakers who have most of them, so that as many speakers as can
    be remain, each with nearly as many clips as any other.

    Args:
        split: any.
        label_set: ``emotion`` or ``gender_emotion``.
        label: the class.
        clips: how many remain, from 1 to those that there are.
        seed: same seed, same clips.

    Returns:
        The split with fewer training clips; those taken away are in ``left_out``.

    Raises:
        InputError: if ``clips`` is out of range, or no training clip has the label.
    """
    mine = [clip for clip in split.train.clips if clip.label(label_set) == label]
    if not mine:
        known = ", ".join(split.train.classes(label_set))
        raise InputError(f"label={label!r} is of no training clip; valid are: {known}")
    check_range("clips", clips, 1, len(mine))
    gone = {(clip.root, clip.path) for clip in _surplus(mine, len(mine) - clips, seed)}
    return replace(
        split,
        train=split.train.where(lambda clip: (clip.root, clip.path) not in gone),
        left_out=(*split.left_out, *(clip for clip in mine if (clip.root, clip.path) in gone)),
    )


def _surplus(clips: list[Clip], count: int, seed: int) -> list[Clip]:
    rng = np.random.default_rng(derive_seed(seed, "make_rare"))
    of_speaker: dict[str, list[Clip]] = defaultdict(list)
    for place in rng.permutation(len(clips)):
        of_speaker[clips[place].speaker].append(clips[place])
    taken = []
    for _ in range(count):
        # Of equals the first in random order, which the dictionary has.
        most = max(of_speaker.values(), key=len)
        taken.append(most.pop())
    return taken


# Figure 18: what was generated for the classes that were short of clips.
_REPORT = {
    **{f"male_{name}": 250 for name in ("neutral", "fear", "disgust", "happy", "angry", "sad")},
    **{f"{gender}_surprise": 400 for gender in ("female", "male")},
}


RARE_BELOW = 0.5
"""A class with fewer training clips than this fraction of the largest is rare, if nobody says."""
REPORTED_CLASSES = tuple(_REPORT)
"""The classes that the report added to."""


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
    """What the report added: 250 to six male classes, 400 to surprise, men's and women's.

    Args:
        counts: training clips per class, labelled by gender and emotion.

    Returns:
        How many to add, of the report's eight classes those that have clips.

    Raises:
        InputError: if none of them has.

    Source: report, figure 18.
    """
    plan = {label: count for label, count in _REPORT.items() if counts.get(label)}
    if not plan:
        raise InputError(
            f"the report's plan is for {', '.join(_REPORT)}; there are "
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
