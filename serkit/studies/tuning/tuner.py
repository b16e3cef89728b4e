"""Trials as tasks, and KerasTuner's loop over them."""

import functools
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import keras_tuner

from serkit.errors import InputError, SerkitError
from serkit.studies.tuning.records import Outcome, Outcomes, SearchSettings, TrialFailedError
from serkit.tasks.graph import Engine, TaskFactory, TaskGraph

TRIALS = "trials"
"""Name of the folder of all trials in that of a search."""
_SHARED = ("split.json", "spectrograms", "fold-*")


@dataclass(frozen=True)
class Trial:
    """Settings that are tried, as a task.

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
        task_factory = TaskFactory(
            *(functools.partial(_reopened, self._make, settings, share), self._folder),
            *(self._folder, tuple(("cache", name) for name in self._shared())),
        )
        self._engine.run(TaskGraph([("trial", trial)]), task_factory, lambda line: None, 0)
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


_IN_A_ROW = 3
_SHARE = "tuner/epochs"
# KerasTuner asks again at once if there is nothing to do yet.
_PAUSE = 0.05


class SearchError(SerkitError):
    """A search cannot go on; the message says why. Made again, it goes on where it was."""


class Objective(Protocol):
    """What settings are scored by."""

    name: str
    """Of the score, for people."""
    goal: str
    """``min`` or ``max``."""

    def prepare(self) -> None:
        """Do what all trials share."""

    def score(self, settings: Any, share: float, place: Path, verbose: int = 0) -> Outcome:
        """Train with settings, for a share of a whole training, and score the result.

        Raises:
            TrialFailedError: if these settings give no result.
        """


class GuardedTuner(keras_tuner.engine.base_tuner.BaseTuner):
    """A KerasTuner tuner whose trials are settings of ours, scored by an objective of ours.

    A trial fails, with its reason, if its settings are not valid or its training gives no finite
    number; after three in a row the search ends. Anything else that goes wrong, a full disk or a
    mistake in the code, ends the search at once and fails no trial.

    Args:
        settings: how the search goes about it.
        space: from ``hp`` to settings.
        trials: runs them.
        folder: of KerasTuner's own files.
        say: gets lines.
        require_answer: of a worker, waits for its chief.

    Raises:
        InputError: if the space's own defaults are not valid.
    """

    def __init__(
        self,
        settings: SearchSettings,
        space: Callable[[Any], Any],
        trials: Trials,
        folder: Path,
        say: Callable[[str], None],
        require_answer: Callable[[], None],
    ) -> None:
        self._settings, self._space, self._trials, self._say = settings, space, trials, say
        objective = trials.objective
        self._failures: list[str] = []
        self._require_answer, self._stopped = require_answer, threading.Event()
        super().__init__(
            settings.oracle(objective.name, objective.goal),
            hypermodel=space,
            directory=str(folder.parent),
            project_name=folder.name,
        )

    def run_trial(self, trial: Any) -> dict[str, float]:
        """Score a trial's settings, or take the score that is kept."""
        began = time.monotonic()
        try:
            found = self._trials.get(self._valid(trial), self.share(trial))
        except TrialFailedError as error:
            self._failures.append(str(error))
            self._say(f"   trial {trial.trial_id} failed: {error}")
            raise keras_tuner.errors.FailedTrialError(str(error)) from error
        except Exception as error:
            # KerasTuner would take it for the fault of the settings, and go on.
            raise keras_tuner.errors.FatalRuntimeError(str(error)) from error
        self._failures.clear()
        seconds = time.monotonic() - began
        name = self._trials.objective.name
        self._say(f"   trial {trial.trial_id}: {name} {found.score:.4g}   ({seconds:.0f} s)")
        return {name: found.score}

    def pre_create_trial(self) -> None:
        """Ask for what to try next only if somebody answers."""
        time.sleep(_PAUSE)
        if self._stopped.is_set():
            raise SearchError("it was stopped, since a trial at the same time ended the search")
        self._require_answer()

    def stop(self) -> None:
        """Let it, and its copies, try nothing more."""
        self._stopped.set()

    def on_trial_end(self, trial: Any) -> None:
        """Report a trial; end the search if too many failed."""
        self._require_answer()
        super().on_trial_end(trial)
        if len(self._failures) >= _IN_A_ROW:
            raise SearchError(
                f"{len(self._failures)} trials in a row failed, the last because "
                f"{self._failures[-1]}; valid is a space whose settings work"
            )

    def outcome(self, trial: Any) -> Outcome | None:
        """What a trial gave, if it was run.

        Args:
            trial: KerasTuner's.

        Raises:
            TrialFailedError: if it gave no score.
        """
        return self._trials.known(self._valid(trial), self.share(trial))

    def place(self, trial: Any) -> Path:
        """Where a trial that gave a score was run."""
        return self._trials.place(self._valid(trial), self.share(trial))

    def share(self, trial: Any) -> float:
        """The share of a whole training that a trial gets."""
        values = trial.hyperparameters.values
        return values[_SHARE] / self._settings.longest if _SHARE in values else 1.0

    def _valid(self, trial: Any) -> Any:
        try:
            return self._space(trial.hyperparameters)
        except InputError as error:
            raise TrialFailedError(f"no valid settings: {error}") from error
