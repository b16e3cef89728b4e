"""The Ray scheduler: the same tasks on a cluster."""

import os
import socket
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serkit.errors import InputError, check_range
from serkit.files import alone_in
from serkit.serialization import content_key
from serkit.tasks.graph import SchedulerError, Task, TaskFactory, TaskGraph, run_task
from serkit.tasks.share import Share


def run_remotely(
    kind: str,
    task_factory: TaskFactory,
    name: str,
    needs: list[str],
    address: str,
    sources: Sequence[str] = (),
) -> str | None:
    """Do a task, opened again from its name.

    Args:
        kind: of the work.
        task_factory: how it is opened.
        name: of the task.
        needs: names of those that it needs.
        address: of a share, if this machine does not see the task factory's folders; they are then
            folders of this machine's own, with what is needed fetched. Empty if it does.
        sources: names of copies, on the share, of what else it reads.

    Returns:
        Why it failed; None if it did not.
    """
    if not address:
        return run_task(kind, task_factory.reopen(task_factory.out, task_factory.cache, name), 0)
    share = Share(address)
    scratch = Path(tempfile.gettempdir()) / f"serkit-{content_key(share=address)}"
    folders = {"out": scratch / "out", "cache": scratch / "cache"}
    with alone_in(scratch):
        wanted = [*task_factory.inputs, *(("cache", need) for need in needs)]
        for folder, inner in wanted:
            if not share.is_same(f"{folder}/{inner}", folders[folder] / inner):
                share.get(f"{folder}/{inner}", folders[folder] / inner)
    share.get_files("out", sources, folders["out"])
    task = task_factory.reopen(folders["out"], folders["cache"], name)
    why = run_task(kind, task, 0)
    share.put(task.place, f"cache/{name}")
    return why


def name_of(task: Task, task_factory: TaskFactory) -> str:
    """The path of a task's place below that of all results."""
    return task.place.relative_to(task_factory.cache).as_posix()


def needs_of(task: Task, task_factory: TaskFactory) -> list[str]:
    """The same of what it needs."""
    return [place.relative_to(task_factory.cache).as_posix() for place in task.needs]


_INSTALL = "pip install 'serkit[ray]'"


@dataclass(frozen=True)
class RaySettings:
    """Where work is done, and what a task of it takes.

    Attributes:
        address: of a cluster, ``host:port`` or ``ray://host:port``; empty for one of this machine
            alone, which ends with this process.
        cpus: that Ray sets aside for a task.
        gpus: the same; 0.5 for two tasks on a GPU.
        threads: that TensorFlow has for a task; 0 for as many as the machine has cores, as it has
            by itself. Numbers depend on it in their last bits.
        retries: of a task whose node was lost.
        share: an address that fsspec knows, for machines that have no folder in common, see
            :class:`serkit.tasks.share.Share`; empty where they have.
        patience: seconds to wait for an answer from ``address``.

    Raises:
        InputError: for a value out of range.
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
    """Runs tasks on a Ray cluster, each as soon as what it needs is done.

    A task is opened again where it runs, from what the task factory says, so that numbers are those
    of :class:`serkit.tasks.graph.LocalEngine`, bit for bit on machines of one type. A task whose
    node is lost is done again elsewhere, where it goes on if the folder is a shared one. If this
    process is killed a new one goes on with what is not done.

    Use it in a ``with`` statement.

    Args:
        settings: where, and what a task takes.

    Raises:
        InputError: if Ray is not installed.
        SchedulerError: if no answer at the address.
    """

    def __init__(self, settings: RaySettings) -> None:
        # Ray reports to its makers unless it is told not to.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as error:
            raise InputError(f"Ray is not installed ({error}); {_INSTALL}") from error
        self._ray, self.settings = ray, settings
        self._given: set[Path] = set()
        if settings.address:
            _require_answer(settings.address, settings.patience)
        # Whoever has a cluster already, has to say so.
        self._own = not ray.is_initialized()
        if self._own:
            where = {"address": settings.address} if settings.address else {"address": "local"}
            ray.init(**where, include_dashboard=False, log_to_driver=False, logging_level="ERROR")

    def __enter__(self) -> "RayEngine":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._own:
            self._ray.shutdown()

    def run(
        self, plan: TaskGraph, task_factory: TaskFactory, say: Callable[[str], None], verbose: int
    ) -> None:
        """See :meth:`serkit.tasks.graph.Engine.run`; nothing is printed by what is done elsewhere.

        Raises:
            SchedulerError: if a task was lost with its node more often than it may be.
        """
        share = Share(self.settings.share) if self.settings.share else None
        if share:
            self._exchange_with(share, task_factory, plan)
        remote = self._remote(run_remotely)
        waiting, running = plan.open(), {}
        # Files are asked once: there may be thousands of tasks.
        unfinished, failed = {task.place for _, task in waiting}, plan.failed()
        while waiting or running:
            later = []
            for kind, task in waiting:
                if not unfinished.isdisjoint(task.needs):
                    later.append((kind, task))
                elif task.failure or not failed.isdisjoint(task.needs):
                    # What it needs has failed, and comes before it.
                    unfinished.discard(task.place)
                    failed.add(task.place)
                else:
                    given = (
                        kind,
                        task_factory,
                        name_of(task, task_factory),
                        needs_of(task, task_factory),
                    )
                    sources = self._give(share, task_factory, task) if share else []
                    running[remote.remote(*given, self.settings.share, sources)] = task
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
        """Of the environment of what is done elsewhere, set before TensorFlow is imported."""
        threads = self.settings.threads or os.cpu_count() or 1
        # Ray itself would set OpenMP's to the CPUs of a task.
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
        """Give what all tasks need, and take what was done before."""
        for folder, inner in task_factory.inputs:
            path = getattr(task_factory, folder) / inner
            # Once; a search has a plan for each of its trials.
            if path not in self._given:
                share.put(path, f"{folder}/{inner}")
                self._given.add(path)
        for _, task in plan.tasks:
            name = f"cache/{name_of(task, task_factory)}"
            if task.is_done and not share.has(name):
                share.put(task.place, name)
            elif not task.is_done and share.has(name):
                share.get(name, task.place)

    def _give(self, share: Share, task_factory: TaskFactory, task: Task) -> list[str]:
        """Give what else a task reads; names of it."""
        found = task_factory.sources(task)
        # Several may read the same.
        new = {name: path for name, path in found.items() if path not in self._given}
        share.put_files(new, "out")
        self._given.update(new.values())
        return list(found)

    def _take_in(
        self,
        reference: Any,
        task: Task,
        task_factory: TaskFactory,
        share: Share | None,
        say: Callable[[str], None],
    ) -> str | None:
        why = self._result(reference)
        if share:
            share.get(f"cache/{name_of(task, task_factory)}", task.place)
        if why:
            say(f"   {task.title} failed: {why}")
        return why

    def _result(self, reference: Any) -> Any:
        lost = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except (lost.WorkerCrashedError, lost.NodeDiedError, lost.ObjectLostError) as error:
            raise SchedulerError(
                f"a task was lost with its node more than {self.settings.retries} times "
                f"({str(error).splitlines()[0]}); started again, the run goes on"
            ) from error
        except lost.RayTaskError as error:
            # What went wrong there, as if it had gone wrong here.
            raise error.cause from None


def _require_answer(address: str, patience: float) -> None:
    """Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    if not host or not port.isdigit():
        raise InputError(f"address={address!r}; valid are host:port, ray://host:port and auto")
    try:
        socket.create_connection((host, int(port)), timeout=patience).close()
    except OSError as error:
        raise SchedulerError(
            f"nobody answers at {address} ({error}); valid is the address that "
            "`ray start --head` says"
        ) from error
