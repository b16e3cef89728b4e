"""Trials as pieces of work, so that they are run wherever an engine runs things."""

import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from serkit.grid.engine import Engine, Workshop
from serkit.grid.plan import Plan
from serkit.tuning.outcome import Outcome, Outcomes

TRIALS = "trials"
"""Name of the folder of all trials in that of a search."""
_SHARED = ("split.json", "spectrograms", "fold-*")


@dataclass(frozen=True)
class Trial:
    """Settings that are tried, as a piece of work.

    Attributes:
        objective: what they are scored by.
        settings: a dataclass.
        share: of a whole training.
        outcomes: where what comes of it is kept.
    """

    objective: Any
    settings: Any
    share: float
    outcomes: Outcomes
    needs: tuple[Path, ...] = ()
    failure: None = None
    """Settings that give no score have an outcome, too."""

    @property
    def place(self) -> Path:
        """Its own folder."""
        return self.outcomes.place(asdict(self.settings), self.share)

    @property
    def title(self) -> str:
        """For people."""
        return f"trial {self.place.name}"

    @property
    def is_done(self) -> bool:
        return self.outcomes.has(asdict(self.settings), self.share)

    def run(self, verbose: int) -> None:
        """Score the settings, or keep why they give no score."""
        self.outcomes.make(
            *(asdict(self.settings), self.share),
            lambda place: self.objective.score(self.settings, self.share, place, verbose),
        )


class Trials:
    """Runs trials of a search, each once.

    Args:
        objective: what settings are scored by, in this process.
        make: the same objective in another process: from the folder of the search to it. It is
            pickled.
        folder: of the search.
        engine: where trials are run.
    """

    def __init__(
        self, objective: Any, make: Callable[[Path], Any], folder: Path, engine: Engine
    ) -> None:
        self.objective = objective
        self._make, self._folder, self._engine = make, folder, engine
        self._outcomes = Outcomes(folder / TRIALS)

    def place(self, settings: Any, share: float) -> Path:
        """Folder of a trial."""
        return self._outcomes.place(asdict(settings), share)

    def known(self, settings: Any, share: float) -> Outcome | None:
        """What came of settings, if they were tried.

        Raises:
            TrialFailedError: if they gave no score.
        """
        return self._outcomes.known(asdict(settings), share)

    def any_known(self) -> bool:
        """Whether something came of any settings."""
        return self._outcomes.any()

    def get(self, settings: Any, share: float) -> Outcome:
        """What comes of settings: what is kept, or else what a trial gives now.

        Raises:
            TrialFailedError: if they give no score.
        """
        trial = Trial(self.objective, settings, share, self._outcomes)
        workshop = Workshop(
            *(functools.partial(_reopened, self._make, settings, share), self._folder),
            *(self._folder, tuple(("cache", name) for name in self._shared())),
        )
        self._engine.run(Plan([("trial", trial)]), workshop, lambda line: None, 0)
        return self.known(settings, share)

    def _shared(self) -> list[str]:
        """What the objective has prepared for all trials."""
        found = [path for pattern in _SHARED for path in self._folder.glob(pattern)]
        return sorted(path.name for path in found)


def _reopened(
    make: Callable[[Path], Any], settings: Any, share: float, out: Path, cache: Path, name: str
) -> Trial:
    return Trial(_objective(make, cache), settings, share, Outcomes(cache / TRIALS))


def _objective(make: Callable[[Path], Any], folder: Path) -> Any:
    """The objective of a process, which opens its recordings once."""
    known = (repr(make), folder)
    if known not in _OPENED:
        _OPENED.clear()
        _OPENED[known] = make(folder)
    return _OPENED[known]


_OPENED: dict[tuple[str, Path], Any] = {}
