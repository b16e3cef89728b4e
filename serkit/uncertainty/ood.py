"""Out-of-distribution scores by the density of a network's features."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serkit.datasets.splits import Speakers
from serkit.errors import InputError
from serkit.layers import Conv2DVariational, MCDropout
from serkit.layers.dropout import layers_of
from serkit.layers.posterior import VariationalLayer
from serkit.training.batches import Source, batches_in_order
from serkit.training.examples import Examples

_CONVOLUTIONS = keras.layers.Conv2D, Conv2DVariational
# Fraction of the channels' mean variance that is added to the variance of each channel, because
# some channels never vary.
_SHRINKAGE = 0.01


class FeatureDensity:
    """Gaussian densities of a network's features, per class, in each of several layers.

    Predictive uncertainty measures how much the classes compete for a clip; noise may resemble one
    class alone. The OOD score of this class measures how far a clip is from the training clips. It
    is the maximum over layers. For example, silence is far from speech after the first convolution
    of LeNet-5, and close to it before the logits.

    The layers are the convolutions, each channel averaged over frames and bins, and the input of
    the last layer. Variational layers use the mean of their weights, and Monte Carlo dropout drops
    nothing.

    Args:
        model: functional, from spectrograms to logits, trained on ``train``.
        train: real examples with labels.
        validation: real examples; they give the distances of unseen speakers, for reference.
        speakers: speakers of each partition of the split.

    Raises:
        LeakError: if ``validation`` has a speaker who is not a validation speaker.
        InputError: if ``train`` has no labels.

    Example:
        >>> import numpy as np
        >>> import serkit
        >>> model = serkit.lenet5(2, (32, 32, 1))  # to be trained on ``train``
        >>> spectrograms = np.random.default_rng(0).uniform(-1, 1, (9, 32, 32, 1))
        >>> spectrograms, labels = spectrograms.astype("float32"), np.arange(9) % 2
        >>> train = serkit.Examples(spectrograms[:6], frozenset({"ann"}), labels[:6])
        >>> validation = serkit.Examples(spectrograms[6:], frozenset({"bob"}), labels[6:])
        >>> speakers = serkit.Speakers(frozenset({"ann"}), frozenset({"bob"}), frozenset({"cid"}))
        >>> density = serkit.FeatureDensity(model, train, validation, speakers)
        >>> silence = np.full((1, 32, 32, 1), -1.0, "float32")
        >>> bool(density.ood_score(silence)[0] > density.ood_score(spectrograms[:1])[0])
        True

    Source: Lee et al. (2018), arXiv:1807.03888, sections 2.1 and 2.2. The weighted sum of layers in
    the paper must be fitted on OOD inputs; the maximum needs none.
    """

    def __init__(
        self, model: keras.Model, train: Examples, validation: Examples, speakers: Speakers
    ) -> None:
        speakers.require_validation(validation.speakers)
        if train.labels is None:
            raise InputError("`train` must have labels, a class number for each example.")
        convolutions = [each.output for each in model.layers if isinstance(each, _CONVOLUTIONS)]
        self._network = keras.Model(model.inputs, [*convolutions, model.layers[-1].input])
        drawing = VariationalLayer, MCDropout
        self._drawing = [layer for layer in layers_of(model) if isinstance(layer, drawing)]
        clips = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
        self._compiled = tf.function(self._features, input_signature=(clips,))
        known = self._all_features(train.spectrograms)
        new = self._all_features(validation.spectrograms)
        self._layers = [
            _Layer.fitted(features, np.asarray(train.labels), others)
            for features, others in zip(known, new, strict=True)
        ]

    def ood_score(self, x: Source) -> npt.NDArray[Any]:
        """Return the OOD score of clips, relative to those of validation speakers.

        Args:
            x: float32 ``(clips, frames, bins, 1)`` in [-1, 1].

        Returns:
            float64 ``(clips,)``: logarithm of the distance to the nearest class, standardised with
            mean and standard deviation over validation clips; the maximum over layers. In each
            layer, 0 is the mean of the validation clips.
        """
        features = self._all_features(x)
        each = [layer.farther(own) for layer, own in zip(self._layers, features, strict=True)]
        return np.max(each, axis=0)

    def _features(self, x: tf.Tensor) -> list[tf.Tensor]:
        with ExitStack() as means:
            for layer in self._drawing:
                means.enter_context(layer.at_mean())
            found = self._network(x, training=False)
        found = [tf.cast(each, tf.float32) for each in keras.tree.flatten(found)]
        return [tf.reduce_mean(each, (1, 2)) if each.shape.rank == 4 else each for each in found]

    def _all_features(self, x: Source) -> list[npt.NDArray[Any]]:
        batches = [self._compiled(batch) for (batch,) in batches_in_order((x,), 64)]
        return [np.concatenate(own).astype(np.float64) for own in zip(*batches, strict=True)]


@dataclass(frozen=True)
class _Layer:
    """Gaussian densities of one layer's features: a mean per class, a common precision matrix."""

    means: npt.NDArray[Any]
    precision: npt.NDArray[Any]
    centre: float
    spread: float

    @classmethod
    def fitted(
        cls, features: npt.NDArray[Any], labels: npt.NDArray[Any], others: npt.NDArray[Any]
    ) -> "_Layer":
        classes, place = np.unique(labels, return_inverse=True)
        means = np.stack([features[place == number].mean(axis=0) for number in range(len(classes))])
        apart = features - means[place]
        covariance = apart.T @ apart / len(features)
        least = max(_SHRINKAGE * np.trace(covariance) / len(covariance), 1e-12)
        precision = np.linalg.inv(covariance + least * np.eye(len(covariance)))
        plain = cls(means, precision, 0.0, 1.0).farther(others)
        return cls(means, precision, plain.mean(), max(plain.std(), 1e-6))

    def farther(self, features: npt.NDArray[Any]) -> npt.NDArray[Any]:
        squares = [
            np.einsum(
                "ni,ij,nj->n", features - mean, self.precision, features - mean, optimize=True
            )
            for mean in self.means
        ]
        return (np.log(np.maximum(np.min(squares, axis=0), 1e-12)) - self.centre) / self.spread
