"""The Ray scheduler: the same tasks on a cluster."""

import logging
import os
import shutil
import socket
import stat
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
        needs: names of the tasks whose results the task reads.
        address: address of a share, for a machine that cannot access the folders of
            ``task_factory``. The task is then run in local folders: its inputs are downloaded from
            the share, and its results are uploaded. Empty for a machine that can access them.

    Returns:
        The reason if the task failed; otherwise None.
    """
    if not address:
        return run_task(kind, task_factory.task_named(name), 0)
    share = Share(address)
    scratch = scratch_folder(address)
    local_folders = {"out": scratch / "out", "cache": scratch / "cache"}
    with alone_in(scratch):
        for folder, path in [*task_factory.inputs, *(("cache", need) for need in needs)]:
            if not share.is_same(f"{folder}/{path}", local_folders[folder] / path):
                share.get(f"{folder}/{path}", local_folders[folder] / path)
    task = task_factory.reopen(local_folders["out"], local_folders["cache"], name)
    failure = run_task(kind, task, 0)
    share.put(task.folder, f"cache/{name}")
    return failure


def scratch_folder(address: str) -> Path:
    """Create the folder in which this user's tasks of a share run, or return the existing one.

    Other users can neither read nor write it.

    Raises:
        SchedulerError: if the path is a link, or belongs to another user, who could change what
            the tasks read.
    """
    folder = _scratch_path(address)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    # Windows has no user numbers; its temporary folder belongs to one user.
    is_own = os.name == "nt" or (status.st_uid == os.getuid() and not status.st_mode & 0o077)
    if not stat.S_ISDIR(status.st_mode) or not is_own:
        raise SchedulerError(
            f"{folder} must be a folder of the user of this process that no other user may enter; "
            "remove it on this machine"
        )
    return folder


def remove_scratch_folder(address: str) -> None:
    """Remove the folder of :func:`scratch_folder`, if it exists."""
    shutil.rmtree(_scratch_path(address), ignore_errors=True)


def _scratch_path(address: str) -> Path:
    user = os.getuid() if os.name != "nt" else ""
    return Path(tempfile.gettempdir()) / f"serkit-{content_key(share=address, user=user)}"


_INSTALL_COMMAND = "pip install 'serkit[ray]'"
_CLEANING_SECONDS = 30.0


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

    A worker process recreates a task with the task factory. The results are the same as with
    :class:`serkit.tasks.graph.LocalEngine`, and bit-identical on machines of one type. If the node
    of a task is lost, the task runs on another node. The other node resumes the task if the folder
    of the task is on a common disk; otherwise it starts the task again. If this process is killed,
    a new process runs the tasks that are not done.

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
            raise InputError(f"Ray is not installed ({error}): {_INSTALL_COMMAND}") from error
        self._ray: Any = ray
        self.settings: RaySettings = settings
        self._uploaded_inputs: set[Path] = set()
        if settings.address:
            _check_connection(settings.address, settings.patience)
        # If the caller has initialised Ray, use that cluster and do not shut it down.
        self._owns_cluster = not ray.is_initialized()
        if self._owns_cluster:
            ray.init(
                address=settings.address or "local",
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )

    def __enter__(self) -> "RayEngine":
        return self

    def __exit__(self, *exception: object) -> None:
        if self.settings.share:
            self._remove_scratch_folders()
        if self._owns_cluster:
            self._ray.shutdown()

    def run(
        self,
        graph: TaskGraph,
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
            self._synchronize(share, task_factory, graph)
        remote_function = self._as_remote_function(run_remotely)
        waiting, running = graph.unfinished(), {}
        # Read the state of the tasks from their files only once: there may be thousands of tasks.
        unfinished_folders = {task.folder for _, task in waiting}
        failed_folders = graph.failed()
        while waiting or running:
            still_waiting = []
            for kind, task in waiting:
                if not unfinished_folders.isdisjoint(task.needs):
                    still_waiting.append((kind, task))
                elif task.failure or not failed_folders.isdisjoint(task.needs):
                    # Needed tasks come earlier in the order, so a failed one is in
                    # `failed_folders` already.
                    unfinished_folders.discard(task.folder)
                    failed_folders.add(task.folder)
                else:
                    reference = remote_function.remote(
                        kind,
                        task_factory,
                        name=task_factory.name_of(task.folder),
                        needs=[task_factory.name_of(folder) for folder in task.needs],
                        address=self.settings.share,
                    )
                    running[reference] = task
            waiting = still_waiting
            if running:
                say(f"   {len(running)} tasks handed out: {graph.progress()}")
                finished_references, _ = self._ray.wait(list(running), num_returns=1)
                reference = finished_references[0]
                task = running.pop(reference)
                if self._fetch_result(reference, task, task_factory, share, say):
                    failed_folders.add(task.folder)
                unfinished_folders.discard(task.folder)

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables of the worker processes, set before they import TensorFlow."""
        threads = self.settings.threads or os.cpu_count() or 1
        # By default Ray sets OMP_NUM_THREADS to the number of CPUs of a task.
        return {
            "OMP_NUM_THREADS": str(threads),
            "TF_NUM_INTRAOP_THREADS": str(threads),
            "TF_NUM_INTEROP_THREADS": str(threads),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            # Results with and without oneDNN differ in their last bits.
            **{name: os.environ[name] for name in ["TF_ENABLE_ONEDNN_OPTS"] if name in os.environ},
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        }

    def _as_remote_function(self, function: Callable) -> Any:
        settings = self.settings
        return self._ray.remote(
            num_cpus=settings.cpus,
            num_gpus=settings.gpus,
            max_retries=settings.retries,
            runtime_env={"env_vars": self.variables},
        )(function)

    def _remove_scratch_folders(self) -> None:
        """Remove the scratch folder on each node."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        function = self._ray.remote(num_cpus=0)(remove_scratch_folder)
        references = [
            function.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(self.settings.share)
            for node in self._ray.nodes()
            if node["Alive"]
        ]
        # A node may be lost now; its folder stays.
        self._ray.wait(references, num_returns=len(references), timeout=_CLEANING_SECONDS)

    def _synchronize(self, share: Share, task_factory: TaskFactory, graph: TaskGraph) -> None:
        """Upload the inputs of all tasks; upload or download the results of finished tasks."""
        for folder, relative_path in task_factory.inputs:
            path = getattr(task_factory, folder) / relative_path
            # Upload each input once. A hyperparameter search calls run() for each of its trials.
            if path not in self._uploaded_inputs:
                share.put(path, f"{folder}/{relative_path}")
                self._uploaded_inputs.add(path)
        for _, task in graph.tasks:
            name = f"cache/{task_factory.name_of(task.folder)}"
            if task.is_done and not share.has(name):
                share.put(task.folder, name)
            elif not task.is_done and share.has(name):
                share.get(name, task.folder)

    def _fetch_result(
        self,
        reference: Any,
        task: Task,
        task_factory: TaskFactory,
        share: Share | None,
        say: Callable[[str], None],
    ) -> str | None:
        """Return the reason if the task failed, otherwise None; download its folder from the share.

        Args:
            reference: Ray's reference to the return value of :func:`run_remotely`.
            task: the finished task.
            task_factory: gives the name of the task.
            share: share that has the folder of the task; None for machines with a common folder.
            say: function that is called with a line if the task failed.

        Raises:
            SchedulerError: if the task was lost with its node more often than ``retries``.
        """
        errors = self._ray.exceptions
        try:
            failure = self._ray.get(reference)
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.ObjectLostError) as error:
            raise SchedulerError(
                f"a task was lost with its node more than {self.settings.retries} times "
                f"({str(error).splitlines()[0]}); started again, the run goes on"
            ) from error
        except errors.RayTaskError as error:
            # Raise the worker's error as if it had occurred in this process.
            raise error.cause from None
        if share:
            share.get(f"cache/{task_factory.name_of(task.folder)}", task.folder)
        if failure:
            say(f"   {task.title} failed: {failure}")
        return failure


def _check_connection(address: str, patience: float) -> None:
    """Check that the address accepts a connection, because Ray itself would try for minutes.

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
