"""Training ends when generator and discriminator hold each other in balance."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import keras

from serkit.errors import check_choice, check_range
from serkit.gans.staging import STAGE

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
