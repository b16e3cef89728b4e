"""What a classifier could cheat with: emotions that tell the corpus or the speaker instead."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from serkit.corpora.corpus import Clip, Corpus
from serkit.wording import counted

# A class is said to come from few speakers if this share of those who could have it has most.
_FEW_SPEAKERS = 0.1
# ... and mostly from one corpus if that has this many times its share of the other classes.
_OVERREPRESENTED = 1.5


@dataclass(frozen=True)
class Association:
    """Clips by emotion and by something else.

    Attributes:
        counts: number of clips, ``counts[emotion][other]``, zeros left out.
        cramers_v: Cramér's V, from 0 (emotion and the other have nothing to do with each other)
            to 1 (one tells the other); 0 if there is only one of either.
        by_chance: what V is to be expected if they had nothing to do with each other: it grows
            with the number of speakers and falls with the number of clips.
    """

    counts: dict[str, dict[str, int]]
    cramers_v: float
    by_chance: float


def associate(corpus: Corpus, other: Callable[[Clip], str]) -> Association:
    """How strongly emotion goes with another property of the clips.

    Source: Cramér, Mathematical Methods of Statistics (1946), section 21.9; the value by chance
    follows from the expectation of chi-squared under independence.

    Args:
        corpus: its clips.
        other: the property, such as ``lambda clip: clip.speaker``.
    """
    pairs = Counter((clip.emotion, other(clip)) for clip in corpus.clips)
    emotions = corpus.classes("emotion")
    others = sorted({name for _, name in pairs})
    table = np.array([[pairs[emotion, name] for name in others] for emotion in emotions])
    counts = {
        emotion: {name: int(n) for name, n in zip(others, row, strict=True) if n}
        for emotion, row in zip(emotions, table, strict=True)
    }
    smaller, total = min(table.shape) - 1, int(table.sum())
    if smaller <= 0:
        return Association(counts, 0.0, 0.0)
    # Loading scipy.stats takes longer than an audit; most callers of this module need not.
    from scipy.stats.contingency import association

    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    chance = math.sqrt(freedom / max(total - 1, 1) / smaller)
    return Association(
        counts, round(float(association(table, method="cramer")), 4), round(min(chance, 1.0), 4)
    )


def warn(corpus: Corpus) -> list[str]:
    """Plain sentences about classes that come mostly from one corpus or few speakers.

    Classes are gender and emotion, or the emotion alone where the gender is not known.
    """
    clips = corpus.clips
    categories = sorted({clip.category for clip in clips})
    found: list[str] = []
    for category in categories:
        inside = [clip for clip in clips if clip.category == category]
        gender = inside[0].gender
        peers = [clip for clip in clips if clip.gender == gender]
        found += _few_speakers(category, inside, peers)
        found += _one_corpus(category, inside, [c for c in peers if c.category != category])
    return [*found, *_lacking(corpus)]


def _few_speakers(category: str, inside: Sequence[Clip], peers: Sequence[Clip]) -> Iterator[str]:
    ranked = Counter(clip.speaker for clip in inside).most_common()
    able = len({clip.speaker for clip in peers})
    few = max(1, int(_FEW_SPEAKERS * able))
    for number in range(1, min(few, len(ranked)) + 1):
        clips = sum(count for _, count in ranked[:number])
        if able > number and clips > len(inside) / 2:
            names = ", ".join(name for name, _ in ranked[:number])
            yield (f"{_part(clips, len(inside), category)} is {number} of {able} speakers: {names}")
            return
    if len(ranked) < able / 2:
        yield f"{category} is of {len(ranked)} of {able} speakers; the others never show it"


def _one_corpus(category: str, inside: Sequence[Clip], others: Sequence[Clip]) -> Iterator[str]:
    (corpus, clips), *_ = Counter(clip.corpus for clip in inside).most_common()
    share = clips / len(inside)
    usual = sum(clip.corpus == corpus for clip in others) / max(len(others), 1)
    if share > 0.5 and 0 < usual < share / _OVERREPRESENTED:
        yield (
            f"{_part(clips, len(inside), category)} is from {corpus}, which has "
            f"{_share(usual, 1)} of the other classes"
        )


def _lacking(corpus: Corpus) -> Iterator[str]:
    names = sorted({clip.corpus for clip in corpus.clips})
    if len(names) < 2:
        return
    for name in names:
        part = corpus.where(lambda clip, name=name: clip.corpus == name)
        missing = [e for e in corpus.classes("emotion") if e not in part.classes("emotion")]
        if missing:
            yield f"{name} has no {' and no '.join(missing)}: there the corpus tells the emotion"
        genders = {clip.gender for clip in part.clips}
        if len(genders) == 1 and genders != {""}:
            those = f"all {len(part)} clips of {name} are"
            yield f"{those if len(part) > 1 else f'the only clip of {name} is'} {genders.pop()}"


def _part(clips: int, of: int, category: str) -> str:
    return f"{_share(clips, of)} of {category} ({clips} of {counted(of, 'clip')})"


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.0%}".replace("%", " %")
