"""Spectrograms of some of a comparison's clips, as a piece of work."""

import os
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.caching.cache import ArrayCache
from serkit.caching.rows import Rows
from serkit.comparison.store import AUDIO, STORE, link, remove_dead_links
from serkit.content import content_key
from serkit.corpora.corpus import Corpus
from serkit.data.spectrograms import compute_spectrograms, open_cache
from serkit.errors import RecordingError

# The folder, in the run folder of a machine that has no recordings, of copies of them.
_COPIES = "recordings"


@dataclass(frozen=True, eq=False)
class AudioPart:
    """Clips whose spectrograms are to be computed.

    They are kept in the store of all clips; the piece's own folder has links to them, see
    :mod:`serkit.comparison.store`.

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
        # Held from now on, so that no other piece's are put in their place.
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
