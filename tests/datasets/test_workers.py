import os
import signal
import subprocess
import sys
import time

from serkit.datasets import workers
from serkit.datasets.findings import UnusableError
from serkit.datasets.probing import Probe, probe


def test_many_processes_give_the_same_as_one_in_the_same_order(plant, monkeypatch):
    files = {f"{n:03}.wav": None for n in range(150)}
    root = plant(files | {"077.wav": b"", "140.wav": b"<html>"})
    paths = [str(root / name) for name in files]
    one = list(workers.probe_all(paths))
    monkeypatch.setattr(workers, "_MIN_FILES_FOR_PROCESSES", 1)
    assert list(workers.probe_all(paths)) == one
    assert one[3] == probe(paths[3])
    assert [n for n, found in enumerate(one) if not isinstance(found, Probe)] == [77, 140]
    assert one[140][0] == "html"


def test_no_files_are_no_work():
    assert list(workers.probe_all([])) == []


def test_the_result_of_an_unusable_file_is_its_finding():
    def measure(file: str) -> int:
        if file == "b":
            raise UnusableError("html", "a web page")
        return len(file)

    found = workers.measure_all(measure, ["a", "b", "ccc"], min_files_for_processes=9, chunk_size=2)
    assert list(found) == [1, ("html", "a web page"), 3]


def test_ctrl_c_ends_all_processes_without_a_traceback(tmp_path):
    code = f"""
from serkit.datasets.workers import measure_all
work = "import os, time; open(f'{tmp_path}/{{os.getpid()}}', 'w').close(); time.sleep(60)"
try:
    list(measure_all(exec, 9 * [work], min_files_for_processes=1, chunk_size=1))
except KeyboardInterrupt:
    print("stopped")
"""

    def heed() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    # A group of its own, all of which gets the signal, as from a terminal.
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed,
        env=os.environ | {"LOKY_MAX_CPU_COUNT": "2"},
    )
    with process:
        # Both workers: one that is interrupted while it starts prints a traceback.
        while len(list(tmp_path.iterdir())) < 2 and process.poll() is None:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        said, complaints = process.communicate(timeout=30)
    assert (said, complaints) == ("stopped\n", "")
