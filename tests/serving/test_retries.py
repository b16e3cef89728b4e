import time as time_module
from email.utils import formatdate

import pytest

from serkit.serving.retries import (
    ClientSettings,
    Retries,
    RetriesExhaustedError,
    TemporaryError,
    parse_retry_after,
)


class Time:
    """A clock that only sleeping, and attempts that take some seconds, move on."""

    def __init__(self) -> None:
        self.now, self.slept, self.left = 100.0, [], []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def failing(self, *errors: Exception, takes: float = 0.0):
        todo = list(errors)

        def attempt(left: float) -> str:
            self.left.append(left)
            self.now += takes
            if todo:
                raise todo.pop(0)
            return "done"

        return attempt

    def retries(self, draw: float = 0.0, **settings) -> Retries:
        return Retries(ClientSettings(**settings), lambda: self.now, self.sleep, lambda: draw)


@pytest.fixture
def time():
    return Time()


def test_pauses_grow_up_to_the_longest(time):
    settings = {"attempts": 6, "pause_seconds": 1.0, "longest_pause_seconds": 5.0}
    attempt = time.failing(*[TemporaryError("busy")] * 5)
    assert time.retries(**settings).run(attempt) == "done"
    assert time.slept == [0.5, 1.0, 2.0, 2.5, 2.5]
    time.slept.clear()
    assert (
        time.retries(draw=1.0, **settings).run(time.failing(*[TemporaryError("busy")] * 5))
        == "done"
    )
    assert time.slept == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_draws_differ_whatever_was_seeded(time):
    import random

    def pauses():
        random.seed(0)
        slept = []
        retries = Retries(ClientSettings(attempts=8), lambda: 0.0, slept.append)
        retries.run(time.failing(*[TemporaryError("busy")] * 7))
        return slept

    assert pauses() != pauses()


def test_what_the_server_asks_for_is_kept_to(time):
    attempt = time.failing(TemporaryError("busy", 40.0), TemporaryError("busy", 0.01))
    assert time.retries(pause_seconds=1.0).run(attempt) == "done"
    assert time.slept == [40.0, 1.0]


def test_gives_up_after_the_last_attempt(time):
    with pytest.raises(RetriesExhaustedError, match=r"^third \(3 attempts\)$"):
        time.retries(attempts=3).run(
            time.failing(TemporaryError("a"), TemporaryError("b"), TemporaryError("third"))
        )
    assert len(time.slept) == 2
    with pytest.raises(RetriesExhaustedError, match="the only attempt"):
        time.retries(attempts=1).run(time.failing(TemporaryError("a")))


def test_attempts_while_the_model_is_loaded_are_not_counted(time):
    loading = TemporaryError("loading", is_loading=True)
    attempt = time.failing(*[loading] * 9, TemporaryError("busy"))
    assert time.retries(attempts=2).run(attempt) == "done"
    assert len(time.slept) == 10
    with pytest.raises(RetriesExhaustedError, match=r"^loading .*all may take 300 s"):
        time.retries(attempts=1).run(time.failing(*[loading] * 99))


def test_gives_up_rather_than_wait_past_the_deadline(time):
    with pytest.raises(
        RetriesExhaustedError, match=r"busy \(attempt 1, .* 60 s; all may take 50 s"
    ):
        time.retries(deadline_seconds=50.0).run(time.failing(TemporaryError("busy", 60.0)))
    assert time.slept == []


def test_attempts_know_what_is_left(time):
    retries = time.retries(deadline_seconds=10.0, pause_seconds=2.0, attempts=9)
    with pytest.raises(RetriesExhaustedError, match="slow"):
        retries.run(time.failing(*[TemporaryError("slow")] * 9, takes=3.0))
    assert time.left == [10.0, 6.0, 1.0]


def test_other_errors_pass_at_once(time):
    with pytest.raises(KeyError):
        time.retries().run(time.failing(KeyError("x")))
    assert time.slept == []


def test_retry_after_in_both_forms():
    assert parse_retry_after("7") == 7.0
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    assert parse_retry_after(date) == 0.0
    coming = formatdate(time_module.time() + 60, usegmt=True)
    assert 50 < parse_retry_after(coming) <= 60
    for text in ("", "soon", "-3"):
        assert parse_retry_after(text) == 0.0
