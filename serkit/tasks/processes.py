"""A scheduler that runs tasks in other processes of this machine."""

import contextlib
import itertools
import multiprocessing
import multiprocessing.connection
import os
import threading
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import joblib

from serkit.datasets.workers import block_interrupts
from serkit.errors import check_range
from serkit.tasks.graph import LocalEngine, SchedulerError, Task, TaskFactory, run_task

_MAX_RESTARTS = 5


class ProcessEngine(LocalEngine):
    """Scheduler that runs tasks in other processes of this machine; restarts killed processes.

    Several threads may call :meth:`run`. Each task runs in an idle process, or in a new one if all
    processes are busy. The processes end with this process, even if this process is killed. They
    ignore Ctrl-C.

    Use the scheduler in a ``with`` statement. If it ends with an exception, such as that of Ctrl-C,
    all processes end at once, and other threads' calls of :meth:`run` raise a SchedulerError.

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
        self._logs, self._log_numbers = logs, itertools.count(1)
        self._idle_pools: list[ProcessPoolExecutor] = []
        # Closing the second connection ends the processes.
        self._stop_reader, self._stop_writer = multiprocessing.Pipe(duplex=False)
        self._is_stopped = False

    def __enter__(self) -> "ProcessEngine":
        return self

    def __exit__(self, exception_type: type[BaseException] | None, *_: object) -> None:
        if exception_type:
            self._is_stopped = True
            self._stop_writer.close()
        for pool in self._idle_pools:
            pool.shutdown()

    def _run_task(
        self, kind: str, task: Task, task_factory: TaskFactory | None, verbose: int
    ) -> str | None:
        assert task_factory is not None, "tasks of other processes need a task factory"
        name = task_factory.name_of(task.folder)
        for _ in range(1 + _MAX_RESTARTS):
            pool = self._take_idle_pool()
            try:
                # A process starts at the first call of submit.
                with block_interrupts():
                    future = pool.submit(_run_named_task, kind, task_factory, name, verbose)
                return future.result()
            except BrokenProcessPool as error:
                pool = None
                if self._is_stopped:
                    raise SchedulerError(f"{task.title} was interrupted") from error
                message = f"the process of {task.title} was killed; it is restarted"
                warnings.warn(message, stacklevel=2)
            finally:
                if pool:
                    self._idle_pools.append(pool)
        raise SchedulerError(
            f"the process of {task.title} was killed {1 + _MAX_RESTARTS} times; its output is in "
            f"{self._logs}; started again, the run goes on"
        )

    def _take_idle_pool(self) -> ProcessPoolExecutor:
        """Return an idle process, or a new one, as a pool of one process."""
        with contextlib.suppress(IndexError):
            return self._idle_pools.pop()
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._logs / f"worker-{next(self._log_numbers)}.log"
        # A forked process could not use TensorFlow.
        context = multiprocessing.get_context("spawn")
        arguments = (self._threads, log, self._stop_reader)
        return ProcessPoolExecutor(1, context, _prepare_process, arguments)


def _prepare_process(
    threads: int, log: Path, stop_reader: multiprocessing.connection.Connection
) -> None:
    """Set the number of threads and the log of a new process, before it imports TensorFlow."""
    for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(variable, str(threads))
    with open(log, "a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    threading.Thread(target=_end_when_stopped, args=(stop_reader,), daemon=True).start()


def _end_when_stopped(stop_reader: multiprocessing.connection.Connection) -> None:
    """Wait until the scheduler stops or the parent process has ended, then end this process."""
    parent = multiprocessing.parent_process()
    multiprocessing.connection.wait([stop_reader, parent.sentinel] if parent else [stop_reader])
    os._exit(1)


def _run_named_task(kind: str, task_factory: TaskFactory, name: str, verbose: int) -> str | None:
    return run_task(kind, task_factory.task_named(name), verbose)
