"""Run a whole search in its run folder."""

import functools
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from serkit.errors import InputError
from serkit.progress import Progress
from serkit.seeds import derive_seed
from serkit.serialization import plain, recorded
from serkit.studies.run_folder import RunFolder
from serkit.studies.search_spaces import bayesian_space, compact_space, dcgan_space, wgan_gp_space
from serkit.studies.tuning.classifier_objective import (
    BayesianObjective,
    ClassifierObjective,
    ClassifierSearch,
)
from serkit.studies.tuning.gan_objective import GanObjective, GanSearch
from serkit.studies.tuning.inner import MeanOverFolds
from serkit.studies.tuning.records import SearchSettings
from serkit.studies.tuning.search import Search
from serkit.studies.tuning.tuner import Trials
from serkit.tasks.graph import Engine, LocalEngine

Space = Callable[[Any, Any], Any]
# For each kind of settings: search space, class of the objective, class of the data settings.
_KINDS: dict[str, tuple[Space, type[MeanOverFolds], type]] = {
    "classifier": (compact_space, ClassifierObjective, ClassifierSearch),
    "bayesian": (bayesian_space, BayesianObjective, ClassifierSearch),
    "dcgan": (dcgan_space, GanObjective, GanSearch),
    "wgan-gp": (wgan_gp_space, GanObjective, GanSearch),
}
SPACES = {kind: space for kind, (space, _, _) in _KINDS.items()}
"""Search spaces by kind: functions from ``hp`` and the settings of the baseline to settings."""


def make_objective(kind: str, search: ClassifierSearch | GanSearch, folder: Path) -> MeanOverFolds:
    """Return the objective for settings of a kind, and make TensorFlow's operations deterministic.

    Every process that runs trials calls this function.

    Args:
        kind: key of :data:`SPACES`.
        search: data and training settings for the same kind.
        folder: folder for the files that all trials need, such as spectrograms.

    Raises:
        InputError: if ``search`` is for another kind.
    """
    _, objective_class, search_class = _KINDS[kind]
    if not isinstance(search, search_class) or getattr(search, "kind", kind) != kind:
        raise InputError(
            f"`search` must be a {search_class.__name__} for {kind}. Received: {search!r}."
        )
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(derive_seed(search.seed, "global"))
    return objective_class(search, folder)


def tune(
    kind: str,
    search: ClassifierSearch | GanSearch,
    settings: SearchSettings,
    out: Path,
    progress: Progress | None = None,
    engine: Engine | None = None,
    parallel: int = 1,
) -> dict[str, Any]:
    """Run a hyperparameter search; a second call resumes an interrupted search.

    Args:
        kind: key of :data:`SPACES`.
        search: data and training settings.
        settings: search algorithm and its settings.
        out: run folder for ``best.json``, ``trials.csv`` and ``trials.md``.
        progress: reports progress to the user.
        engine: scheduler that runs the trials; default: in this process.
        parallel: number of trials that run at the same time; must be 1 with the local engine.

    Returns:
        The content of ``best.json``, see :class:`serkit.studies.tuning.search.Search`.

    Raises:
        SearchError: if the search cannot continue or gives no score; the message says why.
        ResumeError: if the folder was made with other settings, or another process uses it.
        InputError: if recordings or settings are not valid.
    """
    progress = progress or Progress()
    objective = make_objective(kind, search, out)
    engine = engine or LocalEngine()
    if parallel > 1 and type(engine) is LocalEngine:
        raise InputError(
            f"`parallel` must be 1 with the local engine. Received: {parallel}. Use --engine ray."
        )
    trials = Trials(objective, functools.partial(make_objective, kind, search), out, engine)
    baseline = objective.baseline
    hyperparameter_search = Search(
        settings,
        trials,
        space=lambda hp: SPACES[kind](hp, baseline),
        baseline=baseline,
        kind=kind,
        folder=out,
        say=progress.say,
        parallel=parallel,
    )
    wanted = {
        "kind": kind,
        "search": recorded(search, ("naming", "live")),
        "how": plain(asdict(settings)),
    }
    with RunFolder(out, wanted) as run:
        objective.prepare()
        run.begin_work()
        return hyperparameter_search.run()
