import keras_tuner
import pytest

from serkit.studies.tuning.records import Outcome, SearchSettings, TrialFailedError
from serkit.studies.tuning.tuner import GuardedTuner


@pytest.fixture
def tuner_of(toy, tmp_path):
    """Makes a tuner."""

    def make(**settings):
        trials = toy.trials_of(tmp_path, toy.ToyObjective(tmp_path))
        folder = tmp_path / "oracle"
        return GuardedTuner(SearchSettings(**settings), toy.space, trials, folder, say=print)

    return make


@pytest.fixture
def tuner(tuner_of):
    return tuner_of(trials=3)


def _trial(tuner, rate, **more):
    hp = tuner.oracle.get_space()
    hp.values = {"rate": rate, "kind": "b", **more}
    return keras_tuner.engine.trial.Trial(hp, trial_id="7")


def test_parts_of_kerastuner_that_are_not_documented(tuner):
    """These are used and may change with KerasTuner: its flag for tracebacks, and its files."""
    assert isinstance(keras_tuner.src.config.DEBUG, bool)
    assert tuner.tuner_id == "tuner0"
    tuner.save()
    tuner.search()
    folder = tuner.oracle._project_dir
    assert folder.endswith("oracle")
    files = {path.name for path in (tuner._trials._folder / "oracle").rglob("*.json")}
    assert files == {"oracle.json", "tuner0.json", "trial.json"}
    assert {trial.status for trial in tuner.oracle.trials.values()} <= {"COMPLETED", "FAILED"}


def test_the_space_is_known_before_the_first_trial(tuner):
    assert [one.name for one in tuner.oracle.get_space().space] == ["rate", "kind"]


def test_a_trial_gives_its_score_which_is_stored(tuner):
    trial = _trial(tuner, 5.0)
    assert tuner.task(trial).outcome() is None
    assert tuner.run_trial(trial) == {"distance": 2.0}
    assert tuner.task(trial).outcome() == Outcome(2.0, (1.5, 2.5), {"extra": 1.0})


def test_the_number_of_a_trial_is_said_where_the_number_of_all_is_known(tuner_of, capsys):
    for settings, name in (
        ({"trials": 9}, "trial 7 (8 of 9)"),
        ({"algorithm": "hyperband"}, "trial 7"),
    ):
        tuner = tuner_of(**settings)
        tuner.run_trial(_trial(tuner, 5.0))
        assert f"{name}: distance" in capsys.readouterr().out


def test_invalid_settings_fail_the_trial(tuner):
    trial = _trial(tuner, 9.0)
    with pytest.raises(keras_tuner.errors.FailedTrialError, match=r"no valid settings.*9\.0"):
        tuner.run_trial(trial)
    with pytest.raises(TrialFailedError, match="no valid settings"):
        tuner.task(trial)


def test_another_error_is_fatal(tuner):
    def full(settings, fraction, folder, verbose=0):
        raise OSError(28, "No space left on device")

    tuner._trials.objective.score = full
    with pytest.raises(keras_tuner.errors.FatalError, match="No space left") as caught:
        tuner.run_trial(_trial(tuner, 5.0))
    assert isinstance(caught.value.__cause__, OSError)


def test_hyperband_gives_a_trial_a_fraction_of_a_training_run(tuner_of):
    tuner = tuner_of(algorithm="hyperband", rounds=3, factor=3)
    assert tuner.fraction(_trial(tuner, 5.0)) == 1.0
    assert tuner.fraction(_trial(tuner, 5.0, **{"tuner/epochs": 3})) == pytest.approx(1 / 3)
