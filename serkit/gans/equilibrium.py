"""Training ends when generator and discriminator hold each other in balance."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import keras

from serkit.errors import check_range
from serkit.gans.staging import STAGE

_LOSSES = ("d_loss", "g_loss")


@dataclass(frozen=True)
class Equilibrium:
    """Both losses, as means of epochs, within a band for some epochs on end.

    Attributes:
        low: lower end of the band.
        high: its upper end; the report's losses came to rest at 1.1 to 1.3.
        epochs: how many epochs on end.

    Raises:
        InputError: for a value out of range.

    Source: report, sections 4.1.3 and 6.1.
    """

    low: float = 1.1
    high: float = 1.3
    epochs: int = 10

    def __post_init__(self) -> None:
        check_range("low", self.low, 0.0)
        check_range("high", self.high, self.low)
        check_range("epochs", self.epochs, 1)

    def reached(self, history: Sequence[Mapping[str, float]], stage: int = 1) -> bool:
        """Whether the last epochs of a history with ``d_loss`` and ``g_loss`` are in balance.

        Args:
            history: a row an epoch.
            stage: with discriminators that take over from each other, only epochs against this
                one count, numbered from 1: balance with an easy one is no end.
        """
        last = history[-self.epochs :]
        return len(last) == self.epochs and all(
            row.get(STAGE, 1) == stage and self.low <= row[name] <= self.high
            for row in last
            for name in _LOSSES
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
                f"epoch {epoch + 1}: both losses were within {band} for "
                f"{self._settings.epochs} epochs; training ends"
            )
            self.model.stop_training = True
