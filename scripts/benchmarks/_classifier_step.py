"""serkit's side of bench_classifier.py: what ``fit_classifier`` does, and how long it takes."""

import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from serkit.audio.spectrogram import SpectrogramSpec, to_spectrogram
from serkit.augmentation.arms import STRENGTHS, augmentation_of
from serkit.models.compact import CompactSettings, compact
from serkit.models.fitting import REPORT_FIT, FitSettings, compiled
from serkit.models.frozen_features import compute_features, cut, open_feature_cache
from serkit.models.transfer import RESNET50_HEAD, TRANSFER, TransferSettings
from serkit.training.batches import training_batches
from serkit.training.cache import ArrayCache
from serkit.training.live import LiveSpectrograms
from serkit.training.spectrograms import accelerator, open_cache

_CLASSES = 7


def build(name: str, precision: str) -> keras.Model:
    if name == "compact":
        return compact(_CLASSES, (224, 224, 1), CompactSettings(precision=precision))
    with warnings.catch_warnings():
        # Random weights are as fast as any.
        warnings.simplefilter("ignore")
        settings = RESNET50_HEAD if name == "resnet50-head" else TransferSettings()
        return TRANSFER[name](_CLASSES, "none", replace(settings, precision=precision))


class SerkitClassifier:
    """A training from the second epoch on: the rest of the network on features from disk.

    Args:
        name: of the network.
        batch: examples a step.
        precision: a Keras policy.
    """

    def __init__(self, name: str, batch: int, precision: str) -> None:
        self._model, self._batch = build(name, precision), batch
        rng = np.random.default_rng(0)
        self._pictures = rng.uniform(-1, 1, (2 * batch, 224, 224, 1)).astype("float32")
        self._infer = tf.function(lambda x: self._model(x, training=False))
        pieces = cut(self._model)
        if pieces is None:
            return
        self._folder = tempfile.TemporaryDirectory()
        self._frozen = pieces.frozen
        cache = open_feature_cache(Path(self._folder.name), pieces.frozen)
        # Traced, and warm.
        rows = compute_features(pieces.frozen, self._pictures, cache)
        self._trainer = compiled(pieces.rest, REPORT_FIT, 4)
        labels = np.arange(len(rows)) % _CLASSES
        self._batches = training_batches((rows, labels), batch, 0)
        self.steps(2)

    def steps(self, count: int) -> list[float]:
        """Seconds of each of so many steps in ``fit``, the wait for its batch included."""
        clock = _Clock()
        self._trainer.fit(
            self._batches, steps_per_epoch=count + 1, callbacks=[clock], shuffle=False, verbose=0
        )
        return np.diff(clock.times).tolist()

    def features(self) -> float:
        """Seconds that computing and keeping the features of a batch takes."""
        with tempfile.TemporaryDirectory() as folder:
            cache = open_feature_cache(Path(folder), self._frozen)
            began = time.perf_counter()
            compute_features(self._frozen, self._pictures, cache)
            return (time.perf_counter() - began) / 2

    def predict(self) -> None:
        self._infer(self._pictures[: self._batch]).numpy()


class LiveAndCached:
    """Compact, trained on spectrograms of the cache, and on those that are computed at each step.

    What is to be heard is noise: what it is does not matter.

    Args:
        batch: clips a step.

    Attributes:
        batches: by what is done at each step.
    """

    def __init__(self, batch: int) -> None:
        tf.config.experimental.enable_op_determinism()
        spec, clips = SpectrogramSpec(), 8 * batch
        rng = np.random.default_rng(0)
        waves = 0.1 * rng.standard_normal((clips, spec.samples), np.float32)
        self._folder = tempfile.TemporaryDirectory()
        cache = open_cache(self._folder.name, spec)
        keys = [f"{number:064x}" for number in range(clips)]
        for start in range(0, clips, batch):
            pictures = to_spectrogram(waves[start : start + batch], spec)
            cache.write(keys[start : start + batch], pictures.numpy())
        live = LiveSpectrograms(cache.read(keys), waves, spec, augmentation_of([]), accelerator())
        sources = {"cached": live.precomputed, "live": live} | {
            f"live, {name}": live.augmented(augmentation_of([name])) for name in STRENGTHS
        }
        labels = np.arange(clips) % _CLASSES
        self.batches = {
            name: training_batches((source, labels), batch, 0) for name, source in sources.items()
        }
        self._batch = batch
        self._trainer = compiled(build("compact", "float32"), FitSettings(), 4)

    def seconds(self, name: str, count: int) -> float:
        """Of a clip in training, the wait for its batch included.

        The mean of ten times so many steps: some batches lie ready when they begin.
        """
        clock = _Clock()
        self._trainer.fit(
            self.batches[name],
            steps_per_epoch=10 * count + 1,
            callbacks=[clock],
            shuffle=False,
            verbose=0,
        )
        return (clock.times[-1] - clock.times[0]) / (10 * count * self._batch)


class _Clock(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.times.append(time.perf_counter())


def train_many(clips: int, batch: int, steps: int, peak: Callable[[], dict]) -> dict:
    """Train half-freeze on so many clips' features, and say what memory that took.

    The features are random: what they are does not matter, that they lie on disk does.
    """
    pieces = cut(build("vgg16-half-freeze", "mixed_bfloat16"))
    shape = tuple(pieces.frozen.output_shape[1:])
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        cache = ArrayCache(folder, "random", shape, "bfloat16", limit_bytes=2**40)
        keys = [f"{number:064x}" for number in range(clips)]
        for start in range(0, clips, cache.shard_clips):
            some = keys[start : start + cache.shard_clips]
            cache.write(some, rng.random((len(some), *shape), np.float32))
        rows = cache.read(keys)
        trainer = compiled(pieces.rest, REPORT_FIT, steps)
        batches = training_batches((rows, np.arange(clips) % _CLASSES), batch, 0)
        trainer.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0)
        return {"bytes": clips * int(np.prod(shape)) * 2, **peak()}
