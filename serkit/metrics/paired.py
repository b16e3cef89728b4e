"""Paired differences of two classifiers: confidence intervals, tests, power."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from serkit.errors import InputError, check_range
from serkit.metrics.bootstrap import (
    CONFIDENCE,
    Estimate,
    Measure,
    bootstrap_confusion_matrices,
    count_measurable_speakers,
    estimate_from_samples,
)
from serkit.metrics.classification import ConfusionBySpeaker
from serkit.seeds import derive_seed


@dataclass(frozen=True)
class TrainingNoise:
    """Variance of a difference between two arms that comes from the randomness of training.

    An arm is an augmentation method that is compared.

    Attributes:
        variance: variance of the mean difference over folds and seeds that comes from the effect
            of a training run on all speakers of its fold. A bootstrap over speakers does not
            include this variance. 0 if it cannot be estimated, as with one seed.
        removable: variance that very many seeds would remove: ``variance``, plus the variance of
            the effect of training on single speakers. None if it cannot be estimated, as with one
            seed.
    """

    variance: float
    removable: float | None


def training_noise(
    first: ConfusionBySpeaker, second: ConfusionBySpeaker, measure: Measure
) -> TrainingNoise:
    """Estimate the variance that comes from training, from differences by speaker and seed.

    In each fold, the differences by seed and speaker are decomposed as in a two-way analysis of
    variance. The variance of the seeds' means is the sum of two variances: that of a training run's
    effect on all speakers, and that of its effect on single speakers divided by their number.

    Args:
        first: results of one arm.
        second: results of the other arm, on the same clips with as many seeds.
        measure: the measure to compare.

    Source: Searle, Casella & McCulloch (1992), Variance Components, section 4.5.
    """
    n_seeds = len(first.counts)
    if n_seeds < 2:
        return TrainingNoise(0.0, None)
    differences = measure(second.counts) - measure(first.counts)
    folds = np.unique(first.fold_index)
    variances = [_variances_in_fold(differences[:, first.fold_index == fold]) for fold in folds]
    estimated = [pair for pair in variances if pair is not None]
    if not estimated:
        return TrainingNoise(0.0, None)
    common_variance, speaker_variance = np.mean(estimated, axis=0)
    clips_per_pair = first.counts.sum(axis=(0, 2, 3))
    clips_per_fold = np.array([clips_per_pair[first.fold_index == fold].sum() for fold in folds])
    fold_fractions = clips_per_fold / clips_per_fold.sum()
    variance = max(common_variance, 0.0) * (fold_fractions**2).sum() / n_seeds
    removable = variance + speaker_variance / (n_seeds * differences.shape[1])
    return TrainingNoise(float(variance), float(removable))


def _variances_in_fold(differences: npt.NDArray[Any]) -> tuple[float, float] | None:
    """Estimate two variances in one fold from differences ``(seeds, speakers)``.

    Returns:
        The variance of a training run's effect on all speakers in common, and the variance of its
        effect on single speakers; None with fewer than two speakers.
    """
    # Speakers without clips of the measured classes have no difference.
    differences = differences[:, ~np.isnan(differences).any(axis=0)]
    n_seeds, n_speakers = differences.shape
    if n_speakers < 2:
        return None
    seed_means = differences.mean(axis=1, keepdims=True)
    speaker_means = differences.mean(axis=0, keepdims=True)
    residuals = differences - seed_means - speaker_means + differences.mean()
    speaker_variance = (residuals**2).sum() / ((n_seeds - 1) * (n_speakers - 1))
    return seed_means.var(ddof=1) - speaker_variance / n_speakers, speaker_variance


_POWER = 0.8


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
        common: part of the squared standard error that more speakers would not remove, because it
            comes from training; 0 where it cannot be estimated, as with one seed.

    Example:
        >>> from serkit import metrics
        >>> estimate = metrics.Estimate(value=0.05, low=-0.01, high=0.11, error=0.03)
        >>> difference = metrics.Difference(
        ...     estimate, p=0.1, visible=0.09, visible_with_more_seeds=None, common=0.0
        ... )
        >>> difference.speakers_for(0.045, n_speakers=20)
        80
    """

    estimate: Estimate
    p: float
    visible: float | None
    visible_with_more_seeds: float | None
    common: float

    def speakers_for(self, effect: float, n_speakers: int) -> int | None:
        """Compute the number of speakers needed to detect an effect with a power of 80 %.

        Args:
            effect: the difference to detect, as a fraction, above 0.
            n_speakers: number of speakers in the data.

        Returns:
            The number of speakers. None if the standard error is not known, or if more seeds or
            folds are needed first.
        """
        error = self.estimate.error
        if not error or self.visible is None:
            return None
        needed_variance = (effect * error / self.visible) ** 2 - self.common
        if needed_variance <= 0:
            return None
        variance = error**2 - self.common
        # The tolerance keeps rounding errors from adding a speaker.
        return int(np.ceil(n_speakers * variance / needed_variance - 1e-9))


def difference(
    first: ConfusionBySpeaker,
    second: ConfusionBySpeaker,
    measure: Measure,
    *,
    seed: int,
    n_resamples: int = 2000,
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
        seed: seed of the random numbers.
        n_resamples: number of bootstrap samples and of permutations.

    Returns:
        The difference with its interval, p-value and minimum detectable effect.

    Raises:
        InputError: if the two arms have not predicted the same clips, or ``n_resamples`` is
            below 1.

    Source: Davison & Hinkley (1997), sections 3.8 and 4.3; Hesterberg (2015), What Teachers Should
    Know About the Bootstrap, The American Statistician 69(4), section 3.3, for the ends.

    Example:
        >>> import numpy as np
        >>> from serkit import metrics
        >>> from serkit.metrics.classification import accuracy
        >>> truth, zeros, speakers = np.tile([0, 1], 40), np.zeros(80), np.repeat(np.arange(8), 10)
        >>> predicted = np.where(np.arange(80) % 4 == 0, 1, truth)
        >>> arm = metrics.confusion_by_speaker(truth, predicted, zeros, zeros, speakers, 2)
        >>> perfect = metrics.confusion_by_speaker(truth, truth, zeros, zeros, speakers, 2)
        >>> metrics.difference(arm, perfect, accuracy, seed=0, n_resamples=200).estimate.value
        0.25
    """
    if not np.array_equal(first.counts.sum(axis=3), second.counts.sum(axis=3)):
        raise InputError(
            "`first` and `second` must have the same number of predictions per seed, fold, speaker "
            "and true class. Received: different numbers."
        )
    value = float(measure(second.pooled) - measure(first.pooled))
    first_samples = measure(bootstrap_confusion_matrices(first, seed, n_resamples))
    second_samples = measure(bootstrap_confusion_matrices(second, seed, n_resamples))
    samples = second_samples - first_samples
    noise = training_noise(first, second, measure)
    n_speakers = count_measurable_speakers(first, measure)
    result = estimate_from_samples(value, samples, n_speakers)
    widening = 1.0
    if result.error:
        widening = float(np.sqrt(1 + noise.variance / result.error**2))
        result = estimate_from_samples(value, value + widening * (samples - value), n_speakers)
    visible_with_more_seeds = None
    if result.error is not None and noise.removable is not None:
        error = np.sqrt(max(result.error**2 - noise.removable, 0.0))
        visible_with_more_seeds = _minimum_detectable_effect(error, n_speakers)
    return Difference(
        estimate=result,
        p=permutation_test(
            first, second, measure, seed=seed, n_resamples=n_resamples, divisor=widening
        ),
        visible=_minimum_detectable_effect(result.error, n_speakers),
        visible_with_more_seeds=visible_with_more_seeds,
        common=noise.variance,
    )


def permutation_test(
    first: ConfusionBySpeaker,
    second: ConfusionBySpeaker,
    measure: Measure,
    *,
    seed: int,
    n_resamples: int = 2000,
    divisor: float = 1.0,
) -> float:
    """Compute the two-sided p-value of the hypothesis that the two arms are exchangeable.

    Args:
        first: results of one arm.
        second: results of the other arm.
        measure: the measure to compare.
        seed: seed of the random numbers.
        n_resamples: number of permutations. The measured data count as one more permutation, so
            that p is never 0.
        divisor: at least 1. The measured difference is divided by it, to account for variance that
            exchanging speakers does not cover.
    """
    check_range("n_resamples", n_resamples, 1)
    check_range("divisor", divisor, 1.0)
    rng = np.random.default_rng(derive_seed(seed, "permutation"))
    speaker_index = first.speaker_index
    is_exchanged = rng.integers(2, size=(n_resamples, speaker_index.max() + 1))[:, speaker_index]
    first_counts, second_counts = first.counts.sum(axis=0), second.counts.sum(axis=0)
    # In floats, because NumPy multiplies integer matrices slowly. The sums stay exact.
    exchanged_counts = np.tensordot(
        is_exchanged.astype(float), second_counts - first_counts, axes=1
    )
    first_total, second_total = first_counts.sum(axis=0), second_counts.sum(axis=0)
    differences = measure(second_total - exchanged_counts) - measure(first_total + exchanged_counts)
    measured_difference = measure(second_total) - measure(first_total)
    sizes = np.abs(differences[~np.isnan(differences)])
    # The tolerance is for equal differences that differ by rounding.
    is_as_large = sizes >= np.abs(measured_difference) / divisor - 1e-12
    return float((1 + is_as_large.sum()) / (1 + len(sizes)))


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
    adjusted, largest_so_far = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        p = min(1.0, (len(p_values) - rank) * p_values[index])
        largest_so_far = max(largest_so_far, p)
        adjusted[index] = largest_so_far
    return adjusted


def _minimum_detectable_effect(error: float | None, n_speakers: int) -> float | None:
    if error is None:
        return None
    t_values = stats.t.ppf([(1 + CONFIDENCE) / 2, _POWER], n_speakers - 1)
    return float(t_values.sum() * error)
