"""Training of a GAN on one class: Keras' ``fit`` with what belongs around it."""

from pathlib import Path

import keras

from serkit.gans.adversarial import GAN, GANSettings
from serkit.leaks import Speakers
from serkit.training.batches import training_batches
from serkit.training.examples import Examples
from serkit.training.resume import Resume


def fit_gan(
    gan: GAN,
    examples: Examples,
    speakers: Speakers,
    settings: GANSettings,
    seed: int,
    folder: Path,
    *,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
    verbose: int | str = "auto",
) -> list[dict[str, float]]:
    """Train a compiled GAN on the spectrograms of one class, or of any set of clips.

    A killed call, made again with the same arguments and a GAN with the same seed, goes on after
    the last finished epoch and ends as if it had not been killed.

    "As if it had not been killed" is bit for bit with
    ``tf.config.experimental.enable_op_determinism()``, which the demo and the experiments switch
    on: without it convolutions may be summed in another order from one run to the next.

    Args:
        gan: from :func:`serkit.gans.dcgan.build_dcgan` or
            :func:`serkit.gans.wgan_gp.build_wgan_gp`.
        examples: ``(n, 224, 224, 1)`` in [-1, 1]; ``n`` may be smaller than a batch.
        speakers: who is in which part of the split.
        settings: those that the GAN was built with.
        seed: of the order of examples.
        folder: gets ``state.npz`` and ``history.csv``.
        callbacks: more Keras callbacks.
        verbose: as for Keras' ``fit``.

    Returns:
        One dictionary per epoch: ``epoch``, counted from 1, and what the GAN tracks.

    Raises:
        LeakError: if anybody's voice is in the examples who is no training speaker.
    """
    speakers.require_training(examples.speakers)
    resume = Resume(folder, gan.state)
    batches = training_batches(
        (examples.spectrograms,),
        settings.examples_per_step,
        seed,
        first_step=resume.epoch * settings.steps_per_epoch,
    )
    if resume.epoch < settings.epochs:
        gan.fit(
            batches,
            initial_epoch=resume.epoch,
            epochs=settings.epochs,
            steps_per_epoch=settings.steps_per_epoch,
            callbacks=[*callbacks, resume],
            shuffle=False,
            verbose=verbose,
        )
    return resume.history
