"""Tasks that depend on other tasks, and the local scheduler."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from serkit.errors import DivergedError, SerkitError
from serkit.files import alone_in, read_json, write_json

SECONDS, _FAILED = "seconds.json", "failed.json"


class Task(Protocol):
    """Long computation that is run once, such as the training of a GAN or a classifier."""

    @property
    def title(self) -> str:
        """Name of the task in messages to the user."""
        ...

    @property
    def place(self) -> Path:
        """Folder of this task alone. It holds all its results."""
        ...

    @property
    def needs(self) -> tuple[Path, ...]:
        """Folders of the tasks whose results this task reads."""
        ...

    @property
    def is_done(self) -> bool:
        """Whether the task is done and need not be run."""
        ...

    @property
    def failure(self) -> str | None:
        """Why this task, or a task that it needs, has failed; None if none has failed."""
        ...

    def run(self, verbose: int) -> None:
        """Run the task, or resume it."""


def run_task(kind: str, task: Task, verbose: int) -> str | None:
    """Run a task if it is not done, and record its duration.

    If a training run diverges (its numbers are no longer finite), the task is recorded as failed.
    It is not run again, because it would diverge again. A lock on the task's folder keeps two
    processes from running the task at the same time.

    Args:
        kind: kind of the task; tasks of the same kind take about the same time.
        task: task to run.
        verbose: as for Keras' ``fit``.

    Returns:
        Why the task failed; None if it did not fail.
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
            # For a resumed task this would be the duration since it was resumed.
            seconds = round(time.monotonic() - began, 1)
            write_json(task.place / SECONDS, {"kind": kind, "seconds": seconds})
    return None


def failure_at(place: Path) -> str | None:
    """Return why the task with this folder failed; None if it did not fail."""
    file = place / _FAILED
    return read_json(file)["why"] if file.exists() else None


class TaskGraph:
    """Ordered tasks, each with its kind.

    Args:
        tasks: pairs of kind and task. A task comes after the tasks that it needs. Tasks of the same
            kind take about the same time. Tasks with the same folder count as one task.
        later: number of future tasks by kind, for tasks that are not known yet.
    """

    def __init__(
        self, tasks: Iterable[tuple[str, Task]], later: dict[str, int] | None = None
    ) -> None:
        unique = {task.place: (kind, task) for kind, task in tasks}
        self.tasks: list[tuple[str, Task]] = list(unique.values())
        self._later = Counter(later or {})

    def open(self) -> list[tuple[str, Task]]:
        """Return the tasks that are neither done nor failed, in order."""
        return [(kind, task) for kind, task in self.tasks if not (task.is_done or task.failure)]

    def failed(self) -> set[Path]:
        """Return the folders of the tasks that have failed or need a failed task."""
        return {task.place for _, task in self.tasks if task.failure}

    def progress(self) -> str:
        """Describe how many tasks are done, and how long the remaining tasks will take."""
        done = len(self.tasks) - len(self.open())
        total = len(self.tasks) + sum(self._later.values())
        return f"{done} of {total} done; {self.left()}"

    def left(self) -> str:
        """Describe how long the remaining tasks will take.

        The estimate uses the recorded durations of tasks of the same kind in this graph, also those
        from earlier processes.
        """
        open_ = Counter(kind for kind, _ in self.open()) + self._later
        if not open_:
            return "nothing left"
        measured = {kind: self._measured(kind) for kind in open_}
        known = {kind: float(np.mean(times)) for kind, times in measured.items() if times}
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
    """The scheduler cannot run its tasks; the message says why."""


@dataclass(frozen=True)
class TaskFactory:
    """Settings to recreate a task of a graph in another process, possibly on another machine.

    A task may read files that are neither in the two folders nor results of other tasks, such as
    recordings. They must be at the same path on every machine.

    Attributes:
        reopen: function that returns a task. Its arguments are the run folder, the folder of all
            results, and the name of the task, which is the path of the task's folder relative to
            the folder of all results. The function is pickled. Most often it is a function of a
            module with its first arguments bound (``functools.partial``).
        out: the run folder.
        cache: the folder of all results.
        inputs: files and folders that must exist before any task is run. Each is a pair of
            ``"out"`` or ``"cache"`` and a relative path: ``("out", "manifest.csv")``,
            ``("cache", "spectrograms")``.
    """

    reopen: Callable[[Path, Path, str], Task]
    out: Path
    cache: Path
    inputs: tuple[tuple[str, str], ...] = ()

    def name_of(self, place: Path) -> str:
        """Return the name of the task with this folder."""
        return place.relative_to(self.cache).as_posix()

    def open(self, name: str) -> Task:
        """Return the task of this name."""
        return self.reopen(self.out, self.cache, name)


class Engine(Protocol):
    """Scheduler that runs all tasks of a graph."""

    def run(
        self,
        plan: TaskGraph,
        task_factory: TaskFactory | None,
        say: Callable[[str], None],
        verbose: int,
    ) -> None:
        """Run all tasks that are not done. Each task runs after the tasks that it needs.

        If a training run diverges, its task is recorded as failed and the other tasks still run.
        Tasks that need the failed task are skipped.

        Args:
            plan: the tasks.
            task_factory: settings to recreate a task in another process; a scheduler that runs the
                tasks in this process needs none.
            say: function that is called with each line of progress.
            verbose: as for Keras' ``fit``.
        """


class LocalEngine:
    """Scheduler that runs one task after the other in this process."""

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
            # Check again: meanwhile a task that it needs may have failed, or another process may
            # have run it.
            if task.failure or not failed.isdisjoint(task.needs):
                failed.add(task.place)
            elif not task.is_done:
                say(f"   {task.title}: {plan.progress()}")
                if why := self._run_task(kind, task, task_factory, verbose):
                    failed.add(task.place)
                    say(f"   {task.title} failed: {why}")

    def _run_task(
        self, kind: str, task: Task, task_factory: TaskFactory | None, verbose: int
    ) -> str | None:
        return run_task(kind, task, verbose)
