"""A classifier that learns classes from generated spectrograms alone, tested on real clips."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from serkit.classifiers.fitting import fit_classifier
from serkit.classifiers.settings import FitSettings
from serkit.errors import InputError
from serkit.evaluation.metrics import Scores, score
from serkit.judging.embedding import in_batches
from serkit.leaks import Speakers
from serkit.training.examples import Examples


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
            :func:`serkit.classifiers.compact.compact`.
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
    for number, pictures in generated.items():
        if number not in known or not len(pictures):
            raise InputError(
                f"{len(pictures)} spectrograms of class {number}; valid are 1 or more of a class "
                f"with training clips: {', '.join(map(str, known))}"
            )
    keep = ~np.isin(real.labels, list(generated))
    numbers = [np.full(len(pictures), number) for number, pictures in generated.items()]
    return Examples(
        np.concatenate([real.spectrograms[keep], *generated.values()]),
        real.speakers,
        np.concatenate([real.labels[keep], *numbers]),
    )
