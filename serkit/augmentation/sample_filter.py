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
        >>> voices = list("aabbaabb")
        >>> chosen = serkit.SampleFilter.fit(classifier, real, voices, ("x", "y"), speakers)
        >>> bool(chosen.verdicts(spectrograms[:2], "x").copies.any())
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
        return {name: len(values) for name, values in self._features.items()}

    @classmethod
    def fit(
        cls,
        classifier: keras.Model,
        real: Examples,
        voices: Sequence[str],
        classes: Sequence[str],
        speakers: Speakers,
        quantile: float = 0.05,
    ) -> "SampleFilter":
        """Fit a sample filter in the space of the classifier's own features.

        Args:
            classifier: classifier trained on the real training partition; its last layer takes the
                features.
            real: the training partition with its labels.
            voices: the speaker of each clip of ``real``.
            classes: names of the class numbers.
            speakers: speakers of each partition of the split.
            quantile: quantile for :func:`serkit.metrics.neighbours.copy_threshold`, which is
                applied to each class separately. A class of one speaker has no distances between
                speakers. For such a class, only exact copies are rejected.

        Returns:
            The fitted filter.

        Raises:
            LeakError: if ``real`` has a speaker who is not a training speaker.
            InputError: if labels are missing, or the numbers of clips and of entries in ``voices``
                differ.
        """
        if real.labels is None or len(voices) != len(real):
            raise InputError(
                f"`voices` and labels must be one for each of {len(real)} clips. Received: "
                f"{len(voices)} voices, {'no' if real.labels is None else len(real.labels)} labels."
            )
        embedding = Embedding.fit(penultimate(classifier), real, speakers)
        all_features, of_clip = embedding(real.spectrograms), np.asarray(voices)
        features, thresholds = {}, {}
        for number, name in enumerate(classes):
            mine = real.labels == number
            if mine.any():
                features[name] = all_features[mine]
                speakers_of_class = of_clip[mine].tolist()
                thresholds[name] = (
                    copy_threshold(features[name], speakers_of_class, quantile)
                    if len(set(speakers_of_class)) > 1
                    else 0.0
                )
        return cls(classifier, embedding, classes, features, thresholds)

    def verdicts(self, spectrograms: npt.NDArray[Any], label: str) -> Verdicts:
        """Check spectrograms ``(n, frames, bins, 1)`` that are meant to belong to class ``label``.

        Args:
            spectrograms: generated spectrograms, float32 ``(n, frames, bins, 1)`` in [-1, 1].
            label: name of the class that they are meant to belong to.

        Returns:
            Which of them are near-copies, and which the classifier assigns to another class.

        Raises:
            InputError: if the class has no training clips.
        """
        check_choice("label", label, self._features)
        logits = in_batches(self.classifier, spectrograms)
        near = near_copies(
            self._features[label], self.embedding(spectrograms), self._thresholds[label]
        )
        return Verdicts(near, logits.argmax(axis=1) != self.classes.index(label))

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
        real = self._features[label]
        return lambda spectrograms: {"kid": kid(real, self.embedding(spectrograms))[0]}

    def save(self, folder: Path) -> None:
        """Write ``classifier.keras`` and ``judge.npz`` into a folder.

        Args:
            folder: an existing folder.
        """
        with replacing(folder / "classifier.keras") as partial:
            self.classifier.save(partial)
        embedding = {"mean": self.embedding.mean, "scale": self.embedding.scale}
        digest = file_digest(folder / "classifier.keras")
        with replacing(folder / "judge.npz") as partial:
            np.savez(
                partial,
                classifier=digest,
                classes=json.dumps(self.classes),
                thresholds=json.dumps(self._thresholds),
                **embedding,
                **{f"of-{name}": values for name, values in self._features.items()},
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
        numbers: int ``(count,)``, positions in the generator's stream of samples for the seed.
        tried: number of samples that were generated.
        copies: number of these that were near-copies of a training clip.
        refused: number of these that the classifier assigned to another class; some of them may
            also be near-copies.
        gated: whether a sample filter was applied.
    """

    spectrograms: npt.NDArray[Any]
    numbers: npt.NDArray[Any]
    tried: int
    copies: int
    refused: int
    gated: bool = True

    def __str__(self) -> str:
        if not self.gated:
            return f"{counted(len(self.numbers), 'sample')}, not filtered"
        return (
            f"{len(self.numbers)} of {self.tried} samples accepted; {self.copies} were near-copies "
            f"of training clips, {self.refused} classified as another class"
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
    number: int | None = None,
    tries: int = 20,
    strict: bool = True,
    say: Callable[[str], None] | None = None,
) -> FilteredSamples:
    """Generate spectrograms of one class, and keep those that the sample filter accepts.

    Args:
        generator: generator of this class, or of several classes.
        count: number of accepted samples to return, at least 1.
        seed: seed of the noise; the first accepted samples do not depend on ``count``.
        label: name of the class.
        sample_filter: filter to apply; None accepts every sample.
        number: class number, for a generator of several classes.
        tries: maximum number of generated samples per requested sample, at least 1.
        strict: whether to raise an error if too few samples are accepted; False returns the
            accepted samples, possibly none.
        say: function that gets one line with the counts at the end.

    Raises:
        InputError: if ``count`` or ``tries`` is below 1, or ``number`` does not fit the generator.
        TooFewAccepted: if ``strict`` is set and too few samples are accepted.
    """
    check_range("count", count, 1)
    check_range("tries", tries, 1)
    kept, numbers, tried, copies, refused = [], [], 0, 0, 0
    for batch in sample_stream(generator, seed, number):
        accepted = np.ones(len(batch), bool)
        if sample_filter is not None:
            verdicts = sample_filter.verdicts(batch, label)
            accepted = verdicts.accepted
            copies += int(verdicts.copies.sum())
            refused += int(verdicts.refused.sum())
        kept.append(batch[accepted])
        numbers.append(tried + np.flatnonzero(accepted))
        tried += len(batch)
        found = sum(map(len, kept))
        if found >= count or tried >= tries * count:
            break
    if strict and found < count:
        raise TooFewAccepted(
            f"{label}: the filter accepted {found} of {tried} samples, {count} were wanted; "
            f"{copies} were near-copies of training clips, {refused} classified as another class. "
            "Train the GAN for longer, or sample without the filter"
        )
    samples = FilteredSamples(
        np.concatenate(kept)[:count],
        np.concatenate(numbers)[:count],
        tried,
        copies,
        refused,
        sample_filter is not None,
    )
    if say:
        say(f"{label}: {samples}")
    return samples
