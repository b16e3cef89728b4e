"""Classes made rare on purpose, and measures of their GANs."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import pdist, squareform

from serkit.audio.spec_augment import MaskSettings, mask
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.augmentation.reference_classifier import RealParts, classification_accuracy_score
from serkit.augmentation.sample_filter import SampleFilter
from serkit.datasets.audit import open_recordings
from serkit.datasets.corpus import Clip, Corpus
from serkit.datasets.custom import Naming
from serkit.datasets.protocols import hold_out
from serkit.datasets.splits import make_rare
from serkit.errors import check_choice
from serkit.metrics.classification import Scores
from serkit.metrics.fidelity import fidelity
from serkit.metrics.neighbours import coarse, nearest_distances
from serkit.metrics.reference_sets import reference_sets
from serkit.models.compact import compact
from serkit.models.fitting import FitSettings
from serkit.seeds import derive_seed
from serkit.studies.partitions import Partitions
from serkit.training.examples import Examples
from serkit.training.spectrograms import compute_spectrograms

LABEL_SET = "gender_emotion"
_AUGMENT = functools.partial(mask, settings=MaskSettings())


@dataclass(frozen=True)
class RareClassesSettings:
    """Classes to make rare, and settings for measuring their GANs.

    Attributes:
        labels: names of the classes, from the label set.
        clips: number of training clips that remain of each class; 0 keeps all.
        judged: number of generated samples to measure.
        seed: seed of the split, of the choice of the remaining clips, and of the sample filter's
            classifier.
        spec: settings of the spectrograms.
        fit: settings of the training run of the sample filter's classifier.
        label_set: label set of the classes, also used to stratify the split.
    """

    labels: tuple[str, ...]
    clips: int = 40
    judged: int = 320
    seed: int = 0
    spec: SpectrogramSpec = field(default_factory=SpectrogramSpec)
    fit: FitSettings = field(default_factory=FitSettings)
    label_set: str = LABEL_SET


class RareClasses:
    """Dataset in which some classes have few training clips, with a filter for generated samples.

    Args:
        parts: spectrograms and labels of the partitions of a split, with the label set of
            ``settings``. Clips of the rare classes are removed from its training partition.
        settings: see :class:`RareClassesSettings`.
        folder: folder for the split and the sample filter. A stored sample filter is read from this
            folder instead of being fitted again.

    Attributes:
        parts: spectrograms and labels, with the split whose training partition has rare classes.
        real: for each class of ``settings.labels``, its training clips.
        training: all clips of this training partition, with labels.
        held_out: for each class of ``settings.labels``, spectrograms ``(n, frames, bins, 1)`` of
            validation and test speakers. Generated samples are compared with them; they influence
            no choice.

    Raises:
        InputError: if a class of ``settings.labels`` does not exist or has fewer training clips
            than ``settings.clips``.
    """

    def __init__(self, parts: Partitions, settings: RareClassesSettings, folder: Path) -> None:
        self.settings: RareClassesSettings = settings
        self.folder: Path = folder
        split = parts.split
        for label in settings.labels if settings.clips else ():
            check_choice("label", label, parts.classes)
            split = make_rare(split, settings.label_set, label, settings.clips, settings.seed)
        split.write(folder / "split.json")
        self.parts: Partitions = parts.split_by(split)
        for label in settings.labels:
            check_choice("label", label, self.parts.classes)
        self.real: dict[str, Examples] = {
            label: self.parts.to_fit(self.parts.training_clips(label)).in_memory()
            for label in settings.labels
        }
        self.training: Examples = self.parts.to_fit(split.train)
        held_out = (*split.validation.clips, *split.test.clips)
        self.held_out: dict[str, npt.NDArray[Any]] = {
            label: self._of_class(held_out, label) for label in settings.labels
        }

    @classmethod
    def of_recordings(
        cls,
        roots: Sequence[Path | str],
        settings: RareClassesSettings,
        folder: Path,
        naming: Naming | None = None,
    ) -> "RareClasses":
        """Split recordings by speaker into about 60 % training and 40 % held-out clips.

        Args:
            roots: folders of recordings.
            settings: see :class:`RareClassesSettings`.
            folder: folder for the spectrograms, the split and the sample filter.
            naming: naming scheme of the user's own recordings.

        Raises:
            InputError: as for the class, or if there are no recordings or too few speakers.
        """
        corpus = open_recordings(roots, naming=naming).corpus
        spectrograms = compute_spectrograms(corpus, settings.spec, cache=folder / "spectrograms")
        split = hold_out(corpus, settings.label_set, settings.seed)
        return cls(Partitions(corpus, split, spectrograms, settings.label_set), settings, folder)

    def fidelity(
        self, label: str, generated: Mapping[str, npt.NDArray[Any]]
    ) -> list[dict[str, Any]]:
        """Compute the fidelity of generated sets, of the real training clips and of references.

        Args:
            label: name of the class.
            generated: spectrograms ``(n, frames, bins, 1)`` by name of the set, in each set at
                least as many as there are held-out clips of the class.

        Returns:
            One dictionary per set: ``set``, the attributes of
            :class:`serkit.metrics.fidelity.Fidelity`, and ``copies`` and ``refused``, the fractions
            that the sample filter rejects as near-copies and as another class. First the real
            training clips and the reference sets, then ``generated``.
        """
        settings, real = self.settings, np.asarray(self.real[label].spectrograms)
        subset_size = min(len(self.held_out[label]), len(real))
        references = reference_sets(real, settings.judged, settings.seed)
        embedding = self.sample_filter.embedding
        held_out, seen = embedding(self.held_out[label]), embedding(real)
        rows = []
        for name, spectrograms in {"real": real, **references, **generated}.items():
            training = None if spectrograms is real else seen
            found = fidelity(held_out, embedding(spectrograms), training, subset_size=subset_size)
            rows.append({"set": name, **asdict(found), **self.rejected(label, spectrograms)})
        return rows

    def rejected(self, label: str, generated: npt.NDArray[Any]) -> dict[str, float]:
        """Return the fractions of generated samples that the sample filter rejects.

        Args:
            label: name of the class.
            generated: spectrograms ``(n, frames, bins, 1)``.

        Returns:
            ``copies``, the fraction of near-copies, and ``refused``, that of other classes.
        """
        verdicts = self.sample_filter.verdicts(generated, label)
        return {"copies": verdicts.copies.mean(), "refused": verdicts.refused.mean()}

    def nearest(
        self, label: str, generated: Mapping[str, npt.NDArray[Any]]
    ) -> list[dict[str, Any]]:
        """Compute distances to the nearest training clip, in pixels instead of an embedding.

        The sample filter's embedding was trained on these training clips and clusters each class.
        In the embedding, a sample near the centre of a class is nearer to the training clips than
        an unseen clip is, although it is no copy. So this method compares the spectrograms, as
        means over blocks of 8 frames by 8 bins.

        Args:
            label: name of the class.
            generated: spectrograms ``(n, frames, bins, 1)`` by name of the set.

        Returns:
            One dictionary per set: ``set``, ``count``, and ``least``, ``lowest`` and ``median``,
            the minimum, the 5 % quantile and the median of the distances to the nearest training
            clip. For a training clip it is the nearest other training clip. The sets are, in this
            order: the training clips; the clips of the same speakers that were removed to make the
            class rare, if there are any; the held-out clips; ``generated``.
        """
        real = np.asarray(self.real[label].spectrograms)
        unseen = self._of_class(self.parts.split.left_out, label)
        sets = {"unseen, same speakers": unseen} if len(unseen) else {}
        sets |= {"unseen, other speakers": self.held_out[label], **generated}
        seen = coarse(real)
        between = squareform(pdist(seen))
        np.fill_diagonal(between, np.inf)
        distances = {"real": between.min(axis=1)}
        distances |= {name: nearest_distances(coarse(some), seen) for name, some in sets.items()}
        return [
            {
                **{"set": name, "count": len(found), "least": found.min()},
                **{"lowest": np.quantile(found, 0.05), "median": np.median(found)},
            }
            for name, found in distances.items()
        ]

    def accuracy_score(
        self, name: str, generated: Mapping[str, npt.NDArray[Any]], seed: int = 0
    ) -> Scores:
        """Score a classifier that learns some classes from generated examples.

        Args:
            name: name of the arm, also the name of the folder of the training run.
            generated: spectrograms ``(n, frames, bins, 1)`` by class name. They replace the real
                training clips of the class. Empty for the score of real clips.
            seed: seed of the classifier.

        Returns:
            Scores on the clips of the test speakers, see
            :func:`serkit.augmentation.reference_classifier.classification_accuracy_score`.
        """
        settings, split = self.settings, self.parts.split
        validation, test = map(self.parts.examples, (split.validation, split.test))
        numbered = {self.parts.classes.index(label): made for label, made in generated.items()}
        return classification_accuracy_score(
            compact(len(self.parts.classes), settings.spec.shape, None, seed),
            numbered,
            RealParts(self.training, validation, test, split.speakers),
            settings.fit,
            seed,
            self.folder / "accuracy-score" / f"{name.replace(' ', '-')}-{seed}",
            augment=_AUGMENT,
            verbose=2,
        )

    def _of_class(self, clips: Sequence[Clip], label: str) -> npt.NDArray[Any]:
        mine = tuple(clip for clip in clips if clip.label(self.settings.label_set) == label)
        return self.parts.of(Corpus(mine, self.parts.corpus.roots))

    @cached_property
    def sample_filter(self) -> SampleFilter:
        """Sample filter, fitted on the training partition only, when it is first used."""
        settings, folder = self.settings, self.folder / "judge"
        split, classes = self.parts.split, self.parts.classes
        if not (folder / "judge.npz").exists():
            seed = derive_seed(settings.seed, "judge")
            model = compact(len(classes), settings.spec.shape, None, seed)
            self.parts.fit(model, settings.fit, seed, folder, augment=_AUGMENT, verbose=2)
            speakers = [clip.speaker for clip in split.train.clips]
            SampleFilter.fit(model, self.training, speakers, classes, split.speakers).save(folder)
        return SampleFilter.load(folder)
