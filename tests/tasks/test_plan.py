import json

import pytest

from serkit.tasks.graph import Plan


class _Work:
    needs = ()
    failure = None

    def __init__(self, place):
        self.place, self.is_done = place, False
        self.title = place.name


@pytest.fixture
def work(tmp_path):
    return [_Work(tmp_path / f"w{number}") for number in range(4)]


def test_what_several_ask_for_comes_once_in_order(work):
    plan = Plan([("gan", work[0]), ("net", work[1]), ("gan", work[0]), ("net", work[2])])
    assert [one for _, one in plan.pieces] == work[:3]
    work[1].is_done = True
    work[2].failure = "a loss is no number"
    assert plan.failed() == {work[2].place}
    assert plan.open() == [("gan", work[0])]
    assert plan.progress() == "2 of 3 done; left: not measured yet: 1 x gan"


def test_time_left_is_of_what_pieces_of_the_kind_took_and_says_what_is_not_known(work, tmp_path):
    plan = Plan([("gan", work[0]), ("gan", work[1]), ("net", work[2]), ("net", work[3])])
    assert plan.left() == "left: not measured yet: 2 x gan, 2 x net"
    for one, seconds in ((work[0], 240), (work[2], 60)):
        one.place.mkdir()
        one.is_done = True
        (one.place / "seconds.json").write_text(json.dumps({"seconds": seconds}))
    assert plan.left() == "left: about 5 min"
    later = Plan(plan.pieces, {"gan": 30, "other": 2})
    assert later.left() == "left: about 2.1 h; not measured yet: 2 x other"
    for one in work:
        one.is_done = True
    assert plan.left() == "nothing left"
