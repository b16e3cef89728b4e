"""Spectrograms and labels of a split's partitions, and predictions of them."""

import keras
import numpy as np
import pandas as pd

from serkit.audio.augmentation import WaveAugmentation
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.datasets.corpus import Corpus
from serkit.datasets.splits import Split
from serkit.training.examples import Examples
from serkit.training.live import LiveSpectrograms
from serkit.training.shards import Rows
from serkit.training.spectrograms import accelerator, read_waveforms


def live_spectrograms(
    corpus: Corpus, kept: Rows, spec: SpectrogramSpec, augmentation: WaveAugmentation
) -> LiveSpectrograms:
    """Spectrograms whose training batches are computed from waveforms, which are read now.

    Args:
        corpus: audited clips.
        kept: their spectrograms, in their order.
        spec: of these.
        augmentation: of the waveforms, anew at each step.

    Raises:
        RecordingError: if a recording cannot be read; the message names it.
    """
    waveforms = read_waveforms(corpus, spec)
    return LiveSpectrograms(kept, waveforms, spec, augmentation, accelerator())


class Parts:
    """Spectrograms and labels of any part of the corpus."""

    def __init__(
        self,
        corpus: Corpus,
        split: Split,
        spectrograms: Rows | LiveSpectrograms | np.ndarray,
        label_set: str,
    ) -> None:
        self.corpus, self.split, self.label_set = corpus, split, label_set
        self._spectrograms = spectrograms
        self._rows = {(clip.root, clip.path): row for row, clip in enumerate(corpus.clips)}
        self.classes = corpus.classes(label_set)

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(frames, bins, 1)``."""
        return self._spectrograms.shape[1:]

    def split_by(self, split: Split) -> "Parts":
        """The same recordings in other parts."""
        return Parts(self.corpus, split, self._spectrograms, self.label_set)

    def of(self, part: Corpus) -> np.ndarray:
        """Spectrograms ``(clips, frames, bins, 1)`` of a part, in its order."""
        return self._spectrograms[[self._rows[clip.root, clip.path] for clip in part.clips]]

    def examples(self, part: Corpus) -> Examples:
        """The same with labels and speakers; what lies on disk stays there until it is used."""
        rows = [self._rows[clip.root, clip.path] for clip in part.clips]
        kept = self._spectrograms
        found = kept.select(rows) if hasattr(kept, "select") else kept[rows]
        return Examples(found, frozenset(part.speakers()), self.labels(part))

    def to_fit(self, part: Corpus) -> Examples:
        """The same, for something that is fitted on them.

        Raises:
            LeakError: if a clip is not one that may be fitted on.
        """
        self.split.require_training(part.clips)
        return self.examples(part)

    def labels(self, part: Corpus) -> np.ndarray:
        """Class numbers ``(clips,)`` of a part, in its order."""
        numbers = {label: number for number, label in enumerate(self.classes)}
        return np.array([numbers[label] for label in part.labels(self.label_set)])

    def rare(self, label: str) -> Corpus:
        """The training clips of one class."""
        return self.split.train.where(lambda clip: clip.label(self.label_set) == label)

    def some(self, label: str, count: int) -> np.ndarray:
        """Spectrograms of up to ``count`` training clips of a class, spread over its speakers."""
        clips = self.rare(label).clips
        rows = np.unique(np.linspace(0, len(clips) - 1, count).round().astype(int))
        return self.of(Corpus(tuple(clips[row] for row in rows), self.corpus.roots))

    def training(self, added: dict[str, np.ndarray]) -> Examples:
        """The training part with generated spectrograms behind it.

        Generated spectrograms have voices of the training part in them and no others.
        """
        real = self.to_fit(self.split.train)
        numbers = [np.full(len(made), self.classes.index(label)) for label, made in added.items()]
        voices = [self.rare(label).speakers() for label in added]
        return Examples(
            np.concatenate([real.spectrograms, *added.values()]),
            real.speakers.union(*voices),
            np.concatenate([real.labels, *numbers]),
        )


def predict_part(model: keras.Model, parts: Parts, part: Corpus) -> pd.DataFrame:
    """Predict clips.

    Args:
        model: from spectrograms to logits ``(batch, classes)``.
        parts: which the clips are of.
        part: the clips.

    Returns:
        A row per clip: ``root``, ``path``, ``corpus``, ``speaker``, ``gender``, ``truth`` and
        ``predicted`` (labels), and the logits ``logit_<label>``.
    """
    logits = model.predict(parts.of(part), batch_size=64, verbose=0)
    names = "root", "path", "corpus", "speaker", "gender"
    clips = {name: [getattr(clip, name) for clip in part.clips] for name in names}
    clips["truth"] = part.labels(parts.label_set)
    clips["predicted"] = [parts.classes[number] for number in logits.argmax(axis=1)]
    values = pd.DataFrame(logits, columns=[f"logit_{label}" for label in parts.classes])
    return pd.concat([pd.DataFrame(clips), values], axis=1)
