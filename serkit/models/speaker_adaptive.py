"""A linear classifier of features that adapts to a speaker's voice from a few recordings."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.covariance import ledoit_wolf

from serkit.datasets.splits import Speakers
from serkit.errors import InputError, check_range
from serkit.models.linear_head import standardise, whitening
from serkit.training.examples import Examples

COMPONENTS = 256
UNKNOWN = -1
"""Class number of an enrollment recording whose class is not known."""

# Chosen on RAVDESS by experiments/speaker_enrollment.py; docs/classifiers.md has the result.
# Divisor of the logits that tell how probable each class of an enrollment recording is. Without it,
# wrong guesses of the class shift the estimate of the voice.
_ENROLLMENT_TEMPERATURE = 2.0
# The few training speakers show less variance between voices than unseen speakers have.
_VARIANCE_FACTOR = 4.0
# Weight of the mean variance of all components, which is added to that of each one.
_SHRINKAGE = 0.8
_ITERATIONS = 10


@keras.saving.register_keras_serializable("serkit")
class SpeakerAdaptiveLDA(keras.layers.Layer):
    """Linear discriminant analysis with a random effect of the speaker.

    The features of a recording are the sum of the mean of its class, the offset of its speaker and
    noise. Offsets of speakers have a normal distribution. So a speaker's offset can be estimated
    from a few of the speaker's recordings, whose classes need not be known: the estimate starts at
    0, the mean of the training speakers, and moves with each recording. Logits are those of the
    features less this offset, and account for what is not known about it.

    Args:
        features: number of features.
        components: number of components that the features are projected on.
        classes: number of classes.

    Attributes:
        shape: shape of what describes a speaker, ``(components + 1,)``: the estimated offset, and
            the number of recordings it was estimated from. All 0 for an unknown speaker.

    Example:
        >>> import numpy as np
        >>> from serkit.models.speaker_adaptive import SpeakerAdaptiveLDA
        >>> classifier = SpeakerAdaptiveLDA(features=16, components=4, classes=2)
        >>> features = np.zeros((3, 16), "float32")
        >>> speaker = classifier.enroll(features, np.full(3, -1))
        >>> classifier(features, speaker).shape.as_list()
        [3, 2]

    Source: the two-covariance model of speaker recognition (Brümmer & de Villiers, Odyssey 2010),
    with classes beside speakers; the classes of enrollment recordings are estimated by
    expectation-maximisation (Dempster et al., 1977).
    """

    def __init__(self, features: int, components: int, classes: int, **options: Any) -> None:
        super().__init__(**options)
        self._sizes = {"features": features, "components": components, "classes": classes}
        self.shape: tuple[int] = (components + 1,)
        add = self.add_weight
        self.mean = add(shape=(features,), name="mean", trainable=False)
        self.projection = add(shape=(features, components), name="projection", trainable=False)
        self.centre = add(shape=(components,), name="centre", trainable=False)
        self.class_means = add(shape=(classes, components), name="class_means", trainable=False)
        self.speaker_variances = add(
            shape=(components,), initializer="ones", name="speaker_variances", trainable=False
        )
        self.built = True

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._sizes}

    def call(self, features: tf.Tensor, speaker: tf.Tensor | None = None) -> tf.Tensor:
        """Compute logits.

        Args:
            features: float32 ``(batch, features)``.
            speaker: result of :meth:`enroll`, or ``(batch, components + 1)``, one for each row;
                None for unknown speakers.

        Returns:
            float32 ``(batch, classes)``.
        """
        if speaker is None:
            speaker = tf.zeros(self.shape)
        return self._logits(self._project(features), speaker)

    def enroll(
        self,
        features: tf.Tensor | npt.NDArray[Any],
        classes: tf.Tensor | npt.NDArray[Any],
        is_used: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Estimate the offset of one speaker.

        Args:
            features: float32 ``(recordings, features)`` of the speaker's recordings.
            classes: int32 ``(recordings,)``, the class number of each; -1 where it is not known.
            is_used: bool ``(recordings,)``; recordings that are not used count as absent. Default:
                all are used.

        Returns:
            What describes the speaker, float32 ``(components + 1,)``.
        """
        points, classes = self._project(features), tf.convert_to_tensor(classes)
        used = tf.ones(tf.shape(points)[0]) if is_used is None else tf.cast(is_used, tf.float32)
        count = tf.reduce_sum(used)[tf.newaxis]
        prior = tf.convert_to_tensor(self.speaker_variances)
        class_means = tf.convert_to_tensor(self.class_means)
        is_known = tf.expand_dims(classes >= 0, 1)
        known = tf.one_hot(classes, self._sizes["classes"])

        def estimate(speaker: tf.Tensor) -> tf.Tensor:
            logits = self._logits(points, speaker) / _ENROLLMENT_TEMPERATURE
            probabilities = tf.where(is_known, known, tf.nn.softmax(logits))
            offsets = points - tf.matmul(probabilities, class_means)
            total = tf.linalg.matvec(offsets, used, transpose_a=True)
            return tf.concat([prior / (1.0 + count * prior) * total, count], axis=0)

        (speaker,) = tf.while_loop(
            lambda _: True,
            lambda found: (estimate(found),),
            (tf.zeros(self.shape),),
            maximum_iterations=_ITERATIONS,
        )
        return speaker

    def _project(self, features: tf.Tensor | npt.NDArray[Any]) -> tf.Tensor:
        # The mean first: in `centre`, the sums of the product would lose digits.
        return tf.matmul(features - self.mean, self.projection) - self.centre

    def _logits(self, points: tf.Tensor, speaker: tf.Tensor) -> tf.Tensor:
        """Return logits of projected features, in which the noise has a variance of 1."""
        prior = tf.convert_to_tensor(self.speaker_variances)
        components = self._sizes["components"]
        offset, count = tf.split(speaker, [components, 1], axis=-1)
        precisions = 1.0 / (1.0 + prior / (1.0 + count * prior))
        class_means = tf.convert_to_tensor(self.class_means)
        scores = tf.matmul((points - offset) * precisions, class_means, transpose_b=True)
        norms = tf.matmul(
            tf.reshape(precisions, [-1, components]), tf.square(class_means), transpose_b=True
        )
        return scores - norms / 2.0


def fit_speaker_adaptive_lda(
    train: Examples,
    clip_speakers: Sequence[str],
    speakers: Speakers,
    classes: int,
    components: int = COMPONENTS,
) -> SpeakerAdaptiveLDA:
    """Fit a classifier of features that adapts to a speaker.

    Args:
        train: examples whose ``spectrograms`` are features ``(n, features)``, with labels.
        clip_speakers: the speaker of each example.
        speakers: speakers of each partition of the split.
        classes: number of classes, at least 2; each must have an example.
        components: number of principal components, at most as many as examples less one.

    Returns:
        The classifier.

    Raises:
        LeakError: if ``train`` has a speaker who is not a training speaker.
        InputError: if a class has no example, or there are too few speakers or clips of a speaker
            to estimate how voices differ: at least two speakers, with two clips on average.

    Example:
        >>> import numpy as np
        >>> import serkit
        >>> from serkit.models.speaker_adaptive import fit_speaker_adaptive_lda
        >>> features = np.random.default_rng(0).normal(size=(40, 16)).astype("float32")
        >>> train = serkit.Examples(features, frozenset({"ann", "bob"}), np.array([0, 1] * 20))
        >>> speakers = serkit.Speakers(train.speakers, frozenset({"cid"}), frozenset({"dee"}))
        >>> names = ["ann"] * 20 + ["bob"] * 20
        >>> classifier = fit_speaker_adaptive_lda(train, names, speakers, classes=2)
        >>> classifier(features).shape.as_list()
        [40, 2]
    """
    speakers.require_training({*train.speakers, *clip_speakers})
    check_range("classes", classes, 2)
    check_range("components", components, 1)
    labels = train.class_numbers
    if missing := sorted({*range(classes)} - {*labels.tolist()}):
        raise InputError(
            "`train` must have an example of each class. Received: none of the classes "
            f"{', '.join(map(str, missing))}."
        )
    names, numbers = np.unique(np.asarray(clip_speakers), return_inverse=True)
    if len(numbers) != len(labels) or len(names) < 2 or len(labels) < 2 * len(names):
        raise InputError(
            "`clip_speakers` must have a name for each example, of two or more speakers with two "
            f"examples on average. Received: {len(numbers)} names of {len(names)} speakers for "
            f"{len(labels)} examples."
        )
    standardised, mean, deviation = standardise(np.asarray(train.spectrograms, np.float64))
    projection = whitening(standardised, components)
    points = standardised @ projection
    class_means, offsets = _effects(points, labels, numbers)
    centre = offsets.mean(axis=0)
    offsets -= centre
    residuals = points - centre - class_means[labels] - offsets[numbers]
    noise, _ = ledoit_wolf(residuals, assume_centered=True)
    noise *= len(points) / max(len(points) - len(names) - classes + 1, 1)
    # In this basis the noise has variance 1 in all directions, and offsets are uncorrelated.
    variances, vectors = np.linalg.eigh(noise)
    whitener = vectors / np.sqrt(variances)
    clips_per_speaker = float(1 / np.mean(1 / np.bincount(numbers)))
    speaker_variances, rotation = np.linalg.eigh(
        _variance_of_offsets(offsets @ whitener, clips_per_speaker)
    )
    basis = whitener @ rotation
    classifier = SpeakerAdaptiveLDA(len(mean), basis.shape[1], classes)
    classifier.set_weights(
        [
            mean,
            projection @ basis / deviation[:, np.newaxis],
            centre @ basis,
            class_means @ basis,
            _VARIANCE_FACTOR * np.maximum(speaker_variances, 0.0),
        ]
    )
    return classifier


def _effects(
    points: npt.NDArray[Any], labels: npt.NDArray[Any], speakers: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Fit ``class mean + speaker offset`` by least squares, alternately.

    Returns:
        The means of the classes, whose mean is 0, and the offsets of the speakers.
    """
    offsets = np.zeros((speakers.max() + 1, points.shape[1]))
    for _ in range(_ITERATIONS):
        class_means = _means(points - offsets[speakers], labels)
        class_means -= class_means.mean(axis=0)
        offsets = _means(points - class_means[labels], speakers)
    return class_means, offsets


def _means(points: npt.NDArray[Any], groups: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the mean of each group, ``(groups, components)``."""
    sums = np.zeros((groups.max() + 1, points.shape[1]))
    np.add.at(sums, groups, points)
    return sums / np.bincount(groups)[:, np.newaxis]


def _variance_of_offsets(
    offsets: npt.NDArray[Any], clips_per_speaker: float
) -> npt.NDArray[np.float64]:
    """Estimate the covariance of offsets, whose estimates have noise of variance 1 per clip."""
    count, components = offsets.shape
    identity = np.eye(components)
    covariance = offsets.T @ offsets / (count - 1) - identity / clips_per_speaker
    mean_variance = np.trace(covariance) / components
    return (1 - _SHRINKAGE) * covariance + _SHRINKAGE * mean_variance * identity
