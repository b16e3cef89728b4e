"""What a comparison has to do, what of it is done, and how long the rest will take."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from serkit.errors import DivergedError
from serkit.files import read_json, write_json

_SECONDS, FAILED = "seconds.json", "failed.json"


class Work(Protocol):
    """Something that takes long and is done once: a GAN or a classifier to be trained."""

    title: str
    """For people."""
    place: Path
    """Its own folder."""
    is_done: bool
    """Whether it need not be run."""
    failure: str | None
    """Why it, or what it needs, cannot be done."""

    def run(self, verbose: int) -> None:
        """Do it, or go on with it."""


class Plan:
    """Pieces of work in their order, each with the kind of work that it is.

    Args:
        pieces: kind and work; the same kind takes about the same time. What several ask for comes
            once: pieces in one folder are one.
        later: how many pieces of which kind will come that are not known yet.
    """

    def __init__(
        self, pieces: Iterable[tuple[str, Work]], later: dict[str, int] | None = None
    ) -> None:
        unique = {work.place: (kind, work) for kind, work in pieces}
        self.pieces = list(unique.values())
        self._later = Counter(later or {})

    def run(self, say: Callable[[str], None], verbose: int) -> None:
        """Do what is not done, and say before each piece what is left.

        A training whose numbers are no longer finite is noted as failed, and the rest goes on; what
        needs it is left out. It would diverge again, so that it is not tried again.

        Args:
            say: gets a line.
            verbose: as for Keras' ``fit``.
        """
        for kind, work in self.pieces:
            if work.is_done or work.failure:
                continue
            done = len(self.pieces) - sum(self._open().values())
            total = len(self.pieces) + sum(self._later.values())
            say(f"   {work.title}: {done} of {total} done; {self.left()}")
            began = time.monotonic()
            afresh = not work.place.exists()
            try:
                work.run(verbose)
            except DivergedError as error:
                say(f"   {work.title} failed: {error}")
                write_json(work.place / FAILED, {"why": str(error)})
                continue
            if afresh:
                # Of a piece that went on, this would be the last part only.
                seconds = round(time.monotonic() - began, 1)
                write_json(work.place / _SECONDS, {"kind": kind, "seconds": seconds})

    def left(self) -> str:
        """How long the rest will take, by what pieces of the same kind took, here or before."""
        open_ = self._open() + self._later
        if not open_:
            return "nothing left"
        measured = {kind: self._measured(kind) for kind in open_}
        known = {kind: np.mean(times) for kind, times in measured.items() if times}
        unknown = [f"{open_[kind]} x {kind}" for kind in open_ if kind not in known]
        minutes = sum(open_[kind] * seconds for kind, seconds in known.items()) / 60
        parts = [_spoken(minutes)] if known else []
        if unknown:
            parts.append(f"not measured yet: {', '.join(unknown)}")
        return "left: " + "; ".join(parts)

    def _open(self) -> Counter[str]:
        return Counter(kind for kind, work in self.pieces if not (work.is_done or work.failure))

    def _measured(self, kind: str) -> Sequence[float]:
        files = (work.place / _SECONDS for mine, work in self.pieces if mine == kind)
        return [read_json(file)["seconds"] for file in files if file.exists()]


def _spoken(minutes: float) -> str:
    if minutes < 1:
        return "less than a minute"
    return f"about {minutes:.0f} min" if minutes < 90 else f"about {minutes / 60:.1f} h"


def failure_at(place: Path) -> str | None:
    """Why the work of a folder has failed; None if it has not."""
    file = place / FAILED
    return read_json(file)["why"] if file.exists() else None
