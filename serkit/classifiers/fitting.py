"""Training of a classifier: Keras' ``fit`` with what belongs around it."""

from pathlib import Path

import keras

from serkit.classifiers.losses import class_weights, make_loss
from serkit.classifiers.material import Augment, check_labels, prepare
from serkit.classifiers.settings import FitSettings
from serkit.leaks import Speakers
from serkit.training.best import KeepBest
from serkit.training.diverging import StopWhenDiverged
from serkit.training.examples import Examples
from serkit.training.machines import fit
from serkit.training.recall import UnweightedAverageRecall
from serkit.training.resume import Resume
from serkit.training.stopping import StopEarly


def compiled(model: keras.Model, settings: FitSettings, steps: int) -> keras.Model:
    """A model of the same layers and variables, compiled; the given one stays as it is.

    What is not compiled can be saved, and loaded where serkit's metric is not known.

    Args:
        model: from inputs to logits ``(batch, classes)``.
        settings: optimiser and loss.
        steps: per epoch.

    Returns:
        It reports accuracy and UAR, and is of the ``tf.distribute`` strategy that the caller is in.
    """
    trainer = keras.Model(model.input, model.output, name=model.name)
    trainer.compile(
        optimizer=settings.build_optimizer(steps),
        loss=make_loss(settings.loss, settings.label_smoothing, settings.focal_gamma),
        metrics=["accuracy", UnweightedAverageRecall(model.output_shape[-1])],
        jit_compile="auto" if settings.jit_compile is None else settings.jit_compile,
    )
    # Built now, so that a checkpoint can be restored before the first step.
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
    """Train, and leave the model with the weights of its best epoch, or of its last.

    Where the first layers of the model are frozen (:func:`serkit.classifiers.frozen.cut`) and there
    is no augmentation, their outputs are computed once, kept on disk, and only the rest is trained:
    the same training, rounded to 16 bits, in a fraction of the time. With augmentation the same is
    done with ``settings.views`` augmented views of each example, if that is not 0. A line says so.

    A killed call, made again with the same arguments, goes on after the last finished epoch and
    ends as if it had not been killed. That is bit for bit with
    ``tf.config.experimental.enable_op_determinism()``, which the demo and the experiments switch
    on: without it convolutions may be summed in another order from one run to the next.

    Args:
        model: any functional or sequential Keras model from spectrograms to logits
            ``(batch, classes)``. It is not compiled here: it can be saved, and loaded where serkit
            is not known. Made under a ``tf.distribute`` strategy, it is trained under it.
        train: real and generated examples with labels; live spectrograms are computed from
            waveforms at each step, see :class:`serkit.training.live.LiveSpectrograms`.
        validation: real examples with labels.
        speakers: who is in which part of the split.
        settings: epochs, batch size, optimiser, loss.
        seed: of the order of examples and the augmentation.
        folder: gets ``state.npz``, ``history.csv`` and ``best.weights.h5``.
        augment: gets a training batch and an int ``(2,)`` seed.
        features: folder of the frozen part's outputs, which trainings may share; default: in
            ``folder``.
        callbacks: more Keras callbacks, such as ``keras.callbacks.TensorBoard``.
        verbose: as for Keras' ``fit``.

    Returns:
        One dictionary per epoch: ``epoch``, ``loss``, ``accuracy``, ``uar`` and their ``val_``
        counterparts.

    Raises:
        LeakError: if anybody's voice is in ``train`` who is no training speaker, or in
            ``validation`` who is no validation speaker.
        InputError: if labels do not fit the model, a class has no training example, or there are
            ``settings.views`` of live spectrograms.
        DivergedError: if a loss or a weight is no longer finite; what was kept before stays.
    """
    speakers.require_training(train.speakers)
    speakers.require_validation(validation.speakers)
    classes = model.output_shape[-1]
    check_labels(train, validation, classes)
    steps = settings.steps(len(train))
    material = prepare(
        *(model, train, validation, augment, settings.views, seed, features or folder / "features"),
        say=print if verbose else lambda line: None,
    )
    with model.distribute_strategy.scope():
        trainer = compiled(material.network, settings, steps)
    state = [*trainer.variables, *trainer.optimizer.variables]
    resume = Resume(folder, state)
    best = Path(folder, "best.weights.h5")
    known = max((row["val_uar"] for row in resume.history), default=float("-inf"))
    keeping = [KeepBest(best, "val_uar", known)] if settings.keep == "best" else []
    stop = StopEarly("val_uar", settings.patience or settings.epochs, resume.history)
    if resume.epoch < settings.epochs and not stop.is_over:
        fit(
            trainer,
            material.batches(*(settings.batch_size, seed, resume.epoch * steps, settings.mixup)),
            initial_epoch=resume.epoch,
            epochs=settings.epochs,
            steps_per_epoch=steps,
            validation_data=material.validation_batches(validation.labels, 64, settings.mixup),
            class_weight=class_weights(material.labels, classes, settings.class_weights),
            # The state is kept last: a kill before that repeats the epoch, best weights and all.
            callbacks=[StopWhenDiverged(state, steps), *callbacks, *keeping, resume, stop],
            verbose=verbose,
        )
    if keeping:
        trainer.load_weights(best)
    return resume.history
