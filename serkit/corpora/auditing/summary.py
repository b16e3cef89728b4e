"""The audit in numbers: the content of audit.json."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from serkit.corpora.auditing.shortcuts import associate, warn
from serkit.corpora.corpus import Clip, Corpus
from serkit.corpora.findings import Finding, count_files
from serkit.corpora.roots import GRAMMARS
from serkit.wording import counted


def summarise(
    corpus: Corpus, rejected: Sequence[Finding], noticed: Sequence[Finding]
) -> dict[str, Any]:
    """Counts, what was rejected and noticed, and shortcuts, as JSON values.

    Neither times nor paths are in it: the same recordings give the same bytes anywhere.

    Returns:
        ``clips``, ``speakers``, ``hours``; ``corpora``, for each its clips, the number in the
        complete official set (or null), speakers, seconds, sample rates and channels with their
        clips; ``emotions`` and ``categories`` with their clips; ``rejected`` and ``noticed``,
        files by kind; ``shortcuts``, see :class:`~serkit.corpora.auditing.shortcuts.Association`;
        and ``warnings``, sentences.
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
        "warnings": [*_unknown(parts), *_same_people(parts), *_other_rates(parts), *warn(corpus)],
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


def _unknown(parts: dict[str, list[Clip]]) -> list[str]:
    found = []
    for name, clips in parts.items():
        speakers = sum(not clip.speaker_known for clip in clips)
        genders = sum(not clip.gender for clip in clips)
        if speakers:
            found.append(
                f"nobody said who speaks in {counted(speakers, 'clip')} of {name}: one speaker for "
                f"all of them, so that no split of {name} can leak"
            )
        if genders:
            found.append(
                f"the gender of the speaker is not known in {counted(genders, 'clip')} of {name}: "
                "no label in gender_emotion"
            )
    return found


def _same_people(parts: dict[str, list[Clip]]) -> list[str]:
    """Speakers of the user's own corpora that have one word for their name, or none."""
    words = {
        name: {clip.speaker.removeprefix(f"{name}-") for clip in clips}
        for name, clips in parts.items()
        if name not in GRAMMARS
    }
    found = []
    for first, second in itertools.combinations(words, 2):
        shared = sorted(words[first] & words[second])
        if shared:
            found.append(
                f"{first} and {second} both have {', '.join(shared[:5])} for speakers, who count "
                "as different people; if they are the same, give both roots one name: NAME=ROOT"
            )
    return found


def _other_rates(parts: dict[str, list[Clip]]) -> list[str]:
    found = []
    for name in GRAMMARS.keys() & parts.keys():
        (rate, count), *_ = Counter(clip.sample_rate for clip in parts[name]).most_common()
        official = GRAMMARS[name].SAMPLE_RATE
        if rate != official:
            found.append(
                f"{rate} Hz in {count} of {counted(len(parts[name]), 'clip')} of {name}; the "
                f"original recordings have {official} Hz"
            )
    return sorted(found)
