"""Train a GAN, and log samples and scores during training."""

import math
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np

from serkit.datasets.splits import Speakers
from serkit.errors import InputError, ResumeError, check_range
from serkit.files import read_json, replacing, write_json
from serkit.formatting import counted
from serkit.gans.base import GAN, GANSettings
from serkit.gans.sampling import sample
from serkit.training.batches import training_batches
from serkit.training.callbacks import Resume, StopWhenDiverged, read_state
from serkit.training.examples import Examples
from serkit.training.machines import fit

KID = "kid"
BEST = "best-generator.keras"
_NUMBERS = "best-generator.json"

Measure = Callable[[np.ndarray], Mapping[str, float]]
Draw = Callable[[np.ndarray], bytes]


class Watch(keras.callbacks.Callback):
    """Samples from fixed noise after each epoch, measures and draws them, keeps the best GAN.

    `measure` must not have seen validation or test speakers: it chooses what is kept.

    Args:
        folder: gets ``best-generator.keras`` with its numbers in ``best-generator.json``, and
            ``samples/epoch-00010.png`` every so often. A training that is resumed goes on with
            the best one that is there.
        measure: gives numbers for float32 ``(count, frames, bins, 1)``; they join the history. By
            its ``kid``, lower being better, the best generator is chosen.
        draw: gives a PNG of some spectrograms.
        count: how many are measured; with classes, they take turns.
        drawn: how many are drawn.
        every: epochs from one picture to the next; the first and the last one have theirs.
        seed: of the noise.

    Raises:
        InputError: for a value out of range.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        measure: Measure | None = None,
        draw: Draw | None = None,
        count: int = 64,
        drawn: int = 16,
        every: int = 5,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_range("count", count, 2)
        check_range("drawn", drawn, 1, count)
        check_range("every", every, 1)
        self._folder, self._measure, self._draw = Path(folder), measure, draw
        self._count, self._drawn, self._every, self._seed = count, drawn, every, seed
        known = self._folder / _NUMBERS
        self._best = read_json(known)[KID] if known.exists() else math.inf

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        if epoch == 0:
            # What is there was left by a training that somebody began anew.
            self._best = math.inf

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        number = epoch + 1
        # fit knows how many there are to be; a training that stops early has a picture near it.
        last = number == self.params["epochs"]
        drawing = self._draw is not None and (number % self._every == 0 or number == 1 or last)
        if self._measure is None and not drawing:
            return
        spectrograms = self._sample()
        if self._measure is not None:
            found = self._measure(spectrograms)
            logs.update(found)
            if found.get(KID, math.inf) < self._best:
                self._best = found[KID]
                with replacing(self._folder / BEST) as partial:
                    self.model.sampler.save(partial)
                numbers = {name: float(value) for name, value in found.items()}
                write_json(self._folder / _NUMBERS, {"epoch": number, **numbers})
        if drawing:
            with replacing(self._folder / "samples" / f"epoch-{number:05}.png") as partial:
                partial.write_bytes(self._draw(spectrograms[: self._drawn]))

    def _sample(self) -> np.ndarray:
        classes = self.model.settings.classes
        labels = np.arange(classes) if classes else None
        return sample(self.model.sampler, self._count, self._seed, labels)


FEWEST = 8
"""With fewer clips a GAN can hardly do anything but learn them by heart."""


def fit_gan(
    gan: GAN,
    examples: Examples,
    speakers: Speakers,
    settings: GANSettings,
    seed: int,
    folder: Path,
    *,
    init_from: Path | None = None,
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
        examples: ``(n, 224, 224, 1)`` in [-1, 1]; ``n`` may be smaller than a batch. Fewer than 8
            are worth a warning. A GAN of several classes takes their labels, others take none.
        speakers: who is in which part of the split.
        settings: those that the GAN was built with.
        seed: of the order of examples.
        folder: gets ``state.npz`` and ``history.csv``.
        init_from: such a folder of a GAN that was trained before, with the same networks and most
            often on more clips; training begins with its weights.
        callbacks: more Keras callbacks; what they add to an epoch's numbers is in the history.
        verbose: as for Keras' ``fit``.

    Returns:
        One dictionary per epoch: ``epoch``, counted from 1, and what the GAN tracks.

    Raises:
        LeakError: if anybody's voice is in the examples who is no training speaker.
        InputError: for no examples, or labels that do not fit the GAN.
        ResumeError: if ``init_from`` holds no state of such networks.
        DivergedError: if a loss or a weight is no longer finite; what was kept before stays.
    """
    speakers.require_training(examples.speakers)
    arrays = _arrays(examples, settings.classes)
    resume = Resume(folder, gan.state)
    if init_from and not resume.epoch:
        start_from(gan, init_from)
    batches = training_batches(
        arrays,
        settings.examples_per_step,
        seed,
        first_step=resume.epoch * settings.steps_per_epoch,
    )
    if not gan.is_finished(resume.history):
        fit(
            gan,
            batches,
            initial_epoch=resume.epoch,
            epochs=settings.epochs,
            steps_per_epoch=settings.steps_per_epoch,
            # The state is kept last: a kill before that repeats the epoch, with all that is in it.
            callbacks=[
                StopWhenDiverged(gan.state, settings.steps_per_epoch),
                *gan.callbacks(resume.history),
                *callbacks,
                resume,
            ],
            verbose=verbose,
        )
    return resume.history


def start_from(gan: GAN, folder: Path) -> None:
    """Give a GAN the weights of one that was trained before; its optimizers start anew.

    Args:
        gan: with the same networks as the other one.
        folder: that the other one was trained in.

    Raises:
        ResumeError: if ``folder`` holds no state, or that of other networks.
    """
    if not Path(folder, "state.npz").exists():
        raise ResumeError(f"init_from={folder} holds no state.npz; valid is a folder of fit_gan's")
    arrays, _ = read_state(folder)
    variables = [variable for network in gan.networks for variable in network.variables]
    if [array.shape for array in arrays[: len(variables)]] != [v.shape for v in variables]:
        raise ResumeError(
            f"init_from={folder} was made by a GAN with other networks; valid are the same width, "
            "latent, classes and discriminator, and ema switched on there if it is here"
        )
    for variable, array in zip(variables, arrays, strict=False):
        variable.assign(array)


def _arrays(examples: Examples, classes: int) -> tuple:
    if not len(examples):
        raise InputError(f"0 clips to train a GAN on; valid are 1 or more, better {FEWEST}")
    if len(examples) < FEWEST:
        warnings.warn(
            f"a GAN is trained on {counted(len(examples), 'clip')}; with fewer than {FEWEST} it "
            "can hardly do anything but learn them by heart",
            stacklevel=3,
        )
    if not classes:
        return (examples.spectrograms,)
    labels = examples.labels
    if labels is None or labels.min() < 0 or labels.max() >= classes:
        raise InputError(
            f"labels={None if labels is None else sorted(set(labels.tolist()))} for a GAN of "
            f"{classes} classes; valid are 0 to {classes - 1}"
        )
    return examples.spectrograms, labels
