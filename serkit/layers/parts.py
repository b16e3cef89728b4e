"""The layers that a model is made of."""

from collections.abc import Iterator

import keras


def parts(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """A layer or model itself, and all layers inside, at any depth."""
    yield layer
    for part in getattr(layer, "layers", ()):
        yield from parts(part)
