"""A search from its first trial to the best settings, and the table of its trials."""

import contextlib
import copy
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras_tuner
import pandas as pd

from serkit.errors import check_range
from serkit.files import read_json, replacing, write_json, write_text
from serkit.formatting import markdown_table
from serkit.serialization import plain
from serkit.studies.tuning.inner import MeanOverFolds
from serkit.studies.tuning.records import Outcome, SearchError, SearchSettings, TrialFailedError
from serkit.studies.tuning.tuner import GuardedTuner, Trials


def trial_row(
    trial: str,
    hyperparameters: dict[str, Any],
    fraction: float,
    outcome: Outcome | None,
    failure: str = "",
) -> dict[str, Any]:
    """Return a row of ``trials.csv``.

    Args:
        trial: name of the trial.
        hyperparameters: hyperparameters that the search chose, by name.
        fraction: fraction of a full training run.
        outcome: outcome of the trial; None if the trial failed.
        failure: reason if the trial failed; otherwise empty.
    """
    row = {"trial": trial, "share": fraction, "score": outcome.score if outcome else None}
    if outcome:
        row |= {f"fold {number}": score for number, score in enumerate(outcome.folds, 1)}
        row |= {f"detail {name}": value for name, value in outcome.details.items()}
    row |= {f"hp {name}": value for name, value in hyperparameters.items()}
    return row | {"failed": failure}


def trials_table(trials: pd.DataFrame, objective: MeanOverFolds) -> str:
    """Return a Markdown table of all trials, best first, then the failed trials with their reasons.

    Args:
        trials: table as in ``trials.csv``.
        objective: objective of the search.
    """
    ordered = trials.sort_values("score", ascending=objective.goal == "min", kind="stable")
    folds = [column for column in trials.columns if column.startswith("fold ")]
    details = [column for column in trials.columns if column.startswith("detail ")]
    hyperparameters = [column for column in trials.columns if column.startswith("hp ")]
    columns = ["trial", "score", *folds, *details, *hyperparameters]
    names_without_prefix = [column.split(" ", 1)[1] for column in details + hyperparameters]
    header = ["trial", objective.name, *folds, *names_without_prefix]
    scored_rows = [row for _, row in ordered[ordered["score"].notna()].iterrows()]
    cells = [[_format_cell(row[column]) for column in columns] for row in scored_rows]
    if trials["share"].nunique() > 1:
        header.append("share")
        for row_cells, row in zip(cells, scored_rows, strict=True):
            row_cells.append(f"{row['share']:.2g}")
    text = markdown_table(header, cells)
    failed = trials[trials["failed"] != ""]
    return text + "".join(
        f"\nTrial {row['trial']} failed: {row['failed']}.\n" for _, row in failed.iterrows()
    )


def _format_cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.3g}".replace("-", "\N{MINUS SIGN}")
    return str(value)


BEST = "best.json"
"""Name of the file with the best settings, in the folder of the search."""
# Name of the baseline in tables and messages.
_BASELINE = "as it was"


class Search:
    """Hyperparameter search whose files are in a folder.

    Args:
        settings: search algorithm and its settings.
        trials: runs each trial once; its objective is prepared.
        space: function from KerasTuner's ``hp`` to settings.
        baseline: settings of the baseline, which is scored too.
        kind: kind of the settings, as in ``best.json``.
        folder: folder for ``trials.csv``, ``trials.md`` and ``best.json``.
        say: function that gets each line of output.
        parallel: number of trials that run at the same time.
    """

    def __init__(
        self,
        settings: SearchSettings,
        trials: Trials,
        space: Callable[[Any], Any],
        baseline: Any,
        kind: str,
        folder: Path,
        say: Callable[[str], None] = print,
        parallel: int = 1,
    ) -> None:
        check_range("parallel", parallel, 1)
        self._settings, self._trials, self._space = settings, trials, space
        self._objective, self._parallel = trials.objective, parallel
        self._baseline, self._kind, self._folder, self._say = baseline, kind, folder, say

    def run(self) -> dict[str, Any]:
        """Run all trials, then write the tables and the best settings.

        Returns:
            The content of ``best.json``.

        Raises:
            SearchError: if the search cannot continue, or no trial of a full training run has a
                score. The search can be resumed.
        """
        self._score_baseline()
        tuner = self._open_tuner()
        # KerasTuner then prints no traceback for a failed trial, which GuardedTuner reports itself.
        keras_tuner.src.config.DEBUG = False
        tuner.oracle.verbose = 0
        try:
            self._run_trials(tuner)
        except keras_tuner.errors.FatalError as error:
            raise error.__cause__ or error from None
        return self._write_results(tuner)

    def _open_tuner(self) -> GuardedTuner:
        """Read KerasTuner's files, or begin new ones if these are damaged.

        The outcomes of all trials are stored elsewhere. KerasTuner chooses the same trials again,
        and their stored outcomes are used.
        """
        folder = self._folder / "oracle"
        arguments = (self._settings, self._space, self._trials, folder, self._say)
        if not _is_incomplete(folder):
            # KerasTuner does not check the types of what it reads.
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                return GuardedTuner(*arguments)
        self._say("   KerasTuner's files are damaged; the stored outcomes are used again")
        shutil.rmtree(folder, ignore_errors=True)
        return GuardedTuner(*arguments)

    def _run_trials(self, tuner: GuardedTuner) -> None:
        if self._parallel == 1:
            tuner.search()
            return
        # Several tuners use the same oracle. Each tuner needs an ID of its own.
        tuners = [copy.copy(tuner) for _ in range(self._parallel)]
        for number, tuner_copy in enumerate(tuners):
            tuner_copy.tuner_id = f"{tuner.tuner_id}-{number}"
        # KerasTuner resumes a search only if the file of this tuner exists.
        tuner.save()
        pool = ThreadPoolExecutor(self._parallel)
        try:
            futures = [pool.submit(tuner_copy.search) for tuner_copy in tuners]
            for future in as_completed(futures):
                if future.exception():
                    tuner.stop()
        finally:
            # After Ctrl-C, do not wait for the running trials. The scheduler ends them.
            tuner.stop()
            pool.shutdown(wait=False)
        # Raise the exception of the first tuner that failed.
        for future in futures:
            future.result()

    def _score_baseline(self) -> None:
        try:
            outcome = self._trials.outcome_of(self._baseline, 1.0)
        except TrialFailedError as error:
            raise SearchError(f"the baseline gives no score: {error}") from error
        self._say(f"   {_BASELINE}: {self._objective.name} {outcome.score:.4g}")

    def _write_results(self, tuner: GuardedTuner) -> dict[str, Any]:
        table = self._table_of_trials(tuner)
        with replacing(self._folder / "trials.csv") as partial:
            table.to_csv(partial, index=False, lineterminator="\n")
        write_text(self._folder / "trials.md", trials_table(table, self._objective))
        full_runs = table[(table["share"] == 1.0) & table["score"].notna()]
        # The first row is the baseline.
        if len(full_runs) < 2:
            reasons = "; ".join(sorted(set(table["failed"]) - {""}))
            raise SearchError(
                f"no trial of a full training run gave a score: {reasons or 'none ran'}"
            )
        ranks = full_runs["score"].rank(ascending=self._objective.goal == "min", method="first")
        best = self._describe_best(full_runs.loc[ranks.idxmin()], full_runs, tuner)
        write_json(self._folder / BEST, best)
        return best

    def _table_of_trials(self, tuner: GuardedTuner) -> pd.DataFrame:
        """Return the content of ``trials.csv``: the baseline, then the trials by their ID."""
        task = self._trials.trial_of(self._baseline, 1.0)
        rows = [trial_row(_BASELINE, {}, 1.0, task.outcome()) | {"folder": task.folder.name}]
        for trial in sorted(tuner.oracle.trials.values(), key=lambda trial: trial.trial_id):
            # Names with a slash are KerasTuner's own values, such as "tuner/epochs".
            values = trial.hyperparameters.values
            hyperparameters = {name: value for name, value in values.items() if "/" not in name}
            try:
                task = tuner.task(trial)
                outcome, failure, folder = task.outcome(), "", task.folder.name
            except TrialFailedError as error:
                outcome, failure, folder = None, str(error), ""
            fraction = tuner.fraction(trial)
            row = trial_row(trial.trial_id, hyperparameters, fraction, outcome, failure)
            rows.append(row | {"folder": folder})
        return pd.DataFrame(rows)

    def _describe_best(
        self, best_row: pd.Series, full_runs: pd.DataFrame, tuner: GuardedTuner
    ) -> dict[str, Any]:
        """Return the content of ``best.json``."""
        trial = tuner.oracle.trials.get(best_row["trial"])
        settings = self._space(trial.hyperparameters) if trial else self._baseline
        return {
            "kind": self._kind,
            "settings": plain(asdict(settings)),
            "trial": best_row["trial"],
            "score": {
                "name": self._objective.name,
                "goal": self._objective.goal,
                "value": float(best_row["score"]),
                _BASELINE: float(full_runs.iloc[0]["score"]),
            },
            "trials": len(full_runs) - 1,
        }


def _is_incomplete(folder: Path) -> bool:
    """Return whether KerasTuner's files are incomplete.

    KerasTuner does not write files atomically. So a killed process can leave partial files.
    """
    oracle_file = folder / "oracle.json"
    if not oracle_file.exists():
        return folder.exists()
    try:
        trials_of_oracle = set(read_json(oracle_file)["start_order"])
        for trial_file in folder.glob("trial_*/trial.json"):
            read_json(trial_file)
    except (ValueError, KeyError, TypeError):
        return True
    files = folder.glob("trial_*/*")
    return {file.parent.name.removeprefix("trial_") for file in files} != trials_of_oracle
