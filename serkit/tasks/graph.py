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


class Task(Protocol):
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


def run_task(kind: str, task: Task, verbose: int) -> str | None:
    """Do a task, if it is not done, and keep how long it took.

    A training whose numbers are no longer finite is noted as failed: it would diverge again, so
    that it is not tried again. Processes wait for each other.

    Args:
        kind: of the work: the same kind takes about the same time.
        task: that is to be done.
        verbose: as for Keras' ``fit``.

    Returns:
        Why it failed; None if it did not.
    """
    afresh = not task.place.exists()
    with alone_in(task.place):
        if task.is_done:
            return None
        began = time.monotonic()
        try:
            task.run(verbose)
        except DivergedError as error:
            write_json(task.place / _FAILED, {"why": str(error)})
            return str(error)
        if afresh:
            # Of a task that went on, this would be the last part only.
            seconds = round(time.monotonic() - began, 1)
            write_json(task.place / SECONDS, {"kind": kind, "seconds": seconds})
    return None


def failure_at(place: Path) -> str | None:
    """Why the work of a folder has failed; None if it has not."""
    file = place / _FAILED
    return read_json(file)["why"] if file.exists() else None


class TaskGraph:
    """Tasks in their order, each with the kind of work that it is.

    Args:
        tasks: kind and work, what is needed before what needs it; the same kind takes about the
            same time. What several ask for comes once: tasks in one folder are one.
        later: how many tasks of which kind will come that are not known yet.
    """

    def __init__(
        self, tasks: Iterable[tuple[str, Task]], later: dict[str, int] | None = None
    ) -> None:
        unique = {task.place: (kind, task) for kind, task in tasks}
        self.tasks = list(unique.values())
        self._later = Counter(later or {})

    def open(self) -> list[tuple[str, Task]]:
        """What is neither done nor has failed, in order."""
        return [(kind, task) for kind, task in self.tasks if not (task.is_done or task.failure)]

    def failed(self) -> set[Path]:
        """Folders of the tasks that cannot be done."""
        return {task.place for _, task in self.tasks if task.failure}

    def progress(self) -> str:
        """How many tasks are done, and how long the rest will take."""
        done = len(self.tasks) - len(self.open())
        total = len(self.tasks) + sum(self._later.values())
        return f"{done} of {total} done; {self.left()}"

    def left(self) -> str:
        """How long the rest will take, by what tasks of the same kind took, here or before."""
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
        files = (task.place / SECONDS for mine, task in self.tasks if mine == kind)
        return [read_json(file)["seconds"] for file in files if file.exists()]


def _spoken(minutes: float) -> str:
    if minutes < 1:
        return "less than a minute"
    return f"about {minutes:.0f} min" if minutes < 90 else f"about {minutes / 60:.1f} h"


class SchedulerError(SerkitError):
    """Work cannot be done where it was to be done; the message says why."""


def no_sources(task: Task) -> Mapping[str, Path]:
    """Of tasks that read nothing else."""
    return {}


@dataclass(frozen=True)
class TaskFactory:
    """What is needed to do a task of a graph in another process, maybe on another machine.

    Attributes:
        reopen: from the run folder, the folder of all results, and the task's name, the path of
            its place below the latter, to the task. It is pickled: most often a function of a
            module with its first arguments (``functools.partial``).
        out: the run folder.
        cache: the folder that all results are in.
        inputs: what has to be there before any task is done, paths of files and folders below
            either folder: ``("out", "manifest.csv")``, ``("cache", "spectrograms")``.
        sources: from a task to the files that it reads which are neither in these folders nor
            given by other tasks, such as recordings, by the names that copies of them get below
            the run folder of a machine that has folders of its own.
    """

    reopen: Callable[[Path, Path, str], Task]
    out: Path
    cache: Path
    inputs: tuple[tuple[str, str], ...] = ()
    sources: Callable[[Task], Mapping[str, Path]] = no_sources


class Engine(Protocol):
    """Something that does all of a plan."""

    def run(
        self, plan: TaskGraph, task_factory: TaskFactory, say: Callable[[str], None], verbose: int
    ) -> None:
        """Do what is not done, what is needed before what needs it.

        A training that diverges is noted as failed, and the rest goes on; what needs it is left
        out.

        Args:
            plan: what there is to do.
            task_factory: for doing it elsewhere.
            say: gets lines.
            verbose: as for Keras' ``fit``.
        """


class LocalEngine:
    """Runs one task after the other, in this process."""

    def run(
        self,
        plan: TaskGraph,
        task_factory: TaskFactory | None,
        say: Callable[[str], None],
        verbose: int,
    ) -> None:
        """See :meth:`Engine.run`."""
        failed = plan.failed()
        for kind, task in plan.open():
            # Meanwhile something that it needs may have failed, or another process been quicker.
            if task.failure or not failed.isdisjoint(task.needs):
                failed.add(task.place)
            elif not task.is_done:
                say(f"   {task.title}: {plan.progress()}")
                if why := run_task(kind, task, verbose):
                    failed.add(task.place)
                    say(f"   {task.title} failed: {why}")
