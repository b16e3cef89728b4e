"""Out-of-distribution scores: the density of features, their distance from training clips."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serkit.datasets.splits import Speakers
from serkit.errors import InputError
from serkit.layers import Conv2DVariational
from serkit.layers.dropout import layers_of
from serkit.training.batches import Source, batches_in_order
from serkit.training.examples import Examples
from serkit.uncertainty.predictors import RANDOM_LAYERS

_CONVOLUTIONS = keras.layers.Conv2D, Conv2DVariational
# Fraction of the channels' mean variance that is added to the variance of each channel, because
# some channels never vary.
_SHRINKAGE = 0.01


@dataclass(frozen=True, eq=False)
class TrainingDistance:
    """How far the features of a recording are from those of the training clips.

    The OOD score is the mean square of the standardised features: 1 on average for training clips.

    Attributes:
        mean: mean of each feature over the training clips, float64 ``(features,)``.
        deviation: standard deviation of each, ``(features,)``.
        threshold: the largest OOD score of a training clip, if its speaker is left out of mean and
            deviation.

    Source: the Mahalanobis distance of Lee et al. (2018), arXiv:1807.03888, with one mean and
    uncorrelated features.
    """

    mean: npt.NDArray[Any]
    deviation: npt.NDArray[Any]
    threshold: float

    @classmethod
    def fit(cls, features: npt.NDArray[Any], clip_speakers: Sequence[str]) -> "TrainingDistance":
        """Measure the training clips.

        Args:
            features: float ``(clips, features)``.
            clip_speakers: the speaker of each clip, two or more speakers.

        Raises:
            InputError: if there are fewer than two speakers.

        Example:
            >>> import numpy as np
            >>> from serkit.uncertainty.ood import TrainingDistance
            >>> features = np.random.default_rng(0).normal(size=(40, 16))
            >>> distance = TrainingDistance.fit(features, ["ann", "bob"] * 20)
            >>> scores = distance.ood_score(np.stack([features[0], features[0] + 9]))
            >>> [bool(score > distance.threshold) for score in scores]
            [False, True]
        """
        # Sums over speakers, so that leaving each out takes no pass over all the others.
        names, speakers = np.unique(np.asarray(clip_speakers), return_inverse=True)
        if len(names) < 2:
            raise InputError(
                f"`clip_speakers` must have two or more speakers. Received: {len(names)}."
            )
        values = np.asarray(features, np.float64)
        mean, variance = values.mean(axis=0), values.var(axis=0)
        centred, largest = values - mean, 0.0
        for number in range(len(names)):
            own = centred[speakers == number]
            count = len(values) - len(own)
            # All centred values together have the sum 0.
            mean_of_others = -own.sum(axis=0) / count
            squares = len(values) * variance - np.square(own).sum(axis=0)
            variance_of_others = squares / count - np.square(mean_of_others)
            # What is left by rounding is no variance.
            variance_of_others[variance_of_others <= 1e-12 * variance] = 0.0
            others = cls(mean_of_others, _deviation(variance_of_others), 0.0)
            largest = max(largest, float(others.ood_score(own).max()))
        return cls(mean, _deviation(variance), largest)

    def ood_score(self, features: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the OOD scores ``(clips,)`` of features ``(clips, features)``."""
        return np.mean(np.square((features - self.mean) / self.deviation), axis=1)

    def is_far(self, features: tf.Tensor) -> tf.Tensor:
        """Return whether OOD scores are above the threshold, as operations of a graph.

        Args:
            features: float32 ``(clips, features)``.

        Returns:
            bool ``(clips,)``.
        """
        mean, deviation = (tf.constant(part, tf.float32) for part in (self.mean, self.deviation))
        scores = tf.reduce_mean(tf.square((features - mean) / deviation), axis=1)
        return scores > self.threshold


def _deviation(variance: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return standard deviations; 1 for a feature that is the same in all clips."""
    return np.sqrt(np.where(variance > 0, variance, 1.0))


class FeatureDensity:
    """Gaussian densities of a network's features, per class, in each of several layers.

    Predictive uncertainty is high where several classes are probable. Noise may resemble one class
    alone, so that its predictive uncertainty is low. The OOD score measures how far a clip is from
    the training clips, as the maximum over layers. For example, silence is far from speech after
    the first convolution of LeNet-5, and close to speech before the logits.

    The features are the outputs of the convolutions, each channel averaged over frames and bins,
    and the input of the last layer. Variational layers use the mean of their weights, and Monte
    Carlo dropout drops nothing.

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
        feature_maps = [layer.output for layer in model.layers if isinstance(layer, _CONVOLUTIONS)]
        self._feature_model = keras.Model(model.inputs, [*feature_maps, model.layers[-1].input])
        self._random_layers = [
            layer for layer in layers_of(model) if isinstance(layer, RANDOM_LAYERS)
        ]
        clips = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
        self._compiled_features = tf.function(
            self._batch_features, input_signature=(clips,), autograph=False
        )
        train_features = self._features(train.spectrograms)
        validation_features = self._features(validation.spectrograms)
        labels = np.asarray(train.labels)
        self._densities = [
            _LayerDensity.fit(train_of_layer, labels, validation_of_layer)
            for train_of_layer, validation_of_layer in zip(
                train_features, validation_features, strict=True
            )
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
        scores = [
            density.ood_score(features)
            for density, features in zip(self._densities, self._features(x), strict=True)
        ]
        return np.max(scores, axis=0)

    def _batch_features(self, x: tf.Tensor) -> list[tf.Tensor]:
        with ExitStack() as mean_weights:
            for layer in self._random_layers:
                mean_weights.enter_context(layer.at_mean())
            outputs = self._feature_model(x, training=False)
        features = []
        for output in keras.tree.flatten(outputs):
            layer_features = tf.cast(output, tf.float32)
            if layer_features.shape.rank == 4:
                layer_features = tf.reduce_mean(layer_features, (1, 2))
            features.append(layer_features)
        return features

    def _features(self, x: Source) -> list[npt.NDArray[Any]]:
        """Return the features of each layer, float64 ``(clips, d)``."""
        batches = [self._compiled_features(batch) for (batch,) in batches_in_order((x,), 64)]
        batches_by_layer = zip(*batches, strict=True)
        return [
            np.concatenate(layer_batches).astype(np.float64) for layer_batches in batches_by_layer
        ]


@dataclass(frozen=True)
class _LayerDensity:
    """Gaussian densities of one layer's features: a mean per class, a common precision matrix.

    Attributes:
        means: mean of each class, ``(classes, d)``.
        precision: inverse of the covariance matrix that all classes share, ``(d, d)``.
        log_distance_mean: mean over validation clips of the logarithm of the squared distance to
            the nearest class.
        log_distance_deviation: standard deviation of the same.
    """

    means: npt.NDArray[Any]
    precision: npt.NDArray[Any]
    log_distance_mean: float
    log_distance_deviation: float

    @classmethod
    def fit(
        cls,
        train_features: npt.NDArray[Any],
        labels: npt.NDArray[Any],
        validation_features: npt.NDArray[Any],
    ) -> "_LayerDensity":
        classes, class_index = np.unique(labels, return_inverse=True)
        means = np.stack(
            [train_features[class_index == index].mean(axis=0) for index in range(len(classes))]
        )
        deviations = train_features - means[class_index]
        covariance = deviations.T @ deviations / len(train_features)
        added_variance = max(_SHRINKAGE * np.trace(covariance) / len(covariance), 1e-12)
        precision = np.linalg.inv(covariance + added_variance * np.eye(len(covariance)))
        log_distances = _log_distances(validation_features, means, precision)
        deviation = max(log_distances.std(), 1e-6)
        return cls(means, precision, log_distances.mean(), deviation)

    def ood_score(self, features: npt.NDArray[Any]) -> npt.NDArray[Any]:
        log_distances = _log_distances(features, self.means, self.precision)
        return (log_distances - self.log_distance_mean) / self.log_distance_deviation


def _log_distances(
    features: npt.NDArray[Any], means: npt.NDArray[Any], precision: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """Return the logarithm of each clip's squared Mahalanobis distance to the nearest class."""
    squared_distances = []
    for mean in means:
        offset = features - mean
        squared_distances.append(np.einsum("ni,ij,nj->n", offset, precision, offset, optimize=True))
    return np.log(np.maximum(np.min(squared_distances, axis=0), 1e-12))
