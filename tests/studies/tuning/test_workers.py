import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from serkit.errors import InputError
from serkit.studies.tuning.tuner import SearchError
from serkit.studies.tuning.workers import ALONE, CHIEF, ID, IP, PORT, WORKER, Crew, Member

TOY = Path(__file__).with_name("toy.py")


@pytest.fixture(autouse=True)
def nobody(monkeypatch):
    """No variables of KerasTuner's."""
    for name in (IP, PORT, ID):
        monkeypatch.delenv(name, raising=False)


def _say_who(monkeypatch, name, ip="127.0.0.1", port="1"):
    for variable, value in {ID: name, IP: ip, PORT: port}.items():
        monkeypatch.setenv(variable, value)


def test_the_environment_says_who_one_is(monkeypatch):
    assert Member.of_environment().role == ALONE
    for name, role in {"chief": CHIEF, "worker-1": WORKER}.items():
        _say_who(monkeypatch, name, port="7")
        member = Member.of_environment()
        assert (member.role, member.address) == (role, ("127.0.0.1", 7))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [({ID: ""}, f"{IP} is set, {ID} not"), ({PORT: "http"}, f"{PORT}='http'; valid is a number")],
)
def test_half_an_environment_is_refused(monkeypatch, changes, problem):
    _say_who(monkeypatch, "chief")
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=problem):
        Member.of_environment()


def test_an_address_that_nobody_answers_is_said(monkeypatch, toy, tmp_path):
    with socket.socket() as taken:
        # Bound, and not listening.
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        _say_who(monkeypatch, "worker-1", port=str(port))
        monkeypatch.setenv("SERKIT_TUNE_WAIT", "0.3")
        with pytest.raises(SearchError, match=rf"nobody answers at 127.0.0.1:{port} .*{ID}=chief"):
            toy.make(tmp_path, toy.ToyObjective(tmp_path), trials=2).run()


class _Watched:
    """A crew in a thread, with what it says."""

    def __init__(self, out: Path, seconds: float, trials: int, workers: int = 2) -> None:
        self.said: list[str] = []
        self.error: BaseException | None = None
        command = [sys.executable, str(TOY), str(out), str(seconds), str(trials)]
        self._crew = Crew(command, workers, out / "logs", self.said.append)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._crew.run()
        except SearchError as error:
            self.error = error

    def process(self, name: str) -> int:
        """Of the one of that name that was started last."""
        return int(next(line for line in reversed(self.said) if f"{name} is" in line).split()[-1])

    def join(self) -> None:
        self._thread.join(300)
        assert not self._thread.is_alive()


def _until(condition) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come about")


def _trials(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "trials.csv", dtype={"trial": str})


@pytest.mark.slow
def test_of_killed_members_nothing_but_a_trial_is_lost(toy, tmp_path):
    trials, objective = 6, toy.ToyObjective(tmp_path)
    crew = _Watched(tmp_path, 1.0, trials)
    _until(lambda: len(objective.log("began")) >= 2)
    os.kill(crew.process("worker-1"), signal.SIGKILL)
    _until(lambda: len(objective.log("ended")) >= 3)
    os.kill(crew.process("chief"), signal.SIGKILL)
    crew.join()
    assert crew.error is None
    assert sum("was killed (signal 9)" in line for line in crew.said) == 2
    table = _trials(tmp_path).iloc[1:]
    assert len(table) == trials
    assert (table["score"].notna() == (table["hp rate"] <= 8)).all()
    # What was killed was begun twice, and ended once, as all others.
    began, ended = objective.log("began"), objective.log("ended")
    assert len(ended) == len(set(ended)) == table["score"].notna().sum() + 1
    assert len(began) == len(ended) + 1


@pytest.mark.slow
def test_a_killed_driver_leaves_nobody_behind_and_goes_on_later(toy, tmp_path):
    objective = toy.ToyObjective(tmp_path)
    script = (
        "import sys; from pathlib import Path; from serkit.studies.tuning.workers import Crew\n"
        "out = Path(sys.argv[2])\n"
        "Crew([sys.executable, *sys.argv[1:]], 2, out / 'logs', print).run()"
    )
    command = [sys.executable, "-u", "-c", script, str(TOY), str(tmp_path), "1.0", "6"]
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    members = [int(driver.stdout.readline().split()[-1]) for _ in range(3)]
    _until(lambda: len(objective.log("ended")) >= 2)
    driver.kill()
    driver.wait()
    driver.stdout.close()
    _until(lambda: not any(_is_running(process) for process in members))
    done = set(objective.log("ended"))
    crew = _Watched(tmp_path, 0.0, 6)
    crew.join()
    assert crew.error is None
    assert len(_trials(tmp_path)) == 7
    ended = objective.log("ended")
    assert done < set(ended)
    assert len(ended) == len(set(ended))


def _is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_member_that_fails_by_itself_ends_all(tmp_path):
    said = []
    code = "import os, sys, time; os.environ['KERASTUNER_TUNER_ID'] == 'chief' and time.sleep(60)"
    crew = Crew(
        [sys.executable, "-c", f"{code}; sys.exit('no such thing')"], 1, tmp_path, said.append
    )
    with pytest.raises(SearchError, match=r"worker-1 failed: no such thing \(.*worker-1.log\)"):
        crew.run()
    assert not any(_is_running(int(line.split()[-1])) for line in said)


def test_a_member_that_is_killed_again_and_again_ends_all(tmp_path):
    said = []
    code = "import os, time; os.environ['KERASTUNER_TUNER_ID'] == 'chief' and time.sleep(60)"
    crew = Crew(
        [sys.executable, "-c", f"{code}; os.kill(os.getpid(), 9)"], 1, tmp_path, said.append
    )
    with pytest.raises(SearchError, match="worker-1 failed: nothing said"):
        crew.run()
    assert sum("is started again" in line for line in said) == 5


def test_a_crew_has_workers(tmp_path):
    with pytest.raises(InputError, match="workers=0"):
        Crew([sys.executable], 0, tmp_path)
