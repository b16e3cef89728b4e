"""Spectrograms of a comparison's clips, computed as tasks and kept in one store.

The store goes by clips' content, so that comparisons which share a folder of results find what any
of them computed, however the clips were divided into tasks. A task's own folder has links to the
files of the store that its clips are in, or, if it was done on a machine that has another disk, the
files themselves. So what is removed from the store is no longer done, and other machines get what
they need alone.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from serkit.audio.augmentation import WaveAugmentation
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.augmentation.arms import choose_arms
from serkit.datasets.corpus import Corpus
from serkit.errors import RecordingError
from serkit.files import replacing
from serkit.serialization import content_key
from serkit.studies.comparison_settings import CompareSettings
from serkit.studies.parts import live_spectrograms
from serkit.training.cache import ArrayCache
from serkit.training.live import LiveSpectrograms
from serkit.training.shards import Rows
from serkit.training.spectrograms import compute_spectrograms, open_cache

AUDIO, STORE = "audio", "spectrograms"
"""Names of the folders of all such tasks and of the store, in that of all results."""
_FILES = "spectrograms-*.npy"


def link(path: Path, place: Path) -> None:
    """Have a link to a file of the store in a task's folder; a copy, where there are no links.

    Args:
        path: of the file.
        place: a folder in that of all tasks; made if it is not there.
    """
    place.mkdir(parents=True, exist_ok=True)
    here = place / path.name
    try:
        here.symlink_to(Path("..", "..", STORE, path.name))
    except FileExistsError:
        # From before, or of another process.
        return
    except OSError:
        with replacing(here) as partial:
            shutil.copyfile(path, partial)


def remove_dead_links(place: Path) -> None:
    """Remove links to files that are not in the store any more."""
    for path in place.glob(_FILES):
        if not path.exists():
            path.unlink(missing_ok=True)


def take_in(folder: Path) -> None:
    """Move what came from other machines into the store, with links in its place.

    Args:
        folder: of all results; no other process works in it.
    """
    for path in list((folder / AUDIO).glob(f"*/{_FILES}")):
        if not path.is_symlink():
            kept = folder / STORE / path.name
            kept.parent.mkdir(parents=True, exist_ok=True)
            path.replace(kept)
            link(kept, path.parent)


# The folder, in the run folder of a machine that has no recordings, of copies of them.
_COPIES = "recordings"


@dataclass(frozen=True, eq=False)
class AudioPart:
    """Clips whose spectrograms are to be computed.

    They are kept in the store of all clips; the task's own folder has links to them, see
    :mod:`serkit.studies.comparison_spectrograms`.

    Attributes:
        clips: in the order of the corpus.
        first: number of the first one in it, from 1.
        speed: that recordings are played at.
        spec: of the spectrograms.
        out: the run folder.
        folder: that all results are kept in.
    """

    clips: Corpus
    first: int
    speed: float
    spec: SpectrogramSpec
    out: Path
    folder: Path

    needs: tuple[Path, ...] = ()
    failure: None = None
    """A recording that cannot be read ends the run: it is not these settings' fault."""

    @property
    def title(self) -> str:
        """For people."""
        last = self.first + len(self.clips) - 1
        return f"spectrograms-{self.first}-to-{last}-speed-{self.speed:g}"

    @cached_property
    def key(self) -> str:
        """Changes with the clips' sound, the spec and the speed; not with labels or paths."""
        return content_key(clips=self.digests, spec=asdict(self.spec), speed=self.speed)

    @cached_property
    def digests(self) -> list[str]:
        """What the clips are known by."""
        return [clip.sha256 for clip in self.clips.clips]

    @cached_property
    def place(self) -> Path:
        """Its own folder."""
        return self.folder / AUDIO / f"speed-{self.speed:g}-{self.key}"

    @property
    def is_done(self) -> bool:
        """Whether all are there; by the files' indexes, not by what is in them."""
        return not self._own.missing(self.digests)

    @property
    def sources(self) -> dict[str, Path]:
        """The recordings, by the names that copies of them have in the run folder.

        Raises:
            RecordingError: if one is not there or must not be read; the message names it.
        """
        found = {f"{_COPIES}/{clip.sha256}": self.clips.file(clip) for clip in self.clips.clips}
        for path in found.values():
            if not (path.is_file() and os.access(path, os.R_OK)):
                raise RecordingError(f"a recording cannot be read: {path}")
        return found

    def store(self) -> ArrayCache:
        """The store that all comparisons of a folder share."""
        return open_cache(self.folder / STORE, self.spec, speed=self.speed)

    def run(self, verbose: int) -> None:
        """Compute what the store lacks.

        Raises:
            RecordingError: if a recording cannot be read or decoded; the message names it.
            OSError: if they cannot be written.
        """
        self._computed()
        # Held from now on, so that no other task's are put in their place.
        if not self.is_done:
            raise OSError(f"{self.place} does not keep what is written to it")

    def rows(self) -> Rows:
        """Spectrograms ``(clips, frames, bins, 1)`` in [-1, 1]; what is missing is computed.

        Raises:
            RecordingError: as :meth:`run`.
            OSError: as :meth:`run`.
        """
        found = self._own.read(self.digests)
        return self._computed() if found is None else found

    def link(self, store: ArrayCache) -> None:
        """Have links to the files of the store that the clips are in."""
        remove_dead_links(self.place)
        for path in store.files(self.digests):
            link(path, self.place)

    @cached_property
    def _own(self) -> ArrayCache:
        return open_cache(self.place, self.spec, speed=self.speed)

    def _computed(self) -> Rows:
        store = self.store()
        try:
            found = compute_spectrograms(self._readable(), self.spec, cache=store, speed=self.speed)
        except RecordingError as error:
            raise RecordingError(self._of_originals(str(error))) from error
        self.link(store)
        return found

    def _readable(self) -> Corpus:
        """The clips where they can be read: copies, if this machine was given some."""
        copies = self.out / _COPIES
        clips = tuple(
            replace(clip, root=_COPIES, path=clip.sha256)
            if (copies / clip.sha256).exists()
            else clip
            for clip in self.clips.clips
        )
        return Corpus(clips, {**self.clips.roots, _COPIES: copies})

    def _of_originals(self, text: str) -> str:
        for clip in self.clips.clips:
            copy = str(self.out / _COPIES / clip.sha256)
            text = text.replace(copy, str(self.clips.file(clip)))
        return text


# Some seconds each; a whole number of the store's files, so that each file is of one part.
_PART = 512


class Views:
    """Spectrograms by speed, 1 first; opened when they are asked for.

    They are computed in parts, each a task of its own.

    Args:
        settings: of the comparison.
        corpus: audited clips.
        out: the run folder.
        cache: folder of all results.
        size: clips of a part.
    """

    def __init__(
        self, settings: CompareSettings, corpus: Corpus, out: Path, cache: Path, size: int = _PART
    ) -> None:
        arms = choose_arms(settings.arms, settings.everywhere)
        speeds = dict.fromkeys(speed for arm in arms for speed in settings.speeds_of(arm))
        self._settings, self._corpus = settings, corpus
        self._cache = cache
        self._parts = {
            speed: [
                AudioPart(
                    Corpus(corpus.clips[start : start + size], corpus.roots),
                    *(start + 1, speed, settings.spec, out, cache),
                )
                for start in range(0, len(corpus), size)
            ]
            for speed in speeds
        }
        self._rows: dict[float, Rows] = {}
        self._live: LiveSpectrograms | None = None

    def __iter__(self) -> Iterator[float]:
        """The speeds."""
        return iter(self._parts)

    def __getitem__(self, speed: float) -> Rows:
        """Spectrograms ``(clips, frames, bins, 1)`` of all clips, in their order.

        Raises:
            KeyError: if no arm needs this speed.
            RecordingError: if one is missing whose recording cannot be read.
        """
        if speed not in self._rows:
            self._rows[speed] = Rows.joined([part.rows() for part in self._parts[speed]])
        return self._rows[speed]

    def live(self, augmentation: WaveAugmentation) -> LiveSpectrograms:
        """The same at speed 1, computed anew for training batches; waveforms are read once.

        Args:
            augmentation: of the waveforms, at each step.

        Raises:
            RecordingError: if a recording cannot be read.
        """
        if self._live is None:
            given = self._corpus, self[1.0], self._settings.spec
            self._live = live_spectrograms(*given, augmentation)
        return self._live.augmented(augmentation)

    def parts(self, speeds: Iterable[float]) -> Iterator[AudioPart]:
        """The tasks that give the spectrograms at some speeds."""
        for speed in speeds:
            yield from self._parts[speed]

    def needs(self, speeds: Iterable[float]) -> tuple[Path, ...]:
        """Their places."""
        return tuple(part.place for part in self.parts(speeds))

    def settle(self) -> None:
        """See what of them is there already, of other comparisons or other machines.

        Only for a process that has the folder of all results to itself.
        """
        take_in(self._cache)
        for parts in self._parts.values():
            store = parts[0].store()
            for part in parts:
                if not (part.is_done or store.missing(part.digests)):
                    part.link(store)
