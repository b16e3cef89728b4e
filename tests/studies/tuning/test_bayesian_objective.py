from dataclasses import replace

import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.studies.tuning.classifier_objective import BayesianObjective, ClassifierSearch

SPEC = SpectrogramSpec(frames=64, bins=32)


@pytest.mark.slow
def test_all_trials_go_on_from_the_same_networks(synthetic_root, tmp_path, deterministic):
    search = ClassifierSearch(
        (str(synthetic_root),), epochs=1, steps_per_epoch=2, bayesian_epochs=1, spec=SPEC
    )
    objective = BayesianObjective(search, tmp_path)
    # One is enough to see.
    parts = search.parts(tmp_path)[:1]
    objective.folds = [objective._fold(parts[0], 0)]
    found = objective.score(objective.base, 1.0, tmp_path / "a")
    assert found.score > 0
    assert set(found.details) == {"uar", "ece"}
    (twin,) = tmp_path.glob("fold-*/twin.keras")
    made = twin.stat().st_mtime_ns
    objective.folds = [objective._fold(parts[0], 0)]
    other = objective.score(replace(objective.base, delta=0.05), 1.0, tmp_path / "b")
    assert other.score != found.score
    assert twin.stat().st_mtime_ns == made
