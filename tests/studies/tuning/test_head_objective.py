"""A search over linear classifiers of features."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from serkit.cli.main import main
from serkit.datasets.audit import audit
from serkit.datasets.protocols import hold_out
from serkit.errors import InputError
from serkit.files import read_json
from serkit.models.linear_head import LinearHeadSettings, fit_linear_head
from serkit.progress import SilentProgress
from serkit.studies.search_spaces import read_tuned
from serkit.studies.tuning.head_objective import HeadObjective, HeadSearch
from serkit.studies.tuning.records import SearchSettings
from serkit.studies.tuning.tuning import print_estimate, tune


@pytest.fixture
def search(synthetic_root, own_features) -> HeadSearch:
    root = str(synthetic_root / "RAVDESS")
    return HeadSearch((root,), "features", features=str(own_features))


def test_only_training_speakers_are_fitted_and_scored(search, tmp_path):
    objective = HeadObjective(search, tmp_path)
    outer = hold_out(audit(search.roots).corpus, "emotion", search.seed)
    scored = [fold.split.test.speakers() for fold in objective.folds]
    assert set().union(*scored) == outer.train.speakers()
    for fold in objective.folds:
        split = fold.split
        assert split.train.speakers() | split.test.speakers() == outer.train.speakers()
        assert not split.train.speakers() & split.test.speakers()


def test_the_score_is_the_uar_of_a_fit_by_hand(search, tmp_path):
    objective = HeadObjective(search, tmp_path)
    settings = replace(LinearHeadSettings(), method="logistic", components=6, penalty=9.0)
    found = objective.score(settings, 1.0, tmp_path / "trial")
    fold = objective.folds[0]
    train = fold.to_fit(fold.split.train)
    head = fit_linear_head(train, fold.split.speakers, len(fold.classes), settings)
    predicted = head.predict(fold.spectrograms(fold.split.test), verbose=0).argmax(axis=1)
    truth = fold.labels(fold.split.test)
    recalls = [np.mean(predicted[truth == label] == label) for label in np.unique(truth)]
    assert found.folds[0] == pytest.approx(np.mean(recalls))


def test_a_search_from_the_command_line_to_a_trained_model(search, tmp_path, capsys):
    features = ["--classifier", "features", "--features", search.features]
    out = tmp_path / "tuned"
    words = ["tune", "head", *search.roots, *features, "--trials", "3", "--out", str(out)]
    assert main(words) == 0
    assert "UAR" in capsys.readouterr().out
    kind, best = read_tuned(out)
    assert (kind, type(best)) == ("head", LinearHeadSettings)
    trials = pd.read_csv(out / "trials.csv")
    assert len(trials) == 4
    hyperparameters = {name for name in trials if name.startswith("hp ")}
    assert hyperparameters == {"hp method", "hp components", "hp penalty", "hp class_weights"}
    trained = ["train", *search.roots, *features, "--folds", "3", "--out", str(tmp_path / "run")]
    assert main([*trained, "--tuned", str(out / "best.json")]) == 0
    head = read_json(tmp_path / "run" / "settings.json")["head"]
    assert head["components"] == best.components


def test_networks_have_no_head(tmp_path, search, capsys):
    words = ["train", *search.roots, "--classifier", "compact", "--tuned", str(tmp_path)]
    assert main(words) == 2
    assert "--tuned is for a linear classifier of features" in capsys.readouterr().err


def test_there_are_no_shorter_fits(search, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="`algorithm` must be random or bayesian for head"):
        tune("head", search, SearchSettings("hyperband"), tmp_path)
    said, progress = [], SilentProgress()
    monkeypatch.setattr(progress, "say", said.append)
    print_estimate("head", search, SearchSettings(trials=3), progress)
    measured = [line for line in said if line.startswith("measuring")]
    assert measured == ["measuring 1 of 1 parts of a training run"]
    assert "4 full training runs on each of 3 folds" in said[-1]
