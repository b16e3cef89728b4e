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
"""Name of the folder of all trials, in the folder of the search."""
_SHARED = ("split.json", "spectrograms", "fold-*")


@dataclass(frozen=True)
class Trial:
    """Task: score settings.

    Attributes:
        objective: objective of the search.
        settings: settings of the trial, a dataclass.
        share: fraction of a full training run.
        outcomes: stored outcomes of the search.
    """

    objective: Any
    settings: Any
    share: float
    outcomes: Outcomes
    needs: tuple[Path, ...] = ()
    failure: None = None
    """Always None: for settings without a score, the outcome holds the reason."""

    @property
    def place(self) -> Path:
        """Folder of this task."""
        return self.outcomes.place(asdict(self.settings), self.share)

    @property
    def title(self) -> str:
        """Name of the task in messages."""
        return f"trial {self.place.name}"

    @property
    def is_done(self) -> bool:
        return self.outcomes.has(asdict(self.settings), self.share)

    def run(self, verbose: int) -> None:
        """Score the settings, and store the score or the reason for a failure."""
        self.outcomes.make(
            *(asdict(self.settings), self.share),
            lambda place: self.objective.score(self.settings, self.share, place, verbose),
        )


class Trials:
    """Run each trial of a search once.

    Args:
        objective: objective of the search.
        make: function from the folder of the search to the same objective, called in other
            processes. It is pickled.
        folder: folder of the search.
        engine: scheduler that runs the trials.
    """

    def __init__(
        self, objective: Any, make: Callable[[Path], Any], folder: Path, engine: Engine
    ) -> None:
        self.objective = objective
        self._make, self._folder, self._engine = make, folder, engine
        self._outcomes = Outcomes(folder / TRIALS)

    def place(self, settings: Any, share: float) -> Path:
        """Return the folder of a trial."""
        return self._outcomes.place(asdict(settings), share)

    def known(self, settings: Any, share: float) -> Outcome | None:
        """Return the stored outcome of a trial, or None if it was not run.

        Raises:
            TrialFailedError: if the trial failed.
        """
        return self._outcomes.known(asdict(settings), share)

    def any_known(self) -> bool:
        """Return whether the outcome of any trial is stored."""
        return self._outcomes.any()

    def get(self, settings: Any, share: float) -> Outcome:
        """Return the outcome of a trial; run the trial if no outcome is stored.

        Raises:
            TrialFailedError: if the trial failed.
        """
        trial = Trial(self.objective, settings, share, self._outcomes)
        task_factory = TaskFactory(
            *(functools.partial(_reopened, self._make, settings, share), self._folder),
            *(self._folder, tuple(("cache", name) for name in self._shared())),
        )
        self._engine.run(TaskGraph([("trial", trial)]), task_factory, lambda line: None, 0)
        return self.known(settings, share)

    def _shared(self) -> list[str]:
        """Return the names of the files and folders that all trials need."""
        found = [path for pattern in _SHARED for path in self._folder.glob(pattern)]
        return sorted(path.name for path in found)


def _reopened(
    make: Callable[[Path], Any], settings: Any, share: float, out: Path, cache: Path, name: str
) -> Trial:
    return Trial(_objective(make, cache), settings, share, Outcomes(cache / TRIALS))


def _objective(make: Callable[[Path], Any], folder: Path) -> Any:
    """Return the objective, cached so that a process opens the recordings only once."""
    known = (repr(make), folder)
    if known not in _OPENED:
        _OPENED.clear()
        _OPENED[known] = make(folder)
    return _OPENED[known]


_OPENED: dict[tuple[str, Path], Any] = {}


_IN_A_ROW = 3
_SHARE = "tuner/epochs"
# Seconds between requests for a trial. KerasTuner repeats a request at once if no trial is ready.
_PAUSE = 0.05


class SearchError(SerkitError):
    """The search cannot continue; the message says why. The search can be resumed."""


class Objective(Protocol):
    """Function that scores settings."""

    name: str
    """Name of the score in messages and tables."""
    goal: str
    """``min`` or ``max``."""

    def prepare(self) -> None:
        """Compute what all trials need, such as spectrograms."""

    def score(self, settings: Any, share: float, place: Path, verbose: int = 0) -> Outcome:
        """Train with some settings for a fraction of a full training run, and score the result.

        Args:
            settings: settings of the trial, a dataclass.
            share: fraction of a full training run, above 0 and at most 1.
            place: folder of the trial; an interrupted trial resumes from there.
            verbose: as for Keras' ``fit``.

        Raises:
            TrialFailedError: if these settings give no finite score.
        """


class GuardedTuner(keras_tuner.engine.base_tuner.BaseTuner):
    """KerasTuner tuner that scores settings dataclasses with an :class:`Objective`.

    A trial fails, with a reason, if its settings are not valid or its score is not finite. After
    three failed trials in a row the search ends. Any other error, such as a full disk or a bug,
    ends the search at once and does not mark a trial as failed.

    Args:
        settings: search algorithm and its settings.
        space: function from ``hp`` to settings.
        trials: runs each trial once.
        folder: folder for KerasTuner's own files.
        say: function that gets each line of output.
        require_answer: function that makes a worker wait until its chief answers.

    Raises:
        InputError: if the default values of the space are not valid settings.
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
        """Return the score of a trial by name; run the trial if no outcome is stored."""
        began = time.monotonic()
        try:
            found = self._trials.get(self._valid(trial), self.share(trial))
        except TrialFailedError as error:
            self._failures.append(str(error))
            self._say(f"   trial {trial.trial_id} failed: {error}")
            raise keras_tuner.errors.FailedTrialError(str(error)) from error
        except Exception as error:
            # Otherwise KerasTuner would mark the trial as invalid and continue.
            raise keras_tuner.errors.FatalRuntimeError(str(error)) from error
        self._failures.clear()
        seconds = time.monotonic() - began
        name = self._trials.objective.name
        self._say(f"   trial {trial.trial_id}: {name} {found.score:.4g}   ({seconds:.0f} s)")
        return {name: found.score}

    def pre_create_trial(self) -> None:
        """Wait until the chief answers, before a trial is requested.

        Raises:
            SearchError: if :meth:`stop` was called, or the chief does not answer.
        """
        time.sleep(_PAUSE)
        if self._stopped.is_set():
            raise SearchError("it was stopped, since a trial at the same time ended the search")
        self._require_answer()

    def stop(self) -> None:
        """Make this tuner and its copies request no further trials."""
        self._stopped.set()

    def on_trial_end(self, trial: Any) -> None:
        """Report a finished trial to the oracle.

        Raises:
            SearchError: if three trials in a row failed, or the chief does not answer.
        """
        self._require_answer()
        super().on_trial_end(trial)
        if len(self._failures) >= _IN_A_ROW:
            raise SearchError(
                f"{len(self._failures)} trials in a row failed, the last because "
                f"{self._failures[-1]}; valid is a space whose settings work"
            )

    def outcome(self, trial: Any) -> Outcome | None:
        """Return the stored outcome of a trial, or None if it was not run here.

        Args:
            trial: a trial of KerasTuner.

        Raises:
            TrialFailedError: if the trial failed.
        """
        return self._trials.known(self._valid(trial), self.share(trial))

    def place(self, trial: Any) -> Path:
        """Return the folder of a trial that has a score."""
        return self._trials.place(self._valid(trial), self.share(trial))

    def share(self, trial: Any) -> float:
        """Return the fraction of a full training run that a trial gets."""
        values = trial.hyperparameters.values
        return values[_SHARE] / self._settings.longest if _SHARE in values else 1.0

    def _valid(self, trial: Any) -> Any:
        try:
            return self._space(trial.hyperparameters)
        except InputError as error:
            raise TrialFailedError(f"no valid settings: {error}") from error
