import argparse

import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.cli import tune
from serkit.cli.main import main
from serkit.errors import InputError
from serkit.files import read_json
from serkit.studies.tuning.classifier_objective import ClassifierObjective, ClassifierSearch
from serkit.studies.tuning.gan_objective import GanSearch
from serkit.studies.tuning.records import ALGORITHMS, Outcome
from serkit.studies.tuning.tuner import TRIALS, Trial
from serkit.studies.tuning.tuning import SPACES


def _options(*arguments):
    parser = argparse.ArgumentParser()
    tune.add_to(parser.add_subparsers())
    return parser.parse_args(["tune", *arguments])


@pytest.mark.parametrize("kind", SPACES)
def test_default_settings(tmp_path, kind):
    found = tune.search_of(_options(kind, str(tmp_path)))
    root = str(tmp_path)
    is_gan = kind in ("dcgan", "wgan-gp")
    assert found == (GanSearch((root,), kind=kind) if is_gan else ClassifierSearch((root,)))


def test_all_options(tmp_path):
    root = str(tmp_path)
    found = tune.search_of(
        _options(
            *("dcgan", root, "--label", "male_sad", "--clips", "9", "--width", "0.5"),
            *("--examples", "7", "8", "--folds", "3", "--seed", "4"),
        )
    )
    assert found == GanSearch((root,), "dcgan", "male_sad", 9, 3, 0.5, (7, 8), seed=4)
    found = tune.search_of(
        _options("classifier", root, "--labels", "gender_emotion", "--epochs", "3", "--folds", "4")
    )
    assert found == ClassifierSearch((root,), "gender_emotion", 4, 3)


@pytest.mark.parametrize("kind", SPACES)
def test_naming_rules(tmp_path, kind):
    given = tune.search_of(_options(kind, f"own={tmp_path}", "--pattern", "(?P<label>x)"))
    assert given.roots == (f"own={tmp_path}",)
    assert given.naming.pattern == "(?P<label>x)"


@pytest.mark.parametrize("kind", SPACES)
def test_kind_and_rate_of_spectrograms(tmp_path, kind):
    given = ("--kind", "log", "--sample-rate", "22050")
    found = tune.search_of(_options(kind, str(tmp_path), *given))
    assert found.spec == SpectrogramSpec.at_rate(22_050, "log")


def test_short_keeps_given_options(tmp_path):
    command = ("dcgan", str(tmp_path), "--short")
    short = tune.search_of(_options(*command))
    assert (short.width, short.examples) == (0.0625, (64, 32))
    given = tune.search_of(_options(*command, "--width", "0.5", "--examples", "7", "8"))
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


class _Known:
    """Scores at once."""

    name, goal = "UAR", "max"

    def prepare(self):
        pass

    def score(self, settings, share, place, verbose=0):
        return Outcome(0.125, (0.125,), {"accuracy": 0.25, "nll": 2.0})


@pytest.mark.slow
def test_a_search_with_a_worker_ends_with_all_trials(synthetic_root, tmp_path, capsys):
    given = ["classifier", str(synthetic_root), "--out", str(tmp_path), "--short"]
    # The score of the baseline is stored already, so that only the worker trains.
    base = ClassifierObjective(tune.search_of(_options(*given)), tmp_path).base
    Trial(_Known(), base, 1.0, tmp_path / TRIALS).run(0)
    assert main(["tune", *given, "--trials", "1", "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert "worker-1 is process" in said
    assert "best of 1: trial" in said
    best = read_json(tmp_path / "best.json")
    assert (best["trials"], best["score"]["as it was"]) == (1, 0.125)
    assert "trial 0: UAR" in (tmp_path / "logs" / "worker-1.log").read_text()


def test_live_training_is_of_classifiers(tmp_path):
    found = tune.search_of(_options("classifier", str(tmp_path), "--live", "noise", "speed"))
    assert found.live == ("noise", "speed")
    assert tune.search_of(_options("bayesian", str(tmp_path), "--live")).live == ()
    with pytest.raises(InputError, match=r"`--live`.* dcgan"):
        tune.search_of(_options("dcgan", str(tmp_path), "--live"))
