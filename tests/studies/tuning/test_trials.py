import pytest

from serkit.studies.tuning.records import Outcome, TrialFailedError
from serkit.tasks.ray import RayEngine, RaySettings


@pytest.fixture
def objective(toy, tmp_path):
    return toy.ToyObjective(tmp_path)


def test_a_trial_is_run_once(toy, objective, tmp_path):
    trials = toy.trials_of(tmp_path, objective)
    assert trials.known(toy.Toy(5.0, "b"), 1.0) is None
    first = trials.get(toy.Toy(5.0, "b"), 1.0)
    assert first == Outcome(2.0, (1.5, 2.5), {"extra": 1.0})
    assert trials.get(toy.Toy(5.0, "b"), 1.0) == trials.known(toy.Toy(5.0, "b"), 1.0) == first
    assert objective.log("began") == ["5.0000"]
    assert trials.get(toy.Toy(5.0, "b"), 0.5).details == {"extra": 0.5}
    assert len(objective.log("began")) == 2


def test_a_trial_that_failed_fails_again_without_being_run(toy, objective, tmp_path):
    asked = []

    def fail(settings, share, place, verbose=0):
        asked.append(settings)
        raise TrialFailedError("no luck")

    objective.score = fail
    for _ in range(2):
        with pytest.raises(TrialFailedError, match="no luck"):
            toy.trials_of(tmp_path, objective).get(toy.Toy(), 1.0)
    assert len(asked) == 1


class _Elsewhere:
    """An engine that opens work again before it does it."""

    def __init__(self):
        self.inputs = None

    def run(self, plan, task_factory, say, verbose):
        self.inputs = task_factory.inputs
        for _, task in plan.open():
            name = task.place.relative_to(task_factory.cache).as_posix()
            task_factory.reopen(task_factory.out, task_factory.cache, name).run(verbose)


def test_elsewhere_it_is_the_same_trial(toy, objective, tmp_path):
    (tmp_path / "fold-1").mkdir(parents=True)
    engine = _Elsewhere()
    trials = toy.trials_of(tmp_path, objective, engine)
    assert trials.get(toy.Toy(5.0, "b"), 1.0).score == 2.0
    assert engine.inputs == (("cache", "fold-1"),)


@pytest.mark.slow
def test_on_a_cluster_without_a_common_folder_it_is_the_same_search(toy, objective, tmp_path):
    ray = pytest.importorskip("ray")
    ray.cloudpickle.register_pickle_by_value(toy)
    share = f"file://{tmp_path}/share"
    out = tmp_path / "ray"
    (out / "fold-1").mkdir(parents=True)
    (out / "fold-1" / "judge.txt").write_text("of all trials")
    with RayEngine(RaySettings(share=share, threads=1)) as engine:
        there = toy.ToyObjective(out)
        found = toy.make(out, there, engine, parallel=2, trials=4).run()
    # Nothing was tried here, and what came of it is here.
    assert there.log("began") == []
    assert len(list((tmp_path / "share" / "cache" / "trials").glob("*/outcome.json"))) > 2
    assert found == toy.make(tmp_path / "local", objective, trials=4).run()
