import json

import pytest

from serkit.comparison.plan import Plan, failure_at
from serkit.errors import DivergedError


class _Work:
    def __init__(self, place):
        self.place, self.is_done, self.runs = place, False, 0
        self.title = place.name
        self.diverges = False

    @property
    def failure(self):
        return failure_at(self.place)

    def run(self, verbose):
        self.place.mkdir(exist_ok=True)
        self.runs += 1
        if self.diverges:
            raise DivergedError("a loss is no number")
        self.is_done = True


@pytest.fixture
def work(tmp_path):
    return [_Work(tmp_path / f"w{number}") for number in range(4)]


def test_everything_is_done_once_in_order_and_said_before(work):
    said = []
    plan = Plan([("gan", work[0]), ("net", work[1]), ("gan", work[0]), ("net", work[2])])
    plan.run(said.append, 0)
    assert [one.runs for one in work] == [1, 1, 1, 0]
    assert [line.split(";")[0].strip() for line in said] == [
        *("w0: 0 of 3 done", "w1: 1 of 3 done", "w2: 2 of 3 done")
    ]
    plan.run(said.append, 0)
    assert len(said) == 3


def test_time_left_is_of_what_pieces_of_the_kind_took_and_says_what_is_not_known(work, tmp_path):
    plan = Plan([("gan", work[0]), ("gan", work[1]), ("net", work[2]), ("net", work[3])])
    assert plan.left() == "left: not measured yet: 2 x gan, 2 x net"
    for one, seconds in ((work[0], 240), (work[2], 60)):
        one.run(0)
        (one.place / "seconds.json").write_text(json.dumps({"seconds": seconds}))
    assert plan.left() == "left: about 5 min"
    later = Plan(plan.pieces, {"gan": 30, "other": 2})
    assert later.left() == "left: about 2.1 h; not measured yet: 2 x other"
    for one in work:
        one.is_done = True
    assert plan.left() == "nothing left"


def test_a_piece_that_went_on_is_no_measure(work):
    work[0].place.mkdir()
    Plan([("net", work[0]), ("net", work[1])]).run(lambda line: None, 0)
    assert not (work[0].place / "seconds.json").exists()
    assert json.loads((work[1].place / "seconds.json").read_text())["kind"] == "net"


def test_what_diverges_is_noted_and_the_rest_goes_on(work):
    said = []
    work[0].diverges = True
    plan = Plan([("gan", work[0]), ("net", work[1])])
    plan.run(said.append, 0)
    assert work[0].failure == "a loss is no number"
    assert (work[1].is_done, work[1].failure) == (True, None)
    assert any("w0 failed: a loss is no number" in line for line in said)
    # It would diverge again.
    plan.run(said.append, 0)
    assert work[0].runs == 1
    assert plan.left() == "nothing left"
