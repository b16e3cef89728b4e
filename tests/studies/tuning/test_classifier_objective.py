from dataclasses import replace

import numpy as np
import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.errors import DivergedError, InputError
from serkit.models.bayesian import from_deterministic, last_block
from serkit.models.fitting import FitSettings
from serkit.studies import partitions
from serkit.studies.tuning.classifier_objective import (
    BayesianObjective,
    ClassifierObjective,
    ClassifierSearch,
    shortened,
)
from serkit.studies.tuning.records import TrialFailedError

SPEC = SpectrogramSpec(frames=64, bins=32)


class _Seen(DivergedError):
    """Ends a trial before its training run."""


@pytest.fixture
def never_fitted(monkeypatch):
    """Models and settings that a training run would have got."""
    seen = []

    def instead(model, train, validation, speakers, settings, *_, **__):
        seen.append((model, settings))
        raise _Seen

    monkeypatch.setattr(partitions, "fit_classifier", instead)
    return seen


def test_a_trial_gets_a_fraction_of_the_epochs_and_its_own_settings(
    synthetic_root, tmp_path, never_fitted
):
    search = ClassifierSearch((str(synthetic_root),), epochs=8, steps_per_epoch=2, spec=SPEC)
    objective = ClassifierObjective(search, tmp_path)
    assert len(objective.folds) == 3
    settings = replace(objective.baseline, fit=replace(objective.baseline.fit, learning_rate=0.25))
    with pytest.raises(TrialFailedError):
        objective.score(settings, 0.25, tmp_path / "a")
    ((_, found),) = never_fitted
    assert found == replace(settings.fit, epochs=2)


@pytest.mark.slow
def test_bayesian_trials_start_from_the_same_trained_network(
    synthetic_root, tmp_path, deterministic, request
):
    search = ClassifierSearch(
        (str(synthetic_root),), epochs=1, steps_per_epoch=2, bayesian_epochs=1, spec=SPEC
    )
    objective = BayesianObjective(search, tmp_path)
    # One fold is enough to see.
    folds = search.make_folds(tmp_path)[:1]
    objective.folds = [objective._add_twin(folds[0], 0)]
    found = objective.score(objective.baseline, 1.0, tmp_path / "a")
    assert found.score > 0
    assert set(found.details) == {"uar", "ece"}
    (twin,) = tmp_path.glob("fold-*/twin.keras")
    made = twin.stat().st_mtime_ns
    seen = request.getfixturevalue("never_fitted")
    objective.folds = [objective._add_twin(folds[0], 0)]
    assert twin.stat().st_mtime_ns == made
    with pytest.raises(TrialFailedError):
        objective.score(replace(objective.baseline, delta=0.05), 1.0, tmp_path / "b")
    ((model, _),) = seen
    fold = objective.folds[0]
    for delta, same in ((0.05, True), (objective.baseline.delta, False)):
        expected = from_deterministic(
            fold.twin, delta, layers=last_block(fold.twin), seed=fold.seed
        )
        pairs = zip(model.get_weights(), expected.get_weights(), strict=True)
        assert all(np.array_equal(*pair) for pair in pairs) == same


def test_a_fraction_of_a_training_run_is_a_fraction_of_its_epochs():
    epochs = [shortened(FitSettings(epochs=9), share).epochs for share in (1, 1 / 3, 0.01)]
    assert epochs == [9, 3, 1]


@pytest.mark.parametrize("changes", [{"label_set": "x"}, {"folds": 2}, {"epochs": 0}])
def test_invalid_settings_are_refused(changes):
    with pytest.raises(InputError, match=next(iter(changes))):
        ClassifierSearch(("x",), **changes)
