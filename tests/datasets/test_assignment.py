import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from serkit.datasets import assignment
from serkit.datasets.assignment import assign, cost

THIRDS, NO_RANKS = np.full(3, 1 / 3), np.zeros(3, int)


def _starts(groups: int, parts: int = 3) -> np.ndarray:
    return (np.arange(groups) % parts)[None]


def _cost(counts, shares, part_of) -> float:
    """The same criterion in plain Python, for ranks of 0."""
    parts, classes = len(shares), len(counts[0])
    sums = [[0] * classes for _ in range(parts)]
    for group, part in enumerate(part_of):
        for label in range(classes):
            sums[part][label] += counts[group][label]
    totals = [sum(column) for column in zip(*sums, strict=True)]
    all_clips = sum(totals)
    uneven = sum(
        (sums[p][c] / totals[c] - shares[p]) ** 2 for p in range(parts) for c in range(classes)
    )
    uneven += classes * sum((sum(sums[p]) / all_clips - shares[p]) ** 2 for p in range(parts))
    missing = sum(row.count(0) for row in sums)
    empty = sum(sum(row) == 0 for row in sums)
    weight = 4 * parts * classes
    return uneven + weight * missing + weight * (parts * classes + 1) * empty


counts_of_few = arrays(
    int, st.tuples(st.integers(3, 6), st.integers(1, 3)), elements=st.integers(0, 9)
).filter(lambda counts: (counts.sum(axis=0) > 0).all())


@given(counts_of_few, st.integers(0, 5))
@settings(max_examples=60)
def test_with_few_groups_no_assignment_is_better(counts, seed):
    found = assign(counts, THIRDS, NO_RANKS, _starts(len(counts)), seed)
    best = min(
        _cost(counts, THIRDS, every) for every in itertools.product(range(3), repeat=len(counts))
    )
    assert _cost(counts, THIRDS, found) == pytest.approx(best)


counts_of_many = arrays(
    int, st.tuples(st.integers(10, 16), st.integers(1, 4)), elements=st.integers(0, 30)
).filter(lambda counts: (counts.sum(axis=0) > 0).all())


@given(counts_of_many, st.integers(0, 5))
@settings(max_examples=40)
def test_with_many_groups_no_move_and_no_exchange_is_better(counts, seed):
    found = assign(counts, THIRDS, NO_RANKS, _starts(len(counts)), seed)
    reached = _cost(counts, THIRDS, found)
    for one in range(len(counts)):
        for part in range(3):
            moved = found.copy()
            moved[one] = part
            assert _cost(counts, THIRDS, moved) >= reached - 1e-9
        for other in range(one):
            swapped = found.copy()
            swapped[[one, other]] = swapped[[other, one]]
            assert _cost(counts, THIRDS, swapped) >= reached - 1e-9


def test_fractions_are_met_exactly_where_possible(monkeypatch):
    monkeypatch.setattr(assignment, "_MAX_ASSIGNMENTS", 0)
    counts = np.full((20, 4), 3)
    shares = np.array([0.6, 0.2, 0.2])
    found = assign(counts, shares, np.array([2, 0, 1]), _starts(20), 0)
    assert np.bincount(found).tolist() == [12, 4, 4]


def test_a_class_of_few_groups_reaches_the_parts_of_high_rank_first(monkeypatch):
    """Two groups have the second class: one for training (rank 2), one for test (rank 1)."""
    counts = np.full((12, 2), [5, 0])
    counts[[3, 8], 1] = 1
    shares = np.array([0.6, 0.2, 0.2])
    for few in (assignment._MAX_ASSIGNMENTS, 0):
        monkeypatch.setattr(assignment, "_MAX_ASSIGNMENTS", few)
        for seed in range(4):
            found = assign(counts, shares, np.array([2, 0, 1]), _starts(12), seed)
            assert sorted(found[[3, 8]]) == [0, 2]


def test_same_seed_same_result_and_the_seed_decides_between_equals():
    counts = np.full((9, 2), 4)
    found = [assign(counts, THIRDS, NO_RANKS, _starts(9), seed).tolist() for seed in range(5)]
    assert found[0] == assign(counts, THIRDS, NO_RANKS, _starts(9), 0).tolist()
    assert len({tuple(parts) for parts in found}) > 1


def test_cost_by_hand():
    """Two groups of one class in two halves: one each is even; both in one leaves an empty part."""
    counts, halves, ranks = np.array([[4.0], [4.0]]), np.array([0.5, 0.5]), np.zeros(2, int)
    even, all_in_one = cost(counts, halves, ranks, np.array([[0, 1], [0, 0]]))
    assert even == 0
    # 0.25 twice for the class and twice for all clips; a class missing weighs 8, an empty part 24.
    assert all_in_one == pytest.approx(1.0 + 8 + 24)


def test_thousands_of_groups_come_out_even():
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.uniform(0, 5, (800, 4)))
    shares = np.full(5, 0.2)
    starts = np.stack([rng.permutation(np.arange(800) % 5)])
    found = assign(counts, shares, np.zeros(5, int), starts, 0)
    sums = np.stack([counts[found == part].sum(axis=0) for part in range(5)])
    assert np.abs(sums / counts.sum(axis=0) - 0.2).max() < 0.003
    drawn = np.stack([counts[starts[0] == part].sum(axis=0) for part in range(5)])
    assert np.abs(drawn / counts.sum(axis=0) - 0.2).max() > 0.005
