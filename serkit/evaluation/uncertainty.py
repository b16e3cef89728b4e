"""How unsure samples of a classifier are, and of what kind that is."""

from dataclasses import dataclass

import numpy as np

from serkit.errors import InputError


@dataclass(frozen=True)
class Uncertainty:
    """Of each clip, in nats, 0 to the logarithm of the number of classes.

    Attributes:
        total: entropy of the mean probabilities (predictive entropy).
        aleatoric: mean entropy of the samples (expected entropy): what is unclear in the recording
            whichever network listens.
        epistemic: their difference (mutual information): what the networks disagree about, and more
            recordings to train on would settle.
    """

    total: np.ndarray
    aleatoric: np.ndarray
    epistemic: np.ndarray


def uncertainty(samples: np.ndarray) -> Uncertainty:
    """Split how unsure a classifier is.

    Args:
        samples: probabilities ``(samples, clips, classes)``.

    Raises:
        InputError: for another shape, no sample, or rows that do not add up to 1.

    Source: Depeweg et al. (2018), arXiv:1710.07283; Houlsby et al. (2011), arXiv:1112.5745.
    """
    samples = np.asarray(samples, np.float64)
    if samples.ndim != 3 or not len(samples):
        raise InputError(
            f"samples of shape {samples.shape}; valid is (samples, clips, classes), one or more"
        )
    if not np.allclose(samples.sum(axis=-1), 1, atol=1e-4) or samples.min() < 0:
        raise InputError("samples are no probabilities: rows do not add up to 1")
    total = _entropy(samples.mean(axis=0))
    aleatoric = _entropy(samples).mean(axis=0)
    # Roundings aside, entropy is concave.
    return Uncertainty(total, aleatoric, np.maximum(total - aleatoric, 0.0))


def _entropy(probabilities: np.ndarray) -> np.ndarray:
    logs = np.log(np.where(probabilities > 0, probabilities, 1.0))
    return -(probabilities * logs).sum(axis=-1)
