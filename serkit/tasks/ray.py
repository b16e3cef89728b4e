"""The Ray scheduler: the same tasks on a cluster."""

import logging
import os
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serkit.errors import InputError, check_range
from serkit.files import alone_in
from serkit.serialization import content_key
from serkit.tasks.graph import SchedulerError, Task, TaskFactory, TaskGraph, run_task
from serkit.tasks.share import Share


def run_remotely(
    kind: str, task_factory: TaskFactory, name: str, needs: list[str], address: str
) -> str | None:
    """Recreate a task from its name and run it.

    Args:
        kind: kind of the task, see :func:`serkit.tasks.graph.run_task`.
        task_factory: settings to recreate the task.
        name: name of the task.
        needs: names of the tasks that it needs.
        address: address of a share if this machine cannot access the folders of ``task_factory``.
            Then the function uses local folders and fetches the inputs from the share. Empty if
            this machine can access the folders.

    Returns:
        Why the task failed; None if it did not fail.
    """
    if not address:
        return run_task(kind, task_factory.open(name), 0)
    share = Share(address)
    scratch = Path(tempfile.gettempdir()) / f"serkit-{content_key(share=address)}"
    folders = {"out": scratch / "out", "cache": scratch / "cache"}
    with alone_in(scratch):
        wanted = [*task_factory.inputs, *(("cache", need) for need in needs)]
        for folder, inner in wanted:
            if not share.is_same(f"{folder}/{inner}", folders[folder] / inner):
                share.get(f"{folder}/{inner}", folders[folder] / inner)
    task = task_factory.reopen(folders["out"], folders["cache"], name)
    why = run_task(kind, task, 0)
    share.put(task.place, f"cache/{name}")
    return why


_INSTALL = "pip install 'serkit[ray]'"


@dataclass(frozen=True)
class RaySettings:
    """Settings of the Ray scheduler: the cluster, and the resources of a task.

    Attributes:
        address: address of a cluster, ``host:port`` or ``ray://host:port``; empty for a local
            cluster on this machine that ends with this process.
        cpus: number of CPUs that Ray reserves for a task.
        gpus: number of GPUs that Ray reserves for a task; 0.5 runs two tasks on a GPU.
        threads: number of TensorFlow threads of a task; 0 for the number of cores, TensorFlow's
            default. The last bits of results depend on the number of threads.
        retries: how often a task is repeated if its node is lost.
        share: address that fsspec supports, for machines without a common folder, see
            :class:`serkit.tasks.share.Share`; empty for machines with a common folder.
        patience: connection timeout of ``address`` in seconds.

    Raises:
        InputError: if a value is out of range.
    """

    address: str = ""
    cpus: float = 1.0
    gpus: float = 0.0
    threads: int = 0
    retries: int = 3
    share: str = ""
    patience: float = 10.0

    def __post_init__(self) -> None:
        for name in ("cpus", "gpus", "threads", "retries", "patience"):
            check_range(name, getattr(self, name), 0)


class RayEngine:
    """Scheduler that runs tasks on a Ray cluster, each as soon as the tasks that it needs are done.

    The worker process recreates the task with the task factory. So the results are those of
    :class:`serkit.tasks.graph.LocalEngine`, and bit-identical on machines of one type. If the node
    of a task is lost, the task runs on another node. There it resumes if its folder is on a common
    disk, else it starts again. If this process is killed, a new process runs the tasks that are not
    done.

    Use the scheduler in a ``with`` statement.

    Args:
        settings: cluster and resources of a task.

    Raises:
        InputError: if Ray is not installed, or the form of the address is not valid.
        SchedulerError: if the cluster's address does not accept a connection.
    """

    def __init__(self, settings: RaySettings) -> None:
        # Switch off Ray's usage statistics, which are on by default.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as error:
            raise InputError(f"Ray is not installed ({error}): {_INSTALL}") from error
        self._ray: Any = ray
        self.settings: RaySettings = settings
        self._given: set[Path] = set()
        if settings.address:
            _require_answer(settings.address, settings.patience)
        # If the caller has initialised Ray, use that cluster and do not shut it down.
        self._own = not ray.is_initialized()
        if self._own:
            ray.init(
                address=settings.address or "local",
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )

    def __enter__(self) -> "RayEngine":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._own:
            self._ray.shutdown()

    def run(
        self,
        plan: TaskGraph,
        task_factory: TaskFactory | None,
        say: Callable[[str], None],
        verbose: int,
    ) -> None:
        """See :meth:`serkit.tasks.graph.Engine.run`. The worker processes print nothing.

        Raises:
            InputError: if ``task_factory`` is None.
            SchedulerError: if a task was lost with its node more often than ``retries``.
        """
        if task_factory is None:
            raise InputError("`task_factory` must be given to run tasks elsewhere. Received: None.")
        share = Share(self.settings.share) if self.settings.share else None
        if share:
            self._exchange_with(share, task_factory, plan)
        remote = self._remote(run_remotely)
        waiting, running = plan.open(), {}
        # Read the state of the tasks from their files only once: there may be thousands of tasks.
        unfinished, failed = {task.place for _, task in waiting}, plan.failed()
        while waiting or running:
            later = []
            for kind, task in waiting:
                if not unfinished.isdisjoint(task.needs):
                    later.append((kind, task))
                elif task.failure or not failed.isdisjoint(task.needs):
                    # A needed task has failed. It comes earlier in the order, so that it is in
                    # `failed` already.
                    unfinished.discard(task.place)
                    failed.add(task.place)
                else:
                    reference = remote.remote(
                        kind,
                        task_factory,
                        name=task_factory.name_of(task.place),
                        needs=[task_factory.name_of(place) for place in task.needs],
                        address=self.settings.share,
                    )
                    running[reference] = task
            waiting = later
            if running:
                say(f"   {len(running)} tasks handed out: {plan.progress()}")
                (one, *_), _ = self._ray.wait(list(running), num_returns=1)
                task = running.pop(one)
                if self._take_in(one, task, task_factory, share, say):
                    failed.add(task.place)
                unfinished.discard(task.place)

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables of the worker processes, set before they import TensorFlow."""
        threads = self.settings.threads or os.cpu_count() or 1
        # By default Ray sets OMP_NUM_THREADS to the number of CPUs of a task.
        names = "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"
        found = dict.fromkeys(names, str(threads))
        return found | {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}

    def _remote(self, function: Callable) -> Any:
        settings = self.settings
        return self._ray.remote(
            num_cpus=settings.cpus,
            num_gpus=settings.gpus,
            max_retries=settings.retries,
            runtime_env={"env_vars": self.variables},
        )(function)

    def _exchange_with(self, share: Share, task_factory: TaskFactory, plan: TaskGraph) -> None:
        """Upload the inputs of all tasks, and exchange the results of finished tasks."""
        for folder, inner in task_factory.inputs:
            path = getattr(task_factory, folder) / inner
            # Upload each input once. A hyperparameter search calls run() for each of its trials.
            if path not in self._given:
                share.put(path, f"{folder}/{inner}")
                self._given.add(path)
        for _, task in plan.tasks:
            name = f"cache/{task_factory.name_of(task.place)}"
            if task.is_done and not share.has(name):
                share.put(task.place, name)
            elif not task.is_done and share.has(name):
                share.get(name, task.place)

    def _take_in(
        self,
        reference: Any,
        task: Task,
        task_factory: TaskFactory,
        share: Share | None,
        say: Callable[[str], None],
    ) -> str | None:
        lost = self._ray.exceptions
        try:
            why = self._ray.get(reference)
        except (lost.WorkerCrashedError, lost.NodeDiedError, lost.ObjectLostError) as error:
            raise SchedulerError(
                f"a task was lost with its node more than {self.settings.retries} times "
                f"({str(error).splitlines()[0]}); started again, the run goes on"
            ) from error
        except lost.RayTaskError as error:
            # Raise the worker's error as if it had occurred in this process.
            raise error.cause from None
        if share:
            share.get(f"cache/{task_factory.name_of(task.place)}", task.place)
        if why:
            say(f"   {task.title} failed: {why}")
        return why


def _require_answer(address: str, patience: float) -> None:
    """Check that the address accepts a connection. Ray itself would try for minutes.

    Raises:
        InputError: if the form of the address is not valid.
        SchedulerError: if the address does not accept a connection within ``patience`` seconds.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    if not host or not port.isdigit():
        raise InputError(
            f"`address` must be host:port, ray://host:port or auto. Received: {address!r}."
        )
    try:
        socket.create_connection((host, int(port)), timeout=patience).close()
    except OSError as error:
        raise SchedulerError(
            f"`address` must be an address that `ray start --head` prints. Received: {address}, "
            f"which does not answer ({error})."
        ) from error
