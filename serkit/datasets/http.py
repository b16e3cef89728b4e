"""Download files over HTTP: resume interrupted downloads and verify checksums.

pooch computes the checksums. Its ``retrieve`` is not used: it restarts from the first byte after
every interruption, and a killed process leaves an empty temporary file in the user's folder.
"""

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pooch
import requests
import urllib3

import serkit
from serkit.datasets.http_session import new_session
from serkit.errors import DownloadError
from serkit.files import move_synced


@dataclass(frozen=True)
class Remote:
    """A file to download.

    Attributes:
        url: address of the file.
        path: local path to write to.
        known_hash: ``md5:`` or ``sha256:`` (or ``sha1:``, ``sha512:``) and hexadecimal digits.
            None if the file has no fixed content: then the content is not checked, a download is
            never resumed, and an existing file is downloaded again.
        size: size of the file in bytes, or the largest that it may have; 0 if not known. A longer
            response is refused, without a size one of more than 4 GiB.
    """

    url: str
    path: Path
    known_hash: str | None
    size: int = 0


STEP = 1 << 20
"""Bytes per item that :func:`fetch` gives to ``track``."""
_TIMEOUT = (30.0, 60.0)  # seconds: to connect, between two reads
_MAX_PAUSE = 60.0
_ATTEMPTS = 5
_PARALLEL_DOWNLOADS = 4
_READ_BYTES = 1 << 17
_MAX_BYTES = 4 << 30
# A download may take this many seconds, and longer the more bytes it has.
_BASE_SECONDS, _MIN_BYTES_PER_SECOND = 600.0, 20_000
_ASSUMED_BYTES = 1 << 30
# Ranges and checksums refer to the stored bytes, so the server must not compress the response.
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": f"serkit/{serkit.__version__}"}
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")

Track = Callable[[Iterable[Any], int], Iterable[Any]]


class _Interrupted(Exception):
    """A transfer failed and may be retried after ``wait`` seconds (None: the default pause)."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def fetch(
    remote: Remote,
    *,
    pause: Callable[[float], object] = time.sleep,
    session: requests.Session | None = None,
    track: Track = lambda items, total: items,
    deadline: float | None = None,
) -> Path:
    """Download one file and return its path; keep an existing file with the right checksum.

    Received bytes are kept in ``.partial-<name>`` in the same folder. The next call, from this
    process or another, resumes there. The file at ``remote.path`` is replaced only after the
    checksum of the new content is verified. Only one process at a time may download a file.

    Args:
        remote: the file to download, and its local path.
        pause: waits for the given number of seconds between two attempts: 1, 2, 4, … or the time
            that the server asks for, at most 60.
        session: keeps connections open for several files.
        track: wraps the iteration over the file's MiB (:data:`STEP`), including those of an
            earlier call, for a progress bar; gets their number, 0 if ``size`` is not known.
        deadline: time of the monotonic clock at which an incomplete download ends; default: ten
            minutes from now, and the time that ``size`` takes at 20 kB/s.

    Raises:
        DownloadError: if the server cannot be reached or does not have the file, if every attempt
            is interrupted, if the content has the wrong checksum twice or is longer than ``size``,
            if it is not complete at the deadline, or if https:// is redirected to http://.
    """
    if remote.known_hash is not None and remote.path.is_file():
        checksum = _checksum(remote.path, remote.known_hash)
        if checksum == remote.known_hash.lower():
            return remote.path
    remote.path.parent.mkdir(parents=True, exist_ok=True)
    with nullcontext(session) if session else new_session() as open_session:
        transfer = _Transfer(
            remote, open_session, pause, _deadline([remote]) if deadline is None else deadline
        )
        for _ in track(_steps(transfer.run()), -(-remote.size // STEP)):
            pass
    return remote.path


def fetch_all(
    remotes: Sequence[Remote],
    *,
    pause: Callable[[float], object] = time.sleep,
    track: Track = lambda items, total: items,
) -> None:
    """Download several files in parallel, each by :func:`fetch`; stop at the first failure.

    Args:
        remotes: the files to download, with different local paths.
        pause: as in :func:`fetch`.
        track: wraps the iteration over files for a progress bar; gets their number.

    Raises:
        DownloadError: as :func:`fetch`. The files that are complete stay at their paths.
    """
    stopping = threading.Event()

    def wait(seconds: float) -> None:
        pause(seconds)
        if stopping.is_set():
            raise DownloadError("stopped")

    with new_session() as session, ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
        deadline = _deadline(remotes)
        futures = [
            pool.submit(fetch, remote, pause=wait, session=session, deadline=deadline)
            for remote in remotes
        ]
        try:
            for future in track(as_completed(futures), len(futures)):
                future.result()
        finally:
            # Otherwise an error or Ctrl-C would wait for all remaining files.
            stopping.set()
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class _Transfer:
    remote: Remote
    session: requests.Session
    pause: Callable[[float], object]
    deadline: float

    @property
    def partial(self) -> Path:
        return self.remote.path.with_name(f".partial-{self.remote.path.name}")

    def run(self) -> Iterator[int]:
        """Download the file, check it and move it to its path; yield the bytes so far."""
        for _ in range(2):
            yield from self._download_with_retries()
            checksum = _checksum(self.partial, self.remote.known_hash)
            if checksum == (self.remote.known_hash or "").lower():
                move_synced(self.partial, self.remote.path)
                return
            # The bytes of an earlier call may be wrong. Delete them, so that the second attempt and
            # the next call start from the first byte.
            self.partial.unlink()
        raise DownloadError(
            f"{self.remote.url} had the checksum {checksum} instead of {self.remote.known_hash}, "
            "twice, and was deleted. Try again later: the file was damaged in transfer, or has "
            "changed"
        )

    def _download_with_retries(self) -> Iterator[int]:
        """Write all bytes to the partial file, in up to ``attempts`` attempts."""
        for attempt in range(1, _ATTEMPTS + 1):
            wait = None
            try:
                yield from self._append()
                return
            except _Interrupted as error:
                reason, wait = str(error), error.wait
            except (requests.ConnectionError, requests.Timeout) as error:
                reason = f"no connection: {_cause(error)}; is the network up?"
            except urllib3.exceptions.HTTPError as error:
                reason = _cause(error)
            except requests.RequestException as error:
                raise DownloadError(f"{self.remote.url} cannot be requested: {error}") from error
            if attempt < _ATTEMPTS:
                default_wait = 2.0 ** (attempt - 1)
                self.pause(min(default_wait if wait is None else wait, _MAX_PAUSE))
        raise DownloadError(
            f"{self.remote.url} was not complete after {_ATTEMPTS} attempts ({reason}). "
            "The received bytes are kept: the same command resumes there"
        )

    def _append(self) -> Iterator[int]:
        """Request the missing bytes once and append them to the partial file."""
        headers = dict(_HEADERS)
        if partial_size := self._resumable_bytes():
            headers["Range"] = f"bytes={partial_size}-"
        with self.session.get(
            self.remote.url,
            headers=headers,
            stream=True,
            timeout=_TIMEOUT,
            hooks={"response": _refuse_insecure_redirect},
        ) as response:
            start, size = self._response_range(response, partial_size)
            limit = self.remote.size or _MAX_BYTES
            self._require_within(size or 0, limit)
            with open(self.partial, "ab" if start else "wb") as file:
                bytes_written = start
                # Not iter_content: if the connection breaks, it drops an incomplete chunk.
                while data := response.raw.read1(_READ_BYTES, decode_content=False):
                    bytes_written += len(data)
                    self._require_within(bytes_written, limit if size is None else size)
                    if time.monotonic() > self.deadline:
                        raise DownloadError(
                            f"{self.remote.url} is too slow: {bytes_written} bytes until the "
                            "deadline. The received bytes are kept: the same command resumes there"
                        )
                    file.write(data)
                    yield bytes_written
        if size is not None and bytes_written < size:
            raise _Interrupted(f"only {bytes_written} of {size} bytes came")

    def _require_within(self, bytes_received: int, limit: int) -> None:
        if bytes_received > limit:
            self.partial.unlink(missing_ok=True)
            raise DownloadError(
                f"{self.remote.url} has more than the {limit} bytes that it should have; nothing "
                "of it is kept. Is there a newer serkit?"
            )

    def _resumable_bytes(self) -> int:
        # Without a checksum a file joined from two versions would not be detected.
        if self.remote.known_hash is None or not self.partial.exists():
            return 0
        return self.partial.stat().st_size

    def _response_range(
        self, response: requests.Response, partial_size: int
    ) -> tuple[int, int | None]:
        """Return the offset of the response's first byte, and the file's size or None.

        Args:
            response: the response to a request.
            partial_size: number of bytes in the partial file when the request was sent.

        Raises:
            _Interrupted: if the request may be repeated.
            DownloadError: if the server refuses the request.
        """
        status = f"{response.status_code} {response.reason}"
        if response.status_code == 200:
            length = response.headers.get("Content-Length", "")
            return 0, int(length) if length.isdecimal() else None
        if response.status_code == 206:
            match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if match and int(match[1]) == partial_size:
                return partial_size, None if match[2] == "*" else int(match[2])
        if partial_size and response.status_code in (206, 416):
            self.partial.unlink()
            raise _Interrupted(f"{status} to a request for the rest", wait=0.0)
        if response.status_code == 429 or response.status_code >= 500:
            wait = response.headers.get("Retry-After", "")
            raise _Interrupted(f"it answers {status}", float(wait) if wait.isdecimal() else None)
        raise DownloadError(
            f"{self.remote.url} answers {status}; it may have moved: is there a newer serkit?"
        )


def _deadline(remotes: Sequence[Remote]) -> float:
    size = sum(remote.size or _ASSUMED_BYTES for remote in remotes)
    return time.monotonic() + _BASE_SECONDS + size / _MIN_BYTES_PER_SECOND


def _refuse_insecure_redirect(response: requests.Response, **_: Any) -> None:
    """Raise DownloadError if a response redirects from https:// to another scheme."""
    # An address without a scheme keeps that of the request.
    target = urlsplit(response.headers.get("Location", "")).scheme
    is_secure = urlsplit(response.url).scheme == "https"
    if response.is_redirect and is_secure and target not in ("", "https"):
        raise DownloadError(
            f"{response.url} redirects to an address without TLS and is not followed: "
            f"{response.headers['Location']}"
        )


def _steps(positions: Iterator[int]) -> Iterator[None]:
    """Yield once for each further STEP that ``positions`` enters."""
    steps = 0
    for position in positions:
        steps_reached = -(-position // STEP)
        yield from [None] * (steps_reached - steps)
        steps = max(steps, steps_reached)


def _checksum(path: Path, known_hash: str | None) -> str:
    """Compute a file's checksum in the form of ``known_hash``; empty if that is None."""
    if known_hash is None:
        return ""
    algorithm = known_hash.partition(":")[0]
    return f"{algorithm}:{pooch.file_hash(path, alg=algorithm)}"


def _cause(error: Exception) -> str:
    """Return the innermost reason in requests' and urllib3's nested errors, without class names."""
    inner_error = error.args[0] if error.args else error
    reason = str(getattr(inner_error, "reason", inner_error))
    return reason.partition("): ")[2] or reason
