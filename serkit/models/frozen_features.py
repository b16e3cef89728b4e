"""Compute the outputs of a network's frozen layers once, and train the other layers on them."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serkit.errors import InputError
from serkit.layers.dropout import layers_of
from serkit.seeds import derive_seed
from serkit.training.batches import Source, batches_in_order, mix_batches, training_batches
from serkit.training.cache import ArrayCache
from serkit.training.examples import Examples
from serkit.training.live import LiveSpectrograms
from serkit.training.shards import Rows


@dataclass(frozen=True)
class Cut:
    """A network cut into two models that share its layers and variables.

    Attributes:
        frozen: model from the network's input to features. It has no trained or random layers, so
            that an input gives the same features in every epoch.
        rest: model from these features to the network's output.
    """

    frozen: keras.Model
    rest: keras.Model


def cut(model: keras.Model) -> Cut | None:
    """Cut a network after its frozen layers.

    A layer is frozen if it has no trainable variables, draws no random numbers, and computes the
    same in training as in inference. The cut is after the last layer for which two conditions hold:
    only frozen layers come before it, and all later layers depend on the input through it alone.

    Args:
        model: a functional model of one input and one output.

    Returns:
        The two models, or None if there is no such cut with weights before it: no weights come
        before the first layer that trains, or a skip connection passes every frozen layer with
        weights before it.
    """
    frozen_layers = list(_leading_frozen_layers(model))
    for count in range(len(frozen_layers), 0, -1):
        if not any(layer.weights for layer in frozen_layers[:count]):
            return None
        if models := _cut_after(model, frozen_layers[count - 1]):
            return models
    return None


def _leading_frozen_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yield the frozen layers at the start of a model, without input layers."""
    for layer in model.layers:
        if not is_frozen(layer):
            return
        if not isinstance(layer, keras.layers.InputLayer):
            yield layer


def is_frozen(layer: keras.layers.Layer) -> bool:
    """Return whether a layer, with all its sublayers, is constant during a training run.

    A constant layer gives the same output for an input in every epoch.
    """
    if layer.trainable_variables:
        return False
    # A variable that is not a weight is the state of a random number generator, which changes with
    # each call.
    weights = {id(variable) for variable in layer.weights}
    if any(id(variable) not in weights for variable in layer.variables):
        return False
    return not any(
        isinstance(sublayer, keras.layers.BatchNormalization) and sublayer.trainable
        for sublayer in layers_of(layer)
    )


def _cut_after(model: keras.Model, layer: keras.layers.Layer) -> Cut | None:
    try:
        frozen = keras.Model(model.input, layer.output, name=f"{model.name}_frozen")
        rest = keras.Model(layer.output, model.output, name=f"{model.name}_rest")
    # Keras raises ValueError if the output does not depend on this layer's output alone.
    except ValueError:
        return None
    return Cut(frozen, rest)


_BATCH = 32
# Part of the cache key. Increase it when the same network and spectrogram give other values than
# before.
_CODE_VERSION = "1"


class Augmented:
    """One fixed augmented view of each spectrogram, computed on access.

    Args:
        spectrograms: float32 ``(n, frames, bins, 1)``.
        augment: function of a batch and an int ``(2,)`` seed.
        seed: seed of this view; each spectrogram gets a seed of its own.
    """

    def __init__(
        self,
        spectrograms: Source,
        augment: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
        seed: int,
    ) -> None:
        self._spectrograms, self._seed = spectrograms, seed
        self._augment = tf.function(augment, autograph=False)

    def __len__(self) -> int:
        return len(self._spectrograms)

    def __getitem__(self, index: int) -> npt.NDArray[Any]:
        """Return the view of one spectrogram, float32 ``(frames, bins, 1)``."""
        seed = tf.constant([self._seed, index], tf.int64)
        return self._augment(self._spectrograms[index][np.newaxis], seed)[0].numpy()


def open_feature_cache(folder: Path, frozen: keras.Model, **limits: int) -> ArrayCache:
    """Open the cache of a frozen network's outputs, in a folder that networks may share.

    Outputs in bfloat16 are kept exactly; all others are rounded to float16.

    Args:
        folder: created at the first write.
        frozen: the network; its layers and weights are part of the cache key.
        limits: see :class:`serkit.training.cache.ArrayCache`.
    """
    dtype = "bfloat16" if frozen.output.dtype == "bfloat16" else "wide-float16"
    spec_key = f"features {_CODE_VERSION} {network_digest(frozen)}"
    return ArrayCache(folder, spec_key, tuple(frozen.output_shape[1:]), dtype, **limits)


def compute_features(
    frozen: keras.Model, spectrograms: Source | Augmented, cache: ArrayCache
) -> Rows:
    """Return a frozen network's outputs for spectrograms, in order; compute those not cached.

    The cache identifies spectrograms by their content, so that folds, seeds and runs share the
    outputs of spectrograms that they have in common.

    Args:
        frozen: deterministic model from ``(batch, frames, bins, 1)`` to ``(batch, *shape)``.
        spectrograms: float32 ``(n, frames, bins, 1)``, or a view of them.
        cache: cache that :func:`open_feature_cache` opened for this network.

    Returns:
        ``(n, *shape)``, read from disk when indexed.

    Raises:
        InputError: if a feature is not finite or too large for the cache's dtype.
        OSError: if the cache cannot be written to, or loses what is written.
    """
    forward = tf.function(lambda batch: frozen(batch, training=False), autograph=False)
    keys = [
        hashlib.sha256(np.ascontiguousarray(spectrograms[index], "<f4").data).hexdigest()
        for index in range(len(spectrograms))
    ]
    # One round is enough, or two if a file is damaged. If more are needed, the disk loses data.
    for _ in range(3):
        missing = cache.missing(keys)
        if not missing and (rows := cache.read(keys)) is not None:
            return rows
        for shard_indices in _chunks(missing, cache.shard_clips):
            features = [
                tf.cast(forward(np.stack([spectrograms[i] for i in batch_indices])), "float32")
                for batch_indices in _chunks(shard_indices, _BATCH)
            ]
            cache.write([keys[index] for index in shard_indices], np.concatenate(features))
    raise OSError(f"{cache.folder} does not keep what is written to it")


def _chunks(indices: list[int], size: int) -> Iterator[list[int]]:
    return (indices[start : start + size] for start in range(0, len(indices), size))


def network_digest(network: keras.Model) -> str:
    """Return the SHA-256 of everything that affects the outputs: layers, settings and weights.

    Layer names are left out, because Keras numbers them in the order of creation in a process.
    """
    digest = hashlib.sha256()
    for layer in layers_of(network):
        config = {} if isinstance(layer, keras.Model) else layer.get_config()
        settings = {name: value for name, value in config.items() if name != "name"}
        text = json.dumps([type(layer).__name__, settings], default=str, sort_keys=True)
        digest.update(text.encode())
    for weight in network.weights:
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


Augment = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class TrainingData:
    """A network to train, and its inputs and labels.

    Attributes:
        network: model to train; it shares its variables with the model that it was cut from.
        inputs: training inputs, float32 ``(n, …)``: spectrograms, live spectrograms or features.
        labels: class numbers ``(n,)``.
        validation: inputs ``(m, …)`` of the validation examples.
        validation_labels: class numbers ``(m,)``.
        augment: augmentation of training batches at each step, or None.
    """

    network: keras.Model
    inputs: Source
    labels: npt.NDArray[Any]
    validation: Source
    validation_labels: npt.NDArray[Any]
    augment: Augment | None

    def batches(
        self, batch_size: int, seed: int, first_step: int, mixup: float = 0.0
    ) -> "tf.data.Dataset[tuple[tf.Tensor, ...]]":
        """Return training batches; see :func:`serkit.training.batches.training_batches`.

        Args:
            batch_size: examples per batch.
            seed: seed of the order, the augmentation and the mixing.
            first_step: number of batches to skip.
            mixup: alpha of mixup. Above 0, labels are soft labels ``(batch, classes)``.
        """
        arrays = self.inputs, self.labels
        batches = training_batches(
            arrays, batch_size, seed, first_step=first_step, augment=self.augment
        )
        classes = self.network.output_shape[-1]
        return mix_batches(batches, classes, mixup, seed, first_step) if mixup else batches

    def validation_batches(
        self, batch_size: int, mixup: float = 0.0
    ) -> "tf.data.Dataset[tuple[tf.Tensor, ...]]":
        """Return all validation examples in batches, with labels encoded as in :meth:`batches`."""
        labels = self.validation_labels
        if mixup:
            labels = np.eye(self.network.output_shape[-1], dtype=np.float32)[labels]
        return batches_in_order((self.validation, labels), batch_size)


def prepare_training_data(
    model: keras.Model,
    train: Examples,
    validation: Examples,
    augment: Augment | None,
    views: int,
    seed: int,
    folder: Path,
    say: Callable[[str], None],
) -> TrainingData:
    """Compute the outputs of a network's frozen layers, and return the other layers to train.

    This is done if the network has frozen layers and neither waveforms nor spectrograms are
    augmented. With augmentation it is done if ``views`` is above 0: this number of augmented views
    of each example then replaces the augmentation at each step. Otherwise the result has the whole
    network and the spectrograms.

    Args:
        model: model from spectrograms to logits.
        train: training examples with labels.
        validation: validation examples with labels.
        augment: augmentation of training batches; function of a batch and an int ``(2,)`` seed.
        views: number of augmented views of each example; 0 augments at each step.
        seed: seed of the views.
        folder: cache folder of the frozen layers' outputs.
        say: function that gets one line of text if the frozen layers' outputs are used.

    Raises:
        InputError: if labels are missing or do not fit the model, a class has no training example,
            or ``views`` is above 0 for live spectrograms.
    """
    labels, validation_labels = check_labels(train, validation, model.output_shape[-1])
    inputs, validation_inputs = train.spectrograms, validation.spectrograms
    is_live = isinstance(inputs, LiveSpectrograms)
    if is_live and views:
        raise InputError(
            f"`views` must be 0 for live spectrograms, which are others at each step. "
            f"Received: {views}."
        )
    is_augmented = augment is not None or (is_live and inputs.is_random)
    models = cut(model) if views or not is_augmented else None
    if models is None:
        return TrainingData(model, inputs, labels, validation_inputs, validation_labels, augment)
    versions = [inputs]
    if augment is not None:
        view_seeds = [derive_seed(seed, "view", view) for view in range(views)]
        versions = [Augmented(inputs, augment, view_seed) for view_seed in view_seeds]
    cache = open_feature_cache(folder, models.frozen)
    say(
        f"{model.name}: the frozen part, {models.frozen.count_params():,} of "
        f"{model.count_params():,} parameters, is computed once for "
        + (f"each of {views} augmented views of a clip" if augment else "each clip")
        + f" and kept in {folder} as {cache.dtype}; the rest is trained on its outputs"
    )
    features = [compute_features(models.frozen, version, cache) for version in versions]
    return TrainingData(
        network=models.rest,
        inputs=Rows.joined(features),
        labels=np.tile(labels, len(features)),
        validation=compute_features(models.frozen, validation_inputs, cache),
        validation_labels=validation_labels,
        augment=None,
    )


def check_labels(
    train: Examples, validation: Examples, classes: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the training and validation labels, if they fit a model of ``classes`` classes.

    Raises:
        InputError: if labels are missing or out of range, or a class has no training example.
    """
    all_labels = []
    for name, examples in {"train": train, "validation": validation}.items():
        if examples.labels is None or not len(examples):
            raise InputError(
                f"`{name}` must have a class number for each example. Received: no labels."
            )
        class_numbers = np.unique(examples.labels)
        if class_numbers[0] < 0 or class_numbers[-1] >= classes:
            raise InputError(
                f"The labels of `{name}` must be between 0 and {classes - 1} for a model of "
                f"{classes} classes. Received: {', '.join(map(str, class_numbers))}."
            )
        all_labels.append(examples.labels)
    train_labels, validation_labels = all_labels
    if missing := sorted(set(range(classes)) - set(train_labels.tolist())):
        raise InputError(
            f"`train` must have an example of each of the model's {classes} classes. "
            f"Received: none of class {', '.join(map(str, missing))}."
        )
    return train_labels, validation_labels
