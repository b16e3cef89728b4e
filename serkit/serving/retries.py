"""Settings of a client, and retries of its failed requests."""

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from serkit.errors import InputError, SerkitError, check_range

_MIN_TIMEOUT_SECONDS = 0.001


@dataclass(frozen=True)
class ClientSettings:
    """Settings of a client: timeouts, retries and batch sizes.

    Attributes:
        connect_seconds: maximum time in seconds to establish a connection.
        read_seconds: maximum time in seconds from the connection to the whole answer, per attempt.
        deadline_seconds: maximum duration of a request in seconds, with all attempts and pauses.
        attempts: maximum number of attempts per request, 1 or more. Attempts during which the
            server loads the model are not counted.
        pause_seconds: approximate pause in seconds after the first attempt; each further pause is
            twice as long as the pause before.
        longest_pause_seconds: maximum of these pauses in seconds. If a server asks for a longer
            pause, the client waits as long as the server asks.
        batch_examples: maximum number of recordings per request. If TF Serving batches requests,
            it refuses more examples than its ``max_batch_size``.
        batch_bytes: maximum size of the recordings of a request in bytes, encoded as they are sent.
            A request with a single recording may be larger.
        token: token of a server that asks for one (``serkit serve --token-file``), over HTTP only;
            empty for none.

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
    token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        for name in ("connect_seconds", "read_seconds", "deadline_seconds"):
            # At most a day: longer times are no limit in practice, and too long for a socket.
            check_range(name, getattr(self, name), _MIN_TIMEOUT_SECONDS, 86_400.0)
        for name in ("attempts", "batch_examples", "batch_bytes"):
            check_range(name, getattr(self, name), 1)
        check_range("pause_seconds", self.pause_seconds, 0.0)
        check_range("longest_pause_seconds", self.longest_pause_seconds, self.pause_seconds)


def read_token(path: Path) -> str:
    """Read a token from a file, for :attr:`ClientSettings.token` or a server.

    Args:
        path: file with one line.

    Returns:
        The line, without spaces around it.

    Raises:
        InputError: if the file does not hold one line of visible ASCII characters without spaces.
        OSError: if the file cannot be read.
    """
    token = path.read_text("utf-8", "replace").strip()
    if not re.fullmatch("[!-~]+", token):
        raise InputError(
            f"`token_file` must hold one line of visible ASCII characters. Received: {path}, which "
            "holds something else."
        )
    return token


class ServerError(SerkitError):
    """No server answers at an address, or it does not answer as TF Serving does."""


class RefusedError(SerkitError):
    """A working server refuses a request; it would refuse the same request again."""


_Result = TypeVar("_Result")
# Use the system's random numbers, not the seeded generator of ``random``. All processes of a
# training run have the same seed, and would repeat their requests at the same moment.
_system_random = random.SystemRandom().random


class TemporaryError(Exception):
    """An attempt failed, but another attempt may succeed.

    Args:
        reason: reason of the failure.
        wait_seconds: time that the server asks the client to wait; 0 if it does not ask.
        is_loading: whether the server says that it loads the model. The attempt is not counted.
    """

    def __init__(self, reason: str, wait_seconds: float = 0.0, *, is_loading: bool = False) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds
        self.is_loading = is_loading


class RetriesExhaustedError(Exception):
    """All attempts failed, or no time is left; the message holds the reason of the last failure."""


class Retries:
    """Repeats attempts with exponential backoff and jitter, limited in number and in time.

    Args:
        settings: attempts, pauses and the deadline of a request.
        clock: returns a time in seconds; only differences count.
        sleep: waits for a number of seconds.
        random_fraction: returns a random number in [0, 1). The number scales each pause to between
            half and all of its length. So clients that failed at the same time do not retry at the
            same time.
    """

    def __init__(
        self,
        settings: ClientSettings,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        random_fraction: Callable[[], float] = _system_random,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._sleep = sleep
        self._random_fraction = random_fraction

    def run(self, attempt: Callable[[float], _Result]) -> _Result:
        """Repeat an attempt until it succeeds.

        Args:
            attempt: function that takes the seconds that are left until the deadline. It raises
                :class:`TemporaryError` for a failure after which another attempt may succeed. Other
                exceptions are not caught.

        Returns:
            The result of the first successful attempt.

        Raises:
            RetriesExhaustedError: if all attempts failed, or the next attempt would begin after
                the deadline.
        """
        max_seconds = self._settings.deadline_seconds
        deadline = self._clock() + max_seconds
        attempt_number = 1
        counted_attempts = 0
        while True:
            try:
                return attempt(max(deadline - self._clock(), _MIN_TIMEOUT_SECONDS))
            except TemporaryError as error:
                reason, wait_seconds = str(error), error.wait_seconds
                counted_attempts += not error.is_loading
            if counted_attempts == self._settings.attempts:
                attempts = (
                    f"{attempt_number} attempts" if attempt_number > 1 else "the only attempt"
                )
                raise RetriesExhaustedError(f"{reason} ({attempts})")
            pause = max(wait_seconds, self._backoff(attempt_number))
            if self._clock() + pause >= deadline:
                wait = f", the server asks to wait {wait_seconds:g} s" if wait_seconds else ""
                raise RetriesExhaustedError(
                    f"{reason} (attempt {attempt_number}{wait}; all may take {max_seconds:g} s)"
                )
            self._sleep(pause)
            attempt_number += 1

    def _backoff(self, attempt_number: int) -> float:
        """Return the pause in seconds after an attempt, if the server does not ask for a longer."""
        # Limit the exponent, because 2.0 ** 1024 raises OverflowError.
        pause = self._settings.pause_seconds * 2.0 ** min(attempt_number - 1, 30)
        pause = min(pause, self._settings.longest_pause_seconds)
        return pause * (0.5 + self._random_fraction() / 2)


def parse_retry_after(header: str) -> float:
    """Return the seconds to wait according to an HTTP header ``Retry-After``.

    The header holds a number of seconds or a date. Any other text gives 0.

    Example:
        >>> parse_retry_after("7")
        7.0
    """
    try:
        return float(Retry().parse_retry_after(header))
    except InvalidHeader:
        return 0.0
