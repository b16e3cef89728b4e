"""Spectrograms of a comparison's clips, computed as tasks.

Each task computes the spectrograms of some clips at one speed, in its own folder. Comparisons of
the same recordings that share a folder of results also share these folders. A task whose files were
removed is no longer done.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from serkit.audio.augmentation import WaveAugmentation
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.augmentation.arms import choose_arms
from serkit.datasets.corpus import Corpus
from serkit.serialization import content_key
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.partitions import live_spectrograms, require_readable
from serkit.training.cache import ArrayCache
from serkit.training.live import LiveSpectrograms
from serkit.training.shards import Rows
from serkit.training.spectrograms import compute_spectrograms, open_cache


@dataclass(frozen=True, eq=False)
class AudioPart:
    """Task: compute the spectrograms of some clips of a corpus.

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
        return content_key(clips=self._digests, spec=asdict(self.spec), speed=self.speed)

    @property
    def place(self) -> Path:
        """Folder of this task."""
        return self.folder / "audio" / f"speed-{self.speed:g}-{self.key}"

    @property
    def is_done(self) -> bool:
        """Whether all spectrograms exist. Only the files' indexes are checked, not their arrays."""
        return not self._cache.missing(self._digests)

    def run(self, verbose: int) -> None:
        """Compute the spectrograms that do not exist, see :meth:`rows`."""
        self.rows()

    def rows(self) -> Rows:
        """Return spectrograms ``(clips, frames, bins, 1)`` in [-1, 1]; compute missing ones.

        Raises:
            RecordingError: if a recording cannot be read or decoded; the message names it.
            OSError: if the spectrograms cannot be written.
        """
        clips = self.clips.clips
        require_readable(self.clips.file(clips[row]) for row in self._cache.missing(self._digests))
        return compute_spectrograms(self.clips, self.spec, cache=self._cache, speed=self.speed)

    @cached_property
    def _digests(self) -> list[str]:
        return [clip.sha256 for clip in self.clips.clips]

    @cached_property
    def _cache(self) -> ArrayCache:
        # In a folder of its own: the scheduler holds the lock of the task's folder.
        return open_cache(self.place / "spectrograms", self.spec, speed=self.speed)


# Each task takes some seconds, and fills two files of the cache.
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
