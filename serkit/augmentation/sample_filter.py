"""The sample filter: rejects near-copies and samples classified as another class."""

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from serkit.augmentation.reference_classifier import Embedding, in_batches, penultimate
from serkit.datasets.splits import Speakers
from serkit.errors import InputError, SerkitError, check_choice, check_range
from serkit.files import file_digest, replacing
from serkit.formatting import counted
from serkit.gans.sampling import sample_stream
from serkit.metrics.fidelity import kid
from serkit.metrics.neighbours import copy_threshold, near_copies
from serkit.training.examples import Examples


@dataclass(frozen=True)
class Verdicts:
    """Results of the sample filter for each of ``n`` generated spectrograms.

    Attributes:
        copies: bool ``(n,)``, True for a near-copy of a training clip.
        refused: bool ``(n,)``, True for a sample that the classifier assigns to another class.
    """

    copies: npt.NDArray[Any]
    refused: npt.NDArray[Any]

    @property
    def accepted(self) -> npt.NDArray[Any]:
        """Mask of accepted samples, bool ``(n,)``: neither a near-copy nor refused."""
        return ~(self.copies | self.refused)


class SampleFilter:
    """Filter generated spectrograms by the real training clips and a classifier trained on them.

    Args:
        classifier: model from spectrograms to logits ``(batch, classes)``.
        embedding: embedding in which distances are computed.
        classes: class names, in the order of the logits.
        features: for each class, the embedded training clips, float32 ``(clips, d)``.
        thresholds: for each class, the largest distance to a training clip at which a sample counts
            as a near-copy.

    Source: near-copies as in :func:`serkit.metrics.neighbours.near_copies`.

    Example:
        >>> import numpy as np, serkit
        >>> small = serkit.CompactSettings(pool=(1, 1), channels=(2, 2), squeeze=1, attention=2)
        >>> classifier = serkit.compact(2, (32, 32, 1), small)
        >>> spectrograms = np.random.default_rng(0).uniform(-1, 1, (8, 32, 32, 1)).astype("float32")
        >>> speakers = serkit.Speakers(frozenset("ab"), frozenset("c"), frozenset("d"))
        >>> real = serkit.Examples(spectrograms, speakers.train, np.arange(8) % 2)
        >>> clip_speakers = list("aabbaabb")
        >>> sample_filter = serkit.SampleFilter.fit(
        ...     classifier, real, clip_speakers, classes=("x", "y"), speakers=speakers
        ... )
        >>> bool(sample_filter.verdicts(spectrograms[:2], "x").copies.any())
        True
    """

    def __init__(
        self,
        classifier: keras.Model,
        embedding: Embedding,
        classes: Sequence[str],
        features: Mapping[str, npt.NDArray[Any]],
        thresholds: Mapping[str, float],
    ) -> None:
        self.classifier: keras.Model = classifier
        self.embedding: Embedding = embedding
        self.classes: tuple[str, ...] = tuple(classes)
        self._features, self._thresholds = dict(features), dict(thresholds)

    @property
    def clips(self) -> dict[str, int]:
        """Number of training clips of each class."""
        return {name: len(features) for name, features in self._features.items()}

    @classmethod
    def fit(
        cls,
        classifier: keras.Model,
        real: Examples,
        clip_speakers: Sequence[str],
        classes: Sequence[str],
        speakers: Speakers,
        quantile: float = 0.05,
    ) -> "SampleFilter":
        """Fit a sample filter in the space of the classifier's own features.

        Args:
            classifier: classifier trained on the real training partition; its last layer takes the
                features.
            real: the training partition with its labels.
            clip_speakers: the speaker of each clip of ``real``.
            classes: names of the class numbers.
            speakers: speakers of each partition of the split.
            quantile: quantile for :func:`serkit.metrics.neighbours.copy_threshold`, which is
                applied to each class separately. A class of one speaker has no distances between
                speakers. For such a class, only exact copies are rejected.

        Returns:
            The fitted filter.

        Raises:
            LeakError: if ``real`` has a speaker who is not a training speaker.
            InputError: if labels are missing, or the length of ``clip_speakers`` is not the number
                of clips.
        """
        if real.labels is None or len(clip_speakers) != len(real):
            n_labels = "no" if real.labels is None else len(real.labels)
            raise InputError(
                f"`clip_speakers` and labels must be one for each of {len(real)} clips. Received: "
                f"{len(clip_speakers)} speakers, {n_labels} labels."
            )
        embedding = Embedding.fit(penultimate(classifier), real, speakers)
        real_features = embedding(real.spectrograms)
        speaker_of_clip = np.asarray(clip_speakers)
        features_by_class, thresholds = {}, {}
        for class_number, class_name in enumerate(classes):
            mask = real.labels == class_number
            if not mask.any():
                continue
            class_features = real_features[mask]
            class_speakers = speaker_of_clip[mask].tolist()
            has_several_speakers = len(set(class_speakers)) > 1
            features_by_class[class_name] = class_features
            thresholds[class_name] = (
                copy_threshold(class_features, class_speakers, quantile)
                if has_several_speakers
                else 0.0
            )
        return cls(classifier, embedding, classes, features_by_class, thresholds)

    def verdicts(self, spectrograms: npt.NDArray[Any], label: str) -> Verdicts:
        """Decide which generated spectrograms to reject.

        Args:
            spectrograms: generated spectrograms, float32 ``(n, frames, bins, 1)`` in [-1, 1].
            label: name of the class that the spectrograms are meant to belong to.

        Returns:
            Which spectrograms are near-copies, and which the classifier assigns to another class.

        Raises:
            InputError: if the class has no training clips.
        """
        check_choice("label", label, self._features)
        predicted = in_batches(self.classifier, spectrograms).argmax(axis=1)
        copies = near_copies(
            self._features[label], self.embedding(spectrograms), self._thresholds[label]
        )
        return Verdicts(copies=copies, refused=predicted != self.classes.index(label))

    def kid_of(self, label: str) -> Callable[[npt.NDArray[Any]], dict[str, float]]:
        """Return a KID measure against the training clips of a class.

        The measure is meant for :class:`serkit.gans.fitting.Watch`. It does not use clips of
        held-out speakers, since these must not influence any choice.

        Args:
            label: name of the class.

        Returns:
            A function from 3 or more spectrograms ``(n, frames, bins, 1)`` to their KID under the
            name ``kid``.

        Raises:
            InputError: if the class has no training clips.
        """
        check_choice("label", label, self._features)
        real_features = self._features[label]
        return lambda spectrograms: {"kid": kid(real_features, self.embedding(spectrograms))[0]}

    def save(self, folder: Path) -> None:
        """Write ``classifier.keras`` and ``judge.npz`` into a folder.

        Args:
            folder: an existing folder.
        """
        with replacing(folder / "classifier.keras") as partial:
            self.classifier.save(partial)
        digest = file_digest(folder / "classifier.keras")
        with replacing(folder / "judge.npz") as partial:
            np.savez(
                partial,
                classifier=digest,
                classes=json.dumps(self.classes),
                thresholds=json.dumps(self._thresholds),
                mean=self.embedding.mean,
                scale=self.embedding.scale,
                **{f"of-{name}": features for name, features in self._features.items()},
            )

    @classmethod
    def load(cls, folder: Path) -> "SampleFilter":
        """Read a sample filter that :meth:`save` wrote.

        Args:
            folder: the folder that :meth:`save` wrote to.

        Returns:
            The sample filter.

        Raises:
            SerkitError: if the files are missing or cannot be read.
        """
        try:
            # Only inference is needed, so the optimizer and the loss are not restored.
            classifier = keras.models.load_model(folder / "classifier.keras", compile=False)
            with np.load(folder / "judge.npz") as stored:
                if str(stored["classifier"]) != file_digest(folder / "classifier.keras"):
                    raise SerkitError(f"{folder}: judge.npz belongs to another classifier.keras")
                features = {
                    name.removeprefix("of-"): stored[name]
                    for name in stored.files
                    if name.startswith("of-")
                }
                embedding = Embedding(penultimate(classifier), stored["mean"], stored["scale"])
                classes = json.loads(str(stored["classes"]))
                thresholds = json.loads(str(stored["thresholds"]))
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise SerkitError(f"no sample filter can be read from {folder}: {error}") from error
        return cls(classifier, embedding, classes, features, thresholds)


@dataclass(frozen=True)
class FilteredSamples:
    """Accepted samples, and counts of the rejected ones.

    Attributes:
        spectrograms: float32 ``(count, frames, bins, 1)`` in [-1, 1].
        sample_indices: int ``(count,)``, indices in the generator's stream of samples for the seed.
        tried: number of samples that were generated.
        copies: number of generated samples that the filter rejected as near-copies of a training
            clip.
        refused: number of generated samples that the filter rejected because its classifier
            assigned them to another class. Some of these may also be near-copies.
        gated: whether a sample filter was applied.
    """

    spectrograms: npt.NDArray[Any]
    sample_indices: npt.NDArray[Any]
    tried: int
    copies: int
    refused: int
    gated: bool = True

    def __str__(self) -> str:
        if not self.gated:
            return f"{counted(len(self.sample_indices), 'sample')}, not filtered"
        return (
            f"{len(self.sample_indices)} of {self.tried} samples accepted; {self.copies} were "
            f"near-copies of training clips, {self.refused} classified as another class"
        )


class TooFewAccepted(SerkitError):
    """Too few samples are accepted by the sample filter; the message states the counts."""


def sample_filtered(
    generator: keras.Model,
    count: int,
    seed: int,
    label: str,
    sample_filter: SampleFilter | None,
    *,
    class_number: int | None = None,
    tries: int = 20,
    strict: bool = True,
    say: Callable[[str], None] | None = None,
) -> FilteredSamples:
    """Generate spectrograms of one class, and keep those that the sample filter accepts.

    Args:
        generator: generator of this class, or of several classes.
        count: number of accepted samples to return, at least 1.
        seed: seed of the generator's noise; the first accepted samples do not depend on ``count``.
        label: name of the class.
        sample_filter: filter to apply; None accepts every sample.
        class_number: number of the class, for a generator of several classes.
        tries: maximum number of generated samples per requested sample, at least 1.
        strict: whether to raise an error if too few samples are accepted; False returns the
            accepted samples, possibly none.
        say: function that gets one line with the counts at the end.

    Raises:
        InputError: if ``count`` or ``tries`` is below 1, or ``class_number`` does not fit the
            generator.
        TooFewAccepted: if ``strict`` is set and too few samples are accepted.
    """
    check_range("count", count, 1)
    check_range("tries", tries, 1)
    accepted_batches, accepted_indices = [], []
    accepted_count, tried, copies, refused = 0, 0, 0, 0
    for batch in sample_stream(generator, seed, class_number):
        is_accepted = np.ones(len(batch), bool)
        if sample_filter is not None:
            verdicts = sample_filter.verdicts(batch, label)
            is_accepted = verdicts.accepted
            copies += int(verdicts.copies.sum())
            refused += int(verdicts.refused.sum())
        accepted_batches.append(batch[is_accepted])
        accepted_indices.append(tried + np.flatnonzero(is_accepted))
        accepted_count += int(is_accepted.sum())
        tried += len(batch)
        if accepted_count >= count or tried >= tries * count:
            break
    if strict and accepted_count < count:
        raise TooFewAccepted(
            f"{label}: the filter accepted {accepted_count} of {tried} samples, {count} were "
            f"wanted; {copies} were near-copies of training clips, {refused} classified as another "
            "class. "
            "Train the GAN for longer, or sample without the filter"
        )
    samples = FilteredSamples(
        spectrograms=np.concatenate(accepted_batches)[:count],
        sample_indices=np.concatenate(accepted_indices)[:count],
        tried=tried,
        copies=copies,
        refused=refused,
        gated=sample_filter is not None,
    )
    if say:
        say(f"{label}: {samples}")
    return samples
