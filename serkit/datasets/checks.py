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
from serkit.datasets.roots import READERS
from serkit.errors import InputError
from serkit.formatting import counted


def clip_anomalies(clip: Clip, measurements: Probe) -> Iterator[Finding]:
    """Yield a finding for each anomaly of a clip that does not make the clip unusable."""
    if measurements.clipped:
        fraction = measurements.clipped / (
            measurements.duration * measurements.sample_rate * measurements.channels
        )
        reason = f"{measurements.clipped} samples ({fraction:.2%}) are cut off at full scale"
        yield Finding(clip.root, clip.path, "clipped", reason)
    if measurements.channels > 1:
        reason = f"{measurements.channels} channels; they are mixed to one"
        yield Finding(clip.root, clip.path, "stereo", reason)
    if measurements.length_unknown:
        reason = "its header does not say how long it is; it was read to its end"
        yield Finding(clip.root, clip.path, "length", reason)


def require_distinct_speakers(clips: Sequence[Clip]) -> None:
    """Raise if speakers of two corpora have the same name.

    Corpus ``a`` with speaker ``b-1`` and corpus ``a-b`` with speaker ``1`` both give ``a-b-1``.

    Raises:
        InputError: if a speaker belongs to two corpora; the message names the speaker and both.
    """
    corpus_of: dict[str, str] = {}
    for clip in clips:
        first_corpus = corpus_of.setdefault(clip.speaker, clip.corpus)
        if first_corpus != clip.corpus:
            raise InputError(
                f"{clip.speaker} would be a speaker of {first_corpus} and of {clip.corpus}; "
                "give one of them another name: NAME=ROOT"
            )


def unusual_sample_rates(clips: Sequence[Clip]) -> Iterator[Finding]:
    """Yield a finding for each clip whose sample rate is not the most common of its corpus."""
    rate_counts: dict[str, Counter[int]] = defaultdict(Counter)
    for clip in clips:
        rate_counts[clip.corpus][clip.sample_rate] += 1
    usual_rate = {corpus: counts.most_common(1)[0][0] for corpus, counts in rate_counts.items()}
    for clip in clips:
        if clip.sample_rate != usual_rate[clip.corpus]:
            reason = (
                f"{clip.sample_rate} Hz, most of {clip.corpus} has {usual_rate[clip.corpus]} Hz"
            )
            yield Finding(clip.root, clip.path, "sample-rate", reason)


def contradicting_genders(clips: Sequence[Clip]) -> Iterator[Finding]:
    """Yield a finding for each clip whose gender is not the most common one of its speaker.

    If two genders are equally common, yield a finding for every clip of the speaker that has a
    gender.
    """
    gender_counts: dict[str, Counter[str]] = defaultdict(Counter)
    for clip in clips:
        if clip.gender and clip.speaker_known:
            gender_counts[clip.speaker][clip.gender] += 1
    for clip in clips:
        ranked = gender_counts[clip.speaker].most_common()
        if len(ranked) > 1 and clip.gender:
            is_clear = ranked[0][1] > ranked[1][1]
            if not is_clear or clip.gender != ranked[0][0]:
                listed = ", ".join(f"{gender} in {count}" for gender, count in ranked)
                reason = f"{clip.speaker} is {listed} recordings"
                yield Finding(clip.root, clip.path, "gender", reason)


# Warn about a class if this fraction of the speakers of its gender has more than half its clips.
_FEW_SPEAKERS_FRACTION = 0.1
# Warn about a class if one corpus has more than half of its clips, and more than this many times
# the fraction that this corpus has of the other classes of the same gender.
_MIN_OVERREPRESENTATION = 1.5


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


def measure_association(corpus: Corpus, property_of_clip: Callable[[Clip], str]) -> Association:
    """Measure how strongly emotion is associated with another property of the clips.

    Source: Cramér, Mathematical Methods of Statistics (1946), section 21.9; the value by chance
    follows from the expectation of chi-squared under independence.

    Args:
        corpus: the clips to measure.
        property_of_clip: returns the other property of a clip, such as
            ``lambda clip: clip.speaker``.
    """
    pairs = Counter((clip.emotion, property_of_clip(clip)) for clip in corpus.clips)
    emotions = corpus.classes("emotion")
    values = sorted({name for _, name in pairs})
    table = np.array([[pairs[emotion, name] for name in values] for emotion in emotions])
    counts = {
        emotion: {name: int(n) for name, n in zip(values, row, strict=True) if n}
        for emotion, row in zip(emotions, table, strict=True)
    }
    smaller_dimension, total = min(table.shape) - 1, int(table.sum())
    if smaller_dimension <= 0:
        return Association(counts, 0.0, 0.0)
    # Importing scipy.stats takes longer than an audit; most callers of this module do not need it.
    from scipy.stats.contingency import association

    degrees_of_freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    expected_by_chance = math.sqrt(degrees_of_freedom / max(total - 1, 1) / smaller_dimension)
    return Association(
        counts=counts,
        cramers_v=round(float(association(table, method="cramer")), 4),
        by_chance=round(min(expected_by_chance, 1.0), 4),
    )


def corpus_warnings(corpus: Corpus) -> list[str]:
    """Return warnings about classes that come mostly from one corpus or from few speakers.

    A class is a gender and an emotion, or the emotion alone where the gender is not known. With
    several corpora, also warn about a corpus that lacks an emotion or has only one gender.
    """
    clips = corpus.clips
    class_names = sorted({clip.category for clip in clips})
    warnings: list[str] = []
    for class_name in class_names:
        clips_of_class = [clip for clip in clips if clip.category == class_name]
        gender = clips_of_class[0].gender
        clips_of_gender = [clip for clip in clips if clip.gender == gender]
        warnings += _few_speakers_warnings(class_name, clips_of_class, clips_of_gender)
        warnings += _one_corpus_warnings(
            class_name, clips_of_class, [c for c in clips_of_gender if c.category != class_name]
        )
    return [*warnings, *_missing_class_warnings(corpus)]


def _few_speakers_warnings(
    class_name: str, clips_of_class: Sequence[Clip], clips_of_gender: Sequence[Clip]
) -> Iterator[str]:
    clips_by_speaker = Counter(clip.speaker for clip in clips_of_class).most_common()
    speaker_count = len({clip.speaker for clip in clips_of_gender})
    max_speakers = max(1, int(_FEW_SPEAKERS_FRACTION * speaker_count))
    for n_speakers in range(1, min(max_speakers, len(clips_by_speaker)) + 1):
        clip_count = sum(count for _, count in clips_by_speaker[:n_speakers])
        if speaker_count > n_speakers and clip_count > len(clips_of_class) / 2:
            names = ", ".join(name for name, _ in clips_by_speaker[:n_speakers])
            fraction = _fraction_phrase(clip_count, len(clips_of_class), class_name)
            yield f"{fraction} is {n_speakers} of {speaker_count} speakers: {names}"
            return
    if len(clips_by_speaker) < speaker_count / 2:
        yield (
            f"{class_name} is of {len(clips_by_speaker)} of {speaker_count} speakers; "
            "the others never show it"
        )


def _one_corpus_warnings(
    class_name: str, clips_of_class: Sequence[Clip], clips_of_other_classes: Sequence[Clip]
) -> Iterator[str]:
    (corpus, clip_count), *_ = Counter(clip.corpus for clip in clips_of_class).most_common()
    fraction = clip_count / len(clips_of_class)
    usual_fraction = sum(clip.corpus == corpus for clip in clips_of_other_classes) / max(
        len(clips_of_other_classes), 1
    )
    if fraction > 0.5 and 0 < usual_fraction < fraction / _MIN_OVERREPRESENTATION:
        yield (
            f"{_fraction_phrase(clip_count, len(clips_of_class), class_name)} is from {corpus}, "
            f"which has {_percentage(usual_fraction, 1)} of the other classes"
        )


def _missing_class_warnings(corpus: Corpus) -> Iterator[str]:
    names = sorted({clip.corpus for clip in corpus.clips})
    if len(names) < 2:
        return
    for name in names:
        clips_of_corpus = corpus.where(lambda clip, name=name: clip.corpus == name)
        missing = [
            e for e in corpus.classes("emotion") if e not in clips_of_corpus.classes("emotion")
        ]
        if missing:
            yield f"{name} has no {' and no '.join(missing)}: there the corpus tells the emotion"
        genders = {clip.gender for clip in clips_of_corpus.clips}
        if len(genders) == 1 and genders != {""}:
            subject = f"the only clip of {name} is"
            if len(clips_of_corpus) > 1:
                subject = f"all {len(clips_of_corpus)} clips of {name} are"
            yield f"{subject} {genders.pop()}"


def _fraction_phrase(clip_count: int, total: int, class_name: str) -> str:
    fraction = _percentage(clip_count, total)
    return f"{fraction} of {class_name} ({clip_count} of {counted(total, 'clip')})"


def _percentage(part: float, whole: float) -> str:
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
    corpus_names = sorted({clip.corpus for clip in clips})
    clips_by_corpus = {
        name: [clip for clip in clips if clip.corpus == name] for name in corpus_names
    }
    by_corpus = measure_association(corpus, lambda clip: clip.corpus)
    by_speaker = measure_association(corpus, lambda clip: clip.speaker)
    return {
        "clips": len(clips),
        "speakers": len(corpus.speakers()),
        "hours": round(sum(clip.duration for clip in clips) / 3600, 3),
        "corpora": {name: _describe_corpus(name, part) for name, part in clips_by_corpus.items()},
        "emotions": corpus.counts("emotion"),
        "categories": dict(sorted(Counter(clip.category for clip in clips).items())),
        "rejected": count_files(rejected),
        "noticed": count_files(noticed),
        "shortcuts": {
            "emotion_by_corpus": asdict(by_corpus),
            "emotion_by_speaker": asdict(by_speaker),
        },
        "warnings": [
            *_unknown_label_warnings(clips_by_corpus),
            *_shared_speaker_warnings(clips_by_corpus),
            *sorted(_resampling_warnings(clips_by_corpus)),
            *corpus_warnings(corpus),
        ],
    }


def _describe_corpus(name: str, clips: Sequence[Clip]) -> dict[str, Any]:
    return {
        "clips": len(clips),
        "official": READERS[name].CLIPS if name in READERS else None,
        "speakers": len({clip.speaker for clip in clips}),
        "seconds": round(sum(clip.duration for clip in clips), 1),
        "sample_rates": _count_by_value(clip.sample_rate for clip in clips),
        "channels": _count_by_value(clip.channels for clip in clips),
    }


def _count_by_value(values) -> dict[str, int]:
    return {str(value): count for value, count in sorted(Counter(values).items())}


def _unknown_label_warnings(clips_by_corpus: dict[str, list[Clip]]) -> Iterator[str]:
    for name, clips in clips_by_corpus.items():
        unknown_speakers = sum(not clip.speaker_known for clip in clips)
        unknown_genders = sum(not clip.gender for clip in clips)
        if unknown_speakers:
            yield (
                f"the speaker is not known in {counted(unknown_speakers, 'clip')} of {name}: "
                f"they count as one speaker, so that no split of {name} can leak"
            )
        if unknown_genders:
            yield (
                "the gender of the speaker is not known in "
                f"{counted(unknown_genders, 'clip')} of {name}: no label in gender_emotion"
            )


def _shared_speaker_warnings(clips_by_corpus: dict[str, list[Clip]]) -> Iterator[str]:
    """Yield warnings about speaker names that occur in two of the user's own corpora.

    The name ``unknown`` of clips without a known speaker counts, too.
    """
    speakers_by_corpus = {
        name: {clip.speaker.removeprefix(f"{name}-") for clip in clips}
        for name, clips in clips_by_corpus.items()
        if name not in READERS
    }
    for first, second in itertools.combinations(speakers_by_corpus, 2):
        shared = sorted(speakers_by_corpus[first] & speakers_by_corpus[second])
        if shared:
            yield (
                f"{first} and {second} both have {', '.join(shared[:5])} for speakers, who count "
                "as different people; if they are the same, give both roots one name: NAME=ROOT"
            )


def _resampling_warnings(clips_by_corpus: dict[str, list[Clip]]) -> Iterator[str]:
    for name in READERS.keys() & clips_by_corpus.keys():
        (rate, count), *_ = Counter(
            clip.sample_rate for clip in clips_by_corpus[name]
        ).most_common()
        official = READERS[name].SAMPLE_RATE
        if rate != official:
            yield (
                f"{rate} Hz in {count} of {counted(len(clips_by_corpus[name]), 'clip')} of {name}; "
                f"the original recordings have {official} Hz"
            )
