"""Where the frozen part of a network ends, so that it need not be run at every step."""

from collections.abc import Iterator
from dataclasses import dataclass

import keras

from serkit.layers.parts import parts


@dataclass(frozen=True)
class Cut:
    """A network in two pieces that share its layers and variables.

    Attributes:
        frozen: from the network's input to features; nothing in it is trained or random, so that
            an input gives the same features in every epoch.
        rest: from these features to the network's output.
    """

    frozen: keras.Model
    rest: keras.Model


def cut(model: keras.Model) -> Cut | None:
    """Cut a network behind its frozen part.

    A layer belongs to the frozen part if nothing in it is trained, it draws no random numbers, and
    it does the same in training as in inference. The cut lies as far back as it can: where only
    such layers come before it and everything else passes through it.

    Args:
        model: a functional model of one input and one output.

    Returns:
        The pieces, or None where no weights lie before the first layer that trains, or what comes
        before it is used again behind it.
    """
    layers = list(_until_something_changes(model))
    for number in range(len(layers), 0, -1):
        if not any(layer.weights for layer in layers[:number]):
            return None
        if pieces := _at(model, layers[number - 1]):
            return pieces
    return None


def _until_something_changes(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The first layers, in the order of computation, up to one that is not frozen."""
    for layer in model.layers:
        if not is_frozen(layer):
            return
        if not isinstance(layer, keras.layers.InputLayer):
            yield layer


def is_frozen(layer: keras.layers.Layer) -> bool:
    """Whether a layer, with all in it, gives the same for an input in every epoch of a training."""
    if layer.trainable_variables:
        return False
    # What is no weight is the state of a random number generator, which moves with each call.
    weights = {id(variable) for variable in layer.weights}
    if any(id(variable) not in weights for variable in layer.variables):
        return False
    return not any(
        isinstance(part, keras.layers.BatchNormalization) and part.trainable
        for part in parts(layer)
    )


def _at(model: keras.Model, layer: keras.layers.Layer) -> Cut | None:
    try:
        frozen = keras.Model(model.input, layer.output, name=f"{model.name}_frozen")
        rest = keras.Model(layer.output, model.output, name=f"{model.name}_rest")
    # Keras' way to say that something does not pass through here.
    except ValueError:
        return None
    return Cut(frozen, rest)
