"""What a trial's settings gave, kept by what they are, so that no settings are tried twice."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from serkit.content import content_key
from serkit.errors import SerkitError
from serkit.files import read_json, write_json
from serkit.values import plain


class TrialFailedError(SerkitError):
    """A trial's settings gave no result; the message says why."""


@dataclass(frozen=True)
class Outcome:
    """What settings are worth.

    Attributes:
        score: what the search is for, a mean over folds of speakers.
        folds: the same of each fold.
        details: other numbers by name; the search does not look at them.

    Raises:
        TrialFailedError: if the score is not a finite number: it would compare with nothing.
    """

    score: float
    folds: tuple[float, ...]
    details: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not math.isfinite(self.score):
            raise TrialFailedError(f"its score is {self.score}; valid is a finite number")


class Outcomes:
    """Outcomes in a folder, by settings and by the share of a training that they got.

    What failed is kept with its reason, too: it would fail again.

    Args:
        folder: gets a folder for each settings and share.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def place(self, settings: Any, share: float) -> Path:
        """The folder of a trial.

        Args:
            settings: JSON values.
            share: of a whole training, above 0 and at most 1.
        """
        return self._folder / content_key(settings=plain(settings), share=share)

    def has(self, settings: Any, share: float) -> bool:
        """Whether something came of settings, be it that they failed."""
        return self._file(settings, share).exists()

    def any(self) -> bool:
        """Whether anything is kept."""
        return any(self._folder.glob("*/outcome.json"))

    def make(self, settings: Any, share: float, work: Callable[[Path], Outcome]) -> None:
        """Do the work of a trial, and keep what comes of it.

        Args:
            settings: JSON values.
            share: of a whole training.
            work: gets the trial's folder. If it is killed it is called again by the next process,
                and goes on with what it finds there. What it raises but TrialFailedError is no
                outcome.
        """
        try:
            found = asdict(work(self.place(settings, share)))
        except TrialFailedError as error:
            found = {"failed": str(error)}
        write_json(
            self._file(settings, share), {"settings": plain(settings), "share": share, **found}
        )

    def _file(self, settings: Any, share: float) -> Path:
        return self.place(settings, share) / "outcome.json"

    def known(self, settings: Any, share: float) -> Outcome | None:
        """The outcome, if there is one.

        Raises:
            TrialFailedError: if it is that the trial failed.
        """
        file = self._file(settings, share)
        return _outcome(file) if file.exists() else None


def _outcome(file: Path) -> Outcome:
    found = read_json(file)
    if "failed" in found:
        raise TrialFailedError(found["failed"])
    return Outcome(found["score"], tuple(found["folds"]), found["details"])
