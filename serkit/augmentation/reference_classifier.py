"""A reference classifier for generated samples: its embedding and its accuracy on them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from serkit.datasets.splits import Speakers
from serkit.errors import InputError
from serkit.metrics.classification import Scores, score
from serkit.models.fitting import FitSettings, fit_classifier
from serkit.training.examples import Examples

_BATCH = 64


def penultimate(classifier: keras.Model) -> keras.Model:
    """The part of a classifier before its last layer, from spectrograms to features.

    Args:
        classifier: a functional model whose last layer takes features ``(batch, d)``.

    Raises:
        InputError: if the last layer takes something else.
    """
    features = classifier.layers[-1].input
    if isinstance(features, list) or len(features.shape) != 2:
        raise InputError(
            f"{classifier.name}'s last layer does not take features (batch, d); valid is a model "
            "that ends in a dense layer, or one that gives features itself"
        )
    return keras.Model(classifier.input, features, name=f"{classifier.name}_features")


class Embedding:
    """A model's features, each shifted and scaled.

    Args:
        model: from ``(batch, frames, bins, 1)`` to features ``(batch, d)``.
        mean: float32 ``(d,)``, taken from each feature.
        scale: float32 ``(d,)``, what it is then divided by; infinity leaves a feature out.

    Call arguments:
        spectrograms: float ``(n, frames, bins, 1)`` in [-1, 1].

    Raises:
        InputError: if the model gives no features ``(batch, d)``.
    """

    def __init__(self, model: keras.Model, mean: np.ndarray, scale: np.ndarray) -> None:
        if len(model.output_shape) != 2:
            raise InputError(f"{model.name} gives {model.output_shape}; valid is (batch, d)")
        self.model, self.mean, self.scale = model, mean, scale

    @classmethod
    def fit(cls, model: keras.Model, real: Examples, speakers: Speakers) -> "Embedding":
        """Features of mean 0 and deviation 1 on the real training clips.

        Without that KID, whose kernel is a polynomial, would depend on how large features happen
        to be.

        Args:
            model: any that gives features, as for :class:`Embedding`; most often
                :func:`penultimate` of a classifier that was trained on the real training part.
            real: spectrograms of the training part.
            speakers: who is in which part of the split.

        Raises:
            LeakError: if anybody's voice is in ``real`` who is no training speaker.
            InputError: if the model gives no features ``(batch, d)``.
        """
        speakers.require_training(real.speakers)
        features = cls(model, np.float32(0), np.float32(1))(real.spectrograms)
        # A feature that never moves, as behind a ReLU that is always off, tells nothing.
        # In float64: rounding must not move a constant.
        deviation = features.std(axis=0, dtype=np.float64)
        scale = np.where(deviation > 1e-6, deviation, np.inf).astype(np.float32)
        return cls(model, features.mean(axis=0), scale)

    def __call__(self, spectrograms: np.ndarray) -> np.ndarray:
        """Features, float32 ``(n, d)``."""
        return (in_batches(self.model, spectrograms) - self.mean) / self.scale


def in_batches(model: keras.Model, spectrograms: np.ndarray) -> np.ndarray:
    """What a model gives for any number of spectrograms, float32 ``(n, d)``."""
    parts = [
        np.asarray(model(spectrograms[start : start + _BATCH], training=False))
        for start in range(0, len(spectrograms), _BATCH)
    ]
    return np.concatenate(parts).astype(np.float32)


@dataclass(frozen=True)
class RealParts:
    """Real clips, with labels, of the three parts of a split.

    Attributes:
        train: what generated spectrograms take the place of.
        validation: by these the best epoch is chosen.
        test: what is scored.
        speakers: who is in which part.

    Raises:
        InputError: if a part has no labels.
    """

    train: Examples
    validation: Examples
    test: Examples
    speakers: Speakers

    def __post_init__(self) -> None:
        for name in ("train", "validation", "test"):
            if getattr(self, name).labels is None:
                raise InputError(f"{name} has no labels; valid are class numbers")


def classification_accuracy_score(
    model: keras.Model,
    generated: Mapping[int, np.ndarray],
    real: RealParts,
    settings: FitSettings,
    seed: int,
    folder: Path,
    *,
    augment: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None = None,
    verbose: int | str = "auto",
) -> Scores:
    """Train a classifier on generated spectrograms, and score it on real clips.

    The classes that were generated are learned from generated spectrograms alone, all others from
    their real clips. How much lower a class's recall is than that of its real clips (``generated``
    empty) is what the generator does not know of it. It is the score of the paper where all
    classes are generated, and says something where only rare ones are.

    Args:
        model: a fresh classifier, from spectrograms to logits; most often
            :func:`serkit.models.compact.compact`.
        generated: of each class number, spectrograms ``(n, frames, bins, 1)`` in [-1, 1].
        real: the real clips; those of the test speakers are scored.
        settings: how the classifier is trained.
        seed: of the order of examples and the augmentation.
        folder: of its training, which goes on from there if it was killed.
        augment: gets a training batch and an int ``(2,)`` seed.
        verbose: as for Keras' ``fit``.

    Returns:
        Scores on the real test clips: accuracy (the score of the paper), UAR, and recalls by class
        number.

    Raises:
        InputError: if a class of ``generated`` has no spectrograms, or no training clips.
        LeakError: if anybody's voice is in another part than that speaker's.

    Source: Ravuri & Vinyals (2019), arXiv:1905.10887.
    """
    real.speakers.require_test(real.test.speakers)
    fit_classifier(
        *(model, _replaced(real.train, generated), real.validation, real.speakers),
        *(settings, seed, folder),
        augment=augment,
        verbose=verbose,
    )
    predicted = in_batches(model, real.test.spectrograms).argmax(axis=1)
    return score(real.test.labels, predicted, model.output_shape[-1])


def _replaced(real: Examples, generated: Mapping[int, np.ndarray]) -> Examples:
    known = np.unique(real.labels).tolist()
    for number, spectrograms in generated.items():
        if number not in known or not len(spectrograms):
            raise InputError(
                f"{len(spectrograms)} spectrograms of class {number}; valid are 1 or more of a "
                f"class with training clips: {', '.join(map(str, known))}"
            )
    keep = ~np.isin(real.labels, list(generated))
    numbers = [np.full(len(spectrograms), number) for number, spectrograms in generated.items()]
    return Examples(
        np.concatenate([real.spectrograms[keep], *generated.values()]),
        real.speakers,
        np.concatenate([real.labels[keep], *numbers]),
    )
