import multiprocessing
from dataclasses import dataclass

import pytest

from serkit.files import read_json
from serkit.tuning.outcome import Outcome, Outcomes, TrialFailedError


@dataclass
class Work:
    """Counts how often it is done."""

    score: float = 1.0
    times: int = 0

    def __call__(self, place) -> Outcome:
        assert place.is_dir()
        self.times += 1
        return Outcome(self.score, (0.5, 1.5), {"other": 2.0})


def test_the_same_settings_are_tried_once(tmp_path):
    work, outcomes = Work(), Outcomes(tmp_path)
    first = outcomes.get({"a": (1, 2)}, 1.0, work)
    assert outcomes.get({"a": [1, 2]}, 1.0, work) == first == Outcome(1.0, (0.5, 1.5), {"other": 2})
    assert work.times == 1
    assert Outcomes(tmp_path).known({"a": (1, 2)}, 1.0) == first


@pytest.mark.parametrize(("settings", "share"), [({"a": 2}, 1.0), ({"a": 1}, 0.5), ({"b": 1}, 1.0)])
def test_other_settings_and_shares_are_others(tmp_path, settings, share):
    work, outcomes = Work(), Outcomes(tmp_path)
    outcomes.get({"a": 1}, 1.0, work)
    assert outcomes.known(settings, share) is None
    outcomes.get(settings, share, work)
    assert work.times == 2


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_what_is_no_number_is_a_failure_that_is_kept(tmp_path, score):
    work, outcomes = Work(score), Outcomes(tmp_path)
    for _ in range(2):
        with pytest.raises(TrialFailedError, match=f"score is {score}"):
            outcomes.get({"a": 1}, 1.0, work)
    assert work.times == 1
    assert "failed" in read_json(outcomes.place({"a": 1}, 1.0) / "outcome.json")
    with pytest.raises(TrialFailedError):
        outcomes.known({"a": 1}, 1.0)


def test_any_other_error_is_no_outcome(tmp_path):
    outcomes = Outcomes(tmp_path)

    def work(place):
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        outcomes.get({"a": 1}, 1.0, work)
    assert outcomes.known({"a": 1}, 1.0) is None


def _wait_then_count(folder, lock) -> None:
    def work(place):
        lock.acquire()
        with open(folder / "count", "a") as file:
            file.write("x")
        return Outcome(1.0, (1.0,))

    Outcomes(folder).get({"a": 1}, 1.0, work)


def test_two_processes_do_it_once(tmp_path):
    fork = multiprocessing.get_context("fork")
    lock = fork.Lock()
    lock.acquire()
    both = [fork.Process(target=_wait_then_count, args=(tmp_path, lock)) for _ in range(2)]
    for process in both:
        process.start()
    lock.release()
    for process in both:
        process.join(60)
    assert (tmp_path / "count").read_text() == "x"
    assert [process.exitcode for process in both] == [0, 0]
