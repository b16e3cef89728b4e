"""Inputs and labels of a split's partitions, and predictions of them."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd

from serkit.audio.augmentation import WaveAugmentation
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.datasets.corpus import Corpus
from serkit.datasets.feature_table import FeatureTable
from serkit.datasets.splits import Split
from serkit.errors import RecordingError
from serkit.models.fitting import FitSettings, fit_classifier
from serkit.models.frozen_features import Augment
from serkit.models.speech_features import SpeechFeatures, compute_speech_features
from serkit.training.cache import ArrayCache
from serkit.training.examples import Examples
from serkit.training.live import LiveSpectrograms, select_spectrograms
from serkit.training.recordings import Track
from serkit.training.shards import Rows
from serkit.training.spectrograms import accelerator, compute_spectrograms, read_waveforms

Inputs = SpectrogramSpec | SpeechFeatures | FeatureTable
"""What inputs of a classifier are: spectrograms, an encoder's features, or the user's own."""

CLIP_COLUMNS = ("root", "path", "corpus", "speaker", "gender")
"""Attributes of a clip that tables of predictions have as columns."""


def require_readable(files: Iterable[Path]) -> None:
    """Check that this machine can read some recordings.

    Args:
        files: paths of recordings.

    Raises:
        RecordingError: if a file is missing or not readable; the message names it.
    """
    for path in files:
        if not (path.is_file() and os.access(path, os.R_OK)):
            raise RecordingError(
                "a recording must be readable at the same path on every machine that runs tasks. "
                f"Received: {path}."
            )


def live_spectrograms(
    corpus: Corpus, spectrograms: Rows, spec: SpectrogramSpec, augmentation: WaveAugmentation
) -> LiveSpectrograms:
    """Read waveforms and return spectrograms whose training batches are computed from them.

    Args:
        corpus: audited clips.
        spectrograms: precomputed spectrograms of the clips, in the same order.
        spec: settings of the spectrograms.
        augmentation: augmentation of the waveforms, with new random values at each step.

    Raises:
        RecordingError: if a recording cannot be read; the message names it.
    """
    require_readable(map(corpus.file, corpus.clips))
    waveforms = read_waveforms(corpus, spec)
    return LiveSpectrograms(spectrograms, waveforms, spec, augmentation, accelerator())


def compute_inputs(
    corpus: Corpus,
    inputs: SpectrogramSpec | SpeechFeatures,
    cache: Path | ArrayCache,
    speed: float = 1.0,
    track: Track = lambda items, total: items,
) -> Rows:
    """Return the inputs of a classifier for all clips of a corpus, in order; compute missing ones.

    Args:
        corpus: audited clips.
        inputs: settings of the spectrograms, or the encoder of the features.
        cache: folder of the cache, or an open one.
        speed: playback speed of the recordings.
        track: as for :func:`serkit.training.spectrograms.compute_spectrograms`.

    Returns:
        Spectrograms ``(clips, frames, bins, 1)``, or features ``(clips, features)``.
    """
    if isinstance(inputs, SpeechFeatures):
        return compute_speech_features(corpus, inputs, cache=cache, speed=speed, track=track)
    return compute_spectrograms(corpus, inputs, cache=cache, speed=speed, track=track)


def without_speaker_means(
    features: Rows | npt.NDArray[Any], speakers: Sequence[str]
) -> npt.NDArray[Any]:
    """Return features of clips, less the mean over all clips of the same speaker.

    A classifier of such features is transductive: it needs all clips of a speaker to classify one.

    Args:
        features: float ``(clips, features)``.
        speakers: the speaker of each clip.

    Example:
        >>> without_speaker_means(np.array([[1.0], [3.0], [5.0]]), ["ann", "ann", "bob"]).tolist()
        [[-1.0], [1.0], [0.0]]

    Source: the speaker normalisation of Pepino et al. (2021), arXiv:2104.03502.
    """
    centred = np.array(features[:])
    names, numbers = np.unique(np.asarray(speakers), return_inverse=True)
    for number in range(len(names)):
        centred[numbers == number] -= centred[numbers == number].mean(axis=0)
    return centred


class Partitions:
    """Spectrograms and labels of the partitions of a split, or of any other clips of a corpus.

    Args:
        corpus: audited clips.
        split: training, validation and test partition.
        spectrograms: spectrograms of all clips ``(clips, frames, bins, 1)``, in the corpus' order;
            or features ``(clips, features)``. All methods return what was given here.
        label_set: ``emotion`` or ``gender_emotion``.

    Attributes:
        classes: class names, in the order of the class numbers.
    """

    def __init__(
        self,
        corpus: Corpus,
        split: Split,
        spectrograms: Rows | LiveSpectrograms | npt.NDArray[Any],
        label_set: str,
    ) -> None:
        self.corpus: Corpus = corpus
        self.split: Split = split
        self.label_set: str = label_set
        self._spectrograms = spectrograms
        self._position_by_clip = {(clip.root, clip.path): i for i, clip in enumerate(corpus.clips)}
        self.classes: tuple[str, ...] = corpus.classes(label_set)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one spectrogram, ``(frames, bins, 1)``."""
        _, frames, bins, channels = self._spectrograms.shape
        return frames, bins, channels

    def split_by(self, split: Split) -> "Partitions":
        """Return the same clips and spectrograms with another split."""
        return Partitions(self.corpus, split, self._spectrograms, self.label_set)

    def spectrograms(self, clips: Corpus) -> npt.NDArray[Any]:
        """Return the spectrograms ``(clips, frames, bins, 1)`` of some clips, in their order."""
        return self._spectrograms[self._positions(clips)]

    def examples(self, clips: Corpus) -> Examples:
        """Return some clips as examples; spectrograms on disk are read only when they are used."""
        selected = select_spectrograms(self._spectrograms, self._positions(clips))
        return Examples(selected, frozenset(clips.speakers()), self.labels(clips))

    def to_fit(self, clips: Corpus) -> Examples:
        """Return some clips as examples for fitting a model.

        Raises:
            LeakError: if a clip may not be used for fitting.
        """
        self.split.require_training(clips.clips)
        return self.examples(clips)

    def labels(self, clips: Corpus) -> npt.NDArray[Any]:
        """Return the class numbers ``(clips,)`` of some clips, in their order."""
        number_by_label = {label: number for number, label in enumerate(self.classes)}
        return np.array([number_by_label[label] for label in clips.labels(self.label_set)])

    def _positions(self, clips: Corpus) -> list[int]:
        return [self._position_by_clip[clip.root, clip.path] for clip in clips.clips]

    def fit(
        self,
        model: keras.Model,
        settings: FitSettings,
        seed: int,
        folder: Path,
        *,
        augment: Augment | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        verbose: int = 0,
    ) -> None:
        """Train a model on the training partition; remove the run's checkpoint at the end.

        Args:
            model: model from spectrograms to logits.
            settings: training settings.
            seed: seed of the order of examples, dropout and augmentation.
            folder: folder of the training run; an interrupted run resumes from there.
            augment: augmentation of training batches.
            callbacks: Keras callbacks.
            verbose: as for Keras' ``fit``.

        Raises:
            LeakError: if a clip of the training partition may not be used for fitting.
            DivergedError: if a loss or a weight is not finite.
        """
        split = self.split
        fit_classifier(
            model,
            self.to_fit(split.train),
            self.examples(split.validation),
            split.speakers,
            settings,
            seed,
            folder,
            augment=augment,
            callbacks=tuple(callbacks),
            verbose=verbose,
        )
        remove_checkpoint(folder)

    def training_clips(self, label: str) -> Corpus:
        """Return the training clips of one class."""
        return self.split.train.where(lambda clip: clip.label(self.label_set) == label)

    def evenly_spaced(self, label: str, count: int) -> npt.NDArray[Any]:
        """Return spectrograms of up to ``count`` training clips of a class.

        The clips are evenly spaced in the order of the corpus. Therefore they are spread over the
        speakers of the class.
        """
        clips = self.training_clips(label).clips
        positions = np.unique(np.linspace(0, len(clips) - 1, count).round().astype(int))
        return self.spectrograms(Corpus(tuple(clips[i] for i in positions), self.corpus.roots))


def remove_checkpoint(folder: Path) -> None:
    """Remove the checkpoint of a training run that has ended."""
    for name in ("state.npz", "best.weights.h5"):
        (folder / name).unlink(missing_ok=True)


def predict_clips(model: keras.Model, partitions: Partitions, clips: Corpus) -> pd.DataFrame:
    """Predict the classes of some clips.

    Args:
        model: model from spectrograms to logits ``(batch, classes)``.
        partitions: spectrograms and labels of a corpus that contains the clips.
        clips: clips to predict.

    Returns:
        A table with one row per clip: ``root``, ``path``, ``corpus``, ``speaker``, ``gender``,
        ``truth`` and ``predicted`` (labels), and the logits ``logit_<label>``.
    """
    logits = model.predict(partitions.spectrograms(clips), batch_size=64, verbose=0)
    columns = {name: [getattr(clip, name) for clip in clips.clips] for name in CLIP_COLUMNS}
    columns["truth"] = clips.labels(partitions.label_set)
    columns["predicted"] = [partitions.classes[number] for number in logits.argmax(axis=1)]
    logit_names = [f"logit_{label}" for label in partitions.classes]
    return pd.concat([pd.DataFrame(columns), pd.DataFrame(logits, columns=logit_names)], axis=1)
