"""How a classifier is trained."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from serkit.classifiers.losses import CLASS_WEIGHTS, LOSSES
from serkit.errors import InputError, check_choice, check_range

_OPTIMIZERS = ("adamw", "sgd")
_SCHEDULES = ("cosine", "constant")
_KEEP = ("best", "last")


@dataclass(frozen=True)
class FitSettings:
    """How a classifier is trained; the defaults suit the compact network.

    Attributes:
        epochs: how many there are, at most.
        steps_per_epoch: batches per epoch, whatever the size of the data, so that arms with and
            without added samples are trained equally long; None for one pass over the data.
        batch_size: examples per step.
        optimizer: ``adamw`` (Loshchilov & Hutter 2019, arXiv:1711.05101) or ``sgd``.
        learning_rate: the highest of the schedule.
        schedule: ``cosine``, a warm-up over a twentieth of the steps and a fall to 0, or
            ``constant``.
        momentum: of ``sgd``, 0 to below 1.
        weight_decay: of ``adamw``; biases, the scales of batch normalisation and the posteriors of
            Bayesian layers are left out.
        loss: ``cross_entropy``, ``focal`` or ``one_vs_rest``, see
            :mod:`serkit.classifiers.losses`.
        label_smoothing: share of the target that is spread over all classes, 0 to below 1.
        focal_gamma: of ``focal``.
        class_weights: ``none``, ``balanced``, or a weight for each class.
        mixup: alpha of mixup (:func:`serkit.training.mixing.mixed`): what is trained, the network
            or what follows its frozen part, is trained on weighted means of two examples; 0 for
            none.
        patience: ends the training after so many epochs without a higher UAR on the validation
            speakers; None goes on to the end.
        keep: which epoch's weights the model is left with: ``best``, by the UAR on the validation
            speakers, or ``last``, after which a ``cosine`` has come to rest.
        views: where there is augmentation and a frozen part: the number of augmented views of each
            example whose features are kept; 0 computes all at each step instead.
        jit_compile: True compiles steps with XLA, which makes convolutions slower on a CPU; None
            leaves it to Keras.

    Raises:
        InputError: for a value out of range.
    """

    epochs: int = 30
    steps_per_epoch: int | None = 24
    batch_size: int = 32
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    schedule: str = "cosine"
    momentum: float = 0.0
    weight_decay: float = 1e-2
    loss: str = "cross_entropy"
    label_smoothing: float = 0.0
    focal_gamma: float = 2.0
    class_weights: str | Sequence[float] = "none"
    mixup: float = 0.0
    patience: int | None = None
    keep: str = "best"
    views: int = 0
    jit_compile: bool | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            check_range(name, getattr(self, name), 1)
        for name in ("steps_per_epoch", "patience"):
            if getattr(self, name) is not None:
                check_range(name, getattr(self, name), 1)
        check_choice("optimizer", self.optimizer, _OPTIMIZERS)
        check_choice("schedule", self.schedule, _SCHEDULES)
        check_choice("keep", self.keep, _KEEP)
        check_choice("loss", self.loss, LOSSES)
        check_range("learning_rate", self.learning_rate, 0.0, 10.0)
        check_range("weight_decay", self.weight_decay, 0.0, 1.0)
        for name in ("momentum", "label_smoothing"):
            check_range(name, getattr(self, name), 0.0, 0.999)
        check_range("focal_gamma", self.focal_gamma, 0.0, 10.0)
        check_range("views", self.views, 0)
        check_range("mixup", self.mixup, 0.0, 10.0)
        if isinstance(self.class_weights, str):
            check_choice("class_weights", self.class_weights, CLASS_WEIGHTS)
        elif not all(weight >= 0 for weight in self.class_weights):
            raise InputError(f"class_weights={self.class_weights!r}; valid are 0 or more")

    def steps(self, examples: int) -> int:
        """Batches per epoch with that many training examples."""
        return self.steps_per_epoch or -(-examples // self.batch_size)

    def build_optimizer(self, steps_per_epoch: int) -> keras.optimizers.Optimizer:
        """A new optimizer; the schedule ends after ``epochs`` of ``steps_per_epoch``."""
        rate = self.learning_rate
        if self.schedule == "cosine":
            steps = self.epochs * steps_per_epoch
            warmup = max(1, steps // 20)
            rate = keras.optimizers.schedules.CosineDecay(
                self.learning_rate / 20,
                decay_steps=max(1, steps - warmup),
                warmup_target=self.learning_rate,
                warmup_steps=warmup,
            )
        if self.optimizer == "sgd":
            return keras.optimizers.SGD(rate, momentum=self.momentum)
        optimizer = keras.optimizers.AdamW(rate, weight_decay=self.weight_decay)
        # Posteriors have a prior already.
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "posterior"])
        return optimizer


REPORT = FitSettings(
    epochs=30,
    steps_per_epoch=None,
    optimizer="sgd",
    learning_rate=1e-2,
    schedule="constant",
    loss="one_vs_rest",
)
"""The report's: one-vs-rest binary cross entropy and plain SGD (section 6.2).

It states neither rate, batch size nor epochs; these are ours.
"""
