import json

import pytest

from serkit.tasks.graph import failure_at, run_task


@pytest.fixture
def task(toy, tmp_path):
    """Makes a task."""
    return lambda **given: toy.ToyTask(tmp_path / "one", (), 7, **given)


def _runs(task):
    return len((task.folder / "runs.txt").read_text().splitlines())


def test_a_task_runs_once_and_is_timed(task):
    one = task()
    assert run_task("net", one, 0) is None
    assert run_task("net", one, 0) is None
    assert _runs(one) == 1
    assert json.loads((one.folder / "seconds.json").read_text()) == {"kind": "net", "seconds": 0.0}


def test_a_resumed_task_is_not_timed(task):
    one = task()
    one.folder.mkdir()
    run_task("net", one, 0)
    assert one.is_done
    assert not (one.folder / "seconds.json").exists()


def test_a_task_that_diverges_is_recorded_as_failed(task):
    one = task(wrong="diverges")
    assert run_task("net", one, 0) == "a loss is no number"
    assert failure_at(one.folder) == one.failure == "a loss is no number"
    assert failure_at(one.folder.parent) is None


def test_a_full_disk_is_no_failure_of_the_task(task):
    one = task(wrong="No space left on device")
    with pytest.raises(OSError, match="No space left"):
        run_task("net", one, 0)
    assert one.failure is None
