"""Keras 3 layers: log-mel spectrograms, SpecAugment, variational layers, Monte Carlo dropout.

Importing this package registers the layers, so that ``keras.models.load_model`` finds them.
"""

from serkit.layers.dropout import MCDropout
from serkit.layers.preprocessing import LogMelSpectrogram, SpecAugment
from serkit.layers.priors import NormalPrior, ScaleMixturePrior
from serkit.layers.variational import Conv2DVariational, DenseVariational, KLWarmup

__all__ = [
    "Conv2DVariational",
    "DenseVariational",
    "KLWarmup",
    "LogMelSpectrogram",
    "MCDropout",
    "NormalPrior",
    "ScaleMixturePrior",
    "SpecAugment",
]
