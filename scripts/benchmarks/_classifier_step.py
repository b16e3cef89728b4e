"""Time the steps of ``fit_classifier``, for bench_classifier.py."""

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
from serkit.augmentation.arms import WAVE_AUGMENTATIONS, wave_augmentation
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
        # The weights are random, which does not change the speed.
        warnings.simplefilter("ignore")
        settings = RESNET50_HEAD if name == "resnet50-head" else TransferSettings()
        return TRANSFER[name](_CLASSES, "none", replace(settings, precision=precision))


class SerkitClassifier:
    """Training from the second epoch on: the layers that are not frozen, on features from disk.

    A network without frozen layers is trained on spectrograms.

    Args:
        name: name of the network.
        batch: number of examples per step.
        precision: Keras dtype policy.
    """

    def __init__(self, name: str, batch: int, precision: str) -> None:
        self._model, self._batch = build(name, precision), batch
        rng = np.random.default_rng(0)
        self._pictures = rng.uniform(-1, 1, (2 * batch, 224, 224, 1)).astype("float32")
        self._infer = tf.function(lambda x: self._model(x, training=False))
        trained, rows = self._model, self._pictures
        if pieces := cut(self._model):
            self._folder = tempfile.TemporaryDirectory()
            self._frozen, trained = pieces.frozen, pieces.rest
            cache = open_feature_cache(Path(self._folder.name), pieces.frozen)
            # This also traces and warms up the frozen layers.
            rows = compute_features(pieces.frozen, self._pictures, cache)
        self._trainer = compiled(trained, REPORT_FIT, 4)
        labels = np.arange(len(rows)) % _CLASSES
        self._batches = training_batches((rows, labels), batch, 0)
        self.steps(2)

    def steps(self, count: int) -> list[float]:
        """Return the seconds of each of ``count`` steps of ``fit``, with the wait for its batch."""
        clock = _Clock()
        self._trainer.fit(
            self._batches, steps_per_epoch=count + 1, callbacks=[clock], shuffle=False, verbose=0
        )
        return np.diff(clock.times).tolist()

    def features(self) -> float:
        """Return the seconds to compute and store the features of a batch."""
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
        live = LiveSpectrograms(cache.read(keys), waves, spec, wave_augmentation([]), accelerator())
        sources = {"cached": live.precomputed, "live": live} | {
            f"live, {name}": live.augmented(wave_augmentation([name]))
            for name in WAVE_AUGMENTATIONS
        }
        labels = np.arange(clips) % _CLASSES
        self.batches = {
            name: training_batches((source, labels), batch, 0) for name, source in sources.items()
        }
        self._batch = batch
        self._trainer = compiled(build("compact", "float32"), FitSettings(), 4)

    def seconds(self, name: str, count: int) -> float:
        """Return the seconds per clip in training, with the wait for batches.

        This is a mean over ten times ``count`` steps, because some batches are ready at the start.
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
    """Train vgg16-half-freeze on the features of ``clips`` clips; return the memory that it takes.

    The features are random, because only their size on disk matters.
    """
    pieces = cut(build("vgg16-half-freeze", "mixed_bfloat16"))
    shape = tuple(pieces.frozen.output_shape[1:])
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        cache = ArrayCache(folder, "random", shape, "bfloat16", limit_bytes=2**40)
        keys = [f"{number:064x}" for number in range(clips)]
        for start in range(0, clips, cache.shard_clips):
            shard_keys = keys[start : start + cache.shard_clips]
            cache.write(shard_keys, rng.random((len(shard_keys), *shape), np.float32))
        rows = cache.read(keys)
        trainer = compiled(pieces.rest, REPORT_FIT, steps)
        batches = training_batches((rows, np.arange(clips) % _CLASSES), batch, 0)
        trainer.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0)
        return {"bytes": clips * int(np.prod(shape)) * 2, **peak()}
