"""Paired differences of two classifiers: confidence intervals, tests, power."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from serkit.errors import InputError, check_range
from serkit.metrics.classification import Cells, drawn_speakers
from serkit.seeds import derive_seed

Measure = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
"""Function from confusion matrices ``(…, classes, classes)`` to numbers ``(…)``, as in
:mod:`serkit.metrics.classification`."""


@dataclass(frozen=True)
class TrainingNoise:
    """Variance of a difference between two arms that comes from the randomness of training.

    An arm is an augmentation method that is compared.

    Attributes:
        variance: variance of the mean difference over folds and seeds, only of the effect that is
            common to all speakers of a fold, because the same training runs predicted them. A
            bootstrap over speakers does not include it. 0 if it cannot be estimated, as with one
            seed.
        removable: variance that very many seeds would remove: ``variance``, and the effect of
            training that differs between speakers. None if it cannot be estimated, as with one
            seed.
    """

    variance: float
    removable: float | None


def training_noise(first: Cells, second: Cells, measure: Measure) -> TrainingNoise:
    """Estimate the variance that comes from training, from differences by speaker and seed.

    In each fold, the differences by seed and speaker are decomposed as in a two-way analysis of
    variance. The means of the seeds vary by the effect of a training run on all speakers, and by a
    fraction of its effect on single speakers.

    Args:
        first: results of one arm.
        second: results of the other arm, on the same clips with as many seeds.
        measure: the measure to compare.

    Source: Searle, Casella & McCulloch (1992), Variance Components, section 4.5.
    """
    seeds = len(first.counts)
    if seeds < 2:
        return TrainingNoise(0.0, None)
    apart = measure(second.counts) - measure(first.counts)
    parts = [_of_fold(apart[:, first.folds == fold]) for fold in np.unique(first.folds)]
    known = [part for part in parts if part is not None]
    if not known:
        return TrainingNoise(0.0, None)
    common, own = np.mean(known, axis=0)
    clips = first.counts.sum(axis=(0, 2, 3))
    shares = np.array([clips[first.folds == fold].sum() for fold in np.unique(first.folds)])
    variance = max(common, 0.0) * ((shares / shares.sum()) ** 2).sum() / seeds
    return TrainingNoise(float(variance), float(variance + own / (seeds * apart.shape[1])))


def _of_fold(apart: npt.NDArray[Any]) -> tuple[float, float] | None:
    """Estimate two variances in one fold from differences ``(seeds, speakers)``.

    Returns:
        The variances of a training run's effect on all speakers in common and on single speakers;
        None with fewer than two speakers.
    """
    # Speakers without clips of the measured classes have no difference.
    apart = apart[:, ~np.isnan(apart).any(axis=0)]
    seeds, speakers = apart.shape
    if speakers < 2:
        return None
    by_seed = apart.mean(axis=1, keepdims=True)
    rest = apart - by_seed - apart.mean(axis=0, keepdims=True) + apart.mean()
    own = (rest**2).sum() / ((seeds - 1) * (speakers - 1))
    return by_seed.var(ddof=1) - own / speakers, own


_CONFIDENCE, _POWER = 0.95, 0.8
FEWEST = 6
"""Smallest number of speakers for an interval. With four speakers an interval contains the true
value too seldom."""


@dataclass(frozen=True)
class Estimate:
    """A measured value with its 95 % confidence interval and standard error.

    Attributes:
        value: the measured value.
        low: lower end of the 95 % interval. None where fewer than :data:`FEWEST` speakers have
            clips of the measured classes, because an interval of so few speakers is not reliable.
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


@dataclass(frozen=True)
class Difference:
    """Difference of two arms: the second minus the first.

    Attributes:
        estimate: the difference with its interval.
        p: two-sided p-value of the permutation test: the probability of a difference as large or
            larger if both arms are equal.
        visible: minimum detectable effect: the smallest difference that data like these show with a
            power of 80 %, for a single comparison at the 5 % level. None where there is no
            interval.
        visible_with_more_seeds: minimum detectable effect if each arm were trained with very many
            seeds. None where there is no interval, or the variance that comes from training cannot
            be estimated, as with one seed.
        common: component of the squared error that more speakers would not remove, because it comes
            from training; 0 where it cannot be estimated, as with one seed.

    Example:
        >>> from serkit import metrics
        >>> estimate = metrics.Estimate(value=0.05, low=-0.01, high=0.11, error=0.03)
        >>> found = metrics.Difference(estimate, 0.1, 0.09, None, 0.0)
        >>> found.speakers_for(0.045, speakers=20)
        80
    """

    estimate: Estimate
    p: float
    visible: float | None
    visible_with_more_seeds: float | None
    common: float

    def speakers_for(self, effect: float, speakers: int) -> int | None:
        """Compute the number of speakers needed to detect an effect with a power of 80 %.

        Args:
            effect: the difference to detect, as a fraction, above 0.
            speakers: number of speakers in the data.

        Returns:
            The number of speakers. None if the standard error is not known, or if more seeds or
            folds are needed first.
        """
        error = self.estimate.error
        if not error or self.visible is None:
            return None
        wanted = (effect * error / self.visible) ** 2 - self.common
        if wanted <= 0:
            return None
        # The tolerance keeps rounding errors from adding a speaker.
        return int(np.ceil(speakers * (error**2 - self.common) / wanted - 1e-9))


def estimate(cells: Cells, measure: Measure, *, seed: int, draws: int = 2000) -> Estimate:
    """Compute a measure over all cells with a 95 % confidence interval over speakers.

    Args:
        cells: results of one arm.
        measure: the measure to compute.
        seed: seed of the draws.
        draws: number of bootstrap samples.

    Returns:
        The measure over all clips, with its interval and its standard error.

    Raises:
        InputError: if ``draws`` is below 1.

    Source: as for :func:`difference`.

    Example:
        >>> import numpy as np
        >>> from serkit import metrics
        >>> from serkit.metrics.classification import accuracy
        >>> truth, once, speakers = np.tile([0, 1], 40), np.zeros(80), np.repeat(np.arange(8), 10)
        >>> predicted = np.where(np.arange(80) % 4 == 0, 1, truth)
        >>> arm = metrics.tabulate(truth, predicted, once, once, speakers, classes=2)
        >>> found = metrics.estimate(arm, accuracy, seed=0, draws=200)
        >>> found.value, found.low <= found.value <= found.high
        (0.75, True)
    """
    sampled = measure(drawn_speakers(cells, seed, draws))
    return _summary(float(measure(cells.pooled)), sampled, _measured(cells, measure))


def difference(
    first: Cells, second: Cells, measure: Measure, *, seed: int, draws: int = 2000
) -> Difference:
    """Compute the difference ``second`` minus ``first`` of a measure on the same clips.

    The interval comes from a bootstrap that draws speakers with replacement, the same speakers for
    both arms. Its ends are quantiles of the bootstrap samples. Plain percentiles are too narrow. So
    the quantiles are moved outwards, more for fewer speakers, by the ratio of Student's t to the
    normal distribution and by the bias of the sample variance. The permutation test exchanges the
    arms of randomly chosen speakers, all clips of a speaker together, and counts how often the
    difference is as large as the measured one.

    With several seeds, the effect of training runs that is common to all speakers of a fold widens
    the interval (see :class:`TrainingNoise`) and makes the test stricter by the same factor. With
    one seed this effect cannot be estimated. The interval then covers the choice of the test
    speakers, but not the randomness of training.

    Args:
        first: results of one arm.
        second: results of the other arm, on the same clips with as many seeds.
        measure: the measure to compare.
        seed: seed of the draws.
        draws: number of bootstrap samples and of permutations.

    Returns:
        The difference with its interval, p-value and minimum detectable effect.

    Raises:
        InputError: if the two arms have not predicted the same clips, or ``draws`` is below 1.

    Source: Davison & Hinkley (1997), sections 3.8 and 4.3; Hesterberg (2015), What Teachers Should
    Know About the Bootstrap, The American Statistician 69(4), section 3.3, for the ends.

    Example:
        >>> import numpy as np
        >>> from serkit import metrics
        >>> from serkit.metrics.classification import accuracy
        >>> truth, once, speakers = np.tile([0, 1], 40), np.zeros(80), np.repeat(np.arange(8), 10)
        >>> predicted = np.where(np.arange(80) % 4 == 0, 1, truth)
        >>> arm = metrics.tabulate(truth, predicted, once, once, speakers, classes=2)
        >>> perfect = metrics.tabulate(truth, truth, once, once, speakers, classes=2)
        >>> metrics.difference(arm, perfect, accuracy, seed=0, draws=200).estimate.value
        0.25
    """
    if not np.array_equal(first.counts.sum(axis=3), second.counts.sum(axis=3)):
        raise InputError(
            "`first` and `second` must have predicted the same clips of each speaker. "
            "Received: different ones."
        )
    value = float(measure(second.pooled) - measure(first.pooled))
    one, two = (measure(drawn_speakers(cells, seed, draws)) for cells in (first, second))
    noise, speakers = training_noise(first, second, measure), _measured(first, measure)
    found = _summary(value, two - one, speakers)
    widened = 1.0
    if found.error:
        widened = float(np.sqrt(1 + noise.variance / found.error**2))
        found = _summary(value, value + widened * (two - one - value), speakers)
    p = permutation_test(first, second, measure, seed=seed, draws=draws, stricter=widened)
    fewer = None
    if found.error is not None and noise.removable is not None:
        fewer = _visible(np.sqrt(max(found.error**2 - noise.removable, 0.0)), speakers)
    return Difference(found, p, _visible(found.error, speakers), fewer, noise.variance)


def permutation_test(
    first: Cells,
    second: Cells,
    measure: Measure,
    *,
    seed: int,
    draws: int = 2000,
    stricter: float = 1.0,
) -> float:
    """Compute the two-sided p-value of the hypothesis that the two arms are exchangeable.

    Args:
        first: results of one arm.
        second: results of the other arm.
        measure: the measure to compare.
        seed: seed of the permutations.
        draws: number of permutations. The measured data count as one more permutation, so that p is
            never 0.
        stricter: divisor of the measured difference, at least 1. It accounts for variance that
            exchanging speakers does not cover.
    """
    check_range("draws", draws, 1)
    check_range("stricter", stricter, 1.0)
    rng = np.random.default_rng(derive_seed(seed, "permutation"))
    exchanged = rng.integers(2, size=(draws, first.speakers.max() + 1))[:, first.speakers]
    one, two = first.counts.sum(axis=0), second.counts.sum(axis=0)
    moved = np.tensordot(exchanged, two - one, axes=1)
    apart = measure(two.sum(axis=0) - moved) - measure(one.sum(axis=0) + moved)
    value = measure(two.sum(axis=0)) - measure(one.sum(axis=0))
    # The tolerance below is for equal differences that differ by rounding.
    known = np.abs(apart[~np.isnan(apart)])
    as_large = known >= np.abs(value) / stricter - 1e-12
    return float((1 + as_large.sum()) / (1 + len(known)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for multiple comparisons by Holm's method; the order stays the same.

    Args:
        p_values: p-values, 0 to 1.

    Returns:
        The adjusted p-values, 0 to 1.

    Source: Holm (1979), Scandinavian Journal of Statistics 6(2).

    Example:
        >>> from serkit import metrics
        >>> [round(float(p), 3) for p in metrics.holm([0.02, 0.01, 0.03])]
        [0.04, 0.03, 0.04]
    """
    count, found, least = len(p_values), [0.0] * len(p_values), 0.0
    for rank, place in enumerate(np.argsort(p_values, kind="stable")):
        least = max(least, min(1.0, (count - rank) * p_values[place]))
        found[place] = least
    return found


def ends(count: int) -> tuple[float, float]:
    """Return the bootstrap quantiles at the ends of a 95 % interval, for ``count`` drawn units."""
    reach = stats.t.ppf((1 + _CONFIDENCE) / 2, count - 1) * np.sqrt(count / (count - 1))
    low = float(stats.norm.cdf(-reach))
    return low, 1 - low


def _summary(value: float, sampled: npt.NDArray[Any], count: int) -> Estimate:
    known = sampled[~np.isnan(sampled)]
    if count < FEWEST or not len(known):
        return Estimate(value, None, None, None)
    low, high = np.quantile(known, ends(count))
    error = known.std() * np.sqrt(count / (count - 1))
    return Estimate(value, float(low), float(high), float(error))


def _measured(cells: Cells, measure: Measure) -> int:
    """Return the number of speakers for which the measure is defined."""
    return int((~np.isnan(measure(cells.by_speaker))).sum())


def _visible(error: float | None, speakers: int) -> float | None:
    if error is None:
        return None
    ends_at = stats.t.ppf([(1 + _CONFIDENCE) / 2, _POWER], speakers - 1)
    return float(ends_at.sum() * error)
