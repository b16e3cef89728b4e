"""The folds of a comparison: splits, rare classes, and how many examples to add."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from serkit.audio.augmentation import WaveAugmentation
from serkit.datasets.corpus import Clip, Corpus
from serkit.datasets.imbalance import REPORTED_CLASSES, balance_plan, report_plan
from serkit.datasets.protocols import k_fold, make_splits, random_folds
from serkit.datasets.splits import Split, make_rare
from serkit.errors import InputError, check_choice
from serkit.studies.comparison_settings import CORPORA, HONEST, LEAKY, REPORTED, ComparisonSettings
from serkit.studies.comparison_spectrograms import Views
from serkit.studies.partitions import Partitions
from serkit.training.live import LiveSpectrograms
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
        views: spectrograms of all clips of the comparison, by speed factor, 1 first. They need not
            be computed before the fold is created.
        corpus: the fold's clips.
        label_set: ``emotion`` or ``gender_emotion``.
        kept: positions of the fold's clips among all clips; None for all.
    """

    protocol: str
    number: int
    split: Split
    plan: dict[str, int]
    views: Views
    corpus: Corpus
    label_set: str
    kept: tuple[int, ...] | None = None

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Labels of the fold's clips, in the label set's order."""
        return self.corpus.classes(self.label_set)

    def rare(self, label: str) -> Corpus:
        """Return the training clips of one class."""
        return self.split.train.where(lambda clip: clip.label(self.label_set) == label)

    @cached_property
    def parts(self) -> Partitions:
        """Spectrograms and labels of the fold's partitions."""
        return self.at(1.0)

    def at(self, speed: float) -> Partitions:
        """Return spectrograms and labels of the fold's partitions at a speed factor."""
        return self._parts(self.views[speed])

    def live(self, augmentation: WaveAugmentation) -> Partitions:
        """Return spectrograms and labels, with training batches computed from waveforms."""
        return self._parts(self.views.live(augmentation))

    def _parts(self, rows: Rows | LiveSpectrograms) -> Partitions:
        rows = rows if self.kept is None else rows.select(list(self.kept))
        return Partitions(self.corpus, self.split, rows, self.label_set)


def make_folds(settings: ComparisonSettings, corpus: Corpus, views: Views) -> Iterator[Fold]:
    """Yield all folds of all protocols, in the order in which they are run.

    Args:
        settings: settings of the comparison.
        corpus: audited clips.
        views: spectrograms of all clips at each speed that an arm needs, including 1.

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
            fold = Fold(protocol, number, split, {}, views, corpus, settings.label_set)
            if protocol == CORPORA:
                fold = _of_known_classes(fold)
            for label, fraction in _there(settings.rarify, fold):
                fold = replace(fold, split=_rarified(fold.split, settings, label, fraction))
            counts = fold.split.train.counts(settings.label_set)
            _require_all_classes(fold)
            yield replace(fold, plan=_plan(settings, counts))


def _there(rarify: Iterable[tuple[str, float]], fold: Fold) -> Iterator[tuple[str, float]]:
    """Return the entries of ``rarify`` whose class is in the fold's training partition.

    With ``leave-one-corpus-out``, a training partition may lack a class.
    """
    known = fold.split.train.classes(fold.label_set)
    return ((label, fraction) for label, fraction in rarify if label in known)


def _require_all_classes(fold: Fold) -> None:
    of_all, of_train = (set(c.classes(fold.label_set)) for c in (fold.corpus, fold.split.train))
    if missing := of_all - of_train:
        raise InputError(
            "each class must have enough clips for every training partition. Received: "
            f"{fold.split.detail or 'one split'} without training clips of "
            f"{', '.join(sorted(missing))}."
        )


def _plan(settings: ComparisonSettings, counts: dict[str, int]) -> dict[str, int]:
    if settings.plan == REPORTED:
        # A fold without any of the 2021 report's classes is not filled up.
        known = any(label in counts for label in REPORTED_CLASSES)
        return report_plan(counts) if known else {}
    plan = balance_plan(counts, settings.rare_below, settings.filled_to)
    return dict(itertools.islice(plan.items(), settings.most_rare or None))


def _splits(protocol: str, settings: ComparisonSettings, corpus: Corpus) -> Iterable[Split]:
    given = corpus, settings.label_set, settings.seed
    if protocol == HONEST:
        return k_fold(*given, folds=settings.folds)
    if protocol == LEAKY and settings.folds > 1:
        return random_folds(*given, folds=settings.folds)
    return make_splits(protocol, *given)


def _rarified(split: Split, settings: ComparisonSettings, label: str, fraction: float) -> Split:
    counts = split.train.counts(settings.label_set)
    left = round(fraction * counts[label])
    if left < 1:
        raise InputError(
            f"`rarify` must be {1 / counts[label]:.3f} or more for {label}, of which there are "
            f"{counts[label]} training clips. Received: {fraction}."
        )
    return make_rare(split, settings.label_set, label, left, settings.seed)


def _of_known_classes(fold: Fold) -> Fold:
    """Remove clips of classes that no training clip has, since no classifier can learn them."""
    known = set(fold.split.train.classes(fold.label_set))

    def is_known(clip: Clip) -> bool:
        return clip.label(fold.label_set) in known

    kept = tuple(row for row, clip in enumerate(fold.corpus.clips) if is_known(clip))
    split = replace(
        fold.split,
        validation=fold.split.validation.where(is_known),
        test=fold.split.test.where(is_known),
    )
    return replace(fold, split=split, kept=kept, corpus=fold.corpus.where(is_known))
