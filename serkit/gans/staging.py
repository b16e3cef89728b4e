"""Change to a second discriminator, and end a DCGAN's training at an equilibrium."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import keras

from serkit.errors import check_choice, check_range

STAGE = "stage"
"""Name of the history's column with the number of the epoch's discriminator, from 1."""

_AVERAGED_EPOCHS = 3
_AVERAGED_VALUES = ("g_loss", "d_real", "d_fake")
# Smallest difference of the mean probabilities of "real" at which the discriminator is ahead. In
# the first epochs they differ by a few hundredths by chance.
_MIN_LEAD = 0.1


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
        ends = range(_AVERAGED_EPOCHS, len(history) + 1)
        means = [_mean(history[end - _AVERAGED_EPOCHS : end]) for end in ends]
        losses_when_ahead = [
            mean["g_loss"] for mean in means[:-1] if mean["d_real"] - mean["d_fake"] >= _MIN_LEAD
        ]
        if not losses_when_ahead:
            return False
        return means[-1]["g_loss"] <= (1 - self.share) * max(losses_when_ahead)

    def was_due(self, history: Sequence[Mapping[str, float]]) -> bool:
        """Return whether the change was due after any of these epochs."""
        return any(self.is_due(history[:length]) for length in range(1, len(history) + 1))


def _mean(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: sum(row[name] for row in rows) / len(rows) for name in _AVERAGED_VALUES}


LOSSES, ACCURACY = "losses", "accuracy"
_PHRASES = {LOSSES: "both losses were", ACCURACY: "the discriminator's accuracy was"}
_WATCHED_VALUES = {LOSSES: ("d_loss", "g_loss"), ACCURACY: ("d_accuracy",)}


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
        check_choice("measure", self.measure, _WATCHED_VALUES)
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
        last_rows = history[-self.epochs :]
        return len(last_rows) == self.epochs and all(
            row.get(STAGE, 1) == stage and self.low <= row[name] <= self.high
            for row in last_rows
            for name in _WATCHED_VALUES[self.measure]
        )


class Stages(keras.callbacks.Callback):
    """Callback that changes to the second discriminator, and ends ``fit`` at the equilibrium.

    The stage depends on the history alone, so a resumed training run continues in the same stage.
    With two discriminators, the column :data:`STAGE` is added to the history.

    Args:
        staging: condition for the change to the second discriminator; None if there is only one.
        stop: condition for the end of ``fit``; None trains for all epochs.
        history: one row per epoch that was finished before a resumed training run.
        say: function that gets one line of text at the change and one at the end.

    Source: 2021 report, section 6.1: two discriminators, the first one slowed down on purpose.
    """

    def __init__(
        self,
        staging: StagingSettings | None,
        stop: Equilibrium | None,
        history: Sequence[Mapping[str, float]] = (),
        say: Callable[[str], None] = print,
    ) -> None:
        super().__init__()
        self._staging, self._stop, self._say = staging, stop, say
        self._history = list(history)

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        if self._staging and self._staging.was_due(self._history):
            self.model.go_to_stage(1)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = {} if logs is None else logs
        if self._staging:
            logs[STAGE] = self.model.stage + 1
        self._history.append({name: float(value) for name, value in logs.items()})
        if self._staging and self.model.stage == 0 and self._staging.is_due(self._history):
            first, second = (network.name for network in self.model.discriminators)
            self._say(
                f"epoch {epoch + 1}: the generator's loss is {logs['g_loss']:.3f}; "
                f"{second} takes over from {first}"
            )
            self.model.go_to_stage(1)
        if self._stop and self._stop.reached(self._history, 2 if self._staging else 1):
            self._say(
                f"epoch {epoch + 1}: {_PHRASES[self._stop.measure]} within {self._stop.low} to "
                f"{self._stop.high} for {self._stop.epochs} epochs; training ends"
            )
            self.model.stop_training = True
