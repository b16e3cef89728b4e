"""Unweighted average recall as a Keras metric, for validation during ``fit``."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="serkit")
class UnweightedAverageRecall(keras.metrics.Metric):
    """Mean of the recalls of the classes that occur among the true labels.

    The usual metric for unbalanced classes (Schuller et al. 2009, Interspeech Emotion Challenge);
    equal to scikit-learn's ``balanced_accuracy_score``.

    Args:
        classes: number of classes.
        name: of the metric.

    Call arguments:
        y_true: integers ``(batch,)``, 0 to ``classes`` - 1, or soft labels ``(batch, classes)``, of
            which the largest counts.
        y_pred: scores ``(batch, classes)``; the largest counts.
    """

    def __init__(self, classes: int, name: str = "uar", dtype: str | None = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.classes = classes
        self.hits = self.add_weight(shape=(classes,), initializer="zeros", name="hits")
        self.seen = self.add_weight(shape=(classes,), initializer="zeros", name="seen")

    def update_state(self, y_true, y_pred, sample_weight=None) -> None:
        y_true = ops.convert_to_tensor(y_true)
        if len(y_true.shape) == 2 and y_true.shape[-1] == self.classes:
            y_true = ops.argmax(y_true, axis=-1)
        y_true = ops.reshape(ops.cast(y_true, "int32"), [-1])
        truth = ops.one_hot(y_true, self.classes, dtype=self.dtype)
        if sample_weight is not None:
            truth = truth * ops.reshape(ops.cast(sample_weight, self.dtype), [-1, 1])
        hit = ops.cast(ops.equal(ops.cast(ops.argmax(y_pred, -1), "int32"), y_true), self.dtype)
        self.hits.assign_add(ops.sum(truth * hit[:, None], axis=0))
        self.seen.assign_add(ops.sum(truth, axis=0))

    def result(self):
        present = ops.cast(self.seen > 0, self.dtype)
        recalls = self.hits / ops.maximum(self.seen, 1e-12) * present
        return ops.sum(recalls) / ops.maximum(ops.sum(present), 1.0)

    def get_config(self) -> dict:
        return {**super().get_config(), "classes": self.classes}
