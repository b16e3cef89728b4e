"""Temperature scaling."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from serkit.datasets.splits import Speakers
from serkit.errors import InputError
from serkit.metrics.calibration import negative_log_likelihood, softmax
from serkit.training.batches import Source
from serkit.training.examples import Examples
from serkit.uncertainty.predictors import Predictor

_TEMPERATURE_RANGE = (0.05, 20.0)


class TemperatureScaled:
    """A predictor whose logits are divided by a temperature.

    Each sample's most probable class stays the same.

    Args:
        predictor: the predictor.
        temperature: divisor of the logits, above 0. Above 1 it lowers the confidence.

    Source: Guo et al. (2017), arXiv:1706.04599.
    """

    def __init__(self, predictor: Predictor, temperature: float) -> None:
        self.predictor: Predictor = predictor
        self.temperature: float = float(temperature)

    def predict_logits(self, x: Source, n: int = 30, seed: int = 0) -> npt.NDArray[Any]:
        """See :meth:`serkit.uncertainty.predictors.Predictor.predict_logits`."""
        return self.predictor.predict_logits(x, n, seed) / np.float32(self.temperature)


def scale_temperature(
    predictor: Predictor, validation: Examples, speakers: Speakers, n: int = 30, seed: int = 0
) -> TemperatureScaled:
    """Fit the temperature on validation speakers.

    Args:
        predictor: the predictor.
        validation: real examples with labels.
        speakers: speakers of each partition of the split.
        n: number of samples.
        seed: seed of the samples.

    Returns:
        The predictor with all logits divided by the temperature, 0.05 to 20, that maximises the
        likelihood of the validation labels.

    Raises:
        LeakError: if ``validation`` has a speaker who is not a validation speaker.
        InputError: if there are no labels.

    Example:
        >>> import numpy as np
        >>> import serkit
        >>> class Overconfident:
        ...     def predict_logits(self, x, n=30, seed=0):
        ...         return np.array([[[4.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 0.0]]])
        >>> spectrograms, labels = np.zeros((4, 32, 32, 1), "float32"), np.array([0, 0, 1, 1])
        >>> validation = serkit.Examples(spectrograms, frozenset({"bob"}), labels)
        >>> speakers = serkit.Speakers(frozenset({"ann"}), frozenset({"bob"}), frozenset({"cid"}))
        >>> scaled = serkit.scale_temperature(Overconfident(), validation, speakers)
        >>> round(scaled.temperature, 2)
        3.64

    Source: Guo et al. (2017), arXiv:1706.04599.
    """
    speakers.require_validation(validation.speakers)
    if validation.labels is None or not len(validation):
        raise InputError("`validation` must have labels, a class number for each example.")
    logits = predictor.predict_logits(validation.spectrograms, n, seed)
    return TemperatureScaled(predictor, best_temperature(logits, validation.labels))


def best_temperature(logits: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float:
    """Return the temperature, 0.05 to 20, that maximises the likelihood of the labels.

    Args:
        logits: ``(samples, clips, classes)``; probabilities are averaged over samples.
        labels: class numbers ``(clips,)``.

    Example:
        >>> overconfident = np.array([[[4.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 0.0]]])
        >>> round(best_temperature(overconfident, np.array([0, 0, 1, 1])), 2)
        3.64
    """
    logits = np.asarray(logits, np.float64)

    def loss(log_temperature: float) -> float:
        samples = softmax(logits / np.exp(log_temperature))
        return negative_log_likelihood(samples.mean(axis=0), labels)

    bounds = tuple(np.log(_TEMPERATURE_RANGE))
    log_temperature = minimize_scalar(loss, bounds=bounds, method="bounded").x
    return float(np.exp(log_temperature))
