"""Recordings of a comparison, and their spectrograms or features, computed as tasks.

Each task computes the inputs of some clips at one speed, in its own folder. The folder's name
depends on the recordings and on the settings of the spectrograms, or on the encoder. So comparisons
of the same recordings that share a folder of results also share the inputs. If a user removes the
files of a task, the task counts as not done.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy.typing as npt

from serkit.audio.augmentation import WaveAugmentation
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.datasets.audit import open_recordings
from serkit.datasets.corpus import Corpus
from serkit.datasets.custom import Naming
from serkit.datasets.feature_table import FeatureTable
from serkit.datasets.synthetic import write_synthetic_corpus
from serkit.errors import InputError
from serkit.formatting import counted
from serkit.models.speech_features import SpeechFeatures
from serkit.progress import Progress
from serkit.serialization import content_key
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.partitions import (
    Inputs,
    compute_inputs,
    live_spectrograms,
    require_readable,
    without_speaker_means,
)
from serkit.training.cache import ArrayCache
from serkit.training.live import LiveSpectrograms
from serkit.training.shards import Rows
from serkit.training.spectrograms import open_cache

MANIFEST = "manifest.csv"


def open_corpus(settings: ComparisonSettings, out: Path, progress: Progress) -> Corpus:
    """Audit the recordings, and return their clips without those of corpora that are left out.

    If the run folder has the manifest of an earlier audit, the clips are read from there.

    Args:
        settings: settings of the comparison.
        out: the run folder; gets the manifest if it has none.
        progress: shows the number of clips to the user.

    Raises:
        InputError: if there are no recordings, or a corpus to leave out does not exist.
    """
    manifest = out / MANIFEST
    if not manifest.exists():
        roots = settings.roots
        if not roots:
            roots = (str(out / "built-in"),)
            write_synthetic_corpus(
                roots[0], settings.synthetic, track=progress.progress_bar("speaking")
            )
        write_audit(roots, settings.naming, out, progress)
    corpus = Corpus.read(manifest)
    corpus_names = {clip.corpus for clip in corpus.clips}
    if unknown := sorted(set(settings.without) - corpus_names):
        raise InputError(
            f"`without` must be corpora of the recordings: {', '.join(sorted(corpus_names))}. "
            f"Received: {', '.join(unknown)}."
        )
    corpus = corpus.where(lambda clip: clip.corpus not in settings.without)
    progress.class_counts_table(counted(len(corpus), "clip"), corpus.counts(settings.label_set))
    return corpus


def write_audit(roots: Sequence[str], naming: Naming, out: Path, progress: Progress) -> None:
    """Audit recordings, and write the manifest; say how many files are rejected.

    Args:
        roots: folders of recordings, CSV files, or manifests of an audit.
        naming: naming scheme of the user's own recordings.
        out: the run folder.
        progress: shows progress to the user.

    Raises:
        InputError: if there are no recordings.
    """
    audited = open_recordings(roots, progress.progress_bar("reading"), naming=naming)
    audited.write(out)
    if audited.rejected:
        first = audited.rejected[0]
        count = counted(sum(finding.files for finding in audited.rejected), "file")
        progress.say(
            f"! {count} not used, such as {first.path}: {first.reason}; the run folder's "
            "rejected.csv has all"
        )


@dataclass(frozen=True, eq=False)
class InputTask:
    """Task: compute the spectrograms or features of some clips of a corpus.

    Attributes:
        clips: the clips, in the order of the corpus.
        first: number of the first clip in the corpus, counted from 1.
        speed: speed factor of the recordings.
        inputs: settings of the spectrograms, or the encoder.
        results_folder: folder of all results.
    """

    clips: Corpus
    first: int
    speed: float
    inputs: SpectrogramSpec | SpeechFeatures
    results_folder: Path

    needs: tuple[Path, ...] = ()
    failure: None = None
    """Always None. An unreadable recording ends the run instead of marking the task as failed."""

    @property
    def title(self) -> str:
        """Name of the task in messages."""
        last = self.first + len(self.clips) - 1
        return f"{self.kind}-{self.first}-to-{last}-speed-{self.speed:g}"

    @property
    def kind(self) -> str:
        """``spectrograms``, or ``features of`` an encoder."""
        if isinstance(self.inputs, SpeechFeatures):
            return f"features of {self.inputs.encoder.name}"
        return "spectrograms"

    @cached_property
    def key(self) -> str:
        """Hash of the clips' audio, the settings and the speed, but not of labels and paths."""
        spec = inputs_key(self.inputs, self.clips)
        return content_key(clips=self._digests, spec=spec, speed=self.speed)

    @property
    def folder(self) -> Path:
        """Folder of this task."""
        return self.results_folder / "audio" / f"speed-{self.speed:g}-{self.key}"

    @property
    def is_done(self) -> bool:
        """Whether all inputs are stored. Only indexes of files are read, not their arrays."""
        return not self._cache.missing(self._digests)

    def run(self, verbose: int) -> None:
        """Compute the inputs that are not stored yet, see :meth:`rows`."""
        self.rows()

    def rows(self) -> Rows:
        """Return spectrograms ``(clips, frames, bins, 1)`` or features; compute missing ones.

        Raises:
            RecordingError: if a recording cannot be read or decoded; the message names it.
            OSError: if the inputs cannot be written.
        """
        clips = self.clips.clips
        missing_positions = self._cache.missing(self._digests)
        require_readable(self.clips.file(clips[position]) for position in missing_positions)
        return compute_inputs(self.clips, self.inputs, self._cache, self.speed)

    @cached_property
    def _digests(self) -> list[str]:
        return [clip.sha256 for clip in self.clips.clips]

    @cached_property
    def _cache(self) -> ArrayCache:
        # The cache locks its folder, and the scheduler already holds the lock of the task's folder.
        folder = self.folder / "spectrograms"
        if isinstance(self.inputs, SpeechFeatures):
            return self.inputs.open_cache(folder, self.speed)
        return open_cache(folder, self.inputs, speed=self.speed)


def inputs_key(inputs: Inputs, corpus: Corpus) -> Any:
    """Return JSON values that identify everything that inputs depend on, except the recordings."""
    if isinstance(inputs, SpectrogramSpec):
        return asdict(inputs)
    return inputs.key(corpus) if isinstance(inputs, FeatureTable) else inputs.key


# With this number, a task takes some seconds and fills two files of the cache.
_CLIPS_PER_TASK = 512


class InputsBySpeed:
    """Mapping from speed factors to the spectrograms or features of all clips.

    The inputs of a speed are opened when they are first used, and computed if no task has computed
    them. The user's own features have speed 1 only and need no task.

    Args:
        corpus: audited clips.
        inputs: settings of the spectrograms, the encoder, or the user's own features.
        speeds: speed factors, 1 first.
        cache: folder of all results.
        speaker_normalization: whether the mean of each speaker's clips is taken off their features;
            spectrograms stay as they are.
        clips_per_task: maximum number of clips of each task.

    Attributes:
        inputs: as given.
        key: JSON values that identify everything that the inputs depend on, except the recordings.
    """

    def __init__(
        self,
        corpus: Corpus,
        inputs: Inputs,
        speeds: Iterable[float],
        cache: Path,
        speaker_normalization: bool = False,
        clips_per_task: int = _CLIPS_PER_TASK,
    ) -> None:
        self.inputs: Inputs = inputs
        self.key: Any = inputs_key(inputs, corpus)
        self._corpus = corpus
        self._speakers = [clip.speaker for clip in corpus.clips]
        self._is_centred = speaker_normalization and not isinstance(inputs, SpectrogramSpec)
        if self._is_centred:
            # The means depend on all clips.
            clips = [[clip.sha256, clip.speaker] for clip in corpus.clips]
            self.key = {"inputs": self.key, "speaker_means_of": content_key(clips=clips)}
        self._tasks = {
            speed: [
                InputTask(
                    Corpus(corpus.clips[start : start + clips_per_task], corpus.roots),
                    first=start + 1,
                    speed=speed,
                    inputs=inputs,
                    results_folder=cache,
                )
                for start in range(0, len(corpus), clips_per_task)
            ]
            if not isinstance(inputs, FeatureTable)
            else []
            for speed in speeds
        }
        self._opened: dict[float, Rows | npt.NDArray[Any]] = {}
        self._live: LiveSpectrograms | None = None

    def __iter__(self) -> Iterator[float]:
        """Iterate over the speed factors."""
        return iter(self._tasks)

    def __getitem__(self, speed: float) -> Rows | npt.NDArray[Any]:
        """Return the spectrograms or features of all clips, in their order.

        Raises:
            KeyError: if no arm needs this speed.
            RecordingError: if an input is missing and its recording cannot be read.
        """
        if speed not in self._opened:
            if isinstance(self.inputs, FeatureTable):
                self._opened[speed] = self.inputs.of(self._corpus)
            else:
                self._opened[speed] = Rows.joined([task.rows() for task in self._tasks[speed]])
            if self._is_centred:
                self._opened[speed] = without_speaker_means(self._opened[speed], self._speakers)
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
            spectrograms, spec = self[1.0], self.inputs
            assert isinstance(spectrograms, Rows)
            assert isinstance(spec, SpectrogramSpec)
            self._live = live_spectrograms(self._corpus, spectrograms, spec, augmentation)
        return self._live.augmented(augmentation)

    def tasks(self, speeds: Iterable[float]) -> Iterator[InputTask]:
        """Yield the tasks that compute the inputs at some speeds."""
        for speed in speeds:
            yield from self._tasks[speed]

    def task_folders(self, speeds: Iterable[float]) -> tuple[Path, ...]:
        """Return the folders of the tasks that compute the inputs at some speeds."""
        return tuple(task.folder for task in self.tasks(speeds))
