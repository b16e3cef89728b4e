"""The judge of a fold, whom generated samples have to get past."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras

from serkit.comparison.trainings import Training
from serkit.judging.judge import Judge


@dataclass(frozen=True, eq=False)
class TrainedGate:
    """A judge by the features of the classifier that was trained on real clips alone.

    Attributes:
        training: of that classifier; it is done, and its model kept.
    """

    training: Training

    @property
    def key(self) -> str:
        """Changes with the judge."""
        return self.training.key

    @property
    def place(self) -> Path:
        """Folder of the classifier."""
        return self.training.place

    def judge(self) -> Judge:
        """The judge; made again, since that takes a second, rather than kept.

        Raises:
            LeakError: if a clip is not one that may be fitted on.
        """
        return self._judge

    @cached_property
    def _judge(self) -> Judge:
        fold = self.training.filling.fold
        train, parts = fold.split.train, fold.parts
        return Judge.fit(
            keras.models.load_model(self.training.model_file),
            parts.to_fit(train),
            [clip.speaker for clip in train.clips],
            parts.classes,
            fold.split.speakers,
        )
