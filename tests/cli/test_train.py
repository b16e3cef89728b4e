"""Options of ``serkit train``; whole runs are in ``tests/studies/test_train.py``."""

from pathlib import Path

import pytest

from serkit.cli.main import main
from serkit.studies import train as module
from serkit.studies.classifier_kinds import CLASSIFIERS
from serkit.studies.train import TrainSettings


@pytest.fixture
def asked(monkeypatch, tmp_path) -> list:
    """What the command asked for, without training anything."""
    given = []

    def train(*arguments):
        *others, _progress = arguments
        given.append(tuple(others))
        return tmp_path / "run" / "model.keras"

    monkeypatch.setattr(module, "train", train)
    monkeypatch.chdir(tmp_path)
    return given


def test_options_are_passed(asked, tmp_path):
    (tmp_path / "mine").mkdir()
    options = [
        "--classifier",
        "features",
        "--features",
        "wavlm.parquet",
        "--labels",
        "gender_emotion",
    ]
    options += ["--folds", "4", "--seed", "3", "--coverage", "0.8", "--out", "run"]
    assert main(["train", "mine", *options]) == 0
    settings = TrainSettings(
        (str(tmp_path / "mine"),),
        "features",
        label_set="gender_emotion",
        folds=4,
        seed=3,
        coverage=0.8,
        # A later call that resumes may be made in another folder.
        features=str(tmp_path / "wavlm.parquet"),
    )
    assert asked == [(settings, Path("run"), Path("saved_models", "mine"))]


def test_features_without_their_model_are_one_line(asked, tmp_path, capsys):
    assert main(["train", str(tmp_path), "--features", "mine.npy"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("serkit train: `--features` is a file for the classifier features")
    options = [
        "--classifier",
        "features",
        "--features",
        "mine.csv",
        "--export",
        "saved_models/mine",
    ]
    assert main(["train", str(tmp_path), *options]) == 2
    assert "--export must not be given with --classifier features" in capsys.readouterr().err
    assert asked == []


def test_the_help_lists_all_models(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    said = "".join(capsys.readouterr().out.split())
    assert "--featuresFILE" in said
    assert [name for name in CLASSIFIERS if name not in said] == []
