"""Training begins against an easy discriminator and goes over to a better one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import keras

from serkit.errors import check_range

STAGE = "stage"
"""Name of the history's column that says which discriminator an epoch was trained against."""


@dataclass(frozen=True)
class StagingSettings:
    """When the next discriminator takes over.

    Attributes:
        share: once the generator's loss, mean over an epoch, has fallen by this share of the
            highest that it ever was; 0 to 1.
        epochs: after so many epochs at the latest.

    Raises:
        InputError: for a value out of range.
    """

    share: float = 0.3
    epochs: int = 50

    def __post_init__(self) -> None:
        check_range("share", self.share, 0.0, 1.0)
        check_range("epochs", self.epochs, 1)

    def is_due(self, losses: Sequence[float]) -> bool:
        """Whether it is time, after epochs with these losses of the generator."""
        if not losses:
            return False
        fallen = len(losses) > 1 and losses[-1] <= (1 - self.share) * max(losses)
        return fallen or len(losses) >= self.epochs


class Staging(keras.callbacks.Callback):
    """Goes over to the GAN's next discriminator, and writes into the history which one it is.

    Args:
        settings: when.
        history: epochs that went before, of a training that is resumed, with ``g_loss``.
        say: gets a line when the change comes.

    Source: report, section 6.1: two discriminators, the first one slowed down on purpose.
    """

    def __init__(
        self,
        settings: StagingSettings,
        history: Sequence[Mapping[str, float]] = (),
        say: Callable[[str], None] = print,
    ) -> None:
        super().__init__()
        self._settings, self._say = settings, say
        self._losses = [row["g_loss"] for row in history]

    def on_train_begin(self, logs: dict | None = None) -> None:
        # Which stage it is follows from the losses: a resumed training needs nothing else.
        lengths = range(1, len(self._losses) + 1)
        if any(self._settings.is_due(self._losses[:length]) for length in lengths):
            self.model.go_to_stage(1)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        stage = self.model.stage
        logs[STAGE] = stage + 1
        self._losses.append(float(logs["g_loss"]))
        if stage == 0 and self._settings.is_due(self._losses):
            highest, last = max(self._losses), self._losses[-1]
            names = [network.name for network in self.model.discriminators]
            self._say(
                f"epoch {epoch + 1}: the generator's loss is {last:.3f}, at most it was "
                f"{highest:.3f}; {names[1]} takes over from {names[0]}"
            )
            self.model.go_to_stage(1)
