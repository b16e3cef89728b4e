"""A comparison's pieces of work in other processes than that of the comparison."""

import functools
import pickle
from pathlib import Path

from serkit.comparison.engine import Comparison
from serkit.comparison.settings import CompareSettings
from serkit.grid.engine import Workshop
from serkit.grid.work import Work
from serkit.progress import Silent


def workshop_of(comparison: Comparison) -> Workshop:
    """What an engine needs to do a comparison's work elsewhere."""
    return Workshop(
        functools.partial(reopened, comparison.settings),
        comparison.out,
        comparison.cache,
        inputs=(("out", "manifest.csv"), ("cache", "spectrograms")),
    )


def reopened(settings: CompareSettings, out: Path, cache: Path, name: str) -> Work:
    """A piece of a comparison's work.

    Args:
        settings: of the comparison.
        out: the run folder, with the manifest.
        cache: with the spectrograms, and with what the piece needs.
        name: of the piece, its place below ``cache``.

    Raises:
        InputError: if there is no such piece.
    """
    return _comparison(pickle.dumps(settings), out, cache).work_at(name)


@functools.lru_cache(maxsize=1)
def _comparison(settings: bytes, out: Path, cache: Path) -> Comparison:
    return Comparison(pickle.loads(settings), out, cache, Silent())
