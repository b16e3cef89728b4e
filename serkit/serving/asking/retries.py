"""Asking again: when, how often, and when no more."""

import random
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TypeVar

from serkit.serving.client_settings import ClientSettings

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
