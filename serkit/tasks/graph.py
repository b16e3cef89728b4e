"""Tasks that depend on other tasks, and the local scheduler."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from serkit.errors import DivergedError, SerkitError
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


class Plan:
    """Pieces of work in their order, each with the kind of work that it is.

    Args:
        pieces: kind and work, what is needed before what needs it; the same kind takes about the
            same time. What several ask for comes once: pieces in one folder are one.
        later: how many pieces of which kind will come that are not known yet.
    """

    def __init__(
        self, pieces: Iterable[tuple[str, Work]], later: dict[str, int] | None = None
    ) -> None:
        unique = {work.place: (kind, work) for kind, work in pieces}
        self.pieces = list(unique.values())
        self._later = Counter(later or {})

    def open(self) -> list[tuple[str, Work]]:
        """What is neither done nor has failed, in order."""
        return [(kind, work) for kind, work in self.pieces if not (work.is_done or work.failure)]

    def failed(self) -> set[Path]:
        """Folders of the pieces that cannot be done."""
        return {work.place for _, work in self.pieces if work.failure}

    def progress(self) -> str:
        """How many pieces are done, and how long the rest will take."""
        done = len(self.pieces) - len(self.open())
        total = len(self.pieces) + sum(self._later.values())
        return f"{done} of {total} done; {self.left()}"

    def left(self) -> str:
        """How long the rest will take, by what pieces of the same kind took, here or before."""
        open_ = Counter(kind for kind, _ in self.open()) + self._later
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

    def _measured(self, kind: str) -> Sequence[float]:
        files = (work.place / SECONDS for mine, work in self.pieces if mine == kind)
        return [read_json(file)["seconds"] for file in files if file.exists()]


def _spoken(minutes: float) -> str:
    if minutes < 1:
        return "less than a minute"
    return f"about {minutes:.0f} min" if minutes < 90 else f"about {minutes / 60:.1f} h"


class GridError(SerkitError):
    """Work cannot be done where it was to be done; the message says why."""


def no_sources(work: Work) -> Mapping[str, Path]:
    """Of pieces that read nothing else."""
    return {}


@dataclass(frozen=True)
class Workshop:
    """What is needed to do a piece of a plan in another process, maybe on another machine.

    Attributes:
        reopen: from the run folder, the folder of all results, and the piece's name, the path of
            its place below the latter, to the piece. It is pickled: most often a function of a
            module with its first arguments (``functools.partial``).
        out: the run folder.
        cache: the folder that all results are in.
        inputs: what has to be there before any piece is done, paths of files and folders below
            either folder: ``("out", "manifest.csv")``, ``("cache", "spectrograms")``.
        sources: from a piece to the files that it reads which are neither in these folders nor
            given by other pieces, such as recordings, by the names that copies of them get below
            the run folder of a machine that has folders of its own.
    """

    reopen: Callable[[Path, Path, str], Work]
    out: Path
    cache: Path
    inputs: tuple[tuple[str, str], ...] = ()
    sources: Callable[[Work], Mapping[str, Path]] = no_sources


class Engine(Protocol):
    """Something that does all of a plan."""

    def run(self, plan: Plan, workshop: Workshop, say: Callable[[str], None], verbose: int) -> None:
        """Do what is not done, what is needed before what needs it.

        A training that diverges is noted as failed, and the rest goes on; what needs it is left
        out.

        Args:
            plan: what there is to do.
            workshop: for doing it elsewhere.
            say: gets lines.
            verbose: as for Keras' ``fit``.
        """


class LocalEngine:
    """Does one piece after the other, in this process."""

    def run(
        self, plan: Plan, workshop: Workshop | None, say: Callable[[str], None], verbose: int
    ) -> None:
        """See :meth:`Engine.run`."""
        failed = plan.failed()
        for kind, work in plan.open():
            # Meanwhile something that it needs may have failed, or another process been quicker.
            if work.failure or not failed.isdisjoint(work.needs):
                failed.add(work.place)
            elif not work.is_done:
                say(f"   {work.title}: {plan.progress()}")
                if why := do(kind, work, verbose):
                    failed.add(work.place)
                    say(f"   {work.title} failed: {why}")
