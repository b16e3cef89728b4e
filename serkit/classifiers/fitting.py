"""Training of a classifier: Keras' ``fit`` with what belongs around it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

from serkit.errors import check_range
from serkit.leaks import Speakers
from serkit.training.batches import training_batches
from serkit.training.best import KeepBest
from serkit.training.examples import Examples
from serkit.training.recall import UnweightedAverageRecall
from serkit.training.resume import Resume


@dataclass(frozen=True)
class FitSettings:
    """How a classifier is trained.

    Attributes:
        epochs: passes; each has ``steps_per_epoch`` steps whatever the size of the data, so that
            arms with and without added samples are trained equally long.
        steps_per_epoch: batches per epoch.
        batch_size: examples per step.
        learning_rate: AdamW's, after a warm-up and before it falls on a cosine to 0.
        weight_decay: AdamW's.
    """

    epochs: int = 30
    steps_per_epoch: int = 24
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2

    def __post_init__(self) -> None:
        for name in ("epochs", "steps_per_epoch", "batch_size"):
            check_range(name, getattr(self, name), 1)
        check_range("learning_rate", self.learning_rate, 0.0, 10.0)
        check_range("weight_decay", self.weight_decay, 0.0, 1.0)


def compile_classifier(model: keras.Model, settings: FitSettings) -> None:
    """Compile with cross entropy on logits, AdamW, and accuracy and UAR as metrics."""
    steps = settings.epochs * settings.steps_per_epoch
    warmup = max(1, steps // 20)
    rate = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate / 20,
        decay_steps=max(1, steps - warmup),
        warmup_target=settings.learning_rate,
        warmup_steps=warmup,
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy", UnweightedAverageRecall(model.output_shape[-1])],
    )
    # Built now, so that a checkpoint can be restored before the first step.
    model.optimizer.build(model.trainable_variables)


def fit_classifier(
    model: keras.Model,
    train: Examples,
    validation: Examples,
    speakers: Speakers,
    settings: FitSettings,
    seed: int,
    folder: Path,
    *,
    augment: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None = None,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
    verbose: int | str = "auto",
) -> list[dict[str, float]]:
    """Train, and leave the model with the weights of its best epoch on the validation speakers.

    A killed call, made again with the same arguments, goes on after the last finished epoch and
    ends as if it had not been killed.

    "As if it had not been killed" is bit for bit with
    ``tf.config.experimental.enable_op_determinism()``, which the demo and the experiments switch
    on: without it convolutions may be summed in another order from one run to the next.

    Args:
        model: from spectrograms to logits; is compiled here.
        train: real and generated examples with labels.
        validation: real examples with labels.
        speakers: who is in which part of the split.
        settings: epochs, batch size, optimiser.
        seed: of the order of examples and the augmentation.
        folder: gets ``state.npz``, ``history.csv`` and ``best.weights.h5``.
        augment: gets a training batch and an int ``(2,)`` seed.
        callbacks: more Keras callbacks.
        verbose: as for Keras' ``fit``.

    Returns:
        One dictionary per epoch: ``epoch``, ``loss``, ``accuracy``, ``uar`` and their ``val_``
        counterparts.

    Raises:
        LeakError: if anybody's voice is in ``train`` who is no training speaker, or in
            ``validation`` who is no validation speaker.
    """
    speakers.require_training(train.speakers)
    speakers.require_validation(validation.speakers)
    compile_classifier(model, settings)
    resume = Resume(folder, [*model.variables, *model.optimizer.variables])
    best = Path(folder, "best.weights.h5")
    known = max((row["val_uar"] for row in resume.history), default=float("-inf"))
    keep_best = KeepBest(best, "val_uar", known)
    batches = training_batches(
        (train.spectrograms, train.labels),
        settings.batch_size,
        seed,
        first_step=resume.epoch * settings.steps_per_epoch,
        augment=augment,
    )
    if resume.epoch < settings.epochs:
        model.fit(
            batches,
            initial_epoch=resume.epoch,
            epochs=settings.epochs,
            steps_per_epoch=settings.steps_per_epoch,
            validation_data=tf.data.Dataset.from_tensor_slices(
                (validation.spectrograms, validation.labels)
            ).batch(64),
            # The state is kept last: a kill before that repeats the epoch, best weights and all.
            callbacks=[*callbacks, keep_best, resume],
            shuffle=False,
            verbose=verbose,
        )
    model.load_weights(best)
    return resume.history
