"""Splits into train, validation and test, and the speaker leakage guard."""

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from serkit.datasets.corpus import Clip, Corpus
from serkit.errors import InputError, LeakError, check_range
from serkit.files import replacing, write_json
from serkit.formatting import counted
from serkit.seeds import derive_seed


@dataclass(frozen=True)
class Speakers:
    """Speakers of each partition of a split: the speaker leakage guard.

    Every fitting function checks its speakers here before it starts.

    Attributes:
        train: speakers whose clips may be used for fitting.
        validation: speakers whose clips may be used for early stopping and model selection.
        test: speakers whose clips are used for the reported results.
        leaky: whether partitions may share speakers. Only the ``random`` protocol, which the user
            has to name, sets this.

    Raises:
        LeakError: if two partitions share a speaker and ``leaky`` is not set; the message names
            the speakers.

    Example:
        >>> import serkit
        >>> guard = serkit.Speakers(frozenset({"ann"}), frozenset({"bob"}), frozenset({"cid"}))
        >>> guard.require_training(["ann", "cid"])
        Traceback (most recent call last):
        serkit.errors.LeakError: not training speakers: cid
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
        """Return the speakers that are in more than one partition, sorted."""
        held_out = self.validation | self.test
        return sorted((self.train & held_out) | (self.validation & self.test))

    def require_training(self, speakers: Iterable[str]) -> None:
        """Check that all speakers are training speakers.

        Args:
            speakers: names of speakers.

        Raises:
            LeakError: if some are not; the message names them.
        """
        _require_speakers("training", speakers, self.train)

    def require_validation(self, speakers: Iterable[str]) -> None:
        """Check that all speakers are validation speakers.

        Only clips of validation speakers may be used for early stopping and model selection.

        Args:
            speakers: names of speakers.

        Raises:
            LeakError: if some are not; the message names them.
        """
        _require_speakers("validation", speakers, self.validation)

    def require_test(self, speakers: Iterable[str]) -> None:
        """Check that all speakers are test speakers.

        Only clips of test speakers may be used for reported results.

        Args:
            speakers: names of speakers.

        Raises:
            LeakError: if some are not; the message names them.
        """
        _require_speakers("test", speakers, self.test)


def _require_speakers(
    partition_name: str, speakers: Iterable[str], allowed: frozenset[str]
) -> None:
    other_speakers = sorted(set(speakers) - allowed)
    if other_speakers:
        raise LeakError(f"not {partition_name} speakers: {', '.join(other_speakers)}")


RANDOM = "random"


@dataclass(frozen=True)
class Split:
    """Three partitions of a corpus: train, validation and test.

    Attributes:
        train: clips for fitting.
        validation: clips for early stopping and model selection; no model is fitted on them.
        test: clips for the reported results.
        protocol: how the split was made: ``hold-out``, ``k-fold``, ``leave-one-speaker-out``,
            ``leave-one-corpus-out``, or ``random``, the protocol of the 2021 report.
        detail: which split of several this is, such as ``fold 2 of 5``.
        left_out: clips that are in no partition: their sentence would be in the test partition and
            another one, or :func:`~serkit.datasets.imbalance.make_rare` removed them.
        sentence_disjoint: whether no sentence of the test partition is in the other partitions.

    Raises:
        LeakError: if two partitions share a clip; if they share a speaker and the protocol is not
            ``random``; or if the test partition shares a sentence with another one and
            ``sentence_disjoint`` is set. The message names the speakers or sentences, or one clip.

    Example:
        >>> import serkit
        >>> def corpus(name):
        ...     return serkit.Corpus((serkit.Clip(name, "mine", name, "male", "sad", "sad"),))
        >>> split = serkit.Split(corpus("ann"), corpus("bob"), corpus("cid"))
        >>> split.speakers.train
        frozenset({'ann'})
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
        partitions = self.partitions().values()
        clip_counts = Counter((clip.root, clip.path) for part in partitions for clip in part.clips)
        repeated_paths = [path for (_, path), count in clip_counts.items() if count > 1]
        if repeated_paths:
            raise LeakError(
                f"{counted(len(repeated_paths), 'clip')} in more than one part, "
                f"such as {repeated_paths[0]}"
            )
        if self.sentence_disjoint:
            fitted_sentences = {*_sentences(self.train), *_sentences(self.validation)}
            shared_sentences = sorted(fitted_sentences & set(_sentences(self.test)))
            if shared_sentences:
                raise LeakError(
                    f"sentences on both sides: {', '.join(map('/'.join, shared_sentences))}"
                )

    @cached_property
    def speakers(self) -> Speakers:
        """Speakers of each partition, for the checks in fitting functions."""
        speakers_of_partitions = (frozenset(part.speakers()) for part in self.partitions().values())
        return Speakers(*speakers_of_partitions, leaky=self.leaky)

    @property
    def leaky(self) -> bool:
        """Whether partitions may share speakers; every result from such a split must say so."""
        return self.protocol == RANDOM

    def partitions(self) -> dict[str, Corpus]:
        """Return the partitions by name: ``train``, ``validation`` and ``test``."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def without_validation(self) -> "Split":
        """Return the split with the validation clips in the training partition.

        For a model that needs no validation speakers, and whose settings were not chosen on the
        clips of the test partition.
        """
        train = Corpus((*self.train.clips, *self.validation.clips), self.train.roots)
        return replace(self, train=train, validation=Corpus((), self.train.roots))

    def require_training(self, clips: Iterable[Clip]) -> None:
        """Check that all clips may be used for fitting.

        Clips must be of training speakers. With the ``random`` protocol they must not be
        validation or test clips. With ``sentence_disjoint`` they must not hold test sentences.

        Args:
            clips: clips of this corpus.

        Raises:
            LeakError: if a clip may not be used; the message names the speakers or sentences.
        """
        clips = list(clips)
        self.speakers.require_training(clip.speaker for clip in clips)
        if self.leaky:
            held_out = {(c.root, c.path) for c in (*self.validation.clips, *self.test.clips)}
            speakers_of_leaks = {
                clip.speaker for clip in clips if (clip.root, clip.path) in held_out
            }
            if speakers_of_leaks:
                raise LeakError(f"held-out clips of {', '.join(sorted(speakers_of_leaks))}")
        if self.sentence_disjoint:
            shared_sentences = {(c.corpus, c.sentence) for c in clips} & set(_sentences(self.test))
            if shared_sentences:
                raise LeakError(
                    f"test sentences: {', '.join(map('/'.join, sorted(shared_sentences)))}"
                )

    def summary(self) -> dict[str, Any]:
        """Return the protocol, and each partition's speakers, clip count and digest, for JSON."""
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
                for name, part in self.partitions().items()
            },
        }

    def write(self, path: Path | str) -> None:
        """Write :meth:`summary` as JSON, and each clip's partition as a CSV of the same name.

        Args:
            path: JSON file to write; the CSV gets the suffix ``.csv``.
        """
        path = Path(path)
        write_json(path, self.summary())
        table = path.with_suffix(".csv")
        with replacing(table) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["root", "path", "part"])
            for name, part in self.partitions().items():
                writer.writerows((clip.root, clip.path, name) for clip in part.clips)
            writer.writerows((clip.root, clip.path, "") for clip in self.left_out)


def _sentences(corpus: Corpus) -> Iterable[tuple[str, str]]:
    return ((clip.corpus, clip.sentence) for clip in corpus.clips)


def _digest(corpus: Corpus) -> str:
    lines = (f"{clip.root}/{clip.path}\n" for clip in corpus.clips)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def make_rare(split: Split, label_set: str, label: str, clips: int, seed: int) -> Split:
    """Remove training clips of one class; validation and test partitions stay unchanged.

    Each clip is removed from the speaker with the most remaining clips of the class. So as many
    speakers as possible remain, with nearly equal numbers of clips.

    Args:
        split: any split.
        label_set: ``emotion`` or ``gender_emotion``.
        label: the class to make rare.
        clips: number of clips that remain, from 1 to the number of training clips of the class.
        seed: the same seed removes the same clips.

    Returns:
        The split with fewer training clips. The removed clips are in ``left_out``.

    Raises:
        InputError: if ``clips`` is out of range, or no training clip has the label.
    """
    clips_of_class = [clip for clip in split.train.clips if clip.label(label_set) == label]
    if not clips_of_class:
        valid_labels = ", ".join(split.train.classes(label_set))
        raise InputError(
            f"`label` must be one of the training clips': {valid_labels}. "
            f"Received: label={label!r}."
        )
    check_range("clips", clips, 1, len(clips_of_class))
    removed_keys = {
        (clip.root, clip.path)
        for clip in _choose_removed(clips_of_class, len(clips_of_class) - clips, seed)
    }
    return replace(
        split,
        train=split.train.where(lambda clip: (clip.root, clip.path) not in removed_keys),
        left_out=(
            *split.left_out,
            *(clip for clip in clips_of_class if (clip.root, clip.path) in removed_keys),
        ),
    )


def _choose_removed(clips: list[Clip], count: int, seed: int) -> list[Clip]:
    rng = np.random.default_rng(derive_seed(seed, "make_rare"))
    clips_by_speaker: dict[str, list[Clip]] = defaultdict(list)
    for index in rng.permutation(len(clips)):
        clips_by_speaker[clips[index].speaker].append(clips[index])
    removed = []
    for _ in range(count):
        # If speakers have equally many clips, `max` takes the first one. The dictionary holds the
        # speakers in random order.
        clips_of_largest_speaker = max(clips_by_speaker.values(), key=len)
        removed.append(clips_of_largest_speaker.pop())
    return removed
