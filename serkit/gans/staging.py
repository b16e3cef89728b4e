"""Callbacks of the DCGAN: change to the second discriminator, stop at an equilibrium."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import keras

from serkit.errors import check_choice, check_range

STAGE = "stage"
"""Name of the history's column that says which discriminator an epoch was trained against."""

_SMOOTHED = 3
# At the start either side leads by a few hundredths, by chance.
_LEAD = 0.1
_NEEDED = ("g_loss", "d_real", "d_fake")


@dataclass(frozen=True)
class StagingSettings:
    """When the next discriminator takes over.

    All numbers are means over the last three epochs. The loss that counts as the highest is one
    that the generator had while the discriminator was ahead, that is, gave real examples a
    probability of being real that is at least 0.1 higher than that of generated ones. A loss that
    is low because the discriminator has not learned anything yet, or is fooled from the start, is
    no decrease.

    Attributes:
        share: the fraction of that highest loss by which the generator's loss has to fall; 0 to 1.
        epochs: after so many epochs at the latest.

    Raises:
        InputError: for a value out of range.

    Source: 2021 report, section 6.1: "after some significant decrease in the generator's loss".
    """

    share: float = 0.3
    epochs: int = 50

    def __post_init__(self) -> None:
        check_range("share", self.share, 0.0, 1.0)
        check_range("epochs", self.epochs, 1)

    def is_due(self, history: Sequence[Mapping[str, float]]) -> bool:
        """Whether it is time, after epochs with ``g_loss``, ``d_real`` and ``d_fake``."""
        if len(history) >= self.epochs:
            return True
        ends = range(_SMOOTHED, len(history) + 1)
        means = [_mean(history[end - _SMOOTHED : end]) for end in ends]
        ahead = [row["g_loss"] for row in means[:-1] if row["d_real"] - row["d_fake"] >= _LEAD]
        return bool(ahead) and means[-1]["g_loss"] <= (1 - self.share) * max(ahead)

    def was_due(self, history: Sequence[Mapping[str, float]]) -> bool:
        """Whether it was time after any of these epochs."""
        return any(self.is_due(history[:length]) for length in range(1, len(history) + 1))


def _mean(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: sum(row[name] for row in rows) / len(rows) for name in _NEEDED}


class Staging(keras.callbacks.Callback):
    """Goes over to the GAN's next discriminator, and writes into the history which one it is.

    Args:
        settings: when.
        history: epochs that went before, of a training that is resumed, with ``g_loss``,
            ``d_real`` and ``d_fake``.
        say: gets a line when the change comes.

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
        # Which stage it is follows from the history: a resumed training needs nothing else.
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
    """What is watched, as means of epochs, stays within a band for some epochs on end.

    Attributes:
        low: lower end of the band.
        high: its upper end; the losses of the 2021 report came to rest at 1.1 to 1.3.
        epochs: how many epochs on end.
        measure: ``losses``, both networks', or ``accuracy``, the fraction of examples that the
            discriminator tells right, 0 to 1.

    Raises:
        InputError: for a value out of range.

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
        """Whether the last epochs of a history are in balance.

        Args:
            history: a row an epoch, as :class:`serkit.gans.dcgan.DCGAN` reports it.
            stage: with discriminators that take over from each other, only epochs against this
                one count, numbered from 1: balance with an easy one is no end.
        """
        last = history[-self.epochs :]
        return len(last) == self.epochs and all(
            row.get(STAGE, 1) == stage and self.low <= row[name] <= self.high
            for row in last
            for name in _MEASURES[self.measure]
        )


class EquilibriumStop(keras.callbacks.Callback):
    """Ends ``fit`` when the equilibrium is reached.

    Args:
        settings: what counts as one.
        history: epochs that went before, of a training that is resumed.
        say: gets a line at the end.
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
