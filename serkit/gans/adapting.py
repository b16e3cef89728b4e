"""Adapting a trained generator to few clips without forgetting what it can do."""

import keras
from keras import layers

from serkit.errors import InputError


def tune_norms_alone(network: keras.Model) -> None:
    """Leave only the scales and offsets of batch normalisation to be trained.

    A generator that has seen many clips and goes on with a dozen learns these by heart if it may
    change everything. Its norms alone can shift what it makes, and not draw anew.

    Args:
        network: whose layers are frozen but for its norms; its optimizer may stay as it is.

    Raises:
        InputError: if there is no batch normalisation in it.

    Source: Noguchi & Harada (2019), Image Generation From Small Datasets via Batch Statistics
    Adaptation, arXiv:1904.01774.
    """
    if not any(isinstance(layer, layers.BatchNormalization) for layer in network.layers):
        raise InputError(f"{network.name} has no batch normalisation; valid is a network with some")
    for layer in network.layers:
        layer.trainable = isinstance(layer, layers.BatchNormalization)
