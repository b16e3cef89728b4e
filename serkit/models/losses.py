"""Losses of a classifier: logits in, one loss per example out; and class weights."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import ops

from serkit.errors import InputError

LOSSES = ("cross_entropy", "focal", "one_vs_rest")
CLASS_WEIGHTS = ("none", "balanced")

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""Function of labels and logits, as for Keras' ``compile``."""


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor, smoothing: float = 0.0) -> tf.Tensor:
    """Compute the categorical cross entropy of a softmax.

    Args:
        labels: integers ``(batch,)``, 0 to classes - 1, or soft labels ``(batch, classes)``.
        logits: ``(batch, classes)``.
        smoothing: fraction of each label, 0 to below 1, that is spread evenly over all classes
            (Szegedy et al. 2016, arXiv:1512.00567).

    Returns:
        Float ``(batch,)``, 0 or more.
    """
    targets = _one_hot(labels, logits)
    return keras.losses.categorical_crossentropy(
        targets, logits, from_logits=True, label_smoothing=smoothing
    )


def focal(
    labels: tf.Tensor, logits: tf.Tensor, smoothing: float = 0.0, gamma: float = 2.0
) -> tf.Tensor:
    """Compute the focal loss: cross entropy with lower weight for examples of high confidence.

    Each class' term is multiplied by ``(1 - p) ** gamma``, with p the probability of that class.
    With ``gamma`` 0 the loss is :func:`cross_entropy`. Arguments and result are those of
    :func:`cross_entropy`.

    Source: Lin et al. (2017), arXiv:1708.02002, without its class weights.
    """
    targets = _one_hot(labels, logits)
    targets = targets * (1.0 - smoothing) + smoothing / ops.shape(logits)[-1]
    log_p = ops.log_softmax(logits, axis=-1)
    return -ops.sum(targets * (1.0 - ops.exp(log_p)) ** gamma * log_p, axis=-1)


def one_vs_rest(labels: tf.Tensor, logits: tf.Tensor, smoothing: float = 0.0) -> tf.Tensor:
    """Compute the binary cross entropy of each class against the rest; mean over the classes.

    Arguments and result are those of :func:`cross_entropy`; smoothing moves the labels 0 and 1
    towards 0.5.

    Source: 2021 report, section 6.2.
    """
    targets = _one_hot(labels, logits)
    return keras.losses.binary_crossentropy(
        targets, logits, from_logits=True, label_smoothing=smoothing
    )


def make_loss(name: str, smoothing: float = 0.0, gamma: float = 2.0) -> Loss:
    """Return one of :data:`LOSSES` as a function of labels and logits, for Keras' ``compile``."""
    functions = {"cross_entropy": cross_entropy, "focal": focal, "one_vs_rest": one_vs_rest}
    options = {"gamma": gamma} if name == "focal" else {}

    def loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        return functions[name](labels, logits, smoothing, **options)

    return loss


def class_weights(
    labels: npt.NDArray[Any], classes: int, weighting: str | Sequence[float]
) -> dict[int, float] | None:
    """Return the weight of each class' examples for Keras' ``fit``; None for ``none``.

    Args:
        labels: labels of the training examples, integers ``(n,)``.
        classes: number of classes.
        weighting: ``none``; ``balanced``, inversely proportional to the number of the class'
            examples, with mean 1 over all examples; or a weight for each class, 0 or more.

    Raises:
        InputError: if ``weighting`` is another name, or has another number of weights, or a
            negative weight.

    Source: King & Zeng (2001), Political Analysis 9(2); as scikit-learn's
    ``compute_class_weight("balanced")``.
    """
    if weighting == "none":
        return None
    if weighting == "balanced":
        counts = np.bincount(labels, minlength=classes)
        occurs = counts > 0
        weights = np.where(occurs, len(labels) / (occurs.sum() * np.maximum(counts, 1)), 0.0)
    elif isinstance(weighting, str) or len(weighting) != classes or min(weighting) < 0:
        raise InputError(
            f"`class_weights` must be {', '.join(CLASS_WEIGHTS)} or a weight of 0 or more for each "
            f"of the {classes} classes. Received: {weighting!r}."
        )
    else:
        weights = weighting
    return {class_number: float(weight) for class_number, weight in enumerate(weights)}


def _one_hot(labels, logits):
    """Return labels as ``(batch, classes)``; soft labels are returned as they are."""
    labels, logits = ops.convert_to_tensor(labels), ops.convert_to_tensor(logits)
    if len(labels.shape) == 2 and labels.shape[-1] == logits.shape[-1]:
        return ops.cast(labels, logits.dtype)
    labels = ops.cast(ops.reshape(labels, [-1]), "int32")
    return ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
