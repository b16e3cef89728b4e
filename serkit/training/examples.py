"""Spectrograms together with whose voices are in them."""

from dataclasses import dataclass, replace

import numpy as np

from serkit.caching.rows import Rows
from serkit.errors import InputError


@dataclass(frozen=True)
class Examples:
    """What something is fitted on or checked with.

    Attributes:
        spectrograms: float32 ``(n, frames, bins, 1)`` in [-1, 1]; an array, or rows on disk.
        speakers: everybody whose recordings went into them; generated spectrograms have the voices
            of the clips that their GAN was trained on.
        labels: class numbers ``(n,)``, or None where there is one class only.

    Raises:
        InputError: if nobody's voice is in them, or there are not as many labels as spectrograms.
    """

    spectrograms: np.ndarray | Rows
    speakers: frozenset[str]
    labels: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not self.speakers:
            raise InputError("speakers is empty; valid is everybody whose voice is in the examples")
        if self.labels is not None and len(self.labels) != len(self.spectrograms):
            raise InputError(f"{len(self.labels)} labels for {len(self.spectrograms)} spectrograms")

    def __len__(self) -> int:
        return len(self.spectrograms)

    def in_memory(self) -> "Examples":
        """The same, its spectrograms read into an array."""
        return replace(self, spectrograms=np.asarray(self.spectrograms))
