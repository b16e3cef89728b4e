"""Classes made rare on purpose, and measures of their GANs."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from scipy.spatial.distance import pdist, squareform

from serkit.audio.spec_augment import MaskSettings, mask
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.augmentation.reference_classifier import RealParts, classification_accuracy_score
from serkit.augmentation.sample_filter import SampleFilter
from serkit.datasets.audit import open_recordings
from serkit.datasets.corpus import Corpus
from serkit.datasets.custom import Naming
from serkit.datasets.protocols import hold_out, make_rare
from serkit.errors import check_choice
from serkit.metrics.classification import Scores
from serkit.metrics.fidelity import fidelity, reference_sets
from serkit.metrics.neighbours import coarse, nearest_distances
from serkit.models.compact import compact
from serkit.models.fitting import FitSettings, fit_classifier
from serkit.seeds import derive_seed
from serkit.studies.parts import Parts
from serkit.training.spectrograms import compute_spectrograms

LABEL_SET = "gender_emotion"
_AUGMENT = functools.partial(mask, settings=MaskSettings())


@dataclass(frozen=True)
class RareClassesSettings:
    """Which classes are made rare, and what judges their GANs.

    Attributes:
        labels: the classes, of the label set.
        clips: training clips that are left of each; 0 leaves all.
        judged: samples that are generated to be judged.
        seed: of the split, of which clips are left, and of the sample filter's classifier.
        spec: spectrograms.
        fit: training of the sample filter's classifier.
        label_set: what the classes are of; the split is made by it, too.
    """

    labels: tuple[str, ...]
    clips: int = 40
    judged: int = 320
    seed: int = 0
    spec: SpectrogramSpec = field(default_factory=SpectrogramSpec)
    fit: FitSettings = field(default_factory=FitSettings)
    label_set: str = LABEL_SET


class RareClasses:
    """Recordings of which some classes have few training clips, and a filter for generated samples.

    Args:
        parts: spectrograms of a split's parts, labelled by the settings' label set; classes that
            are to be rare are made so in its training part.
        settings: see :class:`RareClassesSettings`.
        folder: gets the split and the sample filter; made again, it is read from there.

    Attributes:
        parts: the clips, their split, thinned, and their spectrograms.
        real: of each class, its training clips.
        training: the whole training part, with labels.
        held_out: of each class, spectrograms ``(n, frames, bins, 1)`` by validation and test
            speakers: what samples are measured against, and nothing is chosen by.
        sample_filter: its classifier and embedding have seen the training part alone.

    Raises:
        InputError: if there are no such clips.
    """

    def __init__(self, parts: Parts, settings: RareClassesSettings, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        split = parts.split
        for label in settings.labels if settings.clips else ():
            check_choice("label", label, parts.classes)
            split = make_rare(split, settings.label_set, label, settings.clips, settings.seed)
        split.write(folder / "split.json")
        self.parts = parts.split_by(split)
        for label in settings.labels:
            check_choice("label", label, self.parts.classes)
        self.real = {
            label: self.parts.to_fit(self.parts.rare(label)).in_memory()
            for label in settings.labels
        }
        self.training = self.parts.to_fit(split.train)
        self.held_out = {label: self._held_out(label) for label in settings.labels}
        self.sample_filter = self._sample_filter()

    @classmethod
    def of_recordings(
        cls,
        roots: Sequence[Path | str],
        settings: RareClassesSettings,
        folder: Path,
        naming: Naming | None = None,
    ) -> "RareClasses":
        """Of all recordings, split by speaker into about 60 % training clips and 40 % held out.

        Args:
            roots: folders of recordings.
            settings: see :class:`RareClassesSettings`.
            folder: gets the spectrograms, too.
            naming: how recordings of the user's own are named.

        Raises:
            InputError: if there are no such clips.
        """
        corpus = open_recordings(roots, naming=naming).corpus
        spectrograms = compute_spectrograms(corpus, settings.spec, cache=folder / "spectrograms")
        split = hold_out(corpus, settings.label_set, settings.seed)
        return cls(Parts(corpus, split, spectrograms, settings.label_set), settings, folder)

    def fidelity(self, label: str, generated: Mapping[str, np.ndarray]) -> list[dict]:
        """A row of :class:`serkit.metrics.fidelity.Fidelity` for each set, and the references.

        Args:
            label: the class.
            generated: spectrograms ``(n, frames, bins, 1)`` of each set, as many as are held out
                or more.

        Returns:
            Rows as dictionaries with ``set``, and ``copies`` and ``refused``, the shares that the
            judge rejects. First the real training clips and the references, then ``generated``.
        """
        settings, real = self.settings, self.real[label].spectrograms
        per_draw = min(len(self.held_out[label]), len(real))
        references = reference_sets(real, settings.judged, settings.seed)
        held_out, seen = (
            self.sample_filter.embedding(self.held_out[label]),
            self.sample_filter.embedding(real),
        )
        rows = []
        for name, spectrograms in {"real": real, **references, **generated}.items():
            training = None if spectrograms is real else seen
            found = fidelity(
                held_out, self.sample_filter.embedding(spectrograms), training, per_draw=per_draw
            )
            verdicts = self.sample_filter.verdicts(spectrograms, label)
            shares = {"copies": verdicts.copies.mean(), "refused": verdicts.refused.mean()}
            rows.append({"set": name, **asdict(found), **shares})
        return rows

    def nearest(self, label: str, generated: Mapping[str, np.ndarray]) -> list[dict]:
        """How near each set comes to the training clips as images, whatever a classifier says.

        The sample filter's embedding was trained on these very clips and draws each class together:
        there a sample in the middle of the class is nearer to them than an unseen clip is, without
        being a copy of any. Here spectrograms are compared, in means of 8 by 8 frames and bins.

        Args:
            label: the class.
            generated: spectrograms ``(n, frames, bins, 1)`` of each set.

        Returns:
            Rows as dictionaries with ``set``, ``count``, and ``least``, ``lowest`` and ``median``:
            the least, the 5 % quantile and the median of the distances to the nearest training
            clip (of training clips: another one). First the training clips, then clips that were
            left out of them, of the same speakers, if there are any; then those that are held
            out, then ``generated``.
        """
        real, clips = self.real[label].spectrograms, self.parts.split.left_out
        unseen = tuple(clip for clip in clips if clip.label(self.settings.label_set) == label)
        sets = {"unseen, same speakers": self.parts.of(Corpus(unseen, self.parts.corpus.roots))}
        sets = sets if unseen else {}
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
        self, name: str, generated: Mapping[str, np.ndarray], seed: int = 0
    ) -> Scores:
        """Accuracy of a classifier that learns classes from generated examples.

        Args:
            name: of the arm: its training is kept in a folder of that name.
            generated: of each class, spectrograms ``(n, frames, bins, 1)``, which take the place
                of its real training clips; none for what real clips give.
            seed: of the classifier.

        Returns:
            Scores on the test speakers' clips, see
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

    def _held_out(self, label: str) -> np.ndarray:
        split = self.parts.split
        clips = [*split.validation.clips, *split.test.clips]
        mine = tuple(clip for clip in clips if clip.label(self.settings.label_set) == label)
        return self.parts.of(Corpus(mine, self.parts.corpus.roots))

    def _sample_filter(self) -> SampleFilter:
        settings, folder = self.settings, self.folder / "judge"
        split, classes = self.parts.split, self.parts.classes
        if not (folder / "judge.npz").exists():
            seed = derive_seed(settings.seed, "judge")
            model = compact(len(classes), settings.spec.shape, None, seed)
            fit_classifier(
                model,
                self.training,
                self.parts.examples(split.validation),
                split.speakers,
                settings.fit,
                seed,
                folder,
                augment=_AUGMENT,
                verbose=2,
            )
            voices = [clip.speaker for clip in split.train.clips]
            SampleFilter.fit(model, self.training, voices, classes, split.speakers).save(folder)
        return SampleFilter.load(folder)
