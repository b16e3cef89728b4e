import json
from dataclasses import asdict

import numpy as np
import pytest

from serkit.errors import InputError
from serkit.metrics.fidelity import fidelity, frechet_distance, kid
from serkit.metrics.neighbours import copying_z, prdc


def test_one_subset_counts_each_speaker(rng):
    held_out, generated, training = rng.normal(size=(3, 40, 4))
    found = fidelity(held_out, generated, training, neighbours=3)
    parts = prdc(held_out, generated, 3)
    assert found.count == 40
    assert (found.kid, found.kid_error) == pytest.approx(kid(held_out, generated))
    assert found.fid == pytest.approx(frechet_distance(held_out, generated))
    assert found.fid_reliable is False
    assert (found.precision, found.recall) == pytest.approx((parts.precision, parts.recall))
    assert (found.density, found.coverage) == pytest.approx((parts.density, parts.coverage))
    assert found.copying == pytest.approx(copying_z(training, held_out, generated))


def test_more_samples_do_not_make_a_generator_better():
    """Half of the samples are real, half of them timid. All 600 at once would cover much more than
    60 do, and have a Z farther from 0; in subsets of 60 they have the same numbers, less noisy."""
    rng = np.random.default_rng(1)
    few, many, at_once = [], [], []
    for _ in range(40):
        held_out, training = rng.normal(size=(2, 60, 3))
        generated = np.concatenate([rng.normal(size=(300, 3)), 0.5 * rng.normal(size=(300, 3))])
        rng.shuffle(generated)
        few.append(fidelity(held_out, generated[:60], training, neighbours=1))
        many.append(fidelity(held_out, generated, training, neighbours=1))
        at_once.append((prdc(held_out, generated, 1), copying_z(training, held_out, generated)))
    for name in ("precision", "recall", "density", "coverage", "copying"):
        one, ten = ([getattr(row, name) for row in rows] for rows in (few, many))
        error = np.std(np.subtract(one, ten)) / np.sqrt(40)
        assert abs(np.mean(one) - np.mean(ten)) < 3 * error, name
        assert 0 < np.std(ten) < np.std(one), name
    coverages = [one.coverage for one, _ in at_once]
    assert np.mean(coverages) > np.mean([row.coverage for row in few]) + 0.25
    assert np.mean([z for _, z in at_once]) < 1.2 * np.mean([row.copying for row in many]) < 0


def test_a_common_subset_size_makes_sets_of_different_numbers_comparable():
    rng = np.random.default_rng(1)
    rows = []
    for count in (20, 50, 400):
        sets = [(rng.normal(size=(100, 2)), rng.normal(size=(count, 2))) for _ in range(60)]
        found = [fidelity(*pair, neighbours=2, subset_size=20).coverage for pair in sets]
        rows.append(np.mean(found))
    np.testing.assert_allclose(rows, 1 - 99 * 98 / (119 * 118), atol=0.03)


def test_subsets_do_not_follow_the_order_of_the_samples(rng):
    """Speakers one after the other: each subset gets some of all, and so covers all."""
    held_out = np.repeat([0.0, 100.0], 50)[:, None] + rng.normal(size=(100, 1))
    judged = np.repeat([0.0, 100.0], 200)[:, None] + rng.normal(size=(400, 1))
    assert fidelity(held_out, judged).coverage > 0.9


def test_kid_and_fid_use_all_samples(rng):
    held_out, generated = rng.normal(size=(30, 3)), rng.normal(0.5, 1, size=(75, 3))
    found = fidelity(held_out, generated)
    assert (found.kid, found.kid_error) == pytest.approx(kid(held_out, generated))
    assert found.fid == pytest.approx(frechet_distance(held_out, generated))


def test_real_beside_real_has_no_score_of_copying(rng):
    held_out, training = rng.normal(size=(2, 50, 4))
    assert fidelity(held_out, training).copying is None
    assert fidelity(held_out, training, training).copying < -3


def test_the_rows_come_in_the_order_that_they_should():
    """Better than shifted, than collapsed onto one place, by the measure made for each."""
    rng = np.random.default_rng(2)
    held_out, training, good = rng.normal(size=(3, 150, 6))
    copies = training[rng.integers(150, size=150)]
    shifted, collapsed = good + 2, 0.1 * good
    good, shifted, collapsed, copies = (
        fidelity(held_out, made, training) for made in (good, shifted, collapsed, copies)
    )
    assert abs(good.kid) < 3 * good.kid_error
    assert shifted.kid > 5 * shifted.kid_error
    assert good.fid < min(shifted.fid, collapsed.fid)
    assert good.precision > 0.7 > 0.2 > shifted.precision
    assert collapsed.precision == 1 > good.recall > 0.7 > 0.2 > collapsed.recall
    assert collapsed.density > 2 > good.density > 0.7
    assert good.coverage > 0.9 > shifted.coverage
    assert copies.copying < -3 < good.copying < 3


def test_the_row_can_be_written_as_json(rng):
    row = asdict(fidelity(*rng.normal(size=(3, 20, 2))))
    assert json.loads(json.dumps(row, allow_nan=False)) == row


def test_the_seed_decides_which_speakers_are_drawn(rng):
    held_out, generated = rng.normal(size=(20, 2)), rng.normal(size=(50, 2))
    first, again, other = (fidelity(held_out, generated, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first.precision != other.precision
    assert first.kid == other.kid


def test_fewer_samples_than_a_subset_are_refused(rng):
    held_out, generated = rng.normal(size=(20, 2)), rng.normal(size=(19, 2))
    with pytest.raises(InputError, match=r"6 and 19.*subset_size=20"):
        fidelity(held_out, generated)
    assert fidelity(held_out, generated, subset_size=19).count == 19


def test_too_few_samples_for_the_neighbours_are_refused(rng):
    with pytest.raises(InputError, match=r"1 and 3.*neighbours=5"):
        fidelity(rng.normal(size=(20, 2)), rng.normal(size=(4, 2)))
    with pytest.raises(InputError, match=r"6 and 20.*subset_size=5"):
        fidelity(*rng.normal(size=(2, 20, 2)), subset_size=5)


def test_features_that_cannot_be_compared_are_refused(rng):
    good = rng.normal(size=(10, 2))
    with pytest.raises(InputError, match=r"`held_out_features`.*\(2, 2\)"):
        fidelity(good[:2], good)
    with pytest.raises(InputError, match=r"`evaluated_features`.* 10 samples"):
        fidelity(good, good * np.nan)
    with pytest.raises(InputError, match=r"`training_features`.* 10 samples"):
        fidelity(good, good, good * np.nan)
