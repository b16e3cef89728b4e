import json

import pytest

from serkit.tasks.graph import TaskGraph


class _Task:
    needs = ()
    failure = None

    def __init__(self, place):
        self.folder, self.is_done = place, False
        self.title = place.name


@pytest.fixture
def task(tmp_path):
    return [_Task(tmp_path / f"w{number}") for number in range(4)]


def test_tasks_with_one_folder_count_once(task):
    plan = TaskGraph([("gan", task[0]), ("net", task[1]), ("gan", task[0]), ("net", task[2])])
    assert [one for _, one in plan.tasks] == task[:3]
    task[1].is_done = True
    task[2].failure = "a loss is no number"
    assert plan.failed() == {task[2].folder}
    assert plan.unfinished() == [("gan", task[0])]
    assert plan.progress() == "2 of 3 done; left: not measured yet: 1 x gan"


def test_time_left_is_estimated_from_tasks_of_the_same_kind(task, tmp_path):
    plan = TaskGraph([("gan", task[0]), ("gan", task[1]), ("net", task[2]), ("net", task[3])])
    assert plan.time_left() == "left: not measured yet: 2 x gan, 2 x net"
    for one, seconds in ((task[0], 240), (task[2], 60)):
        one.folder.mkdir()
        one.is_done = True
        (one.folder / "seconds.json").write_text(json.dumps({"seconds": seconds}))
    assert plan.time_left() == "left: about 5 min"
    later = TaskGraph(plan.tasks, {"gan": 30, "other": 2})
    assert later.time_left() == "left: at least 2.1 h; not measured yet: 2 x other"
    (task[0].folder / "seconds.json").write_text(json.dumps({"seconds": 40}))
    soon = TaskGraph([("gan", task[0]), ("gan", task[1])])
    assert soon.time_left() == "left: less than a minute"
    assert TaskGraph(soon.tasks, {"net": 1}).time_left() == "left: not measured yet: 1 x net"
    for one in task:
        one.is_done = True
    assert plan.time_left() == "nothing left"
