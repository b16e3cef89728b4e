"""Spectrograms together with the speakers in them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from serkit.errors import InputError
from serkit.training.live import LiveSpectrograms, one_after_another
from serkit.training.shards import Rows


@dataclass(frozen=True)
class Examples:
    """What something is fitted on or checked with.

    Attributes:
        spectrograms: float32 ``(n, frames, bins, 1)`` in [-1, 1]; an array, rows on disk, or those
            whose training batches are computed from waveforms.
        speakers: everybody whose recordings went into them; generated spectrograms have the voices
            of the clips that their GAN was trained on.
        labels: class numbers ``(n,)``, or None where there is one class only.

    Raises:
        InputError: if nobody's voice is in them, or there are not as many labels as spectrograms.
    """

    spectrograms: np.ndarray | Rows | LiveSpectrograms
    speakers: frozenset[str]
    labels: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not self.speakers:
            raise InputError("speakers is empty; valid is everybody whose voice is in the examples")
        if self.labels is not None and len(self.labels) != len(self.spectrograms):
            raise InputError(f"{len(self.labels)} labels for {len(self.spectrograms)} spectrograms")

    def __len__(self) -> int:
        return len(self.spectrograms)

    @classmethod
    def joined(cls, parts: Sequence["Examples"]) -> "Examples":
        """All examples of several, one after another; rows stay on disk if all are such.

        Where some have waveforms, the others are taken as they are at each step.

        Raises:
            InputError: if there are none, or some have labels and others none.
        """
        if len({part.labels is None for part in parts}) != 1:
            raise InputError(f"{len(parts)} sets, some with labels; valid are all or none")
        spectrograms = [part.spectrograms for part in parts]
        labels = [part.labels for part in parts]
        return cls(
            one_after_another(spectrograms),
            frozenset().union(*(part.speakers for part in parts)),
            None if labels[0] is None else np.concatenate(labels),
        )

    def in_memory(self) -> "Examples":
        """The same, its spectrograms read into an array."""
        return replace(self, spectrograms=np.asarray(self.spectrograms))
