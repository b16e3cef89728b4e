"""Splits into train, validation and test, and the speaker leakage guard."""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from serkit.datasets.corpus import Clip, Corpus
from serkit.errors import LeakError
from serkit.files import replacing, write_json
from serkit.formatting import counted


@dataclass(frozen=True)
class Speakers:
    """Who is in which part of a split: what every fitting function asks before it begins.

    Attributes:
        train: who may be fitted on.
        validation: whose clips may end a training or choose a model.
        test: whose clips are reported.
        leaky: parts may share speakers, because somebody asked for that by name.

    Raises:
        LeakError: if two parts share a speaker and ``leaky`` is not set; names the speakers.
    """

    train: frozenset[str]
    validation: frozenset[str]
    test: frozenset[str]
    leaky: bool = False

    def __post_init__(self) -> None:
        shared = self.shared()
        if shared and not self.leaky:
            raise LeakError(f"speakers in more than one part: {', '.join(shared)}")

    def shared(self) -> list[str]:
        """Who is in more than one part, sorted."""
        held_out = self.validation | self.test
        return sorted((self.train & held_out) | (self.validation & self.test))

    def require_training(self, speakers: Iterable[str]) -> None:
        """Refuse to fit on anybody but training speakers.

        Raises:
            LeakError: names those who are none.
        """
        _require("training", speakers, self.train)

    def require_validation(self, speakers: Iterable[str]) -> None:
        """Refuse to stop or choose by anybody but validation speakers.

        Raises:
            LeakError: names those who are none.
        """
        _require("validation", speakers, self.validation)

    def require_test(self, speakers: Iterable[str]) -> None:
        """Refuse to report on anybody but test speakers.

        Raises:
            LeakError: names those who are none.
        """
        _require("test", speakers, self.test)


def _require(part: str, speakers: Iterable[str], allowed: frozenset[str]) -> None:
    others = sorted(set(speakers) - allowed)
    if others:
        raise LeakError(f"not {part} speakers: {', '.join(others)}")


RANDOM = "random"


@dataclass(frozen=True)
class Split:
    """Three parts of a corpus.

    Attributes:
        train: what may be fitted on.
        validation: for early stopping and choices; nothing is fitted on it.
        test: what is reported.
        protocol: how it was made: ``hold-out``, ``k-fold``, ``leave-one-speaker-out``,
            ``leave-one-corpus-out``, or ``random``, the 2021 report's own.
        detail: which of several it is, such as ``fold 2 of 5``.
        left_out: clips that are in no part, because a sentence would be on both sides.
        sentence_disjoint: no sentence of the test part is in the others either.

    Raises:
        LeakError: if two parts share a speaker and the protocol is not ``random``, if they share a
            clip, or a sentence where that was excluded; the message names them.
    """

    train: Corpus
    validation: Corpus
    test: Corpus
    protocol: str = "hold-out"
    detail: str = ""
    left_out: tuple[Clip, ...] = field(default=(), repr=False)
    sentence_disjoint: bool = False

    def __post_init__(self) -> None:
        _ = self.speakers
        parts = self.parts().values()
        times = Counter((clip.root, clip.path) for part in parts for clip in part.clips)
        twice = [path for (_, path), count in times.items() if count > 1]
        if twice:
            raise LeakError(
                f"{counted(len(twice), 'clip')} in more than one part, such as {twice[0]}"
            )
        if self.sentence_disjoint:
            fitted = {*_sentences(self.train), *_sentences(self.validation)}
            shared = sorted(fitted & set(_sentences(self.test)))
            if shared:
                raise LeakError(f"sentences on both sides: {', '.join(map('/'.join, shared))}")

    @cached_property
    def speakers(self) -> Speakers:
        """Who is in which part: what fitting functions check."""
        parts = (frozenset(part.speakers()) for part in self.parts().values())
        return Speakers(*parts, leaky=self.leaky)

    @property
    def leaky(self) -> bool:
        """Whether speakers may be on both sides; then every result made from it has to say so."""
        return self.protocol == RANDOM

    def parts(self) -> dict[str, Corpus]:
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def require_training(self, clips: Iterable[Clip]) -> None:
        """Refuse to fit on anything but clips of training speakers.

        With the ``random`` protocol, on anything but training clips.

        Raises:
            LeakError: names the speakers.
        """
        clips = list(clips)
        self.speakers.require_training(clip.speaker for clip in clips)
        if self.leaky:
            held_out = {(c.root, c.path) for c in (*self.validation.clips, *self.test.clips)}
            leaks = {clip.speaker for clip in clips if (clip.root, clip.path) in held_out}
            if leaks:
                raise LeakError(f"held-out clips of {', '.join(sorted(leaks))}")
        if self.sentence_disjoint:
            shared = {(c.corpus, c.sentence) for c in clips} & set(_sentences(self.test))
            if shared:
                raise LeakError(f"test sentences: {', '.join(map('/'.join, sorted(shared)))}")

    def summary(self) -> dict[str, Any]:
        """Protocol, and each part's speakers, number of clips and their digest, as JSON values."""
        return {
            "protocol": self.protocol,
            "detail": self.detail,
            "leaky": self.leaky,
            "speakers_in_several_parts": self.speakers.shared(),
            "sentence_disjoint": self.sentence_disjoint,
            "left_out": len(self.left_out),
            "parts": {
                name: {
                    "speakers": sorted(part.speakers()),
                    "clips": len(part),
                    "sha256": _digest(part),
                }
                for name, part in self.parts().items()
            },
        }

    def write(self, path: Path | str) -> None:
        """Write :meth:`summary` as JSON, and each clip's part as a CSV of the same name."""
        path = Path(path)
        write_json(path, self.summary())
        table = path.with_suffix(".csv")
        with replacing(table) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["root", "path", "part"])
            for name, part in self.parts().items():
                writer.writerows((clip.root, clip.path, name) for clip in part.clips)
            writer.writerows((clip.root, clip.path, "") for clip in self.left_out)


def _sentences(corpus: Corpus) -> Iterable[tuple[str, str]]:
    return ((clip.corpus, clip.sentence) for clip in corpus.clips)


def _digest(part: Corpus) -> str:
    lines = (f"{clip.root}/{clip.path}\n" for clip in part.clips)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
