"""One piece of work, done once whoever does it."""

import time
from pathlib import Path
from typing import Protocol

from serkit.errors import DivergedError
from serkit.files import alone_in, read_json, write_json

SECONDS, _FAILED = "seconds.json", "failed.json"


class Work(Protocol):
    """Something that takes long and is done once: a GAN or a classifier to be trained."""

    title: str
    """For people."""
    place: Path
    """Its own folder; all that it gives is there."""
    needs: tuple[Path, ...]
    """Places of work whose results it reads."""
    is_done: bool
    """Whether it need not be run."""
    failure: str | None
    """Why it, or what it needs, cannot be done."""

    def run(self, verbose: int) -> None:
        """Do it, or go on with it."""


def do(kind: str, work: Work, verbose: int) -> str | None:
    """Do a piece of work, if nobody has, and keep how long it took.

    A training whose numbers are no longer finite is noted as failed: it would diverge again, so
    that it is not tried again. Processes wait for each other.

    Args:
        kind: of the work: the same kind takes about the same time.
        work: that is to be done.
        verbose: as for Keras' ``fit``.

    Returns:
        Why it failed; None if it did not.
    """
    afresh = not work.place.exists()
    with alone_in(work.place):
        if work.is_done:
            return None
        began = time.monotonic()
        try:
            work.run(verbose)
        except DivergedError as error:
            write_json(work.place / _FAILED, {"why": str(error)})
            return str(error)
        if afresh:
            # Of a piece that went on, this would be the last part only.
            seconds = round(time.monotonic() - began, 1)
            write_json(work.place / SECONDS, {"kind": kind, "seconds": seconds})
    return None


def failure_at(place: Path) -> str | None:
    """Why the work of a folder has failed; None if it has not."""
    file = place / _FAILED
    return read_json(file)["why"] if file.exists() else None
