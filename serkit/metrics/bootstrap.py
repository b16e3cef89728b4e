"""Confidence intervals over speakers, by a bootstrap that draws speakers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from serkit.errors import InputError, check_range
from serkit.metrics.classification import ConfusionBySpeaker
from serkit.seeds import derive_seed

CONFIDENCE = 0.95
"""Confidence level of all intervals."""
MIN_SPEAKERS = 6
"""Smallest number of speakers for an interval. With four speakers an interval contains the true
value too seldom."""

Measure = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
"""Function from confusion matrices ``(…, classes, classes)`` to numbers ``(…)``, as in
:mod:`serkit.metrics.classification`."""


@dataclass(frozen=True)
class Estimate:
    """A measured value with its 95 % confidence interval and standard error.

    Attributes:
        value: the measured value.
        low: lower end of the 95 % interval. None where fewer than :data:`MIN_SPEAKERS` speakers
            have clips of the measured classes, because an interval of so few speakers is not
            reliable.
        high: upper end; None where ``low`` is None.
        error: standard error; None where ``low`` is None.

    Example:
        >>> from serkit import metrics
        >>> metrics.Estimate(value=0.05, low=0.01, high=0.09, error=0.02).low > 0
        True
    """

    value: float
    low: float | None
    high: float | None
    error: float | None


def estimate(
    confusion: ConfusionBySpeaker, measure: Measure, *, seed: int, n_resamples: int = 2000
) -> Estimate:
    """Compute a measure over all clips with a 95 % confidence interval over speakers.

    Args:
        confusion: results of one arm.
        measure: the measure to compute.
        seed: seed of the random numbers.
        n_resamples: number of bootstrap samples.

    Returns:
        The measure over all clips, with its interval and its standard error.

    Raises:
        InputError: if ``n_resamples`` is below 1.

    Source: as for :func:`serkit.metrics.paired.difference`.

    Example:
        >>> import numpy as np
        >>> from serkit import metrics
        >>> from serkit.metrics.classification import accuracy
        >>> truth, zeros, speakers = np.tile([0, 1], 40), np.zeros(80), np.repeat(np.arange(8), 10)
        >>> predicted = np.where(np.arange(80) % 4 == 0, 1, truth)
        >>> arm = metrics.confusion_by_speaker(truth, predicted, zeros, zeros, speakers, 2)
        >>> estimate = metrics.estimate(arm, accuracy, seed=0, n_resamples=200)
        >>> estimate.value, estimate.low <= estimate.value <= estimate.high
        (0.75, True)
    """
    samples = measure(bootstrap_confusion_matrices(confusion, seed, n_resamples))
    value = float(measure(confusion.pooled))
    return estimate_from_samples(value, samples, count_measurable_speakers(confusion, measure))


def bootstrap_confusion_matrices(
    confusion: ConfusionBySpeaker, seed: int, n_resamples: int
) -> npt.NDArray[Any]:
    """Sum confusion matrices over bootstrap samples of speakers.

    Each bootstrap sample has as many speakers as ``confusion``, drawn with replacement. A speaker
    is drawn with the predictions of all folds and seeds, because errors on clips of one speaker are
    correlated.

    Args:
        confusion: confusion matrices of the speakers.
        seed: seed of the random numbers.
        n_resamples: number of bootstrap samples, 1 or more.

    Returns:
        One confusion matrix per bootstrap sample, float ``(n_resamples, classes, classes)``.
    """
    check_range("n_resamples", n_resamples, 1)
    rng = np.random.default_rng(derive_seed(seed, "cells"))
    matrices = confusion.by_speaker
    n_speakers = len(matrices)
    times_drawn = rng.multinomial(n_speakers, np.full(n_speakers, 1 / n_speakers), n_resamples)
    # In floats, because NumPy multiplies integer matrices slowly. The sums stay exact.
    return np.tensordot(times_drawn.astype(float), matrices, axes=1)


def estimate_from_samples(value: float, samples: npt.NDArray[Any], n_speakers: int) -> Estimate:
    defined = samples[~np.isnan(samples)]
    if n_speakers < MIN_SPEAKERS or not len(defined):
        return Estimate(value, None, None, None)
    low, high = np.quantile(defined, interval_quantiles(n_speakers))
    error = defined.std() * np.sqrt(n_speakers / (n_speakers - 1))
    return Estimate(value, float(low), float(high), float(error))


def count_measurable_speakers(confusion: ConfusionBySpeaker, measure: Measure) -> int:
    """Count the speakers for which the measure is defined."""
    return int((~np.isnan(measure(confusion.by_speaker))).sum())


def interval_quantiles(n_speakers: int) -> tuple[float, float]:
    """Return the quantiles of the bootstrap samples that are the ends of a 95 % interval."""
    inflation = np.sqrt(n_speakers / (n_speakers - 1))
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, n_speakers - 1) * inflation
    low = float(stats.norm.cdf(-reach))
    return low, 1 - low


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % confidence interval over speakers.

    Attributes:
        value: the measured value.
        low: lower end; None where fewer than :data:`MIN_SPEAKERS` speakers
            have clips for this measure.
        high: upper end; None where ``low`` is None.
    """

    value: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        """Format the interval in per cent, such as ``51.2 [47.0, 55.3]``."""
        value = f"{100 * self.value:.1f}"
        if self.low is None or self.high is None:
            return value
        return f"{value} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


def bootstrap_interval(
    statistic_of_clips: Callable[[npt.NDArray[Any]], float],
    speakers: Sequence[str],
    *,
    seed: int,
    n_resamples: int = 500,
) -> Interval:
    """Compute any statistic of clips with a 95 % confidence interval over speakers.

    Args:
        statistic_of_clips: function of clip indices, int ``(n,)``. An index may occur several times
            or not at all. The function returns NaN where the statistic is undefined for these
            clips.
        speakers: speaker of each clip.
        seed: seed of the random numbers.
        n_resamples: number of bootstrap samples.

    Raises:
        InputError: if there are no clips.

    Source: as for :func:`serkit.metrics.paired.difference`.
    """
    if not len(speakers):
        raise InputError("`speakers` must be of 1 or more clips. Received: 0.")
    speaker_names, speaker_index = np.unique(np.asarray(speakers), return_inverse=True)
    n_speakers = len(speaker_names)
    clips_of_speaker = [np.flatnonzero(speaker_index == index) for index in range(n_speakers)]
    value = float(statistic_of_clips(np.arange(len(speaker_index))))
    if n_speakers < MIN_SPEAKERS:
        return Interval(value, None, None)
    rng = np.random.default_rng(seed)
    resamples = rng.integers(0, n_speakers, (n_resamples, n_speakers))
    values = []
    for resample in resamples:
        clips = np.concatenate([clips_of_speaker[index] for index in resample])
        values.append(statistic_of_clips(clips))
    values = np.array(values)
    defined = values[~np.isnan(values)]
    if not len(defined):
        return Interval(value, None, None)
    low, high = np.quantile(defined, interval_quantiles(n_speakers))
    return Interval(value, float(low), float(high))
