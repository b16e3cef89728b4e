"""Spectrograms together with the speakers in them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from serkit.errors import InputError
from serkit.training.live import LiveSpectrograms, concatenate_spectrograms
from serkit.training.shards import Rows


@dataclass(frozen=True)
class Examples:
    """Spectrograms with their speakers and labels, for training, validation or test.

    Attributes:
        spectrograms: float32 ``(n, frames, bins, 1)`` in [-1, 1]: an array, rows on disk, or live
            spectrograms, whose training batches are computed from waveforms. Or features
            ``(n, features)`` of a speech encoder.
        speakers: all speakers of the clips that the spectrograms were made from. For generated
            spectrograms, the speakers of the clips that their GAN was trained on.
        labels: class numbers ``(n,)``, or None if there is one class only.

    Raises:
        InputError: if ``speakers`` is empty, or the numbers of labels and spectrograms differ.

    Example:
        >>> import numpy as np
        >>> import serkit
        >>> spectrograms = np.full((3, 32, 32, 1), -1.0, "float32")
        >>> examples = serkit.Examples(spectrograms, frozenset({"ann"}), np.array([0, 1, 0]))
        >>> len(examples), len(serkit.Examples.joined([examples, examples]))
        (3, 6)
    """

    spectrograms: npt.NDArray[Any] | Rows | LiveSpectrograms
    speakers: frozenset[str]
    labels: npt.NDArray[Any] | None = None

    def __post_init__(self) -> None:
        if not self.speakers:
            raise InputError("`speakers` must be all speakers in the examples. Received: none.")
        if self.labels is not None and len(self.labels) != len(self.spectrograms):
            raise InputError(
                f"`labels` must be one for each of {len(self.spectrograms)} spectrograms. "
                f"Received: {len(self.labels)}."
            )

    def __len__(self) -> int:
        return len(self.spectrograms)

    @classmethod
    def joined(cls, sets: Sequence["Examples"]) -> "Examples":
        """Concatenate sets of examples.

        Spectrograms stay on disk if all sets have :class:`~serkit.training.shards.Rows`. If some
        sets have waveforms, spectrograms of the other sets are used unchanged at each step.

        Args:
            sets: one or more sets with spectrograms of the same shape.

        Returns:
            All examples in this order, with the speakers of all sets.

        Raises:
            InputError: if there are no sets, or some have labels and others do not.
        """
        labels = [examples.labels for examples in sets if examples.labels is not None]
        if not sets or len(labels) not in (0, len(sets)):
            raise InputError(
                "`sets` must be one or more sets, all with labels or all without. "
                f"Received: {len(sets)} sets, {len(labels)} of them with labels."
            )
        return cls(
            concatenate_spectrograms([examples.spectrograms for examples in sets]),
            frozenset(speaker for examples in sets for speaker in examples.speakers),
            np.concatenate(labels) if labels else None,
        )

    @property
    def class_numbers(self) -> npt.NDArray[Any]:
        """The labels, int ``(n,)``, where they must exist.

        Raises:
            InputError: if there are no labels.
        """
        if self.labels is None:
            raise InputError("`labels` must be class numbers. Received: None.")
        return self.labels

    def in_memory(self) -> "Examples":
        """Return the same examples with the spectrograms read into an array."""
        return replace(self, spectrograms=np.asarray(self.spectrograms))
