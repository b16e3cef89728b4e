from dataclasses import replace

import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.errors import InputError
from serkit.models.fitting import FitSettings
from serkit.studies.tuning.classifier_objective import (
    ClassifierObjective,
    ClassifierSearch,
    shortened,
)
from serkit.studies.tuning.records import TrialFailedError

SPEC = SpectrogramSpec(frames=64, bins=32)


def _objective(root, folder):
    search = ClassifierSearch((str(root),), epochs=2, steps_per_epoch=2, spec=SPEC)
    return ClassifierObjective(search, folder)


@pytest.mark.slow
def test_a_classifier_is_scored_on_who_is_held_out(synthetic_root, tmp_path, deterministic):
    objective = _objective(synthetic_root, tmp_path)
    assert len(objective.folds) == 3
    # One is enough to see.
    objective.folds = objective.folds[:1]
    assert objective.base.fit.epochs == objective.base.fit.steps_per_epoch == 2
    found = objective.score(objective.base, 1.0, tmp_path / "a")
    assert 0 <= found.score <= 1
    assert set(found.details) == {"accuracy", "nll"}
    assert not list(tmp_path.rglob("state.npz"))
    assert objective.score(objective.base, 1.0, tmp_path / "b") == found
    shorter = objective.score(objective.base, 0.5, tmp_path / "c")
    assert shorter.details != found.details


@pytest.mark.slow
def test_a_network_that_gives_no_numbers_fails_its_trial(synthetic_root, tmp_path):
    objective = _objective(synthetic_root, tmp_path)
    objective.folds = objective.folds[:1]
    wild = replace(objective.base, fit=replace(objective.base.fit, learning_rate=10.0))
    with pytest.raises(TrialFailedError, match=r"not finite|is nan"):
        objective.score(wild, 0.5, tmp_path / "c")


def test_a_share_of_a_training_is_so_many_of_its_epochs():
    assert [shortened(FitSettings(epochs=9), share).epochs for share in (1, 1 / 3, 0.01)] == [
        9,
        3,
        1,
    ]


@pytest.mark.parametrize("changes", [{"label_set": "x"}, {"folds": 2}, {"epochs": 0}])
def test_what_is_not_valid_is_refused(changes):
    with pytest.raises(InputError, match=next(iter(changes))):
        ClassifierSearch(("x",), **changes)
