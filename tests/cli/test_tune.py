import argparse

import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.cli import tune
from serkit.cli.main import main
from serkit.errors import InputError
from serkit.studies.tuning import tuning
from serkit.studies.tuning.classifier_objective import ClassifierSearch
from serkit.studies.tuning.gan_objective import GanSearch
from serkit.studies.tuning.head_objective import HeadSearch
from serkit.studies.tuning.records import ALGORITHMS, SearchSettings
from serkit.studies.tuning.tuning import SPACES
from serkit.tasks.graph import LocalEngine
from serkit.tasks.processes import ProcessEngine


def _options(*arguments):
    parser = argparse.ArgumentParser()
    tune.add_to(parser.add_subparsers())
    return parser.parse_args(["tune", *arguments])


@pytest.mark.parametrize("kind", SPACES)
def test_default_settings(tmp_path, kind):
    found = tune.search_of(_options(kind, str(tmp_path)))
    root = str(tmp_path)
    if kind in ("dcgan", "wgan-gp"):
        assert found == GanSearch((root,), kind=kind)
    else:
        assert found == {"head": HeadSearch}.get(kind, ClassifierSearch)((root,))


def test_all_options(tmp_path):
    root = str(tmp_path)
    found = tune.search_of(
        _options(
            *("dcgan", root, "--class", "male_sad", "--clips", "9", "--gan-width", "0.5"),
            *("--examples", "7", "8", "--folds", "3", "--seed", "4"),
        )
    )
    assert found == GanSearch((root,), "dcgan", "male_sad", 9, 3, 0.5, (7, 8), seed=4)
    found = tune.search_of(
        _options("classifier", root, "--labels", "gender_emotion", "--epochs", "3", "--folds", "4")
    )
    assert found == ClassifierSearch((root,), "gender_emotion", 4, 3)
    given = ("--classifier", "whisper-base.en", "--weights", "w.pt", "--seed", "4")
    found = tune.search_of(
        _options("head", root, *given, "--labels", "gender_emotion", "--folds", "5")
    )
    assert found == HeadSearch(
        (root,), "whisper-base.en", "w.pt", label_set="gender_emotion", folds=5, seed=4
    )


@pytest.mark.parametrize("kind", SPACES)
def test_naming_rules(tmp_path, kind):
    given = tune.search_of(_options(kind, f"own={tmp_path}", "--pattern", "(?P<label>x)"))
    assert given.roots == (f"own={tmp_path}",)
    assert given.naming.pattern == "(?P<label>x)"


@pytest.mark.parametrize("kind", sorted({*SPACES} - {"head"}))
def test_kind_and_rate_of_spectrograms(tmp_path, kind):
    given = ("--kind", "log", "--sample-rate", "22050")
    found = tune.search_of(_options(kind, str(tmp_path), *given))
    assert found.spec == SpectrogramSpec.at_rate(22_050, "log")


def test_short_keeps_given_options(tmp_path):
    command = ("dcgan", str(tmp_path), "--short")
    short = tune.search_of(_options(*command))
    assert (short.width, short.examples) == (0.0625, (64, 32))
    given = tune.search_of(_options(*command, "--gan-width", "0.5", "--examples", "7", "8"))
    assert (given.width, given.examples) == (0.5, (7, 8))
    command = ("classifier", str(tmp_path), "--short")
    assert tune.search_of(_options(*command)).epochs == 1
    assert tune.search_of(_options(*command, "--epochs", "4")).epochs == 4


def test_choices_are_complete():
    parser = argparse.ArgumentParser()
    tune.add_to(parser.add_subparsers())
    made = parser._subparsers._group_actions[0].choices["tune"]
    choices = {action.dest: action.choices for action in made._actions}
    assert set(choices["what"]) == set(SPACES)
    assert set(choices["algorithm"]) == set(ALGORITHMS)


def test_missing_recordings_are_an_error(tmp_path, capsys):
    assert main(["tune", "classifier", str(tmp_path / "no")]) == 2
    assert "no does not exist" in capsys.readouterr().err


@pytest.fixture
def tuned(monkeypatch):
    """What a search would have got, and a result of it."""
    seen = {}

    def instead(kind, search, settings, out, progress, engine, parallel):
        seen.update(kind=kind, search=search, settings=settings, out=out)
        seen.update(engine=engine, parallel=parallel)
        score = {"name": "UAR", "value": 0.5, "as it was": 0.125}
        return {"trials": settings.trials, "trial": "0", "score": score}

    monkeypatch.setattr(tuning, "tune", instead)
    return seen


def test_a_search_in_this_process(tmp_path, capsys, tuned):
    given = [str(tmp_path), "--out", str(tmp_path), "--seed", "3", "--trials", "4"]
    assert main(["tune", "classifier", *given]) == 0
    assert (tuned["kind"], tuned["out"], tuned["parallel"]) == ("classifier", tmp_path, 1)
    assert tuned["settings"] == SearchSettings(trials=4, seed=3)
    assert type(tuned["engine"]) is LocalEngine
    said = capsys.readouterr().out
    assert "best of 4: trial 0, UAR 0.5 (as it was: 0.125)" in said
    assert f"settings: {tmp_path / 'best.json'}" in said


def test_a_search_with_workers(tmp_path, tuned):
    given = ["classifier", str(tmp_path), "--out", str(tmp_path), "--workers", "2"]
    assert main(["tune", *given]) == 0
    assert isinstance(tuned["engine"], ProcessEngine)
    assert tuned["parallel"] == 2


@pytest.mark.parametrize("more", [("--engine", "ray"), ("--parallel", "2")])
def test_workers_of_two_schedulers_are_refused(tmp_path, capsys, more):
    assert main(["tune", "classifier", str(tmp_path), "--workers", "2", *more]) == 2
    assert "`--workers` must be 0" in capsys.readouterr().err


def test_workers_below_0_are_refused(tmp_path, capsys):
    assert main(["tune", "classifier", str(tmp_path), "--workers", "-1"]) == 2
    assert "`--workers` must be 0 or more. Received: --workers -1" in capsys.readouterr().err


def test_live_training_is_of_classifiers(tmp_path):
    found = tune.search_of(_options("classifier", str(tmp_path), "--live", "noise", "speed"))
    assert found.live == ("noise", "speed")
    assert tune.search_of(_options("bayesian", str(tmp_path), "--live")).live == ()
    for kind in ("dcgan", "head"):
        with pytest.raises(InputError, match=rf"`--live`.* {kind}"):
            tune.search_of(_options(kind, str(tmp_path), "--live"))


def test_a_head_is_used_by_train(tmp_path, capsys, tuned):
    assert main(["tune", "head", str(tmp_path), "--out", str(tmp_path), "--short"]) == 0
    said = capsys.readouterr().out
    assert "short search" not in said
    assert f"use them: serkit train {tmp_path} --tuned {tmp_path / 'best.json'}" in said
