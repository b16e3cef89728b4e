"""How much the KL of variational layers counts in the loss, and from when on."""

from collections.abc import Iterator

import keras

from serkit.errors import InputError, check_range
from serkit.layers.parts import parts
from serkit.layers.posterior import VariationalLayer


def variational_layers(model: keras.Model) -> Iterator[VariationalLayer]:
    """Those of a model, at any depth, in its order."""
    return (layer for layer in parts(model) if isinstance(layer, VariationalLayer))


def set_kl_weight(model: keras.Model, weight: float) -> None:
    """What the KL counts in the loss of all variational layers from now on, 0 or more."""
    check_range("weight", weight, 0.0)
    for layer in variational_layers(model):
        layer.kl_weight.assign(weight)


class KLWarmup(keras.callbacks.Callback):
    """The KL counts one over the number of clips in the end, and less before.

    With a loss that is a mean over clips, this makes the loss of an epoch the negative evidence
    lower bound per clip, whatever the batch size; to divide by the number of clips in a batch
    instead would count the KL too often. It rises by the same amount every epoch, and depends on
    the epoch alone, so that a resumed training goes on as if it had not been killed.

    Args:
        clips: number of real training clips: copies and generated samples tell nothing new.
        epochs: that it takes to count in full; 0 or 1 for from the start.
        weight: what it counts in the end, as a multiple of that; below 1 for a cold posterior
            (Wenzel et al. 2020, arXiv:2002.02405).

    Raises:
        InputError: for a value out of range, or, as the training begins, if no layer of the model
            is variational.

    Source: Blundell et al. (2015), arXiv:1505.05424, equation 8; Sønderby et al. (2016),
    arXiv:1602.02282, for the warm-up.
    """

    def __init__(self, clips: int, epochs: int = 0, weight: float = 1.0) -> None:
        super().__init__()
        check_range("clips", clips, 1)
        check_range("epochs", epochs, 0)
        check_range("weight", weight, 0.0)
        self.clips, self.epochs, self.weight = clips, epochs, weight

    def on_train_begin(self, logs: dict | None = None) -> None:
        if not any(variational_layers(self.model)):
            raise InputError(f"{self.model.name} has no variational layer whose KL could count")

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        share = min(1.0, (epoch + 1) / max(1, self.epochs))
        set_kl_weight(self.model, self.weight * share / self.clips)
