"""Make classes rare on purpose, and measure the samples of their GANs."""

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
from serkit.metrics.neighbours import block_means, nearest_distances
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
    """Classes to make rare, and settings for measuring the samples of their GANs.

    Attributes:
        labels: names of the classes, from the label set.
        clips: number of training clips that remain of each class; 0 keeps all.
        judged: number of generated samples that are measured.
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
        partitions: spectrograms and labels of the partitions of a split, with the label set of
            ``settings``. Clips of the rare classes are removed from the training partition.
        settings: see :class:`RareClassesSettings`.
        folder: folder for the split and the sample filter. A stored sample filter is read from this
            folder instead of being fitted again.

    Attributes:
        partitions: spectrograms and labels, with the split whose training partition has rare
            classes.
        real: for each class of ``settings.labels``, its training clips.
        training: all clips of this training partition, with labels.
        held_out: for each class of ``settings.labels``, spectrograms ``(n, frames, bins, 1)`` of
            validation and test speakers. Generated samples are compared with these spectrograms,
            which are used for nothing else.

    Raises:
        InputError: if a class of ``settings.labels`` does not exist or has fewer training clips
            than ``settings.clips``.
    """

    def __init__(self, partitions: Partitions, settings: RareClassesSettings, folder: Path) -> None:
        self.settings: RareClassesSettings = settings
        self.folder: Path = folder
        split = partitions.split
        for label in settings.labels if settings.clips else ():
            check_choice("label", label, partitions.classes)
            split = make_rare(split, settings.label_set, label, settings.clips, settings.seed)
        split.write(folder / "split.json")
        self.partitions: Partitions = partitions.split_by(split)
        for label in settings.labels:
            check_choice("label", label, self.partitions.classes)
        self.real: dict[str, Examples] = {
            label: self.partitions.to_fit(self.partitions.training_clips(label)).in_memory()
            for label in settings.labels
        }
        self.training: Examples = self.partitions.to_fit(split.train)
        held_out_clips = (*split.validation.clips, *split.test.clips)
        self.held_out: dict[str, npt.NDArray[Any]] = {
            label: self._spectrograms_of_class(held_out_clips, label) for label in settings.labels
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
        """Compute the fidelity of generated sets, of the real training clips and of reference sets.

        Args:
            label: name of the class.
            generated: spectrograms ``(n, frames, bins, 1)`` by name of the set, in each set at
                least as many as there are held-out clips of the class.

        Returns:
            One dictionary per set: ``set``, the attributes of
            :class:`serkit.metrics.fidelity.Fidelity`, and ``copies`` and ``refused``, the fractions
            that the sample filter rejects as near-copies and as another class. The sets are, in
            this order: the real training clips, the reference sets, ``generated``.
        """
        settings, real = self.settings, np.asarray(self.real[label].spectrograms)
        subset_size = min(len(self.held_out[label]), len(real))
        references = reference_sets(real, settings.judged, settings.seed)
        embedding = self.sample_filter.embedding
        held_out_features = embedding(self.held_out[label])
        real_features = embedding(real)
        rows = []
        for name, spectrograms in {"real": real, **references, **generated}.items():
            # Real clips are no copies of themselves.
            training = None if spectrograms is real else real_features
            measures = fidelity(
                held_out_features, embedding(spectrograms), training, subset_size=subset_size
            )
            rows.append({"set": name, **asdict(measures), **self.rejected(label, spectrograms)})
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
        """Compute distances of spectrograms to the nearest training clip.

        Spectrograms are compared as means over blocks of 8 frames by 8 bins, not by the embedding
        of the sample filter. The embedding was trained on these training clips, and the clips of a
        class are close together in it. There a sample near the centre of a class is nearer to the
        training clips than an unseen clip is, although the sample is no copy.

        Args:
            label: name of the class.
            generated: spectrograms ``(n, frames, bins, 1)`` by name of the set.

        Returns:
            One dictionary per set: ``set``, ``count``, and ``least``, ``lowest`` and ``median``:
            the minimum, the 5 % quantile and the median of the distances to the nearest training
            clip. The distance of a training clip is that to the nearest other training clip. The
            sets are, in this order: the training clips; the clips of the same speakers that were
            removed to make the class rare, if there are any; the held-out clips; ``generated``.
        """
        real = np.asarray(self.real[label].spectrograms)
        removed = self._spectrograms_of_class(self.partitions.split.left_out, label)
        sets = {"unseen, same speakers": removed} if len(removed) else {}
        sets |= {"unseen, other speakers": self.held_out[label], **generated}
        coarse_real = block_means(real)
        between_real = squareform(pdist(coarse_real))
        np.fill_diagonal(between_real, np.inf)
        distances_by_set = {"real": between_real.min(axis=1)}
        for name, spectrograms in sets.items():
            distances_by_set[name] = nearest_distances(block_means(spectrograms), coarse_real)
        return [
            {
                "set": name,
                "count": len(distances),
                "least": distances.min(),
                "lowest": np.quantile(distances, 0.05),
                "median": np.median(distances),
            }
            for name, distances in distances_by_set.items()
        ]

    def accuracy_score(
        self, name: str, generated: Mapping[str, npt.NDArray[Any]], seed: int = 0
    ) -> Scores:
        """Score a classifier that learns some classes from generated examples.

        Args:
            name: name of the arm; the folder of the training run is named after it.
            generated: spectrograms ``(n, frames, bins, 1)`` by class name. They replace the real
                training clips of their class. Empty for the score of real clips.
            seed: seed of the classifier.

        Returns:
            Scores on the clips of the test speakers, see
            :func:`serkit.augmentation.reference_classifier.classification_accuracy_score`.
        """
        settings, partitions, split = self.settings, self.partitions, self.partitions.split
        generated_by_number = {
            partitions.classes.index(label): spectrograms
            for label, spectrograms in generated.items()
        }
        real = RealParts(
            self.training,
            partitions.examples(split.validation),
            partitions.examples(split.test),
            split.speakers,
        )
        return classification_accuracy_score(
            compact(len(partitions.classes), settings.spec.shape, None, seed),
            generated_by_number,
            real,
            settings.fit,
            seed,
            self.folder / "accuracy-score" / f"{name.replace(' ', '-')}-{seed}",
            augment=_AUGMENT,
            verbose=0,
        )

    def _spectrograms_of_class(self, clips: Sequence[Clip], label: str) -> npt.NDArray[Any]:
        """Return the spectrograms of the clips of a class, ``(n, frames, bins, 1)``."""
        selected = tuple(clip for clip in clips if clip.label(self.settings.label_set) == label)
        return self.partitions.spectrograms(Corpus(selected, self.partitions.corpus.roots))

    @cached_property
    def sample_filter(self) -> SampleFilter:
        """Sample filter, fitted on the training partition when it is first used, or loaded."""
        settings, folder = self.settings, self.folder / "judge"
        split, classes = self.partitions.split, self.partitions.classes
        if not (folder / "judge.npz").exists():
            seed = derive_seed(settings.seed, "judge")
            model = compact(len(classes), settings.spec.shape, None, seed)
            self.partitions.fit(model, settings.fit, seed, folder, augment=_AUGMENT, verbose=0)
            speakers = [clip.speaker for clip in split.train.clips]
            SampleFilter.fit(model, self.training, speakers, classes, split.speakers).save(folder)
        return SampleFilter.load(folder)
