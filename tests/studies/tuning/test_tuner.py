import keras_tuner
import pytest

from serkit.studies.tuning.records import Outcome, SearchSettings, TrialFailedError
from serkit.studies.tuning.tuner import GuardedTuner


@pytest.fixture
def tuner(toy, tmp_path):
    trials = toy.trials_of(tmp_path, toy.ToyObjective(tmp_path))
    return GuardedTuner(
        *(SearchSettings(trials=3), toy.space, trials, tmp_path / "oracle", print),
        require_answer=lambda: None,
    )


def _trial(tuner, rate, **more):
    hp = tuner.oracle.get_space()
    hp.values = {"rate": rate, "kind": "b", **more}
    return keras_tuner.engine.trial.Trial(hp, trial_id="7")


def test_the_space_is_known_before_anything_is_tried(tuner):
    assert [one.name for one in tuner.oracle.get_space().space] == ["rate", "kind"]


def test_a_trial_gives_its_score_and_is_known_from_then_on(tuner):
    trial = _trial(tuner, 5.0)
    assert tuner.outcome(trial) is None
    assert tuner.run_trial(trial) == {"distance": 2.0}
    assert tuner.outcome(trial) == Outcome(2.0, (1.5, 2.5), {"extra": 1.0})


def test_settings_that_are_not_valid_fail_the_trial(tuner):
    trial = _trial(tuner, 9.0)
    with pytest.raises(keras_tuner.errors.FailedTrialError, match=r"no valid settings: rate=9\.0"):
        tuner.run_trial(trial)
    with pytest.raises(TrialFailedError, match="no valid settings"):
        tuner.outcome(trial)


def test_what_is_nobodys_settings_fault_is_fatal(tuner):
    def full(settings, share, place, verbose=0):
        raise OSError(28, "No space left on device")

    tuner._trials.objective.score = full
    with pytest.raises(keras_tuner.errors.FatalError, match="No space left") as caught:
        tuner.run_trial(_trial(tuner, 5.0))
    assert isinstance(caught.value.__cause__, OSError)


def test_hyperband_says_which_share_a_trial_gets(toy, tmp_path):
    settings = SearchSettings("hyperband", rounds=3, factor=3)
    trials = toy.trials_of(tmp_path, toy.ToyObjective(tmp_path))
    tuner = GuardedTuner(
        *(settings, toy.space, trials, tmp_path / "oracle", print), require_answer=lambda: None
    )
    assert tuner.share(_trial(tuner, 5.0)) == 1.0
    assert tuner.share(_trial(tuner, 5.0, **{"tuner/epochs": 3})) == pytest.approx(1 / 3)
