"""Run a whole search in its run folder."""

import functools
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import tensorflow as tf

from serkit.errors import InputError
from serkit.models.fitting import FitSettings
from serkit.progress import Progress
from serkit.seeds import derive_seed
from serkit.serialization import plain, recorded
from serkit.studies.gan_kinds import KINDS
from serkit.studies.run_folder import RunFolder
from serkit.studies.search_spaces import (
    bayesian_space,
    compact_space,
    dcgan_space,
    head_space,
    wgan_gp_space,
)
from serkit.studies.tuning.classifier_objective import (
    BayesianObjective,
    ClassifierObjective,
    ClassifierSearch,
)
from serkit.studies.tuning.gan_objective import GanObjective, GanSearch
from serkit.studies.tuning.head_objective import HeadObjective, HeadSearch
from serkit.studies.tuning.inner import MeanOverFolds
from serkit.studies.tuning.records import HYPERBAND, SearchSettings
from serkit.studies.tuning.search import Search
from serkit.studies.tuning.tuner import Trials
from serkit.tasks.graph import Engine, LocalEngine

# A GAN's training run is not measured by epochs.
_EXAMPLE_PARTS = 30
HEAD = "head"
"""Kind of the search over linear classifiers of features."""
AnySearch = ClassifierSearch | HeadSearch | GanSearch
Space = Callable[[Any, Any], Any]
# For each kind of settings: search space, class of the objective, class of the data settings.
_KINDS: dict[str, tuple[Space, type[MeanOverFolds], type]] = {
    "classifier": (compact_space, ClassifierObjective, ClassifierSearch),
    HEAD: (head_space, HeadObjective, HeadSearch),
    "bayesian": (bayesian_space, BayesianObjective, ClassifierSearch),
    "dcgan": (dcgan_space, GanObjective, GanSearch),
    "wgan-gp": (wgan_gp_space, GanObjective, GanSearch),
}
SPACES = {kind: space for kind, (space, _, _) in _KINDS.items()}
"""Search spaces by kind: functions from ``hp`` and the settings of the baseline to settings."""


def make_objective(kind: str, search: AnySearch, folder: Path) -> MeanOverFolds:
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


def print_estimate(
    kind: str, search: AnySearch, settings: SearchSettings, progress: Progress
) -> None:
    """Print how long a search takes, by the measured time of two parts of a training run.

    The time is that of the baseline's settings; those of a trial may take longer or less long. What
    all trials start from, such as sample filters, is left out.

    Args:
        kind: key of :data:`SPACES`.
        search: data and training settings.
        settings: search algorithm and its settings.
        progress: reports progress to the user.

    Raises:
        InputError: if recordings or settings are not valid.
    """
    # As short as possible, since the networks that trials start from are not measured.
    short = {"fit": FitSettings(epochs=1, steps_per_epoch=1)} if kind in KINDS else {}
    short |= {"epochs": 1} if kind == "bayesian" else {}
    with TemporaryDirectory() as temporary:
        objective = make_objective(kind, replace(search, **short), Path(temporary))
        with progress.stage("recordings and folds"):
            objective.prepare()
        baseline = objective.baseline
        epochs = baseline.fit.epochs if hasattr(baseline, "fit") else _EXAMPLE_PARTS
        # A linear classifier is fitted at once.
        epochs = 1 if kind == HEAD else epochs
        seconds = []
        for parts in (1, 2)[:epochs]:
            progress.say(f"measuring {parts} of {epochs} parts of a training run")
            start = time.monotonic()
            folder = Path(temporary, f"measured-{parts}")
            objective.measure_fold(objective.folds[0], baseline, parts / epochs, folder, 0)
            seconds.append(time.monotonic() - start)
    first, both = seconds[0], seconds[-1]
    # The first part includes the time to compile, once in each fold of each trial.
    per_fold = first + max(0.0, both - first) * (epochs - 1)
    # The search scores the baseline, too.
    runs = settings.full_runs + 1
    progress.say(
        f"to do, about: {runs:.0f} full training runs on each of {search.folds} folds, "
        f"{runs * search.folds * per_fold / 60:.0f} minutes"
    )


def tune(
    kind: str,
    search: AnySearch,
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
    if kind == HEAD and settings.algorithm == HYPERBAND:
        raise InputError(
            "`algorithm` must be random or bayesian for head, which is fitted at once: hyperband "
            "compares shorter training runs. Received: hyperband."
        )
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
        with progress.stage("recordings, folds, and what all trials start from"):
            objective.prepare()
        run.begin_work()
        return hyperparameter_search.run()
