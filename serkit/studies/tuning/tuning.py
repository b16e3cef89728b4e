"""Run a whole search: its folder, workers and tables."""

import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from serkit.errors import InputError
from serkit.files import read_json
from serkit.progress import Progress
from serkit.serialization import plain, recorded
from serkit.studies.run_folder import Run
from serkit.studies.search_spaces import bayesian_space, compact_space, dcgan_space, wgan_gp_space
from serkit.studies.tuning.classifier_objective import (
    BayesianObjective,
    ClassifierObjective,
    ClassifierSearch,
)
from serkit.studies.tuning.gan_objective import GanObjective, GanSearch
from serkit.studies.tuning.inner import MeanOverFolds
from serkit.studies.tuning.records import SearchSettings
from serkit.studies.tuning.search import BEST, Search
from serkit.studies.tuning.tuner import Trials
from serkit.studies.tuning.workers import WORKER, Crew, Member, follow_parent
from serkit.tasks.graph import Engine, LocalEngine

Space = Callable[[Any, Any], Any]
_KINDS: dict[str, tuple[Space, type[MeanOverFolds], type]] = {
    "classifier": (compact_space, ClassifierObjective, ClassifierSearch),
    "bayesian": (bayesian_space, BayesianObjective, ClassifierSearch),
    "dcgan": (dcgan_space, GanObjective, GanSearch),
    "wgan-gp": (wgan_gp_space, GanObjective, GanSearch),
}
SPACES = {kind: space for kind, (space, *_) in _KINDS.items()}
"""Search spaces by kind: functions from ``hp`` and the settings of the baseline to settings."""


def make_objective(kind: str, search: ClassifierSearch | GanSearch, folder: Path) -> MeanOverFolds:
    """Return the objective for settings of a kind.

    Args:
        kind: key of :data:`SPACES`.
        search: data and training settings for the same kind.
        folder: folder for the files that all trials need, such as spectrograms.

    Raises:
        InputError: if ``search`` is for another kind.
    """
    _, objective, wanted = _KINDS[kind]
    if not isinstance(search, wanted) or getattr(search, "kind", kind) != kind:
        raise InputError(f"`search` must be a {wanted.__name__} for {kind}. Received: {search!r}.")
    return objective(search, folder)


def tune(
    kind: str,
    search: ClassifierSearch | GanSearch,
    settings: SearchSettings,
    out: Path,
    progress: Progress | None = None,
    engine: Engine | None = None,
    parallel: int = 1,
) -> dict[str, Any] | None:
    """Run a hyperparameter search; a second call resumes an interrupted search.

    If KerasTuner's environment variables are set, this process is the chief of a search, or a
    worker, see :mod:`serkit.studies.tuning.workers`.

    Args:
        kind: key of :data:`SPACES`.
        search: data and training settings.
        settings: search algorithm and its settings.
        out: run folder for ``best.json``, ``trials.csv`` and ``trials.md``.
        progress: reports progress to the user.
        engine: scheduler that runs the trials; default: in this process.
        parallel: number of trials at a time, for an engine that can run several.

    Returns:
        The content of ``best.json``, see
        :class:`serkit.studies.tuning.search.Search`; None for a worker.

    Raises:
        SearchError: if the search cannot continue or gives no score; the message says why.
        ResumeError: if the folder was made with other settings, or another process uses it.
        InputError: if recordings or settings are not valid.
    """
    progress = progress or Progress()
    follow_parent()
    objective = make_objective(kind, search, out)
    engine = engine or LocalEngine()
    if parallel > 1 and isinstance(engine, LocalEngine):
        raise InputError(
            f"`parallel` must be 1 with the local engine. Received: {parallel}. Use --engine ray."
        )
    trials = Trials(objective, functools.partial(make_objective, kind, search), out, engine)
    base = objective.base
    made = Search(
        settings,
        trials,
        space=lambda hp: SPACES[kind](hp, base),
        base=base,
        kind=kind,
        folder=out,
        say=progress.say,
        parallel=parallel,
    )
    if Member.of_environment().role == WORKER:
        # Only the chief locks the run folder.
        return made.run()
    wanted = {
        "kind": kind,
        "search": recorded(search, ("naming", "live")),
        "how": plain(asdict(settings)),
    }
    with Run(out, wanted) as run:
        try:
            return made.run()
        finally:
            if trials.any_known():
                run.begin_work()


def tune_with_workers(
    command: Sequence[str], workers: int, out: Path, progress: Progress | None = None
) -> dict[str, Any]:
    """Run a search with a chief and several workers on this machine; return ``best.json``.

    Args:
        command: arguments of ``serkit`` that call :func:`tune` for this folder.
        workers: number of workers, at least 1.
        out: run folder; the output of each process is written to its subfolder ``logs``.
        progress: reports progress to the user.

    Raises:
        SearchError: if a process fails or is killed too often; the message has the last line of its
            output.
        InputError: if ``workers`` is below 1.
    """
    progress = progress or Progress()
    Crew([sys.executable, "-m", "serkit", *command], workers, out / "logs", progress.say).run()
    return read_json(out / BEST)
