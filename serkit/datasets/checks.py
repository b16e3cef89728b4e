"""Checks on all clips together: outliers, shortcuts for a classifier, the content of audit.json."""

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from serkit.datasets.corpus import Clip, Corpus
from serkit.datasets.findings import Finding, count_files
from serkit.datasets.probing import Probe
from serkit.datasets.roots import GRAMMARS
from serkit.errors import InputError
from serkit.formatting import counted


def notice(clip: Clip, found: Probe) -> Iterator[Finding]:
    """Yield the anomalies of one clip that do not make it unusable."""
    if found.clipped:
        fraction = found.clipped / (found.duration * found.sample_rate * found.channels)
        reason = f"{found.clipped} samples ({fraction:.2%}) are cut off at full scale"
        yield Finding(clip.root, clip.path, "clipped", reason)
    if found.channels > 1:
        reason = f"{found.channels} channels; they are mixed to one"
        yield Finding(clip.root, clip.path, "stereo", reason)
    if found.length_unknown:
        reason = "its header does not say how long it is; it was read to its end"
        yield Finding(clip.root, clip.path, "length", reason)


def require_own_speakers(clips: Sequence[Clip]) -> None:
    """Raise if speakers of two corpora have the same name.

    Corpus ``a`` with speaker ``b-1`` and corpus ``a-b`` with speaker ``1`` both give ``a-b-1``.

    Raises:
        InputError: if a speaker belongs to two corpora; the message names the speaker and both.
    """
    corpus_of: dict[str, str] = {}
    for clip in clips:
        other = corpus_of.setdefault(clip.speaker, clip.corpus)
        if other != clip.corpus:
            raise InputError(
                f"{clip.speaker} would be a speaker of {other} and of {clip.corpus}; "
                "give one of them another name: NAME=ROOT"
            )


def odd_rates(clips: Sequence[Clip]) -> Iterator[Finding]:
    """Yield a finding for each clip whose sample rate is not the most common of its corpus."""
    rates: dict[str, Counter[int]] = defaultdict(Counter)
    for clip in clips:
        rates[clip.corpus][clip.sample_rate] += 1
    usual = {corpus: counted.most_common(1)[0][0] for corpus, counted in rates.items()}
    for clip in clips:
        if clip.sample_rate != usual[clip.corpus]:
            reason = f"{clip.sample_rate} Hz, most of {clip.corpus} has {usual[clip.corpus]} Hz"
            yield Finding(clip.root, clip.path, "sample-rate", reason)


def other_genders(clips: Sequence[Clip]) -> Iterator[Finding]:
    """Yield a finding for each clip whose gender is not the most common one of its speaker.

    If no gender is the most common one, yield a finding for every clip of the speaker that has a
    gender.
    """
    genders: dict[str, Counter[str]] = defaultdict(Counter)
    for clip in clips:
        if clip.gender and clip.speaker_known:
            genders[clip.speaker][clip.gender] += 1
    for clip in clips:
        counted = genders[clip.speaker].most_common()
        if len(counted) > 1 and clip.gender:
            clear = counted[0][1] > counted[1][1]
            if not clear or clip.gender != counted[0][0]:
                shown = ", ".join(f"{gender} in {count}" for gender, count in counted)
                reason = f"{clip.speaker} is {shown} recordings"
                yield Finding(clip.root, clip.path, "gender", reason)


# Warn about a class if this fraction of the speakers of its gender has more than half its clips.
_FEW_SPEAKERS = 0.1
# Warn about a class if one corpus has more than half of its clips, and more than this many times
# the fraction that this corpus has of the other classes of the same gender.
_OVERREPRESENTED = 1.5


@dataclass(frozen=True)
class Association:
    """Association of emotion with another property of the clips.

    Attributes:
        counts: number of clips, ``counts[emotion][other]``, zeros left out.
        cramers_v: Cramér's V, from 0 (emotion and the other property are independent) to 1 (one
            determines the other); 0 if either has only one value.
        by_chance: value of V to expect under independence. It grows with the number of values,
            such as speakers, and falls with the number of clips.
    """

    counts: dict[str, dict[str, int]]
    cramers_v: float
    by_chance: float


def associate(corpus: Corpus, other: Callable[[Clip], str]) -> Association:
    """Measure how strongly emotion is associated with another property of the clips.

    Source: Cramér, Mathematical Methods of Statistics (1946), section 21.9; the value by chance
    follows from the expectation of chi-squared under independence.

    Args:
        corpus: the clips to measure.
        other: returns the other property of a clip, such as ``lambda clip: clip.speaker``.
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
    # Importing scipy.stats takes longer than an audit; most callers of this module do not need it.
    from scipy.stats.contingency import association

    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    chance = math.sqrt(freedom / max(total - 1, 1) / smaller)
    return Association(
        counts, round(float(association(table, method="cramer")), 4), round(min(chance, 1.0), 4)
    )


def warn(corpus: Corpus) -> list[str]:
    """Return warnings about classes that come mostly from one corpus or from few speakers.

    A class is a gender and an emotion, or the emotion alone where the gender is not known. With
    several corpora, also warn about a corpus that lacks an emotion or has only one gender.
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
    fraction = clips / len(inside)
    usual = sum(clip.corpus == corpus for clip in others) / max(len(others), 1)
    if fraction > 0.5 and 0 < usual < fraction / _OVERREPRESENTED:
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


def summarise(
    corpus: Corpus, rejected: Sequence[Finding], noticed: Sequence[Finding]
) -> dict[str, Any]:
    """Summarise an audit as JSON values: counts, findings, shortcuts and warnings.

    The summary contains neither times nor paths, so the same recordings give the same bytes on
    every machine.

    Returns:
        A dictionary with the keys ``clips``, ``speakers``, ``hours``; ``corpora``, for each corpus
        its clips, the number of clips in the complete official set (or null), speakers, seconds,
        and clips per sample rate and per number of channels; ``emotions`` and ``categories``,
        clips per class; ``rejected`` and ``noticed``, files per kind of finding; ``shortcuts``,
        see :class:`Association`; and ``warnings``, sentences.
    """
    clips = corpus.clips
    names = sorted({clip.corpus for clip in clips})
    parts = {name: [clip for clip in clips if clip.corpus == name] for name in names}
    by_corpus = associate(corpus, lambda clip: clip.corpus)
    by_speaker = associate(corpus, lambda clip: clip.speaker)
    return {
        "clips": len(clips),
        "speakers": len(corpus.speakers()),
        "hours": round(sum(clip.duration for clip in clips) / 3600, 3),
        "corpora": {name: _describe(name, part) for name, part in parts.items()},
        "emotions": corpus.counts("emotion"),
        "categories": dict(sorted(Counter(clip.category for clip in clips).items())),
        "rejected": count_files(rejected),
        "noticed": count_files(noticed),
        "shortcuts": {
            "emotion_by_corpus": asdict(by_corpus),
            "emotion_by_speaker": asdict(by_speaker),
        },
        "warnings": [
            *_unknown(parts),
            *_same_people(parts),
            *sorted(_other_rates(parts)),
            *warn(corpus),
        ],
    }


def _describe(name: str, clips: Sequence[Clip]) -> dict[str, Any]:
    return {
        "clips": len(clips),
        "official": GRAMMARS[name].CLIPS if name in GRAMMARS else None,
        "speakers": len({clip.speaker for clip in clips}),
        "seconds": round(sum(clip.duration for clip in clips), 1),
        "sample_rates": _counts(clip.sample_rate for clip in clips),
        "channels": _counts(clip.channels for clip in clips),
    }


def _counts(values) -> dict[str, int]:
    return {str(value): count for value, count in sorted(Counter(values).items())}


def _unknown(parts: dict[str, list[Clip]]) -> Iterator[str]:
    for name, clips in parts.items():
        speakers = sum(not clip.speaker_known for clip in clips)
        genders = sum(not clip.gender for clip in clips)
        if speakers:
            yield (
                f"the speaker is not known in {counted(speakers, 'clip')} of {name}: they count as "
                f"one speaker, so that no split of {name} can leak"
            )
        if genders:
            yield (
                f"the gender of the speaker is not known in {counted(genders, 'clip')} of {name}: "
                "no label in gender_emotion"
            )


def _same_people(parts: dict[str, list[Clip]]) -> Iterator[str]:
    """Yield warnings about speaker names that occur in two of the user's own corpora.

    The name ``unknown`` of clips without a known speaker counts, too.
    """
    words = {
        name: {clip.speaker.removeprefix(f"{name}-") for clip in clips}
        for name, clips in parts.items()
        if name not in GRAMMARS
    }
    for first, second in itertools.combinations(words, 2):
        shared = sorted(words[first] & words[second])
        if shared:
            yield (
                f"{first} and {second} both have {', '.join(shared[:5])} for speakers, who count "
                "as different people; if they are the same, give both roots one name: NAME=ROOT"
            )


def _other_rates(parts: dict[str, list[Clip]]) -> Iterator[str]:
    for name in GRAMMARS.keys() & parts.keys():
        (rate, count), *_ = Counter(clip.sample_rate for clip in parts[name]).most_common()
        official = GRAMMARS[name].SAMPLE_RATE
        if rate != official:
            yield (
                f"{rate} Hz in {count} of {counted(len(parts[name]), 'clip')} of {name}; the "
                f"original recordings have {official} Hz"
            )
