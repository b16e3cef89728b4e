import pytest

from serkit.files import read_json
from serkit.studies.tuning.records import Outcome, TrialFailedError
from serkit.tasks.processes import ProcessEngine
from serkit.tasks.ray import RayEngine, RaySettings


@pytest.fixture
def objective(toy, tmp_path):
    return toy.ToyObjective(tmp_path)


def test_a_trial_is_run_once(toy, objective, tmp_path):
    trials = toy.trials_of(tmp_path, objective)
    assert trials.trial_of(toy.Toy(5.0, "b"), 1.0).outcome() is None
    first = trials.outcome_of(toy.Toy(5.0, "b"), 1.0)
    assert first == Outcome(2.0, (1.5, 2.5), {"extra": 1.0})
    assert trials.outcome_of(toy.Toy(5.0, "b"), 1.0) == first
    assert toy.trials_of(tmp_path, objective).trial_of(toy.Toy(5.0, "b"), 1.0).outcome() == first
    assert objective.log("began") == ["5.0000"]
    assert trials.outcome_of(toy.Toy(5.0, "b"), 0.5).details == {"extra": 0.5}
    assert len(objective.log("began")) == 2


def test_other_settings_and_fractions_are_other_trials(toy, objective, tmp_path):
    trials = toy.trials_of(tmp_path, objective)
    given = [(toy.Toy(), 1.0), (toy.Toy(2.0), 1.0), (toy.Toy(), 0.5), (toy.Toy(kind="b"), 1.0)]
    places = {trials.trial_of(*each).folder for each in given}
    assert len(places) == 4
    assert {len(place.name) for place in places} == {16}


@pytest.mark.parametrize("score", [float("nan"), float("inf"), None])
def test_a_trial_that_failed_fails_again_without_being_run(toy, objective, tmp_path, score):
    asked = []

    def fail(settings, fraction, folder, verbose=0):
        asked.append(settings)
        if score is None:
            raise TrialFailedError("no luck")
        return Outcome(score, (0.5, 1.5))

    objective.score = fail
    problem = "no luck" if score is None else f"Received: {score}"
    for _ in range(2):
        with pytest.raises(TrialFailedError, match=problem):
            toy.trials_of(tmp_path, objective).outcome_of(toy.Toy(), 1.0)
    assert len(asked) == 1
    place = toy.trials_of(tmp_path, objective).trial_of(toy.Toy(), 1.0).folder
    assert problem in read_json(place / "outcome.json")["failed"]


def test_after_another_error_no_outcome_is_stored(toy, objective, tmp_path):
    def full(settings, fraction, folder, verbose=0):
        raise OSError("no space left")

    objective.score = full
    trials = toy.trials_of(tmp_path, objective)
    with pytest.raises(OSError, match="no space"):
        trials.outcome_of(toy.Toy(), 1.0)
    assert not trials.trial_of(toy.Toy(), 1.0).is_done


@pytest.mark.slow
def test_other_processes_run_the_same_search(toy, objective, tmp_path):
    there = toy.ToyObjective(tmp_path / "there")
    with ProcessEngine(1, tmp_path / "logs") as engine:
        found = toy.make(tmp_path / "there", there, engine, trials=4).run()
    assert found == toy.make(tmp_path, objective, trials=4).run()
    assert there.log("began") == objective.log("began")


@pytest.mark.slow
def test_a_cluster_without_a_common_folder_runs_the_same_search(toy, objective, tmp_path):
    ray = pytest.importorskip("ray")
    ray.cloudpickle.register_pickle_by_value(toy)
    share = f"file://{tmp_path}/share"
    out = tmp_path / "ray"
    (out / "fold-1").mkdir(parents=True)
    (out / "fold-1" / "judge.txt").write_text("of all trials")
    with RayEngine(RaySettings(share=share, threads=1)) as engine:
        there = toy.ToyObjective(out)
        found = toy.make(out, there, engine, parallel=2, trials=4).run()
    assert (tmp_path / "share" / "cache" / "fold-1" / "judge.txt").exists()
    # No trial ran in the driver's folder, and all results are in it.
    assert there.log("began") == []
    assert len(list((tmp_path / "share" / "cache" / "trials").glob("*/outcome.json"))) > 2
    assert found == toy.make(tmp_path / "local", objective, trials=4).run()
