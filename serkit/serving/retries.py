"""Settings of a client, and when it retries a request."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from serkit.errors import SerkitError, check_range

_SHORTEST = 0.001


@dataclass(frozen=True)
class ClientSettings:
    """Settings of a client: timeouts, retries and batch sizes.

    Attributes:
        connect_seconds: timeout of a connection, in seconds.
        read_seconds: timeout of the answer after the connection, in seconds, per attempt.
        deadline_seconds: maximum duration of a request in seconds, with all attempts and pauses.
        attempts: maximum number of attempts per request, 1 or more.
        pause_seconds: approximate length of the first pause; each pause is twice as long as the
            pause before.
        longest_pause_seconds: maximum of these pauses. If a server asks for a longer pause, the
            client waits as long as the server asks.
        batch_examples: maximum number of recordings per request. If TF Serving batches requests,
            it refuses more examples than its ``max_batch_size``.
        batch_bytes: maximum size of the recordings of a request in bytes, encoded as they are sent.
            A request with a single recording may be larger.

    Raises:
        InputError: if a value is out of range.
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
            # At most a day: longer times are no limit in practice, and too long for a socket.
            check_range(name, getattr(self, name), _SHORTEST, 86_400.0)
        for name in ("attempts", "batch_examples", "batch_bytes"):
            check_range(name, getattr(self, name), 1)
        check_range("pause_seconds", self.pause_seconds, 0.0)
        check_range("longest_pause_seconds", self.longest_pause_seconds, self.pause_seconds)


class ServerError(SerkitError):
    """No server answers at an address, or not as TF Serving does; the message names the address."""


class RefusedError(SerkitError):
    """A working server refuses a request; the server would refuse a repetition as well."""


_Result = TypeVar("_Result")
# Use the system's random numbers, not the seeded generator of ``random``. All processes of a
# training run have the same seed, and would repeat their requests at the same moment.
_draw = random.SystemRandom().random


class Again(Exception):
    """An attempt failed, but another attempt may succeed.

    Args:
        reason: reason of the failure.
        wait: number of seconds that the server asks the client to wait; 0 for none.
    """

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class GaveUp(Exception):
    """All attempts failed, or the deadline is reached; the message holds the last reason."""


class Retries:
    """Retries with exponential backoff and jitter, limited in number and by a deadline.

    Args:
        settings: attempts, pauses and the deadline of a request.
        clock: returns a time in seconds; only differences count.
        sleep: waits for a number of seconds.
        draw: returns a random number in [0, 1). It scales each pause to between half and all of
            its length, so that clients that failed at the same time do not retry at the same time.
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
        """Repeat an attempt until it succeeds.

        Args:
            attempt: function of the seconds that are left until the deadline. It raises
                :class:`Again` for a failure after which another attempt may succeed. Other
                exceptions are not caught.

        Returns:
            The result of the first successful attempt.

        Raises:
            GaveUp: if all attempts failed, or the next attempt would begin after the deadline.
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
                wish = f", the server asks to wait {wait:g} s" if wait else ""
                raise GaveUp(f"{reason} (attempt {number}{wish}; all may take {limit:g} s)")
            self._sleep(pause)
            number += 1

    def _pause(self, number: int) -> float:
        usual = self._settings.pause_seconds * 2.0 ** min(number - 1, 30)
        return min(usual, self._settings.longest_pause_seconds) * (0.5 + self._draw() / 2)


def retry_after(header: str) -> float:
    """Return the seconds of an HTTP header ``Retry-After``.

    The header holds a number of seconds or a date. Any other text gives 0.

    Example:
        >>> retry_after("7")
        7.0
    """
    try:
        return float(Retry().parse_retry_after(header))
    except InvalidHeader:
        return 0.0
