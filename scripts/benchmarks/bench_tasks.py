"""How much of the time scheduling costs, and how much faster two workers are than one.

    python scripts/benchmarks/bench_tasks.py

Sixteen tasks of one thread and about ten seconds each, which hash numbers: by a bare loop, by the
local engine, by Ray with one CPU and with two. What a task took is measured inside of it; all else
is overhead, but for starting Ray, which is in a column of its own. Wanted: overhead below 3 % of a
task, and with two workers at least 1.7 times as fast as with one, on two idle cores.
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
    """A task of one thread."""

    place: Path
    rounds: int
    needs: tuple[Path, ...] = ()
    failure: None = None

    @property
    def title(self) -> str:
        return self.place.name

    @property
    def is_done(self) -> bool:
        return (self.place / "took.json").exists()

    def run(self, verbose: int) -> None:
        began = time.monotonic()
        hash_rounds(self.rounds)
        write_json(self.place / "took.json", time.monotonic() - began)


def hash_rounds(rounds: int) -> bytes:
    """So many times SHA-256, one after the other."""
    found = b""
    for _ in range(rounds):
        found = hashlib.sha256(found).digest()
    return found


def reopen(rounds: int, out: Path, cache: Path, name: str) -> Hashing:
    """A task elsewhere."""
    return Hashing(cache / name, rounds)


def rounds_for(seconds: float) -> int:
    """How many rounds take about so long."""
    tried = 1_000_000
    began = time.monotonic()
    hash_rounds(tried)
    return round(tried * seconds / (time.monotonic() - began))


def measured(name: str, engine, count: int, rounds: int, workers: int, start: float) -> dict:
    """Do all tasks, in a folder of their own."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        tasks = [("hash", Hashing(folder / f"task-{n}", rounds)) for n in range(count)]
        task_factory = TaskFactory(functools.partial(reopen, rounds), folder, folder)
        began = time.monotonic()
        if engine is None:
            for _, task in tasks:
                task.place.mkdir()
                task.run(0)
        else:
            engine.run(TaskGraph(tasks), task_factory, lambda line: None, 0)
        wall = time.monotonic() - began
        inside = sum(read_json(task.place / "took.json") for _, task in tasks)
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
            # Its first processes start once; a study has thousands of pieces.
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
