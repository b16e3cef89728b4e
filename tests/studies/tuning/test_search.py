import json
import os
import signal
import threading

import pandas as pd
import pytest

from serkit.errors import InputError
from serkit.files import read_json
from serkit.studies.tuning.records import Outcome, SearchError, TrialFailedError


@pytest.fixture
def objective(toy, tmp_path):
    return toy.ToyObjective(tmp_path)


@pytest.fixture
def heeds_ctrl_c():
    # A shell starts processes in the background with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("algorithm", "trials"), [("random", 12), ("bayesian", 8)])
def test_the_best_trial_wins(toy, objective, tmp_path, algorithm, trials):
    found = toy.make(tmp_path, objective, algorithm=algorithm, trials=trials).run()
    table = pd.read_csv(tmp_path / "trials.csv", dtype={"trial": str}, float_precision="round_trip")
    names = [str(number).zfill(len(str(trials - 1))) for number in range(trials)]
    assert list(table["trial"]) == ["as it was", *names]
    scored = table.dropna(subset="score")
    best = scored.loc[scored["score"].idxmin()]
    assert found == read_json(tmp_path / "best.json")
    assert (found["trial"], found["score"]["value"]) == (best["trial"], best["score"])
    assert found["score"]["as it was"] == 3.0
    assert found["settings"] == {"rate": best["hp rate"], "kind": best["hp kind"]}
    assert found["trials"] == len(scored) - 1
    text = (tmp_path / "trials.md").read_text()
    assert text.splitlines()[2].startswith(f"| {best['trial']} | ")
    assert "fold 1" in text
    assert "| share |" not in text


def test_invalid_settings_fail_with_a_reason(toy, objective, tmp_path):
    toy.make(tmp_path, objective, trials=12).run()
    table = pd.read_csv(tmp_path / "trials.csv", keep_default_na=False)
    impossible = [float(rate) > 8 for rate in table["hp rate"].iloc[1:]]
    assert 0 < sum(impossible) < 12
    for row, wanted in zip(table.iloc[1:].to_dict("records"), impossible, strict=True):
        assert ("no valid settings: `rate`" in row["failed"]) == wanted
        assert (row["score"] == "") == wanted
    assert "failed: no valid settings: `rate`" in (tmp_path / "trials.md").read_text()


def test_hyperband_lengthens_the_best_trials(toy, objective, tmp_path):
    found = toy.make(tmp_path, objective, algorithm="hyperband", rounds=2, factor=3).run()
    table = pd.read_csv(tmp_path / "trials.csv", dtype={"trial": str})
    shares = table["share"].round(4).value_counts()
    assert set(shares.index) == {0.3333, 1.0}
    # Only trials of a full training run are compared.
    whole = table[table["share"] == 1].dropna(subset="score")
    assert found["score"]["value"] == whole["score"].min()
    assert "| share |" in (tmp_path / "trials.md").read_text().replace("---:", "")


def test_a_second_call_repeats_no_trial(toy, objective, tmp_path):
    found = toy.make(tmp_path, objective, trials=6).run()
    asked = objective.log("began")
    assert len(asked) == len(set(asked))
    assert toy.make(tmp_path, objective, trials=6).run() == found
    assert objective.log("began") == asked


@pytest.mark.parametrize(
    "damage", ["cut", "no tuner", "cut tuner", "a trial more", "a list", "trial is null"]
)
def test_damaged_files_of_kerastuner_repeat_no_trial(toy, objective, tmp_path, damage):
    found = toy.make(tmp_path, objective, trials=6).run()
    asked = objective.log("began")
    oracle = tmp_path / "oracle" / "oracle.json"
    if damage == "cut":
        oracle.write_text(oracle.read_text()[:100])
    elif damage == "no tuner":
        (tmp_path / "oracle" / "tuner0.json").unlink()
    elif damage == "cut tuner":
        (tmp_path / "oracle" / "tuner0.json").write_text("{")
    elif damage == "a list":
        oracle.write_text("[]")
    elif damage == "trial is null":
        next(oracle.parent.glob("trial_*/trial.json")).write_text("null")
    else:
        # As a kill between KerasTuner's two files leaves it.
        state = json.loads(oracle.read_text())
        state["start_order"].pop()
        oracle.write_text(json.dumps(state))
    assert toy.make(tmp_path, objective, trials=6).run() == found
    assert objective.log("began") == asked


class _Breaks:
    """Raises an error at one call."""

    name, goal = "distance", "min"

    def __init__(self, objective, error, at):
        self._objective, self._error, self._at, self.calls = objective, error, at, 0

    def score(self, settings, fraction, folder, verbose=0):
        self.calls += 1
        if self.calls == self._at:
            raise self._error
        return self._objective.score(settings, fraction, folder)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("a mistake")])
def test_another_error_ends_the_search_which_can_be_resumed(toy, objective, tmp_path, error):
    broken = _Breaks(objective, error, at=3)
    with pytest.raises(type(error), match=str(error.args[-1])):
        toy.make(tmp_path / "a", broken, trials=6).run()
    went_on = toy.make(tmp_path / "a", broken, trials=6).run()
    assert went_on == toy.make(tmp_path / "b", objective, trials=6).run()
    assert "a mistake" not in (tmp_path / "a" / "trials.md").read_text()


def test_a_full_disk_is_an_error_and_the_search_can_be_resumed(toy, small_disk, tmp_path):
    out, more = small_disk
    objective = toy.ToyObjective(tmp_path / "log", size=150_000)
    with pytest.raises(OSError, match="No space left on device"):
        toy.make(out, objective, trials=12).run()
    done = objective.log("ended")
    assert done
    more()
    found = toy.make(out, objective, trials=12).run()
    assert found == toy.make(tmp_path / "whole", toy.ToyObjective(tmp_path / "x"), trials=12).run()
    asked = objective.log("ended")
    assert len(asked) == len(set(asked))


class _Fails:
    name, goal = "distance", "min"

    def score(self, settings, fraction, folder, verbose=0):
        if settings.rate == 1.0:
            return Outcome(1.0, (1.0,))
        raise TrialFailedError("no luck")


def test_three_failures_in_a_row_end_the_search(toy, tmp_path):
    for _ in range(2):
        with pytest.raises(SearchError, match=r"3 trials in a row .*(no luck|rate)"):
            toy.make(tmp_path, _Fails(), trials=20).run()
    assert not (tmp_path / "best.json").exists()


@pytest.mark.parametrize("algorithm", ["random", "hyperband"])
def test_parallel_trials_are_the_same_trials(toy, tmp_path, algorithm):
    one, three = toy.ToyObjective(tmp_path / "1"), toy.ToyObjective(tmp_path / "3", seconds=0.05)
    settings = {"algorithm": algorithm, "trials": 8, "rounds": 2}
    first = toy.make(tmp_path / "1", one, **settings).run()
    found = toy.make(tmp_path / "3", three, parallel=3, **settings).run()
    if algorithm == "random":
        assert found["settings"] == first["settings"]
        assert sorted(three.log("began")) == sorted(one.log("began"))
    assert found["trials"] == first["trials"]
    asked = three.log("began")
    assert toy.make(tmp_path / "3", three, parallel=3, **settings).run() == found
    assert three.log("began") == asked


def test_an_error_of_a_parallel_trial_ends_the_search(toy, objective, tmp_path):
    broken = _Breaks(objective, OSError(28, "No space left on device"), at=4)
    with pytest.raises((OSError, SearchError), match=r"No space left|was stopped"):
        toy.make(tmp_path, broken, parallel=2, trials=30).run()
    assert broken.calls < 30
    assert toy.make(tmp_path, broken, parallel=2, trials=30).run()["trials"] > 10


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_ctrl_c_does_not_wait_for_parallel_trials(toy, tmp_path):
    both, ended, threads = threading.Barrier(2), threading.Event(), []

    class Interrupted(toy.ToyObjective):
        def score(self, settings, *arguments):
            outcome = super().score(settings, *arguments)
            if settings != toy.Toy():
                threads.append(threading.current_thread())
                if both.wait(30) == 0:
                    os.kill(os.getpid(), signal.SIGINT)
                ended.wait(5)
            return outcome

    with pytest.raises(KeyboardInterrupt):
        toy.make(tmp_path, Interrupted(tmp_path), parallel=2, trials=30).run()
    assert all(thread.is_alive() for thread in threads)
    ended.set()
    for thread in threads:
        thread.join(30)
    # No further trials.
    assert len(threads) == 2


def test_without_a_score_there_is_no_best_trial(toy, tmp_path):
    with pytest.raises(SearchError, match=r"no trial .*no luck"):
        toy.make(tmp_path, _Fails(), trials=1).run()
    assert "failed: no luck" in (tmp_path / "trials.md").read_text()


def test_a_baseline_without_a_score_is_refused(toy, tmp_path):
    class Never(_Fails):
        def score(self, settings, fraction, folder, verbose=0):
            raise TrialFailedError("no luck")

    with pytest.raises(SearchError, match=r"baseline .*no luck"):
        toy.make(tmp_path, Never(), trials=3).run()


def test_a_space_with_invalid_defaults_is_refused(toy, objective, tmp_path):
    search = toy.make(tmp_path, objective, trials=3)
    search._space = lambda hp: toy.Toy(rate=hp.Float("rate", 9.0, 10.0))
    with pytest.raises(InputError, match=r"rate=9\.0"):
        search.run()
