"""Tasks that depend on other tasks, and the local scheduler."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from serkit.errors import DivergedError, SerkitError
from serkit.files import alone_in, read_json_object, write_json

_DURATION_FILE, _FAILURE_FILE = "seconds.json", "failed.json"


class Task(Protocol):
    """Long computation that is run once, such as the training of a GAN or a classifier."""

    @property
    def title(self) -> str:
        """Name of the task in messages to the user."""
        ...

    @property
    def folder(self) -> Path:
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
        """Reason if this task, or a task that it needs, has failed; otherwise None."""
        ...

    def run(self, verbose: int) -> None:
        """Run the task, or resume it if an earlier process was interrupted."""


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
        The reason if the task failed; otherwise None.
    """
    is_resumed = task.folder.exists()
    with alone_in(task.folder):
        if task.is_done:
            return None
        start = time.monotonic()
        try:
            task.run(verbose)
        except DivergedError as error:
            write_json(task.folder / _FAILURE_FILE, {"why": str(error)})
            return str(error)
        # The duration of a resumed task is not known: only its last part was measured.
        if not is_resumed:
            seconds = round(time.monotonic() - start, 1)
            write_json(task.folder / _DURATION_FILE, {"kind": kind, "seconds": seconds})
    return None


def failure_at(folder: Path) -> str | None:
    """Return the reason if the task of this folder failed; otherwise None."""
    file = folder / _FAILURE_FILE
    return read_json_object(file, why=str)["why"] if file.exists() else None


class TaskGraph:
    """Tasks in an order in which they can be run, each with its kind.

    Args:
        tasks: pairs of kind and task. A task comes after the tasks that it needs. Tasks of the same
            kind take about the same time. Tasks with the same folder count as one task.
        future_counts: for each kind, the number of tasks that will be added to the run later. They
            count in :meth:`progress` and :meth:`time_left`.
    """

    def __init__(
        self, tasks: Iterable[tuple[str, Task]], future_counts: dict[str, int] | None = None
    ) -> None:
        by_folder = {task.folder: (kind, task) for kind, task in tasks}
        self.tasks: list[tuple[str, Task]] = list(by_folder.values())
        self._future_counts = Counter(future_counts or {})

    def unfinished(self) -> list[tuple[str, Task]]:
        """Return the tasks that are neither done nor failed, in order."""
        return [(kind, task) for kind, task in self.tasks if not (task.is_done or task.failure)]

    def failed(self) -> set[Path]:
        """Return the folders of the tasks that have failed or need a failed task."""
        return {task.folder for _, task in self.tasks if task.failure}

    def progress(self) -> str:
        """Describe how many tasks are done, and how long the remaining tasks will take."""
        done = len(self.tasks) - len(self.unfinished())
        total = len(self.tasks) + sum(self._future_counts.values())
        return f"{done} of {total} done; {self.time_left()}"

    def time_left(self) -> str:
        """Describe how long the remaining tasks will take.

        The estimate uses the recorded durations of tasks of the same kind in this graph, also those
        from earlier processes.
        """
        counts = Counter(kind for kind, _ in self.unfinished()) + self._future_counts
        if not counts:
            return "nothing left"
        durations = {kind: self._recorded_durations(kind) for kind in counts}
        mean_seconds = {kind: float(np.mean(times)) for kind, times in durations.items() if times}
        minutes = sum(counts[kind] * seconds for kind, seconds in mean_seconds.items()) / 60
        not_measured = [
            f"{count} x {kind}" for kind, count in counts.items() if kind not in mean_seconds
        ]
        if not not_measured:
            return f"left: {'about ' if minutes >= 1 else ''}{_approximate_duration(minutes)}"
        # The known part is a lower bound; below a minute it says nothing.
        known_part = f"at least {_approximate_duration(minutes)}; " if minutes >= 1 else ""
        return f"left: {known_part}not measured yet: {', '.join(not_measured)}"

    def _recorded_durations(self, kind: str) -> Sequence[float]:
        """Return the recorded durations of the tasks of a kind, in seconds."""
        files = [
            task.folder / _DURATION_FILE for task_kind, task in self.tasks if task_kind == kind
        ]
        return [read_json_object(file, seconds=float)["seconds"] for file in files if file.exists()]


def _approximate_duration(minutes: float) -> str:
    if minutes < 1:
        return "less than a minute"
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


class SchedulerError(SerkitError):
    """The scheduler cannot run its tasks; the message says why."""


@dataclass(frozen=True)
class TaskFactory:
    """Recreates the tasks of a graph in another process, possibly on another machine.

    A task may read files that are neither in the two folders nor results of other tasks, such as
    recordings. They must be at the same path on every machine.

    Attributes:
        reopen: function that returns a task. Its arguments are the run folder, the folder of all
            results, and the name of the task. The function is pickled. Most often it is a function
            of a module with its first arguments bound (``functools.partial``).
        out: the run folder.
        cache: the folder of all results. The name of a task is the path of its folder relative to
            this folder.
        inputs: files and folders that must exist before any task is run. Each is a pair of
            ``"out"`` or ``"cache"`` and a relative path: ``("out", "manifest.csv")``,
            ``("cache", "spectrograms")``.
    """

    reopen: Callable[[Path, Path, str], Task]
    out: Path
    cache: Path
    inputs: tuple[tuple[str, str], ...] = ()

    def name_of(self, folder: Path) -> str:
        """Return the name of the task with this folder."""
        return folder.relative_to(self.cache).as_posix()

    def task_named(self, name: str) -> Task:
        """Return the task of this name."""
        return self.reopen(self.out, self.cache, name)


class Engine(Protocol):
    """Scheduler that runs all tasks of a graph."""

    def run(
        self,
        graph: TaskGraph,
        task_factory: TaskFactory | None,
        say: Callable[[str], None],
        verbose: int,
    ) -> None:
        """Run all tasks that are not done. Each task runs after the tasks that it needs.

        If a training run diverges, its task is recorded as failed and the other tasks still run.
        Tasks that need the failed task are skipped.

        Args:
            graph: the tasks.
            task_factory: recreates a task in another process; a scheduler that runs the tasks in
                this process needs none.
            say: function that is called with each line of progress.
            verbose: as for Keras' ``fit``.
        """


class LocalEngine:
    """Scheduler that runs one task after the other in this process."""

    def run(
        self,
        graph: TaskGraph,
        task_factory: TaskFactory | None,
        say: Callable[[str], None],
        verbose: int,
    ) -> None:
        """See :meth:`Engine.run`."""
        failed_folders = graph.failed()
        for kind, task in graph.unfinished():
            # Check the task again: a task that it needs may have failed since, or another process
            # may have run it.
            if task.failure or not failed_folders.isdisjoint(task.needs):
                failed_folders.add(task.folder)
            elif not task.is_done:
                say(f"   {task.title}: {graph.progress()}")
                if reason := self._run_task(kind, task, task_factory, verbose):
                    failed_folders.add(task.folder)
                    say(f"   {task.title} failed: {reason}")

    def _run_task(
        self, kind: str, task: Task, task_factory: TaskFactory | None, verbose: int
    ) -> str | None:
        return run_task(kind, task, verbose)
