"""Tasks without training runs: they wait, and add up the results of the tasks that they need."""

import functools
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from serkit.errors import DivergedError
from serkit.files import read_json, replacing, write_json
from serkit.tasks.graph import TaskFactory, failure_at


@dataclass
class ToyTask:
    """Task whose result is its number plus the results of the tasks that it needs."""

    folder: Path
    needs: tuple[Path, ...]
    number: int
    seconds: float = 0.0
    wrong: str = ""
    size: int = 0

    @property
    def title(self) -> str:
        return self.folder.name

    @property
    def is_done(self) -> bool:
        return (self.folder / "result.json").exists()

    @property
    def failure(self) -> str | None:
        return next(filter(None, map(failure_at, (*self.needs, self.folder))), None)

    def run(self, verbose: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "runs.txt", "a") as file:
            file.write(f"{os.getpid()} {os.environ.get('TF_NUM_INTRAOP_THREADS')}\n")
        time.sleep(self.seconds)
        if self.wrong == "diverges":
            raise DivergedError("a loss is no number")
        if self.wrong == "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.wrong:
            raise OSError(28, self.wrong)
        if self.size:
            with replacing(self.folder / "large.bin") as partial:
                partial.write_bytes(bytes(self.size))
        found = sum(read_json(place / "result.json")["sum"] for place in self.needs)
        write_json(self.folder / "result.json", {"sum": self.number + found})


def graph(out: Path, cache: Path, given: dict) -> list[tuple[str, ToyTask]]:
    """Tasks from JSON values: name, names of the needed tasks, seconds, error."""
    return [
        ("kind", ToyTask(cache / name, tuple(cache / need for need in needs), number, *more))
        for number, (name, (needs, *more)) in enumerate(given.items(), 1)
    ]


def reopen(given: dict, out: Path, cache: Path, name: str) -> ToyTask:
    """Recreate a task."""
    assert (out / "manifest.csv").exists()
    return next(task for _, task in graph(out, cache, given) if task.folder == cache / name)


def task_factory(out: Path, given: dict) -> TaskFactory:
    """Task factory of a graph, in a folder."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "manifest.csv").write_text("")
    inputs = (("out", "manifest.csv"),)
    return TaskFactory(functools.partial(reopen, given), out, out / "cache", inputs)


def results(out: Path) -> dict[str, int]:
    """All results, by name of the task."""
    files = sorted((out / "cache").glob("*/result.json"))
    return {file.parent.name: read_json(file)["sum"] for file in files}
