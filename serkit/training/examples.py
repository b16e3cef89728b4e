"""Spectrograms together with the speakers in them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from serkit.errors import InputError
from serkit.training.live import LiveSpectrograms, one_after_another
from serkit.training.shards import Rows


@dataclass(frozen=True)
class Examples:
    """Spectrograms with their speakers and labels, for training, validation or test.

    Attributes:
        spectrograms: float32 ``(n, frames, bins, 1)`` in [-1, 1]: an array, rows on disk, or live
            spectrograms, whose training batches are computed from waveforms.
        speakers: all speakers of the clips that the spectrograms were made from. For generated
            spectrograms, the speakers of the clips that their GAN was trained on.
        labels: class numbers ``(n,)``, or None if there is one class only.

    Raises:
        InputError: if ``speakers`` is empty, or the numbers of labels and spectrograms differ.
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
        """Concatenate sets of examples; rows stay on disk if all sets are rows.

        If some sets have waveforms, spectrograms of the other sets are used unchanged at each step.

        Raises:
            InputError: if there are no sets, or some have labels and others do not.
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
        """Return the same examples with the spectrograms read into an array."""
        return replace(self, spectrograms=np.asarray(self.spectrograms))
