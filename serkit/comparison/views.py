"""Spectrograms of all of a comparison's clips, at each speed that an arm plays them at."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from serkit.audio.augmentation import WaveAugmentation
from serkit.caching.rows import Rows
from serkit.comparison.arms import choose_arms
from serkit.comparison.audio import AudioPart
from serkit.comparison.settings import CompareSettings
from serkit.comparison.store import take_in
from serkit.corpora.corpus import Corpus
from serkit.training.live import LiveSpectrograms
from serkit.trials.parts import live_spectrograms

# Some seconds each; a whole number of the store's files, so that each file is of one part.
_PART = 512


class Views:
    """Spectrograms by speed, 1 first; opened when they are asked for.

    They are computed in parts, each a piece of work of its own.

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
        """The pieces of work that give the spectrograms at some speeds."""
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
