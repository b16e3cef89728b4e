"""Spectrograms of a comparison's clips, computed as tasks and kept in one store.

The store identifies clips by a hash of their samples. So comparisons that share a folder of results
also share their spectrograms, however the clips were divided into tasks. The folder of a task has
links to the files of the store that hold its clips. If another machine without this disk ran the
task, its folder has the files themselves. A task whose files were removed from the store is
therefore no longer done. Other machines get only the files that they need.
"""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from serkit.audio.augmentation import WaveAugmentation
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.augmentation.arms import choose_arms
from serkit.datasets.corpus import Corpus
from serkit.files import replacing
from serkit.serialization import content_key
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.partitions import live_spectrograms, require_readable
from serkit.training.cache import ArrayCache
from serkit.training.live import LiveSpectrograms
from serkit.training.shards import Rows
from serkit.training.spectrograms import compute_spectrograms, open_cache

AUDIO, STORE = "audio", "spectrograms"
"""Folders of all these tasks and of the store, below the folder of all results."""
_FILES = "spectrograms-*.npy"


def link(path: Path, place: Path) -> None:
    """Create a link to a file of the store in a task's folder.

    If the file system has no links, the file is copied.

    Args:
        path: file in the store.
        place: folder of the task; created if missing.
    """
    place.mkdir(parents=True, exist_ok=True)
    here = place / path.name
    try:
        here.symlink_to(Path("..", "..", STORE, path.name))
    except FileExistsError:
        # An earlier call or another process made the link.
        return
    except OSError:
        with replacing(here) as partial:
            shutil.copyfile(path, partial)


def remove_dead_links(place: Path) -> None:
    """Remove links to files that are no longer in the store."""
    for path in place.glob(_FILES):
        if not path.exists():
            path.unlink(missing_ok=True)


def take_in(folder: Path) -> None:
    """Move files of other machines from the tasks' folders to the store, and link to them.

    Args:
        folder: folder of all results; no other process may use it.
    """
    for path in list((folder / AUDIO).glob(f"*/{_FILES}")):
        if not path.is_symlink():
            kept = folder / STORE / path.name
            kept.parent.mkdir(parents=True, exist_ok=True)
            path.replace(kept)
            link(kept, path.parent)


@dataclass(frozen=True, eq=False)
class AudioPart:
    """Task: compute the spectrograms of some clips of a corpus.

    The spectrograms are written to the store of all clips. The task's folder has links to them, see
    :mod:`serkit.studies.comparison_spectrograms`.

    Attributes:
        clips: the clips, in the order of the corpus.
        first: number of the first clip in the corpus, from 1.
        speed: speed factor of the recordings.
        spec: settings of the spectrograms.
        folder: folder of all results.
    """

    clips: Corpus
    first: int
    speed: float
    spec: SpectrogramSpec
    folder: Path

    needs: tuple[Path, ...] = ()
    failure: None = None
    """Always None. An unreadable recording ends the run, because no setting is the cause."""

    @property
    def title(self) -> str:
        """Name of the task in messages."""
        last = self.first + len(self.clips) - 1
        return f"spectrograms-{self.first}-to-{last}-speed-{self.speed:g}"

    @cached_property
    def key(self) -> str:
        """Hash of the clips' samples, the spec and the speed, without labels and paths."""
        return content_key(clips=self.digests, spec=asdict(self.spec), speed=self.speed)

    @cached_property
    def digests(self) -> list[str]:
        """Keys of the clips in the store: hashes of their samples."""
        return [clip.sha256 for clip in self.clips.clips]

    @property
    def place(self) -> Path:
        """Folder of this task."""
        return self.folder / AUDIO / f"speed-{self.speed:g}-{self.key}"

    @property
    def is_done(self) -> bool:
        """Whether all spectrograms exist. Only the files' indexes are checked, not their arrays."""
        return not self._own.missing(self.digests)

    def store(self) -> ArrayCache:
        """Open the store that comparisons with the same folder of results share."""
        return open_cache(self.folder / STORE, self.spec, speed=self.speed)

    def run(self, verbose: int) -> None:
        """Compute the spectrograms that are not in the store yet.

        Raises:
            RecordingError: if a recording cannot be read or decoded; the message names it.
            OSError: if the spectrograms cannot be written.
        """
        self._computed()
        # This check holds the files open from now on, so that no other task evicts them.
        if not self.is_done:
            raise OSError(f"{self.place} does not keep what is written to it")

    def rows(self) -> Rows:
        """Return spectrograms ``(clips, frames, bins, 1)`` in [-1, 1]; compute missing ones.

        Raises:
            RecordingError: as :meth:`run`.
            OSError: as :meth:`run`.
        """
        found = self._own.read(self.digests)
        return self._computed() if found is None else found

    def link(self, store: ArrayCache) -> None:
        """Create links to the files of the store that hold the clips; remove dead links."""
        remove_dead_links(self.place)
        for path in store.files(self.digests):
            link(path, self.place)

    @cached_property
    def _own(self) -> ArrayCache:
        return open_cache(self.place, self.spec, speed=self.speed)

    def _computed(self) -> Rows:
        store, clips = self.store(), self.clips.clips
        require_readable(self.clips.file(clips[row]) for row in store.missing(self.digests))
        found = compute_spectrograms(self.clips, self.spec, cache=store, speed=self.speed)
        self.link(store)
        return found


# Each task takes some seconds. It fills a whole number of the store's files (of 256 clips), so that
# each file belongs to one task.
_PART = 512


class Views:
    """Spectrograms of all clips, by speed factor, 1 first.

    Each task computes the spectrograms of some clips at one speed. The files are opened when an
    entry is first used.

    Args:
        settings: settings of the comparison.
        corpus: audited clips.
        cache: folder of all results.
        size: number of clips per task.
    """

    def __init__(
        self, settings: ComparisonSettings, corpus: Corpus, cache: Path, size: int = _PART
    ) -> None:
        arms = choose_arms(settings.arms, settings.everywhere)
        speeds = dict.fromkeys(speed for arm in arms for speed in settings.speeds_of(arm))
        self._settings, self._corpus = settings, corpus
        self._cache = cache
        self._parts = {
            speed: [
                AudioPart(
                    Corpus(corpus.clips[start : start + size], corpus.roots),
                    first=start + 1,
                    speed=speed,
                    spec=settings.spec,
                    folder=cache,
                )
                for start in range(0, len(corpus), size)
            ]
            for speed in speeds
        }
        self._rows: dict[float, Rows] = {}
        self._live: LiveSpectrograms | None = None

    def __iter__(self) -> Iterator[float]:
        """Iterate over the speed factors."""
        return iter(self._parts)

    def __getitem__(self, speed: float) -> Rows:
        """Return the spectrograms ``(clips, frames, bins, 1)`` of all clips, in their order.

        Raises:
            KeyError: if no arm needs this speed.
            RecordingError: if a spectrogram is missing and its recording cannot be read.
        """
        if speed not in self._rows:
            self._rows[speed] = Rows.joined([part.rows() for part in self._parts[speed]])
        return self._rows[speed]

    def live(self, augmentation: WaveAugmentation) -> LiveSpectrograms:
        """Return spectrograms at speed 1 whose training batches are computed from waveforms.

        The waveforms are read once.

        Args:
            augmentation: augmentation of the waveforms, drawn anew at each step.

        Raises:
            RecordingError: if a recording cannot be read.
        """
        if self._live is None:
            given = self._corpus, self[1.0], self._settings.spec
            self._live = live_spectrograms(*given, augmentation)
        return self._live.augmented(augmentation)

    def parts(self, speeds: Iterable[float]) -> Iterator[AudioPart]:
        """Yield the tasks that compute the spectrograms at some speeds."""
        for speed in speeds:
            yield from self._parts[speed]

    def needs(self, speeds: Iterable[float]) -> tuple[Path, ...]:
        """Return the folders of the tasks that compute the spectrograms at some speeds."""
        return tuple(part.place for part in self.parts(speeds))

    def settle(self) -> None:
        """Link tasks to spectrograms that other comparisons or machines have computed already.

        No other process may use the folder of all results.
        """
        take_in(self._cache)
        for parts in self._parts.values():
            store = parts[0].store()
            for part in parts:
                if not (part.is_done or store.missing(part.digests)):
                    part.link(store)
