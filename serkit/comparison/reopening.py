"""A comparison's pieces of work in other processes than that of the comparison."""

import functools
import pickle
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from serkit.comparison.audio import AudioPart
from serkit.comparison.engine import Comparison
from serkit.comparison.recordings import open_corpus
from serkit.comparison.settings import CompareSettings
from serkit.comparison.store import AUDIO
from serkit.comparison.views import Views
from serkit.errors import InputError
from serkit.grid.engine import Workshop
from serkit.grid.work import Work
from serkit.progress import Silent


def workshop_of(comparison: Comparison) -> Workshop:
    """What an engine needs to do a comparison's work elsewhere."""
    return Workshop(
        functools.partial(reopened, comparison.settings),
        comparison.out,
        comparison.cache,
        inputs=(("out", "manifest.csv"), ("out", "roots.json")),
        sources=sources_of,
    )


def sources_of(work: Work) -> Mapping[str, Path]:
    """The recordings that a piece reads, see :class:`serkit.grid.engine.Workshop`.

    Raises:
        RecordingError: if one cannot be read; the message names it.
    """
    return work.sources if isinstance(work, AudioPart) else {}


def reopened(settings: CompareSettings, out: Path, cache: Path, name: str) -> Work:
    """A piece of a comparison's work.

    Args:
        settings: of the comparison.
        out: the run folder, with the manifest.
        cache: with what the piece needs.
        name: of the piece, its place below ``cache``.

    Raises:
        InputError: if there is no such piece.
    """
    given = pickle.dumps(settings), out, cache
    if Path(name).parts[0] == AUDIO:
        # Who is tested, and what is rare, is nothing to spectrograms.
        return _find(_views(*given), cache / name)
    return _comparison(*given).work_at(name)


def _find(views: Views, place: Path) -> AudioPart:
    for part in views.parts(views):
        if part.place == place:
            return part
    raise InputError(
        f"no spectrograms of this comparison are at {place.name}; its clips are others"
    )


@functools.lru_cache(maxsize=1)
def _views(settings: bytes, out: Path, cache: Path) -> Views:
    # As for all of a comparison.
    tf.config.experimental.enable_op_determinism()
    wanted = pickle.loads(settings)
    return Views(wanted, open_corpus(wanted, out, Silent()), out, cache)


@functools.lru_cache(maxsize=1)
def _comparison(settings: bytes, out: Path, cache: Path) -> Comparison:
    return Comparison(pickle.loads(settings), out, cache, Silent())
