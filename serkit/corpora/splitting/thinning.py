"""Splits in which a class has been made rare on purpose, to measure what would help."""

from collections import defaultdict
from dataclasses import replace

import numpy as np

from serkit.corpora.corpus import Clip
from serkit.corpora.splits import Split
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
