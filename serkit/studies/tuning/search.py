"""A search from its first trial to the best settings, and the table of its trials."""

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
    trial: str, values: dict[str, Any], share: float, found: Outcome | None, failed: str = ""
) -> dict[str, Any]:
    """Return a row of ``trials.csv``.

    Args:
        trial: name of the trial.
        values: hyperparameters that the search chose, by name.
        share: fraction of a full training run.
        found: outcome of the trial; None if it failed.
        failed: why the trial failed; empty if it did not.
    """
    row = {"trial": trial, "share": share, "score": found.score if found else None}
    if found:
        row |= {f"fold {number}": score for number, score in enumerate(found.folds, 1)}
        row |= {f"detail {name}": value for name, value in found.details.items()}
    row |= {f"hp {name}": value for name, value in values.items()}
    return row | {"failed": failed}


def trials_table(trials: pd.DataFrame, objective: MeanOverFolds) -> str:
    """Return a Markdown table of all trials, best first, then the failed trials with their reasons.

    Args:
        trials: table as in ``trials.csv``.
        objective: objective of the search.
    """
    ordered = trials.sort_values("score", ascending=objective.goal == "min", kind="stable")
    folds = [name for name in trials.columns if name.startswith("fold ")]
    values = [name for name in trials.columns if name.startswith("hp ")]
    details = [name for name in trials.columns if name.startswith("detail ")]
    names = ["trial", "score", *folds, *details, *values]
    shared = trials["share"].nunique() > 1
    shown = [name.split(" ", 1)[1] for name in details + values]
    head = ["trial", objective.name, *folds, *shown]
    rows = [
        [_cell(row[name]) for name in names] + ([f"{row['share']:.2g}"] if shared else [])
        for _, row in ordered[ordered["score"].notna()].iterrows()
    ]
    text = markdown_table([*head, *(["share"] if shared else [])], rows)
    failed = trials[trials["failed"] != ""]
    return text + "".join(
        f"\nTrial {row['trial']} failed: {row['failed']}.\n" for _, row in failed.iterrows()
    )


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.3g}".replace("-", "\N{MINUS SIGN}")
    return str(value)


BEST = "best.json"
_BASE = "as it was"


class Search:
    """Hyperparameter search whose files are in a folder.

    Args:
        settings: search algorithm and its settings.
        trials: runs each trial once; its objective is prepared.
        space: function from ``hp`` to settings.
        base: settings of the baseline, which is scored too.
        kind: kind of the settings, as in ``best.json``.
        folder: folder for ``trials.csv``, ``trials.md`` and ``best.json``.
        say: function that gets each line of output.
        parallel: number of trials at a time, for an engine that can run several.
    """

    def __init__(
        self,
        settings: SearchSettings,
        trials: Trials,
        space: Callable[[Any], Any],
        base: Any,
        kind: str,
        folder: Path,
        say: Callable[[str], None] = print,
        parallel: int = 1,
    ) -> None:
        check_range("parallel", parallel, 1)
        self._settings, self._trials, self._space = settings, trials, space
        self._objective, self._parallel = trials.objective, parallel
        self._base, self._kind, self._folder, self._say = base, kind, folder, say

    def run(self) -> dict[str, Any]:
        """Run all trials, then write the tables and the best settings.

        Returns:
            The content of ``best.json``.

        Raises:
            SearchError: if the search cannot continue, or no trial of a full training run has a
                score. The search can be resumed.
        """
        kept = self._folder / "oracle"
        if _is_damaged(kept):
            # The outcomes of all trials are stored elsewhere. KerasTuner chooses the same trials
            # again, and their stored outcomes are used.
            self._say("   KerasTuner's files are damaged; the stored outcomes are used again")
            shutil.rmtree(kept)
        self._score_base()
        tuner = GuardedTuner(self._settings, self._space, self._trials, kept, self._say)
        # KerasTuner then prints no traceback for a failed trial, which GuardedTuner reports itself.
        keras_tuner.src.config.DEBUG = False
        tuner.oracle.verbose = 0
        try:
            self._run_trials(tuner)
        except keras_tuner.errors.FatalError as error:
            raise error.__cause__ or error from None
        return self._results(tuner)

    def _run_trials(self, tuner: GuardedTuner) -> None:
        if self._parallel == 1:
            tuner.search()
            return
        # Several tuners use the same oracle. Each needs an ID of its own, as workers do.
        tuners = [copy.copy(tuner) for _ in range(self._parallel)]
        for number, one in enumerate(tuners):
            one.tuner_id = f"{tuner.tuner_id}-{number}"
        # KerasTuner resumes a search only if the file of this tuner exists.
        tuner.save()
        with ThreadPoolExecutor(self._parallel) as pool:
            running = [pool.submit(one.search) for one in tuners]
            for one in as_completed(running):
                if one.exception():
                    tuner.stop()
        for one in running:
            one.result()

    def _score_base(self) -> None:
        try:
            found = self._trials.get(self._base, 1.0)
        except TrialFailedError as error:
            raise SearchError(f"the baseline gives no score: {error}") from error
        self._say(f"   {_BASE}: {self._objective.name} {found.score:.4g}")

    def _results(self, tuner: GuardedTuner) -> dict[str, Any]:
        base = self._trials.of(self._base, 1.0)
        rows = [trial_row(_BASE, {}, 1.0, base.outcome()) | {"folder": base.place.name}]
        trials = sorted(tuner.oracle.trials.values(), key=lambda trial: trial.trial_id)
        for trial in trials:
            values = trial.hyperparameters.values
            values = {name: value for name, value in values.items() if "/" not in name}
            try:
                task = tuner.task(trial)
                found, failed, folder = task.outcome(), "", task.place.name
            except TrialFailedError as error:
                found, failed, folder = None, str(error), ""
            row = trial_row(trial.trial_id, values, tuner.share(trial), found, failed)
            rows.append(row | {"folder": folder})
        table = pd.DataFrame(rows)
        with replacing(self._folder / "trials.csv") as partial:
            table.to_csv(partial, index=False, lineterminator="\n")
        write_text(self._folder / "trials.md", trials_table(table, self._objective))
        whole = table[(table["share"] == 1.0) & table["score"].notna()]
        if len(whole) < 2:
            reasons = "; ".join(sorted(set(table["failed"]) - {""}))
            raise SearchError(
                f"no trial of a full training run gave a score: {reasons or 'none ran'}"
            )
        order = whole["score"].rank(ascending=self._objective.goal == "min", method="first")
        return self._best(whole.loc[order.idxmin()], whole, tuner)

    def _best(self, row: pd.Series, whole: pd.DataFrame, tuner: GuardedTuner) -> dict[str, Any]:
        trial = tuner.oracle.trials.get(row["trial"])
        settings = self._space(trial.hyperparameters) if trial else self._base
        found = {
            "kind": self._kind,
            "settings": plain(asdict(settings)),
            "trial": row["trial"],
            "score": {"name": self._objective.name, "goal": self._objective.goal},
            "trials": len(whole) - 1,
        }
        found["score"] |= {"value": float(row["score"]), _BASE: float(whole.iloc[0]["score"])}
        write_json(self._folder / BEST, found)
        return found


def _is_damaged(folder: Path) -> bool:
    """Return whether KerasTuner's files are incomplete.

    KerasTuner does not write files atomically. So a killed process can leave partial files.
    """
    file = folder / "oracle.json"
    if not file.exists():
        return folder.exists()
    try:
        known = set(read_json(file)["start_order"])
        trials = {path.parent.name.removeprefix("trial_") for path in folder.glob("trial_*/*")}
        for path in folder.glob("trial_*/trial.json"):
            read_json(path)
    except (ValueError, KeyError):
        return True
    return trials != known
