"""A reference classifier for generated samples: its embedding and its accuracy on them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serkit.datasets.splits import Speakers
from serkit.errors import InputError
from serkit.metrics.classification import Scores, score
from serkit.models.fitting import FitSettings, fit_classifier
from serkit.training.batches import Source
from serkit.training.examples import Examples

_BATCH_SIZE = 64


def penultimate(classifier: keras.Model) -> keras.Model:
    """Return the part of a classifier before its last layer, from spectrograms to features.

    Args:
        classifier: functional model whose last layer takes features ``(batch, d)``.

    Raises:
        InputError: if the input of the last layer has another shape.
    """
    features = classifier.layers[-1].input
    if isinstance(features, list) or len(features.shape) != 2:
        raise InputError(
            "`classifier` must have a last layer that takes features (batch, d). "
            f"Received: {classifier.name}."
        )
    return keras.Model(classifier.input, features, name=f"{classifier.name}_features")


class Embedding:
    """Compute the features of a model, standardised.

    Args:
        model: model from ``(batch, frames, bins, 1)`` to features ``(batch, d)``.
        mean: float32 ``(d,)``, subtracted from the features.
        scale: float32 ``(d,)``, divides the features afterwards; infinity sets a feature to 0.

    Call arguments:
        spectrograms: float ``(n, frames, bins, 1)`` in [-1, 1].

    Raises:
        InputError: if the model's output does not have the shape ``(batch, d)``.
    """

    def __init__(self, model: keras.Model, mean: npt.NDArray[Any], scale: npt.NDArray[Any]) -> None:
        if len(model.output_shape) != 2:
            raise InputError(
                "`model` must have an output of shape (batch, d). "
                f"Received: {model.name} with {model.output_shape}."
            )
        self.model: keras.Model = model
        self.mean: npt.NDArray[Any] = mean
        self.scale: npt.NDArray[Any] = scale

    @classmethod
    def fit(cls, model: keras.Model, real: Examples, speakers: Speakers) -> "Embedding":
        """Return an embedding with mean 0 and standard deviation 1 on the real training clips.

        The kernel of KID is a polynomial. Without standardisation, KID would depend on the scale of
        the features.

        Args:
            model: model that returns features, as for :class:`Embedding`; usually
                :func:`penultimate` of a classifier that was trained on the real training partition.
            real: spectrograms of the training partition.
            speakers: speakers of each partition of the split.

        Raises:
            LeakError: if ``real`` has a speaker who is not a training speaker.
            InputError: if the model's output does not have the shape ``(batch, d)``.
        """
        speakers.require_training(real.speakers)
        features = cls(model, np.zeros((), np.float32), np.ones((), np.float32))(real.spectrograms)
        # In float64, so that rounding does not give a constant feature a deviation above 0.
        deviation = features.std(axis=0, dtype=np.float64)
        # A constant feature, such as the output of a ReLU that is always 0, has no information.
        scale = np.where(deviation > 1e-6, deviation, np.inf).astype(np.float32)
        return cls(model, features.mean(axis=0), scale)

    def __call__(self, spectrograms: Source) -> npt.NDArray[Any]:
        """Return the standardised features, float32 ``(n, d)``."""
        return (in_batches(self.model, spectrograms) - self.mean) / self.scale


def in_batches(model: keras.Model, spectrograms: Source) -> npt.NDArray[Any]:
    """Compute a model's outputs for any number of spectrograms, float32 ``(n, d)``."""
    outputs = [
        np.asarray(model(spectrograms[start : start + _BATCH_SIZE], training=False))
        for start in range(0, len(spectrograms), _BATCH_SIZE)
    ]
    return np.concatenate(outputs).astype(np.float32)


@dataclass(frozen=True)
class RealParts:
    """Real clips, with labels, of the three partitions of a split.

    Attributes:
        train: clips of the training partition; generated spectrograms replace some of these.
        validation: clips by which the best epoch is chosen.
        test: clips on which the classifier is scored.
        speakers: speakers of each partition.

    Raises:
        InputError: if a partition has no labels.
    """

    train: Examples
    validation: Examples
    test: Examples
    speakers: Speakers

    def __post_init__(self) -> None:
        for name in ("train", "validation", "test"):
            if getattr(self, name).labels is None:
                raise InputError(f"`{name}` must have labels. Received: none.")


def classification_accuracy_score(
    model: keras.Model,
    generated: Mapping[int, npt.NDArray[Any]],
    real: RealParts,
    settings: FitSettings,
    seed: int,
    folder: Path,
    *,
    augment: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None = None,
    verbose: int | str = "auto",
) -> Scores:
    """Train a classifier on generated spectrograms, and score it on real clips.

    The classes in ``generated`` are learned from generated spectrograms only. All other classes are
    learned from their real clips. For a reference, call this function with an empty ``generated``.
    The drop in a class's recall compared with the reference shows what the generator has not
    learned about this class. If all classes are generated, the accuracy is the score of the paper.
    The recalls are also informative if only rare classes are generated.

    Args:
        model: untrained classifier, from spectrograms to logits; usually
            :func:`serkit.models.compact.compact`.
        generated: for each class number, spectrograms ``(n, frames, bins, 1)`` in [-1, 1].
        real: real clips; the clips of the test speakers are scored.
        settings: settings of the training run.
        seed: seed of the order of examples and of the augmentation.
        folder: folder of the training run; an interrupted training run resumes from there.
        augment: function of a training batch and an int ``(2,)`` seed.
        verbose: as for Keras' ``fit``.

    Returns:
        Scores on the real test clips: accuracy (the score of the paper), UAR, and recalls by class
        number.

    Raises:
        InputError: if a class of ``generated`` has no spectrograms or no training clips.
        LeakError: if a partition has a speaker of another partition.

    Source: Ravuri & Vinyals (2019), arXiv:1905.10887.
    """
    real.speakers.require_test(real.test.speakers)
    fit_classifier(
        model,
        _replace_classes(real.train, generated),
        real.validation,
        real.speakers,
        settings,
        seed,
        folder,
        augment=augment,
        verbose=verbose,
    )
    predicted = in_batches(model, real.test.spectrograms).argmax(axis=1)
    return score(real.test.class_numbers, predicted, model.output_shape[-1])


def _replace_classes(real: Examples, generated: Mapping[int, npt.NDArray[Any]]) -> Examples:
    """Replace the real examples of the generated classes by the generated spectrograms."""
    real_classes = np.unique(real.class_numbers).tolist()
    for class_number, spectrograms in generated.items():
        if class_number not in real_classes or not len(spectrograms):
            raise InputError(
                "`generated` must have 1 or more spectrograms of classes with training clips, "
                f"{', '.join(map(str, real_classes))}. Received: {len(spectrograms)} of class "
                f"{class_number}."
            )
    is_kept = ~np.isin(real.class_numbers, list(generated))
    generated_labels = [
        np.full(len(spectrograms), class_number) for class_number, spectrograms in generated.items()
    ]
    return Examples(
        np.concatenate([real.spectrograms[is_kept], *generated.values()]),
        real.speakers,
        np.concatenate([real.class_numbers[is_kept], *generated_labels]),
    )
