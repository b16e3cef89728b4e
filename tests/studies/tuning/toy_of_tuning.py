"""A search without training runs."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from serkit.errors import check_range
from serkit.files import replacing
from serkit.studies.tuning.records import Outcome, SearchSettings
from serkit.studies.tuning.search import Search
from serkit.studies.tuning.tuner import Trials
from serkit.tasks.graph import Engine, LocalEngine


@dataclass(frozen=True)
class Toy:
    """Best at ``rate`` 3 and ``kind`` b."""

    rate: float = 1.0
    kind: str = "a"

    def __post_init__(self) -> None:
        check_range("rate", self.rate, 0.0, 8.0)


def space(hp: Any) -> Toy:
    """Search space with invalid rates."""
    return replace(Toy(), rate=hp.Float("rate", 0.0, 10.0), kind=hp.Choice("kind", ["a", "b"]))


class ToyObjective:
    """Writes a line to a file, waits, and returns a score."""

    name, goal = "distance", "min"

    def __init__(self, folder: Path, seconds: float = 0.0, size: int = 0) -> None:
        self._folder, self._seconds, self._size = folder, seconds, size

    def score(self, settings: Toy, fraction: float, folder: Path, verbose: int = 0) -> Outcome:
        self._log("began", settings)
        time.sleep(self._seconds)
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / "large.bin") as partial:
            partial.write_bytes(bytes(self._size))
        self._log("ended", settings)
        distance = abs(settings.rate - 3) + (settings.kind == "a")
        return Outcome(distance, (distance - 0.5, distance + 0.5), {"extra": fraction})

    def log(self, what: str) -> list[str]:
        """The rates of the lines that start with ``what``, in order."""
        file = self._folder / "log.txt"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line.split()[1] for line in lines if line.startswith(what)]

    def _log(self, what: str, settings: Toy) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with open(self._folder / "log.txt", "a") as file:
            file.write(f"{what} {settings.rate:.4f}\n")


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


def trials_of(folder: Path, objective: Any, engine: Engine | None = None) -> Trials:
    """Trials in a folder."""
    return Trials(objective, ToyObjective, folder, engine or LocalEngine())


def make(
    folder: Path, objective: Any, engine: Engine | None = None, parallel: int = 1, **settings: Any
) -> Search:
    """A search in a folder."""
    how, trials = SearchSettings(**settings), trials_of(folder, objective, engine)
    return Search(how, trials, space, Toy(), "toy", folder, say, parallel)
