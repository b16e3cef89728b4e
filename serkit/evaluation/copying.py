"""Whether generated samples are copies of what the generator was trained on."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from serkit.errors import InputError, check_range
from serkit.evaluation.features import check_features
from serkit.evaluation.neighbours import nearest_distances


def copying_score(training: np.ndarray, held_out: np.ndarray, generated: np.ndarray) -> float:
    """Whether generated samples lie nearer to the training samples than held-out real ones do.

    Z-score of a Mann-Whitney U test on the distances to the nearest training sample. Were both
    distances distributed alike and all samples independent, Z would be about standard normal.
    Below -3 (by chance once in some 740 sets) it strongly suggests copying; above 3 the generated
    samples lie farther from the training samples than real ones, as those of a bad generator do.
    Z grows with the numbers of samples: compare sets of equal numbers only.

    Held-out clips are of other speakers here, so a generator that has learned its speakers'
    voices, and copies none of their clips, has a Z below 0, too. Where they are at hand, clips of
    the training's own speakers that the generator did not see, given as ``generated``, show how
    much of it is the voices. Clips of one speaker are not independent, either, which drives Z
    farther from 0 than it should be, on both sides.

    Args:
        training: features of what the generator saw, floats ``(training, d)``.
        held_out: features of real samples that it did not see, floats ``(held_out, d)``.
        generated: features of what is judged, floats ``(generated, d)``.

    Returns:
        Z, 0 where all distances are the same.

    Raises:
        InputError: if the features are not fit to be compared (see
            :func:`~serkit.evaluation.features.check_features`).

    Source: Meehan et al. (2020), arXiv:2004.05675, the global test; ties as in Lehmann (1975).
    """
    sets = {"training": training, "held_out": held_out, "generated": generated}
    training, held_out, generated = check_features(1, **sets)
    m, n = len(generated), len(held_out)
    near = nearest_distances(np.concatenate([generated, held_out]), training)
    u = rankdata(near)[:m].sum() - m * (m + 1) / 2
    ties = np.unique(near, return_counts=True)[1].astype(float)
    variance = m * n / 12 * (m + n + 1 - np.sum(ties**3 - ties) / ((m + n) * (m + n - 1)))
    # Where all are tied, rounding may leave a variance just above or below 0.
    return float((u - m * n / 2) / np.sqrt(variance)) if len(ties) > 1 else 0.0


def near_copies(training: np.ndarray, generated: np.ndarray, threshold: float) -> np.ndarray:
    """Which generated samples have a training sample at ``threshold`` or nearer.

    Args:
        training: features, floats ``(training, d)``.
        generated: features, floats ``(generated, d)``.
        threshold: a distance, 0 or more, as from :func:`copy_threshold`; 0 finds exact copies.

    Returns:
        bool ``(generated,)``.

    Raises:
        InputError: if ``threshold`` is below 0 or the features are not fit to be compared.
    """
    check_range("threshold", threshold, 0)
    training, generated = check_features(1, training=training, generated=generated)
    return nearest_distances(generated, training) <= threshold


def copy_threshold(features: np.ndarray, speakers: Sequence[str], quantile: float = 0.05) -> float:
    """Distance at which a sample counts as a near-copy: so near few speakers come to each other.

    For each real clip the distance to the nearest clip of another speaker is taken; the threshold
    is a low quantile of these. Clips of the same speaker do not count, since two takes of one
    sentence are nearly copies themselves. So ``quantile`` is the share of real clips of new
    speakers that would be called near-copies: 5 % of near-copies in a generated set are what real
    clips have. More are suspicious, but no proof: samples in the training speakers' voices come
    nearer, too. A lower quantile rests on fewer clips (with 0.05 and 200 clips, on the ten
    nearest) and soon on a duplicate that the audit missed.

    Give the clips that the generator was trained on: the more clips, the nearer the nearest.

    Args:
        features: of real clips, floats ``(clips, d)``.
        speakers: of each clip; at least two different ones.
        quantile: from 0 to 1, interpolated linearly between clips.

    Returns:
        A distance, 0 or more.

    Raises:
        InputError: if ``quantile`` is out of range, there is one speaker only, the numbers of
            clips and speakers differ, or features are not finite.
    """
    check_range("quantile", quantile, 0, 1)
    (features,) = check_features(2, features=features)
    speakers = np.asarray(speakers)
    names = np.unique(speakers)
    if speakers.shape != (len(features),) or len(names) < 2:
        raise InputError(
            f"speakers has {speakers.size} entries and {len(names)} different ones for "
            f"{len(features)} clips; valid are one for each clip and two different ones or more"
        )
    parts = [speakers == name for name in names]
    near = [nearest_distances(features[part], features[~part]) for part in parts]
    return float(np.quantile(np.concatenate(near), quantile))
