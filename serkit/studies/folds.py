"""The folds of a comparison: splits, rare classes, and how many examples to add."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy.typing as npt

from serkit.audio.augmentation import WaveAugmentation
from serkit.datasets.corpus import Clip, Corpus
from serkit.datasets.imbalance import REPORTED_CLASSES, balance_plan, report_plan
from serkit.datasets.protocols import k_fold, make_splits, random_folds
from serkit.datasets.splits import RANDOM, Split, make_rare
from serkit.errors import InputError, check_choice
from serkit.studies.comparison_inputs import InputsBySpeed
from serkit.studies.comparison_settings import (
    K_FOLD,
    LEAVE_ONE_CORPUS_OUT,
    REPORT_PLAN,
    ComparisonSettings,
)
from serkit.studies.partitions import Partitions
from serkit.training.live import LiveSpectrograms, select_spectrograms
from serkit.training.shards import Rows


def clips_key(clips: Iterable[Clip], label_set: str) -> str:
    """Return a hash of clips in order: samples, label and speaker of each, but not paths."""
    digest = hashlib.sha256()
    for clip in clips:
        digest.update(f"{clip.sha256}/{clip.label(label_set)}/{clip.speaker}\n".encode())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Fold:
    """One split that all arms are trained and tested on.

    Attributes:
        protocol: ``k-fold``, ``hold-out``, ``random`` or ``leave-one-corpus-out``.
        number: number of the fold, from 1.
        split: the split. Its training partition lacks the clips that ``rarify`` removes.
        plan: number of examples to add, by class.
        inputs: spectrograms or features of all clips of the comparison, by speed factor. They need
            not be computed before the fold is created.
        corpus: the fold's clips.
        label_set: ``emotion`` or ``gender_emotion``.
        clip_positions: positions of the fold's clips among all clips of the comparison; None if the
            fold has all clips.
    """

    protocol: str
    number: int
    split: Split
    plan: dict[str, int]
    inputs: InputsBySpeed
    corpus: Corpus
    label_set: str
    clip_positions: tuple[int, ...] | None = None

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Labels of the fold's clips, in the label set's order."""
        return self.corpus.classes(self.label_set)

    def training_clips(self, label: str) -> Corpus:
        """Return the training clips of one class."""
        return self.split.train.where(lambda clip: clip.label(self.label_set) == label)

    @cached_property
    def partitions(self) -> Partitions:
        """Inputs and labels of the fold's partitions."""
        return self.at_speed(1.0)

    def at_speed(self, speed: float) -> Partitions:
        """Return inputs and labels of the fold's partitions at a speed factor."""
        return self._partitions(self.inputs[speed])

    def live(self, augmentation: WaveAugmentation) -> Partitions:
        """Return spectrograms and labels of the partitions; training batches use waveforms.

        Each training batch of the spectrograms is computed from augmented waveforms.
        """
        return self._partitions(self.inputs.live(augmentation))

    def with_inputs(self, inputs: InputsBySpeed) -> "Fold":
        """Return the same fold with other inputs of the same clips."""
        return replace(self, inputs=inputs)

    def _partitions(self, spectrograms: Rows | LiveSpectrograms | npt.NDArray[Any]) -> Partitions:
        if self.clip_positions is not None:
            spectrograms = select_spectrograms(spectrograms, self.clip_positions)
        return Partitions(self.corpus, self.split, spectrograms, self.label_set)


def make_folds(
    settings: ComparisonSettings, corpus: Corpus, inputs: InputsBySpeed
) -> Iterator[Fold]:
    """Yield all folds of all protocols, in the order in which they are run.

    Args:
        settings: settings of the comparison.
        corpus: audited clips.
        inputs: spectrograms or features of all clips.

    Raises:
        InputError: if there is only one class, a class of ``rarify`` has no clips or would keep no
            training clips, a training partition lacks a class, or there are too few speakers or
            corpora.
    """
    classes = corpus.classes(settings.label_set)
    if len(classes) < 2:
        raise InputError(
            f"`roots` must have clips of two or more classes of {settings.label_set}. "
            f"Received: {', '.join(classes)}."
        )
    for label, _ in settings.rarify:
        check_choice("rarify", label, classes)
    for protocol in settings.protocols:
        splits = itertools.islice(_splits(protocol, settings, corpus), settings.first_folds or None)
        for number, split in enumerate(splits, 1):
            fold = Fold(protocol, number, split, {}, inputs, corpus, settings.label_set)
            if protocol == LEAVE_ONE_CORPUS_OUT:
                fold = _without_untrained_classes(fold)
            for label, kept in _applicable(settings.rarify, fold):
                rarer = _make_class_rare(fold.split, settings, label, kept)
                fold = replace(fold, split=rarer)
            _require_all_classes(fold)
            counts = fold.split.train.counts(settings.label_set)
            yield replace(fold, plan=_plan(settings, counts))


def _applicable(rarify: Iterable[tuple[str, float]], fold: Fold) -> Iterator[tuple[str, float]]:
    """Return the entries of ``rarify`` whose class is in the fold's training partition.

    With ``leave-one-corpus-out``, a training partition may lack a class.
    """
    training_classes = fold.split.train.classes(fold.label_set)
    return ((label, fraction) for label, fraction in rarify if label in training_classes)


def _require_all_classes(fold: Fold) -> None:
    training_classes = fold.split.train.classes(fold.label_set)
    if missing := set(fold.corpus.classes(fold.label_set)) - set(training_classes):
        raise InputError(
            "each class must have enough clips for every training partition. Received: "
            f"{fold.split.detail or 'one split'} without training clips of "
            f"{', '.join(sorted(missing))}."
        )


def _plan(settings: ComparisonSettings, counts: dict[str, int]) -> dict[str, int]:
    if settings.plan == REPORT_PLAN:
        # A fold without any of the 2021 report's classes is not filled up.
        has_reported_class = any(label in counts for label in REPORTED_CLASSES)
        return report_plan(counts) if has_reported_class else {}
    plan = balance_plan(counts, settings.rare_below, settings.filled_to)
    return dict(itertools.islice(plan.items(), settings.most_rare or None))


def _splits(protocol: str, settings: ComparisonSettings, corpus: Corpus) -> Iterable[Split]:
    label_set, seed = settings.label_set, settings.seed
    if protocol == K_FOLD:
        return k_fold(corpus, label_set, seed, folds=settings.folds)
    if protocol == RANDOM and settings.folds > 1:
        return random_folds(corpus, label_set, seed, folds=settings.folds)
    return make_splits(protocol, corpus, label_set, seed)


def _make_class_rare(split: Split, settings: ComparisonSettings, label: str, kept: float) -> Split:
    count = split.train.counts(settings.label_set)[label]
    kept_count = round(kept * count) if kept <= 1 else int(kept)
    if not 1 <= kept_count <= count:
        raise InputError(
            f"`rarify` must be from {1 / count:.3f} to 1, or a number up to {count}, for {label}, "
            f"of which there are {count} training clips. Received: {kept:g}."
        )
    return make_rare(split, settings.label_set, label, kept_count, settings.seed)


def _without_untrained_classes(fold: Fold) -> Fold:
    """Remove clips of classes that no training clip has, since no classifier can learn them."""
    training_classes = set(fold.split.train.classes(fold.label_set))

    def is_trained(clip: Clip) -> bool:
        return clip.label(fold.label_set) in training_classes

    positions = tuple(i for i, clip in enumerate(fold.corpus.clips) if is_trained(clip))
    split = replace(
        fold.split,
        validation=fold.split.validation.where(is_trained),
        test=fold.split.test.where(is_trained),
    )
    corpus = fold.corpus.where(is_trained)
    return replace(fold, split=split, clip_positions=positions, corpus=corpus)
