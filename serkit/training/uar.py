"""Unweighted average recall as a Keras metric, for validation during ``fit``."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="serkit")
class UnweightedAverageRecall(keras.metrics.Metric):
    """Mean of the recalls of the classes that occur among the true labels.

    This is the usual metric for unbalanced classes (Schuller et al. 2009, Interspeech Emotion
    Challenge). It equals scikit-learn's ``balanced_accuracy_score``. For the results,
    :func:`serkit.metrics.classification.average_recall` computes the same from a confusion matrix.

    Args:
        classes: number of classes.
        name: name of the metric.
        dtype: dtype policy of the computation; default: Keras' default.

    Call arguments:
        y_true: integers ``(batch,)``, 0 to ``classes`` - 1, or soft labels ``(batch, classes)``.
            Of soft labels, the class with the largest value is used.
        y_pred: scores ``(batch, classes)``; the class with the largest score is the prediction.
        sample_weight: number by which each example counts, ``(batch,)``; default: 1.
    """

    def __init__(self, classes: int, name: str = "uar", dtype: str | None = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.classes = classes
        self.correct_per_class = self.add_weight(
            shape=(classes,), initializer="zeros", name="correct_per_class"
        )
        self.total_per_class = self.add_weight(
            shape=(classes,), initializer="zeros", name="total_per_class"
        )

    def update_state(self, y_true, y_pred, sample_weight=None) -> None:
        y_true = ops.convert_to_tensor(y_true)
        # Soft labels have this shape; class numbers are (batch,) or (batch, 1).
        if len(y_true.shape) == 2 and y_true.shape[-1] == self.classes:
            y_true = ops.argmax(y_true, axis=-1)
        y_true = ops.reshape(ops.cast(y_true, "int32"), [-1])
        weighted_one_hot = ops.one_hot(y_true, self.classes, dtype=self.dtype)
        if sample_weight is not None:
            weights = ops.reshape(ops.cast(sample_weight, self.dtype), [-1, 1])
            weighted_one_hot = weighted_one_hot * weights
        predicted = ops.cast(ops.argmax(y_pred, -1), "int32")
        is_correct = ops.cast(ops.equal(predicted, y_true), self.dtype)
        self.correct_per_class.assign_add(ops.sum(weighted_one_hot * is_correct[:, None], axis=0))
        self.total_per_class.assign_add(ops.sum(weighted_one_hot, axis=0))

    def result(self):
        occurs = ops.cast(self.total_per_class > 0, self.dtype)
        recalls = self.correct_per_class / ops.maximum(self.total_per_class, 1e-12) * occurs
        return ops.sum(recalls) / ops.maximum(ops.sum(occurs), 1.0)

    def get_config(self) -> dict:
        return {**super().get_config(), "classes": self.classes}
