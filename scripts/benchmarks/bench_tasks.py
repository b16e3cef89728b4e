"""Measure the overhead of the schedulers, and the speed of two workers relative to one.

    python scripts/benchmarks/bench_tasks.py

Sixteen tasks compute hashes, in one thread and about ten seconds each. They run in a plain loop, by
the local engine, and by Ray with one CPU and with two. Each task measures its own duration; all
other time is overhead, except for the start of Ray, which has a column of its own. Targets on two
idle cores: an overhead below 3 % of a task, and two workers at least 1.7 times as fast as one.
"""

import argparse
import functools
import hashlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import ray
from _quick import parse as parse_options

from serkit.files import read_json, write_json
from serkit.formatting import markdown_table
from serkit.tasks.graph import LocalEngine, TaskFactory, TaskGraph
from serkit.tasks.ray import RayEngine, RaySettings


@dataclass(frozen=True)
class Hashing:
    """Task of one thread that computes hashes."""

    folder: Path
    rounds: int
    needs: tuple[Path, ...] = ()
    failure: None = None

    @property
    def title(self) -> str:
        return self.folder.name

    @property
    def is_done(self) -> bool:
        return (self.folder / "took.json").exists()

    def run(self, verbose: int) -> None:
        start = time.monotonic()
        hash_rounds(self.rounds)
        write_json(self.folder / "took.json", time.monotonic() - start)


def hash_rounds(rounds: int) -> bytes:
    """Apply SHA-256 ``rounds`` times."""
    digest = b""
    for _ in range(rounds):
        digest = hashlib.sha256(digest).digest()
    return digest


def reopen(rounds: int, out: Path, cache: Path, name: str) -> Hashing:
    """Recreate a task in another process."""
    return Hashing(cache / name, rounds)


def rounds_for(seconds: float) -> int:
    """Return the number of rounds that take about ``seconds``."""
    trial_rounds = 1_000_000
    start = time.monotonic()
    hash_rounds(trial_rounds)
    return round(trial_rounds * seconds / (time.monotonic() - start))


def measured(name: str, engine, count: int, rounds: int, workers: int, start: float) -> dict:
    """Run all tasks in a new folder, and return the times for a row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        tasks = [("hash", Hashing(folder / f"task-{n}", rounds)) for n in range(count)]
        task_factory = TaskFactory(functools.partial(reopen, rounds), folder, folder)
        began = time.monotonic()
        if engine is None:
            for _, task in tasks:
                task.folder.mkdir()
                task.run(0)
        else:
            engine.run(TaskGraph(tasks), task_factory, lambda line: None, 0)
        wall = time.monotonic() - began
        inside = sum(read_json(task.folder / "took.json") for _, task in tasks)
    overhead = (wall * workers - inside) / count
    return {"name": name, "wall": wall, "task": inside / count, "over": overhead, "start": start}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0, help="of a task, about")
    options = parse_options(parser, tasks=2, seconds=0.2)
    rounds = rounds_for(options.seconds)
    given = options.tasks, rounds
    rows = [measured("bare loop", None, *given, 1, 0.0)]
    rows.append(measured("local engine", LocalEngine(), *given, 1, 0.0))
    for workers in (1, 2):
        began = time.monotonic()
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
        ray.cloudpickle.register_pickle_by_value(__import__("__main__"))
        with RayEngine(RaySettings(threads=1)) as engine:
            # Start the processes first: a study has thousands of tasks, but starts them only once.
            measured("", engine, workers, 1, workers, 0.0)
            start = time.monotonic() - began
            rows.append(measured(f"Ray, {workers} CPU", engine, *given, workers, start))
        ray.shutdown()
    one, two = rows[-2]["wall"], rows[-1]["wall"]
    cells = [
        [
            row["name"],
            f"{row['wall']:.1f}",
            f"{row['task']:.2f}",
            f"{1000 * row['over']:.0f}",
            f"{100 * row['over'] / row['task']:.2f} %",
            f"{row['start']:.1f}",
            f"{one / row['wall']:.2f}",
        ]
        for row in rows
    ]
    head = ["", "all, s", "a task, s", "overhead, ms", "of a task", "start, s", "times as fast"]
    print(markdown_table([f"{options.tasks} tasks", *head[1:]], cells))
    print(f"two workers are {one / two:.2f} times as fast as one")


if __name__ == "__main__":
    main()
