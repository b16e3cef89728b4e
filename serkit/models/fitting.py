"""Train a classifier."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from serkit.datasets.splits import Speakers
from serkit.errors import InputError, check_choice, check_range
from serkit.models.frozen_features import Augment, prepare_training_data
from serkit.models.fused_batch_norm import use_fused_batch_norm
from serkit.models.losses import CLASS_WEIGHTS, LOSSES, class_weights, make_loss
from serkit.training.callbacks import KeepBest, Resume, StopEarly, StopWhenDiverged
from serkit.training.examples import Examples
from serkit.training.uar import UnweightedAverageRecall

_OPTIMIZERS = ("adamw", "sgd")
_SCHEDULES = ("cosine", "constant")
_KEEP = ("best", "last")


@dataclass(frozen=True)
class FitSettings:
    """Training settings of a classifier; the defaults suit the compact network.

    Attributes:
        epochs: maximum number of epochs.
        steps_per_epoch: batches per epoch, whatever the size of the data, so that training runs
            with and without added samples have equally many steps; None for one pass over the data.
        batch_size: examples per step.
        optimizer: ``adamw`` (Loshchilov & Hutter 2019, arXiv:1711.05101) or ``sgd``.
        learning_rate: highest learning rate of the schedule.
        schedule: ``cosine``, a warm-up over a twentieth of the steps and then cosine decay to 0, or
            ``constant``.
        momentum: momentum of ``sgd``, 0 to below 1.
        weight_decay: weight decay of ``adamw``. Biases, the scales and offsets of batch
            normalisation and the posteriors of Bayesian layers are excluded.
        loss: ``cross_entropy``, ``focal`` or ``one_vs_rest``, see :mod:`serkit.models.losses`.
        label_smoothing: fraction of each label that is spread over all classes, 0 to below 1.
        focal_gamma: gamma of the loss ``focal``.
        class_weights: ``none``, ``balanced``, or a weight for each class.
        mixup: alpha of mixup (:func:`serkit.training.batches.mix_batches`), 0 for none. Mixup
            applies to the inputs of the trained layers: to spectrograms, or to the frozen layers'
            outputs.
        patience: number of epochs without a higher UAR on the validation speakers after which the
            training run stops; None for no early stopping.
        keep: epoch whose weights the model gets: ``best``, by the UAR on the validation speakers,
            or ``last``, when a ``cosine`` schedule has reached 0.
        views: with augmentation and frozen layers: number of augmented views of each example whose
            features are cached. 0 caches none and computes the whole network at each step.
        jit_compile: True compiles steps with XLA, which makes convolutions slower on a CPU; None
            lets Keras decide.

    Raises:
        InputError: if a value is out of range.

    Example:
        >>> import serkit
        >>> settings = serkit.FitSettings(epochs=10, class_weights="balanced", patience=3)
        >>> settings.steps(examples=1000)  # batches per epoch; the default does not depend on it
        24
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
            raise InputError(
                f"`class_weights` must be 0 or more each. Received: {self.class_weights!r}."
            )

    def steps(self, examples: int) -> int:
        """Return the number of batches per epoch.

        Args:
            examples: number of training examples.

        Returns:
            ``steps_per_epoch``; if this is None, the batches of one pass over the examples.
        """
        return self.steps_per_epoch or -(-examples // self.batch_size)

    def build_optimizer(self, steps_per_epoch: int) -> keras.optimizers.Optimizer:
        """Return a new optimizer; its schedule ends after ``epochs * steps_per_epoch`` steps.

        Args:
            steps_per_epoch: number of batches per epoch, see :meth:`steps`.

        Returns:
            ``keras.optimizers.AdamW`` or ``keras.optimizers.SGD``.
        """
        learning_rate = self.learning_rate
        if self.schedule == "cosine":
            step_count = self.epochs * steps_per_epoch
            warmup_steps = max(1, step_count // 20)
            learning_rate = keras.optimizers.schedules.CosineDecay(
                self.learning_rate / 20,
                decay_steps=max(1, step_count - warmup_steps),
                warmup_target=self.learning_rate,
                warmup_steps=warmup_steps,
            )
        if self.optimizer == "sgd":
            return keras.optimizers.SGD(learning_rate, momentum=self.momentum)
        optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=self.weight_decay)
        # The prior regularises posteriors already.
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "posterior"])
        return optimizer


REPORT_FIT = FitSettings(
    epochs=30,
    steps_per_epoch=None,
    optimizer="sgd",
    learning_rate=1e-2,
    schedule="constant",
    loss="one_vs_rest",
)
"""Settings of the 2021 report: one-vs-rest binary cross entropy and plain SGD (section 6.2).

The 2021 report states no learning rate, batch size or number of epochs; these values are ours.
"""


def compiled(model: keras.Model, settings: FitSettings, steps: int) -> keras.Model:
    """Return a compiled model with the layers and variables of ``model``.

    ``model`` itself stays uncompiled, so that it can be saved, and loaded without serkit's metric
    class. Its batch normalisations compute by a faster operation in training, see
    :func:`serkit.models.fused_batch_norm.use_fused_batch_norm`.

    Args:
        model: model from inputs to logits ``(batch, classes)``.
        settings: optimiser and loss.
        steps: number of steps per epoch.

    Returns:
        A model that reports accuracy and UAR, under the caller's ``tf.distribute`` strategy.
    """
    use_fused_batch_norm(model)
    trainer = keras.Model(model.input, model.output, name=model.name)
    # An object instead of "accuracy": Keras would create that metric while it traces the first
    # step, and TensorFlow would have to trace the step a second time.
    accuracy = (
        keras.metrics.CategoricalAccuracy("accuracy")
        if settings.mixup
        else keras.metrics.SparseCategoricalAccuracy("accuracy")
    )
    trainer.compile(
        optimizer=settings.build_optimizer(steps),
        loss=make_loss(settings.loss, settings.label_smoothing, settings.focal_gamma),
        metrics=[accuracy, UnweightedAverageRecall(model.output_shape[-1])],
        jit_compile="auto" if settings.jit_compile is None else settings.jit_compile,
    )
    # Build the optimiser now, so that a checkpoint can be restored before the first step.
    trainer.optimizer.build(trainer.trainable_variables)
    return trainer


def fit_classifier(
    model: keras.Model,
    train: Examples,
    validation: Examples,
    speakers: Speakers,
    settings: FitSettings,
    seed: int,
    folder: Path,
    *,
    augment: Augment | None = None,
    features: Path | None = None,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
    verbose: int | str = "auto",
) -> list[dict[str, float]]:
    """Train a model, and leave it with the weights of its best or last epoch.

    If the first layers of the model are frozen (:func:`serkit.models.frozen_features.cut`) and
    there is no augmentation, their outputs are computed once and kept on disk, and only the other
    layers are trained. The result is the same up to rounding of the outputs to 16 bits, in a
    fraction of the time. With augmentation, the same is done with ``settings.views`` augmented
    views of each example, if that is not 0. In both cases the function prints a line.

    If a call is killed, the same call resumes after the last finished epoch and gives the same
    result as an uninterrupted call. The two results are bit-identical with
    ``tf.config.experimental.enable_op_determinism()``, which the demo and the experiments enable.
    Without it, the order of sums in convolutions may change from one run to the next.

    Args:
        model: any functional or sequential Keras model from spectrograms to logits ``(batch,
            classes)``. It stays uncompiled, so that it can be saved, and loaded without serkit.
            A model built under a ``tf.distribute`` strategy is trained under that strategy.
        train: real and generated examples with labels. Live spectrograms are computed from
            waveforms at each step, see :class:`serkit.training.live.LiveSpectrograms`.
        validation: real examples with labels.
        speakers: speakers of each partition of the split.
        settings: epochs, batch size, optimiser, loss.
        seed: seed of the order of examples and the augmentation.
        folder: folder for ``state.npz``, ``history.csv`` and ``best.weights.h5``.
        augment: augmentation of training batches; function of a batch and an int ``(2,)`` seed, of
            TensorFlow ops. AutoGraph does not convert it.
        features: cache folder of the frozen layers' outputs, which training runs may share;
            default: ``features`` in ``folder``.
        callbacks: more Keras callbacks, such as ``keras.callbacks.TensorBoard``.
        verbose: as for Keras' ``fit``.

    Returns:
        One dictionary per epoch: ``epoch``, ``loss``, ``accuracy``, ``uar`` and their ``val_``
        counterparts.

    Raises:
        LeakError: if ``train`` has a speaker who is not a training speaker, or ``validation`` has
            one who is not a validation speaker.
        InputError: if labels do not fit the model, a class has no training example, or
            ``settings.views`` is above 0 for live spectrograms.
        DivergedError: if a loss or a weight is NaN or infinite; files of earlier epochs are kept.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> import serkit
        >>> spectrograms = np.full((4, 32, 32, 1), -1.0, "float32")
        >>> labels = np.array([0, 1, 0, 1])
        >>> train = serkit.Examples(spectrograms, frozenset({"ann"}), labels)
        >>> validation = serkit.Examples(spectrograms, frozenset({"bob"}), labels)
        >>> speakers = serkit.Speakers(frozenset({"ann"}), frozenset({"bob"}), frozenset({"cid"}))
        >>> network = serkit.CompactSettings(pool=(1, 1), channels=(2, 2))
        >>> model = serkit.compact(2, (32, 32, 1), network)
        >>> settings = serkit.FitSettings(epochs=1, steps_per_epoch=1, batch_size=4)
        >>> folder = Path(tempfile.mkdtemp())
        >>> history = serkit.fit_classifier(
        ...     model, train, validation, speakers, settings, 0, folder, verbose=0
        ... )
        >>> sorted(history[0])
        ['accuracy', 'epoch', 'loss', 'uar', 'val_accuracy', 'val_loss', 'val_uar']
    """
    speakers.require_training(train.speakers)
    speakers.require_validation(validation.speakers)
    classes = model.output_shape[-1]
    steps = settings.steps(len(train))
    data = prepare_training_data(
        model,
        train,
        validation,
        augment=augment,
        views=settings.views,
        seed=seed,
        folder=features or folder / "features",
        say=print if verbose else lambda line: None,
    )
    with model.distribute_strategy.scope():
        trainer = compiled(data.network, settings, steps)
    variables = [*trainer.variables, *trainer.optimizer.variables]
    resume = Resume(folder, variables)
    best_weights = Path(folder, "best.weights.h5")
    best_uar = max((row["val_uar"] for row in resume.history), default=float("-inf"))
    keeps_best = settings.keep == "best"
    keep_best = [KeepBest(best_weights, "val_uar", best_uar)] if keeps_best else []
    stop_early = StopEarly("val_uar", settings.patience or settings.epochs, resume.history)
    if resume.epoch < settings.epochs and not stop_early.is_over:
        trainer.fit(
            data.batches(settings.batch_size, seed, resume.epoch * steps, settings.mixup),
            initial_epoch=resume.epoch,
            epochs=settings.epochs,
            steps_per_epoch=steps,
            validation_data=data.validation_batches(64, settings.mixup),
            class_weight=class_weights(data.labels, classes, settings.class_weights),
            # ``Resume`` comes after ``KeepBest``: a kill before the state is saved repeats the
            # whole epoch, including its best weights.
            callbacks=[
                StopWhenDiverged(variables, steps),
                *callbacks,
                *keep_best,
                resume,
                stop_early,
            ],
            shuffle=False,
            verbose=verbose,
        )
    if keeps_best:
        trainer.load_weights(best_weights)
    return resume.history
