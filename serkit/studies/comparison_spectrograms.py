"""Spectrograms of a comparison's clips, computed as tasks.

Each task computes the spectrograms of some clips at one speed, in its own folder. The folder's name
depends on the recordings and on the settings of the spectrograms. So comparisons of the same
recordings that share a folder of results also share the spectrograms. If a user removes the files
of a task, the task counts as not done.
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
class SpectrogramTask:
    """Task: compute the spectrograms of some clips of a corpus.

    Attributes:
        clips: the clips, in the order of the corpus.
        first: number of the first clip in the corpus, counted from 1.
        speed: speed factor of the recordings.
        spec: settings of the spectrograms.
        results_folder: folder of all results.
    """

    clips: Corpus
    first: int
    speed: float
    spec: SpectrogramSpec
    results_folder: Path

    needs: tuple[Path, ...] = ()
    failure: None = None
    """Always None. An unreadable recording ends the run instead of marking the task as failed."""

    @property
    def title(self) -> str:
        """Name of the task in messages."""
        last = self.first + len(self.clips) - 1
        return f"spectrograms-{self.first}-to-{last}-speed-{self.speed:g}"

    @cached_property
    def key(self) -> str:
        """Hash of the clips' audio, the spec and the speed; labels and paths do not affect it."""
        return content_key(clips=self._digests, spec=asdict(self.spec), speed=self.speed)

    @property
    def folder(self) -> Path:
        """Folder of this task."""
        return self.results_folder / "audio" / f"speed-{self.speed:g}-{self.key}"

    @property
    def is_done(self) -> bool:
        """Whether all spectrograms are stored. Only indexes of files are read, not their arrays."""
        return not self._cache.missing(self._digests)

    def run(self, verbose: int) -> None:
        """Compute the spectrograms that are not stored yet, see :meth:`spectrograms`."""
        self.spectrograms()

    def spectrograms(self) -> Rows:
        """Return spectrograms ``(clips, frames, bins, 1)`` in [-1, 1]; compute missing ones.

        Raises:
            RecordingError: if a recording cannot be read or decoded; the message names it.
            OSError: if the spectrograms cannot be written.
        """
        clips = self.clips.clips
        missing_positions = self._cache.missing(self._digests)
        require_readable(self.clips.file(clips[position]) for position in missing_positions)
        return compute_spectrograms(self.clips, self.spec, cache=self._cache, speed=self.speed)

    @cached_property
    def _digests(self) -> list[str]:
        return [clip.sha256 for clip in self.clips.clips]

    @cached_property
    def _cache(self) -> ArrayCache:
        # The cache locks its folder, and the scheduler already holds the lock of the task's folder.
        return open_cache(self.folder / "spectrograms", self.spec, speed=self.speed)


# With this number, a task takes some seconds and fills two files of the cache.
_CLIPS_PER_TASK = 512


class SpectrogramsBySpeed:
    """Mapping from speed factors to the spectrograms of all clips; the first factor is 1.

    The spectrograms of a speed are opened when they are first used, and computed if no task has
    computed them.

    Args:
        settings: settings of the comparison.
        corpus: audited clips.
        cache: folder of all results.
        clips_per_task: maximum number of clips of each task.
    """

    def __init__(
        self,
        settings: ComparisonSettings,
        corpus: Corpus,
        cache: Path,
        clips_per_task: int = _CLIPS_PER_TASK,
    ) -> None:
        arms = choose_arms(settings.arms, settings.everywhere)
        speeds = dict.fromkeys(speed for arm in arms for speed in settings.speeds_of(arm))
        self._settings, self._corpus = settings, corpus
        self._tasks = {
            speed: [
                SpectrogramTask(
                    Corpus(corpus.clips[start : start + clips_per_task], corpus.roots),
                    first=start + 1,
                    speed=speed,
                    spec=settings.spec,
                    results_folder=cache,
                )
                for start in range(0, len(corpus), clips_per_task)
            ]
            for speed in speeds
        }
        self._opened: dict[float, Rows] = {}
        self._live: LiveSpectrograms | None = None

    def __iter__(self) -> Iterator[float]:
        """Iterate over the speed factors."""
        return iter(self._tasks)

    def __getitem__(self, speed: float) -> Rows:
        """Return the spectrograms ``(clips, frames, bins, 1)`` of all clips, in their order.

        Raises:
            KeyError: if no arm needs this speed.
            RecordingError: if a spectrogram is missing and its recording cannot be read.
        """
        if speed not in self._opened:
            parts = [task.spectrograms() for task in self._tasks[speed]]
            self._opened[speed] = Rows.joined(parts)
        return self._opened[speed]

    def live(self, augmentation: WaveAugmentation) -> LiveSpectrograms:
        """Return spectrograms at speed 1 whose training batches are computed from waveforms.

        The waveforms are read at the first call only.

        Args:
            augmentation: augmentation of the waveforms, with new random values at each step.

        Raises:
            RecordingError: if a recording cannot be read.
        """
        if self._live is None:
            self._live = live_spectrograms(
                self._corpus, self[1.0], self._settings.spec, augmentation
            )
        return self._live.augmented(augmentation)

    def tasks(self, speeds: Iterable[float]) -> Iterator[SpectrogramTask]:
        """Yield the tasks that compute the spectrograms at some speeds."""
        for speed in speeds:
            yield from self._tasks[speed]

    def task_folders(self, speeds: Iterable[float]) -> tuple[Path, ...]:
        """Return the folders of the tasks that compute the spectrograms at some speeds."""
        return tuple(task.folder for task in self.tasks(speeds))
