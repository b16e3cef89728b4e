"""Settings of a client, and when it retries a request."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar

from serkit.errors import SerkitError, check_range

_SHORTEST = 0.001


@dataclass(frozen=True)
class ClientSettings:
    """How patient a client is, and how much it asks at a time.

    Attributes:
        connect_seconds: until a server has to have taken a connection.
        read_seconds: from then until its answer, in each attempt.
        deadline_seconds: for a request with all its attempts and the pauses between them.
        attempts: how often a request is made before giving up, 1 or more.
        pause_seconds: about how long the first pause is; each is twice as long as the one before.
        longest_pause_seconds: no pause of ours is longer; what a server asks for is kept to.
        batch_examples: recordings of a request. A TF Serving that batches refuses more than its
            ``max_batch_size``.
        batch_bytes: of the recordings of a request, as they are sent; a single one may have more.

    Raises:
        InputError: for a value out of range.
    """

    connect_seconds: float = 5.0
    read_seconds: float = 60.0
    deadline_seconds: float = 300.0
    attempts: int = 4
    pause_seconds: float = 0.5
    longest_pause_seconds: float = 30.0
    batch_examples: int = 16
    batch_bytes: int = 16 << 20

    def __post_init__(self) -> None:
        for name in ("connect_seconds", "read_seconds", "deadline_seconds"):
            # A day: more is none, and too much for a socket.
            check_range(name, getattr(self, name), _SHORTEST, 86_400.0)
        for name in ("attempts", "batch_examples", "batch_bytes"):
            check_range(name, getattr(self, name), 1)
        check_range("pause_seconds", self.pause_seconds, 0.0)
        check_range("longest_pause_seconds", self.longest_pause_seconds, self.pause_seconds)


class ServerError(SerkitError):
    """Nobody answers at an address, or not as TF Serving would; the message names the address."""


class RefusedError(SerkitError):
    """A server that is well refuses one request: another of the same would be refused as well."""


_Result = TypeVar("_Result")
# Of the system, not of the module: a seed that is set for a training would be the same in all its
# processes, and they would all ask again at the same moment.
_draw = random.SystemRandom().random


class Again(Exception):
    """An attempt failed in a way that another may not; ``wait`` seconds if the server says so."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class GaveUp(Exception):
    """No attempt succeeded, or time is over; the message has the last reason."""


class Retries:
    """Attempts with growing pauses, until one succeeds, the last has failed or time is over.

    Args:
        settings: attempts, pauses and the deadline of a request.
        clock: seconds, from anywhere.
        sleep: waits for some seconds.
        draw: a number in [0, 1): a pause is between a half and all of what it would be, so that
            clients who failed together do not come back together.
    """

    def __init__(
        self,
        settings: ClientSettings,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        draw: Callable[[], float] = _draw,
    ) -> None:
        self._settings, self._clock, self._sleep, self._draw = settings, clock, sleep, draw

    def run(self, attempt: Callable[[float], _Result]) -> _Result:
        """What ``attempt`` returns, which gets the seconds that are left of the deadline.

        Raises:
            GaveUp: if every attempt raised :class:`Again`, or the next would come too late. Other
                exceptions pass.
        """
        limit = self._settings.deadline_seconds
        end = self._clock() + limit
        number = 1
        while True:
            try:
                return attempt(max(end - self._clock(), 0.001))
            except Again as error:
                reason, wait = str(error), error.wait
            if number == self._settings.attempts:
                attempts = f"{number} attempts" if number > 1 else "the only attempt"
                raise GaveUp(f"{reason} ({attempts})")
            pause = max(wait, self._pause(number))
            if self._clock() + pause >= end:
                asked = f", it asks for {wait:g} s of patience" if wait else ""
                raise GaveUp(f"{reason} (attempt {number}{asked}; all may take {limit:g} s)")
            self._sleep(pause)
            number += 1

    def _pause(self, number: int) -> float:
        usual = self._settings.pause_seconds * 2.0 ** min(number - 1, 30)
        return min(usual, self._settings.longest_pause_seconds) * (0.5 + self._draw() / 2)


def seconds_asked_for(retry_after: str, now: Callable[[], float] = time.time) -> float:
    """Of an HTTP header ``Retry-After``: seconds, or a date; 0 for what is neither."""
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - now())
    except ValueError:
        return 0.0
