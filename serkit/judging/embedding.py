"""Features of spectrograms in which distances mean something."""

import keras
import numpy as np

from serkit.errors import InputError
from serkit.leaks import Speakers
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
