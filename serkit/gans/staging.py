"""Callbacks of the DCGAN: change to the second discriminator, stop at an equilibrium."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import keras

from serkit.errors import check_choice, check_range

STAGE = "stage"
"""Name of the history's column with the number of the epoch's discriminator, from 1."""

_SMOOTHED = 3
# In the first epochs the two mean probabilities differ by a few hundredths by chance.
_LEAD = 0.1
_NEEDED = ("g_loss", "d_real", "d_fake")


@dataclass(frozen=True)
class StagingSettings:
    """Conditions for the change to the second discriminator.

    All values are means over the last three epochs. The reference is the generator's highest loss
    in epochs in which the discriminator was ahead. The discriminator is ahead if its mean
    probability of "real" is at least 0.1 higher for real than for generated examples. Other epochs
    do not count: there the generator's loss can be low because the discriminator has learned
    nothing yet, or is fooled from the start.

    Attributes:
        share: fraction of the reference by which the generator's loss must fall; 0 to 1.
        epochs: number of epochs after which the change happens in any case.

    Raises:
        InputError: if a value is out of range.

    Source: 2021 report, section 6.1: "after some significant decrease in the generator's loss".
    """

    share: float = 0.3
    epochs: int = 50

    def __post_init__(self) -> None:
        check_range("share", self.share, 0.0, 1.0)
        check_range("epochs", self.epochs, 1)

    def is_due(self, history: Sequence[Mapping[str, float]]) -> bool:
        """Return whether the change is due after these epochs.

        Args:
            history: one row per epoch, with ``g_loss``, ``d_real`` and ``d_fake``.
        """
        if len(history) >= self.epochs:
            return True
        ends = range(_SMOOTHED, len(history) + 1)
        means = [_mean(history[end - _SMOOTHED : end]) for end in ends]
        ahead = [row["g_loss"] for row in means[:-1] if row["d_real"] - row["d_fake"] >= _LEAD]
        return bool(ahead) and means[-1]["g_loss"] <= (1 - self.share) * max(ahead)

    def was_due(self, history: Sequence[Mapping[str, float]]) -> bool:
        """Return whether the change was due after any of these epochs."""
        return any(self.is_due(history[:length]) for length in range(1, len(history) + 1))


def _mean(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: sum(row[name] for row in rows) / len(rows) for name in _NEEDED}


class Staging(keras.callbacks.Callback):
    """Callback that changes to the second discriminator and adds :data:`STAGE` to the history.

    Args:
        settings: conditions for the change.
        history: rows of the epochs before a resumed training run, with ``g_loss``, ``d_real`` and
            ``d_fake``.
        say: function that gets one line when the change happens.

    Source: 2021 report, section 6.1: two discriminators, the first one slowed down on purpose.
    """

    def __init__(
        self,
        settings: StagingSettings,
        history: Sequence[Mapping[str, float]] = (),
        say: Callable[[str], None] = print,
    ) -> None:
        super().__init__()
        self._settings, self._say = settings, say
        self._history = list(history)

    def on_train_begin(self, logs: dict | None = None) -> None:
        # A resumed training run derives the stage from the history alone.
        if self._settings.was_due(self._history):
            self.model.go_to_stage(1)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        stage = self.model.stage
        logs[STAGE] = stage + 1
        self._history.append({name: float(logs[name]) for name in _NEEDED})
        if stage == 0 and self._settings.is_due(self._history):
            names = [network.name for network in self.model.discriminators]
            self._say(
                f"epoch {epoch + 1}: the generator's loss is {self._history[-1]['g_loss']:.3f}; "
                f"{names[1]} takes over from {names[0]}"
            )
            self.model.go_to_stage(1)


LOSSES, ACCURACY = "losses", "accuracy"
_NAMES = {LOSSES: "both losses were", ACCURACY: "the discriminator's accuracy was"}
_MEASURES = {LOSSES: ("d_loss", "g_loss"), ACCURACY: ("d_accuracy",)}


@dataclass(frozen=True)
class Equilibrium:
    """Condition for the end of training: the watched values stay within a band for several epochs.

    The values are means over an epoch.

    Attributes:
        low: lower end of the band.
        high: upper end of the band; the losses of the 2021 report settled at 1.1 to 1.3.
        epochs: number of consecutive epochs.
        measure: ``losses``, the losses of both networks, or ``accuracy``, the fraction of examples
            that the discriminator classifies correctly, 0 to 1.

    Raises:
        InputError: if a value is out of range.

    Source: 2021 report, sections 4.1.3 and 6.1.
    """

    low: float = 1.1
    high: float = 1.3
    epochs: int = 10
    measure: str = LOSSES

    def __post_init__(self) -> None:
        check_choice("measure", self.measure, _MEASURES)
        check_range("low", self.low, 0.0)
        check_range("high", self.high, self.low, 1.0 if self.measure == ACCURACY else None)
        check_range("epochs", self.epochs, 1)

    def reached(self, history: Sequence[Mapping[str, float]], stage: int = 1) -> bool:
        """Return whether the last epochs of a history are within the band.

        Args:
            history: one row per epoch, as :class:`serkit.gans.dcgan.DCGAN` reports it.
            stage: number of the discriminator, from 1; only epochs with this discriminator count.
                An equilibrium with the first of two discriminators does not end the training run.
        """
        last = history[-self.epochs :]
        return len(last) == self.epochs and all(
            row.get(STAGE, 1) == stage and self.low <= row[name] <= self.high
            for row in last
            for name in _MEASURES[self.measure]
        )


class EquilibriumStop(keras.callbacks.Callback):
    """Callback that ends ``fit`` when the equilibrium is reached.

    Args:
        settings: condition for the equilibrium.
        history: rows of the epochs before a resumed training run.
        say: function that gets one line at the end.
    """

    def __init__(
        self,
        settings: Equilibrium,
        history: Sequence[Mapping[str, float]] = (),
        say: Callable[[str], None] = print,
    ) -> None:
        super().__init__()
        self._settings, self._say = settings, say
        self._history = list(history)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._history.append({name: float(value) for name, value in logs.items()})
        if self._settings.reached(self._history, len(self.model.discriminators)):
            band = f"{self._settings.low} to {self._settings.high}"
            self._say(
                f"epoch {epoch + 1}: {_NAMES[self._settings.measure]} within {band} for "
                f"{self._settings.epochs} epochs; training ends"
            )
            self.model.stop_training = True
