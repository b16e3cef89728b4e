"""The whole search: its folder, its members, its tables."""

import functools
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from serkit.errors import InputError
from serkit.files import read_json
from serkit.grid.engine import Engine, LocalEngine
from serkit.progress import Progress
from serkit.runs import Run
from serkit.tuning.classifier_objective import ClassifierSearch
from serkit.tuning.gan_objective import GanSearch
from serkit.tuning.kinds import make_objective, space_of
from serkit.tuning.search import BEST, Search
from serkit.tuning.settings import SearchSettings
from serkit.tuning.trials import Trials
from serkit.tuning.workers import WORKER, Crew, Member, follow_parent
from serkit.values import plain, recorded


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
    worker, see :mod:`serkit.tuning.workers`.

    Args:
        kind: key of :data:`serkit.tuning.kinds.SPACES`.
        search: what is trained on what, and scored by what.
        settings: how the search goes about it.
        out: run folder; gets ``best.json``, ``trials.csv`` and ``trials.md``.
        progress: says what is being done.
        engine: where trials are run; default: in this process.
        parallel: how many at a time, where the engine has room for several.

    Returns:
        What ``best.json`` holds, see :class:`serkit.tuning.search.Search`; None of a worker.

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
