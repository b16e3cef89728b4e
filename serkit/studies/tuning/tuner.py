"""Trials as tasks, and KerasTuner's loop over them."""

import functools
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras_tuner

from serkit.errors import InputError
from serkit.files import read_json, write_json
from serkit.serialization import content_key, plain
from serkit.studies.tuning.inner import MeanOverFolds
from serkit.studies.tuning.records import Outcome, SearchError, SearchSettings, TrialFailedError
from serkit.tasks.graph import Engine, TaskFactory, TaskGraph

TRIALS = "trials"
"""Name of the folder of all trials, in the folder of the search."""
# Files and folders that all trials need.
_SHARED = ("split.json", "spectrograms", "fold-*")
_OUTCOME = "outcome.json"


@dataclass(frozen=True)
class Trial:
    """Task: score settings, and store the outcome.

    The task's folder is named by a hash of the settings and the fraction. A failed trial is stored
    with its reason and not repeated, because it would fail again.

    Attributes:
        objective: objective of the search.
        settings: settings of the trial, a dataclass.
        share: fraction of a full training run, above 0 and at most 1.
        folder: folder of all trials.
    """

    objective: MeanOverFolds
    settings: Any
    share: float
    folder: Path

    needs: tuple[Path, ...] = ()
    failure: None = None
    """Always None: for settings without a score, the outcome holds the reason."""

    @property
    def place(self) -> Path:
        """Folder of this task."""
        settings = plain(asdict(self.settings))
        return self.folder / content_key(settings=settings, share=self.share)

    @property
    def title(self) -> str:
        """Name of the task in messages."""
        return f"trial {self.place.name}"

    @property
    def is_done(self) -> bool:
        return (self.place / _OUTCOME).exists()

    def run(self, verbose: int) -> None:
        """Score the settings, and store the score or the reason for a failure.

        If the process is killed, the objective resumes from the files in the task's folder. After
        an exception other than a TrialFailedError nothing is stored.
        """
        try:
            found = asdict(self.objective.score(self.settings, self.share, self.place, verbose))
        except TrialFailedError as error:
            found = {"failed": str(error)}
        given = {"settings": plain(asdict(self.settings)), "share": self.share}
        write_json(self.place / _OUTCOME, {**given, **found})

    def outcome(self) -> Outcome | None:
        """Return the stored outcome, or None if the trial was not run.

        Raises:
            TrialFailedError: if the trial failed.
        """
        if not self.is_done:
            return None
        found = read_json(self.place / _OUTCOME)
        if "failed" in found:
            raise TrialFailedError(found["failed"])
        return Outcome(found["score"], tuple(found["folds"]), found["details"])


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
        self,
        objective: MeanOverFolds,
        make: Callable[[Path], MeanOverFolds],
        folder: Path,
        engine: Engine,
    ) -> None:
        self.objective = objective
        self._make, self._folder, self._engine = make, folder, engine

    def of(self, settings: Any, share: float) -> Trial:
        """Return the trial of some settings, without running it."""
        return Trial(self.objective, settings, share, self._folder / TRIALS)

    def get(self, settings: Any, share: float) -> Outcome:
        """Return the outcome of a trial; run the trial if no outcome is stored.

        Raises:
            TrialFailedError: if the trial failed.
        """
        trial = self.of(settings, share)
        shared = [path.name for pattern in _SHARED for path in self._folder.glob(pattern)]
        task_factory = TaskFactory(
            functools.partial(_reopened, self._make, settings, share),
            out=self._folder,
            cache=self._folder,
            inputs=tuple(("cache", name) for name in sorted(shared)),
        )
        self._engine.run(TaskGraph([("trial", trial)]), task_factory, lambda line: None, 0)
        outcome = trial.outcome()
        assert outcome is not None, f"{trial.title} was not run"
        return outcome


def _reopened(
    make: Callable[[Path], MeanOverFolds],
    settings: Any,
    share: float,
    out: Path,
    cache: Path,
    name: str,
) -> Trial:
    # Cached, so that a process opens the recordings only once.
    known = (repr(make), cache)
    if known not in _OPENED:
        _OPENED.clear()
        _OPENED[known] = make(cache)
    return Trial(_OPENED[known], settings, share, cache / TRIALS)


_OPENED: dict[tuple[str, Path], MeanOverFolds] = {}


_IN_A_ROW = 3
_SHARE = "tuner/epochs"
# Seconds between requests for a trial. KerasTuner repeats a request at once if no trial is ready.
_PAUSE = 0.05


class GuardedTuner(keras_tuner.engine.base_tuner.BaseTuner):
    """KerasTuner tuner that scores settings dataclasses with a :class:`MeanOverFolds`.

    A trial fails, with a reason, if its settings are not valid or its score is not finite. After
    three failed trials in a row the search ends. Any other error, such as a full disk or a bug,
    ends the search at once and does not mark a trial as failed.

    Args:
        settings: search algorithm and its settings.
        space: function from ``hp`` to settings.
        trials: runs each trial once.
        folder: folder for KerasTuner's own files.
        say: function that gets each line of output.

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
    ) -> None:
        self._settings, self._space, self._trials, self._say = settings, space, trials, say
        objective = trials.objective
        self._failures: list[str] = []
        self._stopped = threading.Event()
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
        """Wait a moment before a trial is requested.

        Raises:
            SearchError: if :meth:`stop` was called.
        """
        time.sleep(_PAUSE)
        if self._stopped.is_set():
            raise SearchError("the search was stopped, because a parallel trial ended it")

    def stop(self) -> None:
        """Make this tuner and its copies request no further trials."""
        self._stopped.set()

    def on_trial_end(self, trial: Any) -> None:
        """Report a finished trial to the oracle.

        Raises:
            SearchError: if three trials in a row failed.
        """
        super().on_trial_end(trial)
        if len(self._failures) >= _IN_A_ROW:
            raise SearchError(
                f"{len(self._failures)} trials in a row failed. The last one: {self._failures[-1]}"
            )

    def task(self, trial: Any) -> Trial:
        """Return the task of a trial of KerasTuner.

        Raises:
            TrialFailedError: if the trial's values are not valid settings.
        """
        return self._trials.of(self._valid(trial), self.share(trial))

    def share(self, trial: Any) -> float:
        """Return the fraction of a full training run that a trial of KerasTuner gets."""
        values = trial.hyperparameters.values
        return values[_SHARE] / self._settings.longest if _SHARE in values else 1.0

    def _valid(self, trial: Any) -> Any:
        try:
            return self._space(trial.hyperparameters)
        except InputError as error:
            raise TrialFailedError(f"no valid settings: {error}") from error
