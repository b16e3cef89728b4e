"""A scheduler that runs tasks in other processes of this machine."""

import contextlib
import itertools
import multiprocessing
import os
import threading
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import joblib

from serkit.errors import check_range
from serkit.tasks.graph import LocalEngine, SchedulerError, Task, TaskFactory, run_task

_RESTARTS = 5


class ProcessEngine(LocalEngine):
    """Scheduler that runs tasks in other processes of this machine; a killed one is restarted.

    Several threads may call :meth:`run`. Each task runs in a process that is idle, or in a new one.
    The processes end with this process, even if it is killed.

    Use the scheduler in a ``with`` statement.

    Args:
        workers: number of threads that call :meth:`run`, at least 1.
        logs: folder for the output of the processes.
        threads: number of TensorFlow threads of a process; 0 divides the cores among the workers.
            The last bits of results depend on the number of threads.

    Raises:
        InputError: if ``workers`` is below 1.
    """

    def __init__(self, workers: int, logs: Path, threads: int = 0) -> None:
        check_range("workers", workers, 1)
        # Workers that all use all cores would be slower than running the tasks one by one.
        self._threads = threads or max(1, joblib.cpu_count() // workers)
        self._logs, self._numbers = logs, itertools.count(1)
        self._idle: list[ProcessPoolExecutor] = []

    def __enter__(self) -> "ProcessEngine":
        return self

    def __exit__(self, *exception: object) -> None:
        for pool in self._idle:
            pool.shutdown()

    def _run_task(
        self, kind: str, task: Task, task_factory: TaskFactory | None, verbose: int
    ) -> str | None:
        assert task_factory is not None, "tasks of other processes need a task factory"
        name = task_factory.name_of(task.place)
        for _ in range(1 + _RESTARTS):
            pool = self._idle_pool()
            try:
                return pool.submit(_run_there, kind, task_factory, name, verbose).result()
            except BrokenProcessPool:
                pool = None
                problem = f"the process of {task.title} was killed; it is restarted"
                warnings.warn(problem, stacklevel=2)
            finally:
                if pool:
                    self._idle.append(pool)
        raise SchedulerError(
            f"the process of {task.title} was killed {1 + _RESTARTS} times; its output is in "
            f"{self._logs}; started again, the run goes on"
        )

    def _idle_pool(self) -> ProcessPoolExecutor:
        with contextlib.suppress(IndexError):
            return self._idle.pop()
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._logs / f"worker-{next(self._numbers)}.log"
        # A forked process could not use TensorFlow.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(1, context, _begin, (self._threads, log))


def _begin(threads: int, log: Path) -> None:
    """Prepare a new process, before it imports TensorFlow."""
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, str(threads))
    with open(log, "a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
    os._exit(1)


def _run_there(kind: str, task_factory: TaskFactory, name: str, verbose: int) -> str | None:
    return run_task(kind, task_factory.open(name), verbose)
