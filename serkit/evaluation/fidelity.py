"""All that is measured of a set of generated samples, in one row of a table."""

from dataclasses import dataclass

import numpy as np

from serkit.errors import check_range
from serkit.evaluation.copying import copying_score
from serkit.evaluation.features import check_features
from serkit.evaluation.frechet import fid_is_reliable, frechet_distance
from serkit.evaluation.kid import kid
from serkit.evaluation.neighbours import overlap
from serkit.seeds import derive_seed


@dataclass(frozen=True)
class Fidelity:
    """How near a set of samples comes to real clips of speakers whom no GAN saw.

    Attributes:
        count: samples judged.
        kid: Kernel Inception Distance; 0 for the same distribution, single values also below.
        kid_error: its standard error, 0 or more.
        fid: Frechet distance, 0 or more; unlike the others it falls with ``count``.
        fid_reliable: whether there are enough samples for ``fid`` to mean something.
        precision: share of the judged samples that lie among real ones, 0 to 1.
        recall: share of real samples that lie among the judged ones, 0 to 1.
        density: 0 or more; 1 for the same distribution.
        coverage: share of real samples with a judged one near, 0 to 1; for the same distribution
            about 0.97 with 5 neighbours and equal numbers.
        copying: mean Z-score; far below 0 (-3) the judged samples are nearer to what the GAN was
            trained on than real clips of other speakers are, be it by copying clips or by having
            their voices (see :func:`~serkit.evaluation.copying.copying_score`). None if it was
            not asked for.
    """

    count: int
    kid: float
    kid_error: float
    fid: float
    fid_reliable: bool
    precision: float
    recall: float
    density: float
    coverage: float
    copying: float | None


def fidelity(
    held_out: np.ndarray,
    generated: np.ndarray,
    training: np.ndarray | None = None,
    *,
    neighbours: int = 5,
    per_draw: int | None = None,
    seed: int = 0,
) -> Fidelity:
    """Judge generated samples by real clips of other speakers.

    Recall, coverage and the Z-score of copying depend on how many samples are judged. So they,
    precision and density are means over draws of ``per_draw`` samples each, as many as there are
    without using a sample twice; a rest that fills no draw is left out. Rows made with the same
    ``held_out``, ``training``, ``neighbours`` and ``per_draw`` can be compared, whatever their
    counts. KID and FID use all samples; KID's expectation does not depend on the count, FID's does.

    What real clips reach by the same measures is ``fidelity(held_out, training)``, without
    ``training``: clips lie at a distance of 0 from themselves, which says nothing.

    Args:
        held_out: features of real clips of other speakers, floats ``(held_out, d)``.
        generated: features of what is judged, floats ``(generated, d)``.
        training: features of what the GAN was trained on, floats ``(training, d)``; None leaves
            copying out.
        neighbours: as for :func:`~serkit.evaluation.neighbours.overlap`.
        per_draw: samples in a draw, from ``neighbours`` + 1 to the number generated; None takes
            as many as are held out. To compare with a set of fewer, give its number for all sets.
        seed: of who is in which draw.

    Raises:
        InputError: if a set has fewer than 3 samples, fewer are generated than a draw takes,
            ``neighbours`` is out of range, or the features are not fit to be compared.

    Source: see the modules that the numbers come from.
    """
    held_out, generated = check_features(3, held_out=held_out, generated=generated)
    per_draw = len(held_out) if per_draw is None else per_draw
    check_range("neighbours", neighbours, 1, min(len(held_out), len(generated)) - 1)
    check_range("per_draw", per_draw, neighbours + 1, len(generated))
    draws = _draws(generated, per_draw, seed)
    overlaps = [overlap(held_out, draw, neighbours) for draw in draws]
    distance, error = kid(held_out, generated)
    return Fidelity(
        count=len(generated),
        kid=distance,
        kid_error=error,
        fid=frechet_distance(held_out, generated),
        fid_reliable=fid_is_reliable(len(held_out), len(generated)),
        precision=float(np.mean([one.precision for one in overlaps])),
        recall=float(np.mean([one.recall for one in overlaps])),
        density=float(np.mean([one.density for one in overlaps])),
        coverage=float(np.mean([one.coverage for one in overlaps])),
        copying=None if training is None else _copying(training, held_out, draws),
    )


def _draws(samples: np.ndarray, size: int, seed: int) -> np.ndarray:
    """As many disjoint draws as there are: ``(draws, size, d)``."""
    # Shuffled, since real clips come in the order of their speakers.
    order = np.random.default_rng(derive_seed(seed, "fidelity")).permutation(len(samples))
    count = len(samples) // size
    return samples[order[: count * size]].reshape(count, size, -1)


def _copying(training: np.ndarray, held_out: np.ndarray, draws: np.ndarray) -> float:
    return float(np.mean([copying_score(training, held_out, draw) for draw in draws]))
