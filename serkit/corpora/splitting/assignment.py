"""Which group of clips (a speaker, a sentence) goes into which part, so that classes are even."""

import itertools

import numpy as np

_FEW = 20_000
_GAIN = 1e-12
# Among more groups than these a group is exchanged with so many of them, drawn anew each time, and
# a round that brings less than a tenth is the last: they even out by their number alone.
_PARTNERS, _WORTH_A_ROUND = 250, 0.9


def assign(
    counts: np.ndarray, shares: np.ndarray, ranks: np.ndarray, starts: np.ndarray, seed: int
) -> np.ndarray:
    """Assign groups to parts so that every part has nearly its share of every class.

    With few groups all assignments are tried and the best is taken. With more, each start is
    improved until moving no one group and exchanging no two would bring the classes nearer to
    their shares; the best of these is taken. With more than 250 groups not every exchange is
    tried.

    Args:
        counts: clips ``(groups, classes)``.
        shares: wanted share of each part ``(parts,)``, adding up to 1.
        ranks: how bad it is that a part lacks a class ``(parts,)``, small integers; lacking one in
            a part of a higher rank is worse than any number of them in those of lower rank.
        starts: part of each group ``(starts, groups)``.
        seed: of the order of attempts, which decides between equally good results.

    Returns:
        The part of each group, int ``(groups,)``.
    """
    counts = counts[:, counts.sum(axis=0) > 0].astype(float)
    rng = np.random.default_rng(seed)
    groups, parts = len(counts), len(shares)
    if parts**groups <= _FEW:
        every = np.array(list(itertools.product(range(parts), repeat=groups)))
        every = every[rng.permutation(len(every))]
        return every[np.argmin(np.round(cost(counts, shares, ranks, every), 9))]
    found = [_improve(counts, shares, ranks, start.copy(), rng) for start in starts]
    return min(found, key=lambda parts_of: cost(counts, shares, ranks, parts_of[None])[0])


def cost(
    counts: np.ndarray, shares: np.ndarray, ranks: np.ndarray, assignments: np.ndarray
) -> np.ndarray:
    """How bad assignments are, ``(n,)`` for ``(n, groups)``: see :func:`assign`.

    Empty parts first, then classes that parts lack, by rank; then the squared differences of each
    part's share of each class, and of all clips, from the share that is wanted.
    """
    sums = np.stack(
        [(assignments == part).astype(float) @ counts for part in range(len(shares))], axis=1
    )
    return _cost_of(sums, shares, ranks)


def _cost_of(sums: np.ndarray, shares: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """The same from the clips ``(…, parts, classes)`` that assignments give."""
    parts, classes = sums.shape[-2:]
    totals = sums.sum(axis=-2, keepdims=True)
    per_class = np.square(sums / totals - shares[:, None]).sum(axis=(-2, -1))
    sizes = sums.sum(axis=-1)
    overall = np.square(sizes / sizes.sum(axis=-1, keepdims=True) - shares).sum(axis=-1)
    # One class missing weighs more than any unevenness, and more than all of a lower rank.
    weights = 4.0 * parts * classes * (parts * classes + 1.0) ** ranks
    missing = ((sums == 0).sum(axis=-1) * weights).sum(axis=-1)
    empty = (sizes == 0).sum(axis=-1) * weights.max() * (parts * classes + 1)
    return per_class + classes * overall + missing + empty


def _improve(
    counts: np.ndarray,
    shares: np.ndarray,
    ranks: np.ndarray,
    part_of: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    parts = np.arange(len(shares))
    sums = np.stack([counts[part_of == part].sum(axis=0) for part in parts])
    best = float(_cost_of(sums, shares, ranks))
    improved = True
    while improved:
        improved, before = False, best
        for group in rng.permutation(len(counts)):
            here = part_of[group]
            # Alone into another part, or against each group that is in another part.
            others = np.flatnonzero(part_of != here)
            if len(others) > _PARTNERS:
                others = rng.choice(others, _PARTNERS, replace=False)
            there = np.concatenate([parts[parts != here], part_of[others]])
            back = np.concatenate([np.zeros((len(parts) - 1, counts.shape[1])), counts[others]])
            change = np.zeros((len(there), *sums.shape))
            change[:, here] = back - counts[group]
            change[np.arange(len(there)), there] = counts[group] - back
            costs = _cost_of(sums + change, shares, ranks)
            choice = int(np.argmin(costs))
            if costs[choice] < best - _GAIN:
                best, improved = float(costs[choice]), True
                sums = sums + change[choice]
                part_of[group] = there[choice]
                if choice >= len(parts) - 1:
                    part_of[others[choice - len(parts) + 1]] = here
        if len(counts) > _PARTNERS and best > _WORTH_A_ROUND * before:
            break
    return part_of
