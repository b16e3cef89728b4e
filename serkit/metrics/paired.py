"""Paired differences of two classifiers: confidence intervals, tests, power."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from serkit.errors import InputError, check_range
from serkit.metrics.classification import Cells, drawn_speakers
from serkit.seeds import derive_seed

Measure = Callable[[np.ndarray], np.ndarray]
"""From confusion matrices ``(…, classes, classes)`` to numbers ``(…)``; see
:mod:`serkit.metrics.classification`."""


@dataclass(frozen=True)
class TrainingNoise:
    """Parts of the variance of a difference between two arms.

    Attributes:
        variance: of the mean over folds and seeds, of what all speakers of a fold have in common
            because the same trainings predicted them; a bootstrap over speakers does not see it. 0
            if one seed alone cannot tell.
        removable: what very many seeds would take away, of both this and of what differs from
            speaker to speaker; None if one seed alone cannot tell.
    """

    variance: float
    removable: float | None


def training_noise(first: Cells, second: Cells, measure: Measure) -> TrainingNoise:
    """Estimate it from the differences of each speaker and seed within each fold.

    In a fold, differences by seed and speaker are taken apart as in an analysis of variance with
    two factors: seeds' means vary by what a training does to all speakers, and by a share of what
    it does to each by itself.

    Args:
        first: of one arm.
        second: of the other; the same clips and as many seeds.
        measure: what is measured.

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


def _of_fold(apart: np.ndarray) -> tuple[float, float] | None:
    """Variances of what a training does to all speakers, and to each, of ``(seeds, speakers)``."""
    # A speaker without clips of the classes that are measured tells nothing.
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
"""With fewer speakers there is no interval: of four it holds the truth too seldom."""


@dataclass(frozen=True)
class Estimate:
    """A number with what is known of its precision.

    Attributes:
        value: as measured.
        low: lower end of the 95 % interval; None where fewer than :data:`FEWEST` speakers have
            clips that are measured, since nothing made of so few holds what it says.
        high: upper end.
        error: standard error; None like the ends.
    """

    value: float
    low: float | None
    high: float | None
    error: float | None


@dataclass(frozen=True)
class Difference:
    """Second less first.

    Attributes:
        estimate: of the difference, with its interval.
        p: two-sided, of the permutation test: how often a difference as large or larger comes
            about if both arms are alike.
        visible: the smallest difference that data like these show in four cases of five, of one
            arm alone at the 5 % level; None like the interval.
        visible_with_more_seeds: the same if each arm were trained with very many seeds; None where
            one seed alone cannot tell.
        common: the part of the squared error that more speakers would not take away, being of
            trainings; 0 where one seed alone cannot tell.
    """

    estimate: Estimate
    p: float
    visible: float | None
    visible_with_more_seeds: float | None
    common: float

    def speakers_for(self, effect: float, speakers: int) -> int | None:
        """How many such speakers it takes to see an effect in four cases of five.

        Args:
            effect: as a share, above 0.
            speakers: how many there were.

        Returns:
            None if it is not known, or if it takes more seeds or folds first.
        """
        error = self.estimate.error
        if not error or self.visible is None:
            return None
        wanted = (effect * error / self.visible) ** 2 - self.common
        if wanted <= 0:
            return None
        # Equal ones may differ by rounding.
        return int(np.ceil(speakers * (error**2 - self.common) / wanted - 1e-9))


def estimate(cells: Cells, measure: Measure, *, seed: int, draws: int = 2000) -> Estimate:
    """A measure over all cells, with a 95 % interval over speakers.

    Args:
        cells: of one arm.
        measure: what is measured.
        seed: of the draws.
        draws: number of bootstrap samples.

    Source: as for :func:`difference`.
    """
    sampled = measure(drawn_speakers(cells, seed, draws))
    return _summary(float(measure(cells.pooled)), sampled, _measured(cells, measure))


def difference(
    first: Cells, second: Cells, measure: Measure, *, seed: int, draws: int = 2000
) -> Difference:
    """How much higher ``second`` measures than ``first``, both on the same clips.

    The interval is of a bootstrap that draws speakers with replacement, the same for both arms. Its
    ends are quantiles of the draws, taken farther out the fewer speakers there are, by the ratio of
    Student's t to the normal and for the bias of a variance over a sample: plain percentiles are
    too narrow. The test exchanges the arms of some speakers at random, all clips of a speaker
    together, and asks how often that gives as large a difference.

    Of several seeds, what trainings have in common over all speakers of a fold widens the interval
    (:mod:`serkit.metrics.paired`) and makes the test as much stricter. Of one seed that
    cannot be known: the interval covers who was tested, not how a training happened to go.

    Args:
        first: of one arm.
        second: of the other; the same clips and as many seeds.
        measure: what is measured.
        seed: of the draws.
        draws: number of bootstrap samples and of permutations.

    Raises:
        InputError: if the two are not of the same clips.

    Source: Davison & Hinkley (1997), sections 3.8 and 4.3; Hesterberg (2015), What Teachers Should
    Know About the Bootstrap, The American Statistician 69(4), section 3.3, for the ends.
    """
    if not np.array_equal(first.counts.sum(axis=3), second.counts.sum(axis=3)):
        raise InputError("the arms have predicted different clips; valid are the same, by speaker")
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
    """Two-sided p value of the hypothesis that which arm is which does not matter.

    Args:
        first: of one arm.
        second: of the other.
        measure: what is measured.
        seed: of the permutations.
        draws: their number; what was measured counts as one more, so that p is never 0.
        stricter: what the measured difference is divided by, at least 1, for what exchanging
            speakers does not cover.
    """
    check_range("draws", draws, 1)
    check_range("stricter", stricter, 1.0)
    rng = np.random.default_rng(derive_seed(seed, "permutation"))
    exchanged = rng.integers(2, size=(draws, first.speakers.max() + 1))[:, first.speakers]
    one, two = first.counts.sum(axis=0), second.counts.sum(axis=0)
    moved = np.tensordot(exchanged, two - one, axes=1)
    apart = measure(two.sum(axis=0) - moved) - measure(one.sum(axis=0) + moved)
    value = measure(two.sum(axis=0)) - measure(one.sum(axis=0))
    # Equal ones may differ by rounding.
    known = np.abs(apart[~np.isnan(apart)])
    as_large = known >= np.abs(value) / stricter - 1e-12
    return float((1 + as_large.sum()) / (1 + len(known)))


def holm(p_values: Sequence[float]) -> list[float]:
    """P values that may be compared with 5 % though several were looked at, in their order.

    Source: Holm (1979), Scandinavian Journal of Statistics 6(2).
    """
    count, found, least = len(p_values), [0.0] * len(p_values), 0.0
    for rank, place in enumerate(np.argsort(p_values, kind="stable")):
        least = max(least, min(1.0, (count - rank) * p_values[place]))
        found[place] = least
    return found


def ends(count: int) -> tuple[float, float]:
    """Quantiles of the draws at which a 95 % interval ends, of ``count`` things drawn from."""
    reach = stats.t.ppf((1 + _CONFIDENCE) / 2, count - 1) * np.sqrt(count / (count - 1))
    low = float(stats.norm.cdf(-reach))
    return low, 1 - low


def _summary(value: float, sampled: np.ndarray, count: int) -> Estimate:
    known = sampled[~np.isnan(sampled)]
    if count < FEWEST or not len(known):
        return Estimate(value, None, None, None)
    low, high = np.quantile(known, ends(count))
    error = known.std() * np.sqrt(count / (count - 1))
    return Estimate(value, float(low), float(high), float(error))


def _measured(cells: Cells, measure: Measure) -> int:
    """Speakers with clips of what is measured."""
    return int((~np.isnan(measure(cells.by_speaker))).sum())


def _visible(error: float | None, speakers: int) -> float | None:
    if error is None:
        return None
    ends_at = stats.t.ppf([(1 + _CONFIDENCE) / 2, _POWER], speakers - 1)
    return float(ends_at.sum() * error)
