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
from serkit.studies.tuning.inner import OverFolds
from serkit.studies.tuning.records import SearchSettings
from serkit.studies.tuning.search import BEST, Search
from serkit.studies.tuning.tuner import Trials
from serkit.studies.tuning.workers import WORKER, Crew, Member, follow_parent
from serkit.tasks.graph import Engine, LocalEngine

CLASSIFIER, BAYESIAN, DCGAN, WGAN_GP = "classifier", "bayesian", "dcgan", "wgan-gp"
SPACES: dict[str, Callable[[Any, Any], Any]] = {
    CLASSIFIER: compact_space,
    BAYESIAN: bayesian_space,
    DCGAN: dcgan_space,
    WGAN_GP: wgan_gp_space,
}
"""Search spaces, from ``hp`` and the settings to be beaten to settings."""


def make_objective(kind: str, search: ClassifierSearch | GanSearch, folder: Path) -> OverFolds:
    """What settings of a kind are scored by.

    Args:
        kind: key of :data:`SPACES`.
        search: of the same kind.
        folder: gets what all trials share.

    Raises:
        InputError: if the search is one of something else.
    """
    objectives = {
        CLASSIFIER: (ClassifierObjective, ClassifierSearch),
        BAYESIAN: (BayesianObjective, ClassifierSearch),
        DCGAN: (GanObjective, GanSearch),
        WGAN_GP: (GanObjective, GanSearch),
    }
    objective, wanted = objectives[kind]
    if not isinstance(search, wanted) or getattr(search, "kind", kind) != kind:
        raise InputError(f"{search!r} is no search for {kind}; valid is {wanted.__name__}")
    return objective(search, folder)


def space_of(kind: str, base: Any) -> Callable[[Any], Any]:
    """The search space around settings, from ``hp`` to settings."""
    return functools.partial(_asked, SPACES[kind], base)


def _asked(space: Callable[[Any, Any], Any], base: Any, hp: Any) -> Any:
    return space(hp, base)


def tune(
    kind: str,
    search: ClassifierSearch | GanSearch,
    settings: SearchSettings,
    out: Path,
    progress: Progress | None = None,
    engine: Engine | None = None,
    parallel: int = 1,
) -> dict[str, Any] | None:
    """Search for settings; a second call goes on where the first was killed.

    With KerasTuner's variables in the environment this process is the chief of a search, or a
    worker, see :mod:`serkit.studies.tuning.workers`.

    Args:
        kind: key of :data:`SPACES`.
        search: what is trained on what, and scored by what.
        settings: how the search goes about it.
        out: run folder; gets ``best.json``, ``trials.csv`` and ``trials.md``.
        progress: says what is being done.
        engine: where trials are run; default: in this process.
        parallel: how many at a time, where the engine has room for several.

    Returns:
        What ``best.json`` holds, see
        :class:`serkit.studies.tuning.search.Search`; None of a worker.

    Raises:
        SearchError: if the search cannot go on, or nothing came of it; the message says why.
        ResumeError: if the folder was made with other settings.
        InputError: for recordings or settings that do not work.
    """
    progress = progress or Progress()
    follow_parent()
    objective = make_objective(kind, search, out)
    engine = engine or LocalEngine()
    if parallel > 1 and isinstance(engine, LocalEngine):
        raise InputError(f"parallel={parallel} with the local engine; valid is 1, or --engine ray")
    trials = Trials(objective, functools.partial(make_objective, kind, search), out, engine)
    made = Search(
        *(settings, trials, space_of(kind, objective.base), objective.base, kind, out),
        *(progress.say, parallel),
    )
    if Member.of_environment().role == WORKER:
        # The folder is the chief's.
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
    """The same by a chief and workers on this machine.

    Args:
        command: of ``serkit`` that calls :func:`tune` for this folder.
        workers: how many.
        out: run folder; gets what each of them says in ``logs/``, too.
        progress: says what is being done.

    Raises:
        SearchError: if one of them fails by itself, with the last it said, or is killed too often.
    """
    progress = progress or Progress()
    Crew([sys.executable, "-m", "serkit", *command], workers, out / "logs", progress.say).run()
    return read_json(out / BEST)
