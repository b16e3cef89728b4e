"""Train a GAN, and log samples and scores during training."""

import math
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from serkit.datasets.splits import Speakers
from serkit.errors import InputError, ResumeError, check_range
from serkit.files import read_json_object, replacing, write_json
from serkit.formatting import counted
from serkit.gans.base import GAN
from serkit.gans.sampling import sample
from serkit.training.batches import training_batches
from serkit.training.callbacks import Resume, StopWhenDiverged, read_state
from serkit.training.examples import Examples

KID = "kid"
BEST_GENERATOR_FILE = "best-generator.keras"
_BEST_VALUES_FILE = "best-generator.json"

Measure = Callable[[npt.NDArray[Any]], Mapping[str, float]]
"""Function from spectrograms to values by name."""
Draw = Callable[[npt.NDArray[Any]], bytes]
"""Function from spectrograms to a PNG."""


class Watch(keras.callbacks.Callback):
    """Callback that measures and draws samples after each epoch, and keeps the best generator.

    The samples come from the same noise in every epoch. The values of ``measure`` decide which
    generator is kept, so ``measure`` must not use clips of validation or test speakers.

    Args:
        folder: folder for ``best-generator.keras``, for its measured values in
            ``best-generator.json``, and for ``samples/epoch-00010.png`` and so on. A resumed
            training run compares with the best generator in the folder.
        measure: function from float32 ``(sample_count, frames, bins, 1)`` to values by name, which
            are added to the history. The generator with the lowest ``kid`` is kept.
        draw: function that returns a PNG of spectrograms.
        sample_count: number of samples to measure; with several classes, the classes alternate.
        drawn_count: number of these samples to draw.
        draw_every: epochs between two PNGs; the first and the last epoch always have one.
        seed: seed of the noise.

    Raises:
        InputError: if a value is out of range.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        measure: Measure | None = None,
        draw: Draw | None = None,
        sample_count: int = 64,
        drawn_count: int = 16,
        draw_every: int = 5,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_range("sample_count", sample_count, 2)
        check_range("drawn_count", drawn_count, 1, sample_count)
        check_range("draw_every", draw_every, 1)
        self._folder, self._measure, self._draw = Path(folder), measure, draw
        self._sample_count, self._drawn_count = sample_count, drawn_count
        self._draw_every, self._seed = draw_every, seed
        best_values = self._folder / _BEST_VALUES_FILE
        self._lowest_kid = math.inf
        if best_values.exists():
            self._lowest_kid = read_json_object(best_values, **{KID: float})[KID]

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if epoch == 0:
            # A best generator in the folder belongs to an earlier training run that was restarted.
            self._lowest_kid = math.inf

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = {} if logs is None else logs
        epoch_number = epoch + 1
        # The planned last epoch. A training run that stops early has a PNG of a nearby epoch.
        is_last = epoch_number == self.params["epochs"]
        is_drawing_due = epoch_number % self._draw_every == 0 or epoch_number == 1 or is_last
        draw = self._draw if is_drawing_due else None
        if self._measure is None and draw is None:
            return
        spectrograms = self._sample()
        if self._measure is not None:
            measured = self._measure(spectrograms)
            logs.update(measured)
            if measured.get(KID, math.inf) < self._lowest_kid:
                self._lowest_kid = measured[KID]
                with replacing(self._folder / BEST_GENERATOR_FILE) as partial:
                    self.model.sampler.save(partial)
                values = {name: float(value) for name, value in measured.items()}
                write_json(self._folder / _BEST_VALUES_FILE, {"epoch": epoch_number, **values})
        if draw is not None:
            with replacing(self._folder / "samples" / f"epoch-{epoch_number:05}.png") as partial:
                partial.write_bytes(draw(spectrograms[: self._drawn_count]))

    def _sample(self) -> npt.NDArray[Any]:
        classes = self.model.settings.classes
        labels = np.arange(classes) if classes else None
        return sample(self.model.sampler, self._sample_count, self._seed, labels)


_MIN_CLIPS = 8  # With fewer clips, a GAN can hardly do anything but memorise them.


def fit_gan(
    gan: GAN,
    examples: Examples,
    speakers: Speakers,
    seed: int,
    folder: Path | str,
    *,
    init_from: Path | None = None,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
    verbose: int | str = "auto",
) -> list[dict[str, float]]:
    """Train a GAN on the spectrograms of one class, or of any set of clips.

    To resume an interrupted training run, call this function again with the same arguments and a
    GAN with the same seed. The run resumes after the last finished epoch and gives the same result
    as an uninterrupted training run.

    The result is bit-identical only with ``tf.config.experimental.enable_op_determinism()``, which
    the demo and the experiments switch on. Without it, the order of summation in convolutions may
    differ from one run to the next.

    Args:
        gan: a :class:`serkit.gans.dcgan.DCGAN` or :class:`serkit.gans.wgan_gp.WGANGP`.
        examples: ``(n, 224, 224, 1)`` in [-1, 1]; ``n`` may be smaller than a batch. Fewer than 8
            examples cause a warning. A GAN of several classes needs labels; other GANs ignore them.
        speakers: speakers of each partition of the split.
        seed: seed of the order of examples.
        folder: folder for ``state.npz`` and ``history.csv``.
        init_from: training folder of another GAN with the same networks, usually trained on more
            clips; training starts from the weights of that GAN.
        callbacks: additional Keras callbacks; values that they add to an epoch's logs are in the
            history.
        verbose: as for Keras' ``fit``.

    Returns:
        One dictionary per epoch: ``epoch``, counted from 1, and the values that the GAN tracks.

    Raises:
        LeakError: if the examples have a speaker who is not a training speaker.
        InputError: if there are no examples, or the labels do not fit the GAN.
        ResumeError: if ``init_from`` holds no state of a GAN with these networks.
        DivergedError: if a loss or a weight is no longer finite; files of earlier epochs stay.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> import serkit
        >>> settings = serkit.DCGANSettings(width=0.02, batch_size=8, steps=1, steps_per_epoch=1)
        >>> gan = serkit.DCGAN(settings, seed=0)
        >>> gan.compile(run_eagerly=True)  # faster for a single step
        >>> spectrograms = np.full((8, 224, 224, 1), -1.0, "float32")
        >>> examples = serkit.Examples(spectrograms, frozenset({"ann"}))
        >>> speakers = serkit.Speakers(frozenset({"ann"}), frozenset({"bob"}), frozenset({"cid"}))
        >>> folder = Path(tempfile.mkdtemp())
        >>> history = serkit.fit_gan(gan, examples, speakers, 0, folder, verbose=0)
        >>> [row["epoch"] for row in history]
        [1]
    """
    settings, folder = gan.settings, Path(folder)
    speakers.require_training(examples.speakers)
    arrays = _training_arrays(examples, settings.classes)
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
        gan.fit(
            batches,
            initial_epoch=resume.epoch,
            epochs=settings.epochs,
            steps_per_epoch=settings.steps_per_epoch,
            # The checkpoint is written last. If the process is killed before, the epoch and all its
            # callbacks are repeated.
            callbacks=[
                StopWhenDiverged(gan.state, settings.steps_per_epoch),
                *gan.callbacks(resume.history),
                *callbacks,
                resume,
            ],
            shuffle=False,
            verbose=verbose,
        )
    return resume.history


def start_from(gan: GAN, folder: Path) -> None:
    """Copy the weights of another trained GAN into a GAN; the optimizers keep their initial state.

    Args:
        gan: GAN with the same networks as the other GAN.
        folder: training folder of the other GAN.

    Raises:
        ResumeError: if ``folder`` holds no state, or a state of other networks.
    """
    if not Path(folder, "state.npz").exists():
        raise ResumeError(
            f"`init_from` must be a folder of fit_gan's. Received: {folder}, no state.npz."
        )
    arrays, _ = read_state(folder)
    variables = [variable for network in gan.networks for variable in network.variables]
    if [array.shape for array in arrays[: len(variables)]] != [v.shape for v in variables]:
        raise ResumeError(
            "`init_from` must be of a GAN with the same width, latent, classes and discriminator, "
            f"with ema if this GAN has it. Received: {folder}."
        )
    for variable, array in zip(variables, arrays, strict=False):
        variable.assign(array)


def _training_arrays(examples: Examples, classes: int) -> tuple:
    """Return spectrograms, and labels for a GAN of several classes; check both."""
    if not len(examples):
        raise InputError(f"`examples` must have 1 clip or more, better {_MIN_CLIPS}. Received: 0.")
    if len(examples) < _MIN_CLIPS:
        warnings.warn(
            f"a GAN is trained on {counted(len(examples), 'clip')}; with fewer than {_MIN_CLIPS} "
            "it can hardly do anything but memorise them",
            stacklevel=3,
        )
    if not classes:
        return (examples.spectrograms,)
    labels = examples.labels
    if labels is None or labels.min() < 0 or labels.max() >= classes:
        raise InputError(
            f"`labels` of a GAN of {classes} classes must be between 0 and {classes - 1}. "
            f"Received: {None if labels is None else sorted(set(labels.tolist()))}."
        )
    return examples.spectrograms, labels
