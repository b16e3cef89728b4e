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
from serkit.files import read_json_object, write_json
from serkit.serialization import content_key, plain
from serkit.studies.tuning.inner import MeanOverFolds
from serkit.studies.tuning.records import (
    HYPERBAND,
    Outcome,
    SearchError,
    SearchSettings,
    TrialFailedError,
)
from serkit.tasks.graph import Engine, TaskFactory, TaskGraph

TRIALS = "trials"
"""Name of the folder of all trials, in the folder of the search."""
# Files and folders in the folder of the search that all trials need.
_INPUT_PATTERNS = ("split.json", "spectrograms", "fold-*")
_OUTCOME_FILE = "outcome.json"


@dataclass(frozen=True)
class Trial:
    """Task: score settings, and store the outcome.

    The task's folder is named by a hash of the settings and the fraction. A failed trial is stored
    with its reason and not repeated, because it would fail again.

    Attributes:
        objective: objective of the search.
        settings: settings of the trial, a dataclass.
        fraction: fraction of a full training run, above 0 and at most 1.
        trials_folder: folder of all trials.
    """

    objective: MeanOverFolds
    settings: Any
    fraction: float
    trials_folder: Path

    needs: tuple[Path, ...] = ()
    failure: None = None
    """Always None. If the trial gave no score, its outcome file holds the reason."""

    @property
    def folder(self) -> Path:
        """Folder of this task."""
        settings = plain(asdict(self.settings))
        return self.trials_folder / content_key(settings=settings, share=self.fraction)

    @property
    def title(self) -> str:
        """Name of the task in messages."""
        return f"trial {self.folder.name}"

    @property
    def is_done(self) -> bool:
        return (self.folder / _OUTCOME_FILE).exists()

    def run(self, verbose: int) -> None:
        """Score the settings, and store the score or the reason for a failure.

        If the process is killed, the objective resumes from the files in the task's folder. After
        an exception other than a TrialFailedError nothing is stored.
        """
        try:
            outcome = self.objective.score(self.settings, self.fraction, self.folder, verbose)
            result = asdict(outcome)
        except TrialFailedError as error:
            result = {"failed": str(error)}
        inputs = {"settings": plain(asdict(self.settings)), "share": self.fraction}
        write_json(self.folder / _OUTCOME_FILE, {**inputs, **result})

    def outcome(self) -> Outcome | None:
        """Return the stored outcome, or None if the trial was not run.

        Raises:
            TrialFailedError: if the trial failed.
        """
        if not self.is_done:
            return None
        file = self.folder / _OUTCOME_FILE
        content = read_json_object(file)
        if "failed" in content:
            raise TrialFailedError(str(content["failed"]))
        content = read_json_object(file, score=float, folds=list, details=dict)
        return Outcome(content["score"], tuple(content["folds"]), content["details"])


class Trials:
    """Runs each trial of a search once, and reads its outcome afterwards.

    Args:
        objective: objective of the search.
        make_objective: function from the folder of the search to the same objective. Other
            processes call this function, so it must be possible to pickle it.
        folder: folder of the search.
        engine: scheduler that runs the trials.
    """

    def __init__(
        self,
        objective: MeanOverFolds,
        make_objective: Callable[[Path], MeanOverFolds],
        folder: Path,
        engine: Engine,
    ) -> None:
        self.objective = objective
        self._make_objective, self._folder, self._engine = make_objective, folder, engine

    def trial_of(self, settings: Any, fraction: float) -> Trial:
        """Return the trial of some settings, without running it.

        Args:
            settings: settings of the trial, a dataclass.
            fraction: fraction of a full training run, above 0 and at most 1.
        """
        return Trial(self.objective, settings, fraction, self._folder / TRIALS)

    def outcome_of(self, settings: Any, fraction: float) -> Outcome:
        """Return the outcome of a trial; run the trial if no outcome is stored.

        Arguments are as for :meth:`trial_of`.

        Raises:
            TrialFailedError: if the trial failed.
        """
        trial = self.trial_of(settings, fraction)
        inputs = [path.name for pattern in _INPUT_PATTERNS for path in self._folder.glob(pattern)]
        task_factory = TaskFactory(
            functools.partial(_recreate_trial, self._make_objective, settings, fraction),
            out=self._folder,
            cache=self._folder,
            inputs=tuple(("cache", name) for name in sorted(inputs)),
        )
        self._engine.run(TaskGraph([("trial", trial)]), task_factory, lambda line: None, 0)
        outcome = trial.outcome()
        assert outcome is not None, f"{trial.title} was not run"
        return outcome


def _recreate_trial(
    make_objective: Callable[[Path], MeanOverFolds],
    settings: Any,
    fraction: float,
    out: Path,
    cache: Path,
    name: str,
) -> Trial:
    """Return a trial in another process; arguments as for :attr:`TaskFactory.reopen`."""
    key = (repr(make_objective), cache)
    if key not in _last_objective:
        _last_objective.clear()
        _last_objective[key] = make_objective(cache)
    return Trial(_last_objective[key], settings, fraction, cache / TRIALS)


# The objective that this process made last. A process opens the recordings of a search only once.
_last_objective: dict[tuple[str, Path], MeanOverFolds] = {}


_MAX_FAILURES_IN_A_ROW = 3
# KerasTuner's name for the length of a trial's training run, if the search is by Hyperband.
_LENGTH = "tuner/epochs"
# Seconds between requests for a trial. KerasTuner repeats a request at once if no trial is ready.
_PAUSE = 0.05


class GuardedTuner(keras_tuner.engine.base_tuner.BaseTuner):
    """KerasTuner tuner that scores settings dataclasses with a :class:`MeanOverFolds`.

    A trial fails, with a reason, if its settings are not valid or its score is not finite. After
    three failed trials in a row the search ends. Any other error, such as a full disk or a bug,
    ends the search at once and does not mark a trial as failed.

    Args:
        settings: search algorithm and its settings.
        space: function from KerasTuner's ``hp`` to settings.
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
        self._search_settings, self._space = settings, space
        self._trials, self._say = trials, say
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
        start = time.monotonic()
        try:
            settings = self._settings_of(trial)
            outcome = self._trials.outcome_of(settings, self.fraction(trial))
        except TrialFailedError as error:
            self._failures.append(str(error))
            self._say(f"   {self._name_of(trial)} failed: {error}")
            raise keras_tuner.errors.FailedTrialError(str(error)) from error
        except Exception as error:
            # Otherwise KerasTuner would mark the trial as invalid and continue.
            raise keras_tuner.errors.FatalRuntimeError(str(error)) from error
        self._failures.clear()
        seconds = time.monotonic() - start
        name = self._trials.objective.name
        self._say(f"   {self._name_of(trial)}: {name} {outcome.score:.4g}   ({seconds:.0f} s)")
        return {name: outcome.score}

    def _name_of(self, trial: Any) -> str:
        """Return a trial's ID and its number among all trials, if that is known beforehand."""
        name = f"trial {trial.trial_id}"
        if self._search_settings.algorithm == HYPERBAND:
            return name
        return f"{name} ({int(trial.trial_id) + 1} of {self._search_settings.trials})"

    def pre_create_trial(self) -> None:
        """Wait a moment. KerasTuner calls this method before it requests a trial.

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
        if len(self._failures) >= _MAX_FAILURES_IN_A_ROW:
            raise SearchError(
                f"{len(self._failures)} trials in a row failed. The last one: {self._failures[-1]}"
            )

    def task(self, trial: Any) -> Trial:
        """Return the task of a trial of KerasTuner.

        Raises:
            TrialFailedError: if the trial's values are not valid settings.
        """
        return self._trials.trial_of(self._settings_of(trial), self.fraction(trial))

    def fraction(self, trial: Any) -> float:
        """Return the fraction of a full training run that a trial of KerasTuner gets."""
        values = trial.hyperparameters.values
        return values[_LENGTH] / self._search_settings.length_ratio if _LENGTH in values else 1.0

    def _settings_of(self, trial: Any) -> Any:
        try:
            return self._space(trial.hyperparameters)
        except InputError as error:
            raise TrialFailedError(f"no valid settings: {error}") from error
