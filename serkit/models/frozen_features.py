"""The outputs of a network's frozen part, computed once, to train the rest on."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from serkit.errors import InputError
from serkit.layers.dropout import layers_of
from serkit.seeds import derive_seed
from serkit.training.batches import batches_in_order, mixed, training_batches
from serkit.training.cache import ArrayCache
from serkit.training.examples import Examples
from serkit.training.live import LiveSpectrograms
from serkit.training.shards import Rows


@dataclass(frozen=True)
class Cut:
    """A network in two pieces that share its layers and variables.

    Attributes:
        frozen: from the network's input to features; nothing in it is trained or random, so that
            an input gives the same features in every epoch.
        rest: from these features to the network's output.
    """

    frozen: keras.Model
    rest: keras.Model


def cut(model: keras.Model) -> Cut | None:
    """Cut a network behind its frozen part.

    A layer belongs to the frozen part if nothing in it is trained, it draws no random numbers, and
    it does the same in training as in inference. The cut lies as far back as it can: where only
    such layers come before it and everything else passes through it.

    Args:
        model: a functional model of one input and one output.

    Returns:
        The pieces, or None where no weights lie before the first layer that trains, or what comes
        before it is used again behind it.
    """
    layers = list(_until_something_changes(model))
    for number in range(len(layers), 0, -1):
        if not any(layer.weights for layer in layers[:number]):
            return None
        if pieces := _at(model, layers[number - 1]):
            return pieces
    return None


def _until_something_changes(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The first layers, in the order of computation, up to one that is not frozen."""
    for layer in model.layers:
        if not is_frozen(layer):
            return
        if not isinstance(layer, keras.layers.InputLayer):
            yield layer


def is_frozen(layer: keras.layers.Layer) -> bool:
    """Whether a layer, with all in it, gives the same for an input in every epoch of a training."""
    if layer.trainable_variables:
        return False
    # What is no weight is the state of a random number generator, which moves with each call.
    weights = {id(variable) for variable in layer.weights}
    if any(id(variable) not in weights for variable in layer.variables):
        return False
    return not any(
        isinstance(part, keras.layers.BatchNormalization) and part.trainable
        for part in layers_of(layer)
    )


def _at(model: keras.Model, layer: keras.layers.Layer) -> Cut | None:
    try:
        frozen = keras.Model(model.input, layer.output, name=f"{model.name}_frozen")
        rest = keras.Model(layer.output, model.output, name=f"{model.name}_rest")
    # Keras' way to say that something does not pass through here.
    except ValueError:
        return None
    return Cut(frozen, rest)


_BATCH = 32
# To be counted up when the same network and spectrogram give other numbers than before.
_RECIPE = "1"


class Augmented:
    """One augmented view of each of some spectrograms, always the same one, made when asked for.

    Args:
        spectrograms: float32 ``(n, frames, bins, 1)``.
        augment: gets a batch and an int ``(2,)`` seed.
        seed: of this view; each spectrogram gets a seed of its own.
    """

    def __init__(
        self,
        spectrograms: np.ndarray | Rows,
        augment: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
        seed: int,
    ) -> None:
        self._spectrograms, self._seed = spectrograms, seed
        self._augment = tf.function(augment)

    def __len__(self) -> int:
        return len(self._spectrograms)

    def __getitem__(self, number: int) -> np.ndarray:
        """Float32 ``(frames, bins, 1)``."""
        seed = tf.constant([self._seed, number], tf.int64)
        return self._augment(self._spectrograms[number][np.newaxis], seed)[0].numpy()


def open_feature_cache(folder: Path, frozen: keras.Model, **limits: int) -> ArrayCache:
    """The cache of a frozen network's outputs, in a folder that other networks may use as well.

    Outputs of a network that computes in bfloat16 are kept as they are, others are rounded to
    float16.

    Args:
        folder: made when it is first written to.
        frozen: its layers and weights decide what is found.
        limits: see :class:`serkit.training.cache.ArrayCache`.
    """
    dtype = "bfloat16" if frozen.output.dtype == "bfloat16" else "wide-float16"
    key = f"features {_RECIPE} {_digest(frozen)}"
    return ArrayCache(folder, key, tuple(frozen.output_shape[1:]), dtype, **limits)


def compute_features(
    frozen: keras.Model, spectrograms: np.ndarray | Rows | Augmented, cache: ArrayCache
) -> Rows:
    """A frozen network's outputs for spectrograms, in their order; what is cached is not redone.

    Spectrograms are known by their content, so that folds, seeds and runs share what they have in
    common.

    Args:
        frozen: from ``(batch, frames, bins, 1)`` to ``(batch, *shape)``; gives the same each time.
        spectrograms: float32 ``(n, frames, bins, 1)``, or a view of them.
        cache: of :func:`open_feature_cache`.

    Returns:
        ``(n, *shape)``, read from disk when indexed.

    Raises:
        InputError: if a feature is not finite or too large for how it is kept.
        OSError: if the cache cannot be written to, or does not keep what is written.
    """
    forward = tf.function(lambda batch: tf.cast(frozen(batch, training=False), tf.float32))
    keys = [
        hashlib.sha256(np.ascontiguousarray(spectrograms[number], "<f4")).hexdigest()
        for number in range(len(spectrograms))
    ]
    # Once is enough, twice if a file is damaged; what is left then is a disk that loses things.
    for _ in range(3):
        missing = cache.missing(keys)
        if not missing and (rows := cache.read(keys)) is not None:
            return rows
        for shard in _pieces(missing, cache.shard_clips):
            made = [
                forward(np.stack([spectrograms[place] for place in batch])).numpy()
                for batch in _pieces(shard, _BATCH)
            ]
            cache.write([keys[place] for place in shard], np.concatenate(made))
    raise OSError(f"{cache.folder} does not keep what is written to it")


def _pieces(places: list[int], size: int) -> Iterator[list[int]]:
    return (places[start : start + size] for start in range(0, len(places), size))


def _digest(frozen: keras.Model) -> str:
    """Of all that decides the outputs: layers in their order with their settings, and weights.

    Without names, which Keras numbers in the order in which a process makes layers.
    """
    found = hashlib.sha256()
    for layer in layers_of(frozen):
        config = {} if isinstance(layer, keras.Model) else layer.get_config()
        known = {name: value for name, value in config.items() if name != "name"}
        text = json.dumps([type(layer).__name__, known], default=str, sort_keys=True)
        found.update(text.encode())
    for weight in frozen.weights:
        found.update(np.ascontiguousarray(weight).tobytes())
    return found.hexdigest()


Augment = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Material:
    """A network and what goes into it.

    Attributes:
        network: to be trained; shares its variables with the model that it comes from.
        inputs: float32 ``(n, …)``, spectrograms, live ones included, or features, for training.
        labels: class numbers ``(n,)``.
        validation: inputs ``(m, …)`` of the validation examples.
        augment: of training batches, if it is to be done at each step.
    """

    network: keras.Model
    inputs: np.ndarray | Rows | LiveSpectrograms
    labels: np.ndarray
    validation: np.ndarray | Rows
    augment: Augment | None

    def batches(
        self, batch_size: int, seed: int, first_step: int, mixup: float = 0.0
    ) -> tf.data.Dataset:
        """Of inputs and labels; see :func:`serkit.training.batches.training_batches`.

        Args:
            batch_size: examples per batch.
            seed: of their order, augmentation and mixing.
            first_step: number of batches to leave out.
            mixup: alpha; above 0, labels are shares ``(batch, classes)``.
        """
        batches = training_batches(
            *((self.inputs, self.labels), batch_size, seed),
            first_step=first_step,
            augment=self.augment,
        )
        classes = self.network.output_shape[-1]
        return mixed(batches, classes, mixup, seed, first_step) if mixup else batches

    def validation_batches(
        self, labels: np.ndarray, batch_size: int, mixup: float = 0.0
    ) -> tf.data.Dataset:
        """Of the validation examples, in order; labels are coded as those of :meth:`batches`."""
        coded = np.eye(self.network.output_shape[-1], dtype=np.float32)[labels] if mixup else labels
        return batches_in_order((self.validation, coded), batch_size)


def prepare(
    model: keras.Model,
    train: Examples,
    validation: Examples,
    augment: Augment | None,
    views: int,
    seed: int,
    folder: Path,
    say: Callable[[str], None],
) -> Material:
    """Take the frozen part's outputs for the network's input where that changes nothing.

    That is where there is a frozen part and no augmentation, of waveforms or of spectrograms; or
    where ``views`` augmented views of each example are to stand for all that there could be.

    Args:
        model: from spectrograms to logits.
        train: training examples with labels.
        validation: validation examples with labels.
        augment: of training batches; gets a batch and an int ``(2,)`` seed.
        views: see above; 0 augments at each step.
        seed: of the views.
        folder: of the frozen part's outputs.
        say: gets a line if they are used.

    Raises:
        InputError: for views of live spectrograms.
    """
    live = isinstance(train.spectrograms, LiveSpectrograms)
    if live and views:
        raise InputError(
            f"`views` must be 0 for live spectrograms, which are others at each step. "
            f"Received: {views}."
        )
    fixed = augment is None and not (live and train.spectrograms.is_random)
    pieces = cut(model) if fixed or views else None
    if pieces is None:
        return Material(model, train.spectrograms, train.labels, validation.spectrograms, augment)
    spectrograms = [train.spectrograms]
    if augment is not None:
        seeds = (derive_seed(seed, "view", view) for view in range(views))
        spectrograms = [Augmented(train.spectrograms, augment, each) for each in seeds]
    cache = open_feature_cache(folder, pieces.frozen)
    say(
        f"{model.name}: the frozen part, {pieces.frozen.count_params():,} of "
        f"{model.count_params():,} parameters, is computed once for "
        + (f"each of {views} augmented views of a clip" if augment else "each clip")
        + f" and kept in {folder} as {cache.dtype}; the rest is trained on its outputs"
    )
    rows = [compute_features(pieces.frozen, each, cache) for each in spectrograms]
    return Material(
        pieces.rest,
        Rows.joined(rows),
        np.tile(train.labels, len(rows)),
        compute_features(pieces.frozen, validation.spectrograms, cache),
        None,
    )


def check_labels(train: Examples, validation: Examples, classes: int) -> None:
    """Refuse what a model of so many classes cannot be trained on.

    Raises:
        InputError: for labels that are missing or do not fit, or a class without training examples.
    """
    for name, examples in {"train": train, "validation": validation}.items():
        if examples.labels is None or not len(examples):
            raise InputError(f"{name} has no labels; valid is a class number for each example")
        numbers = np.unique(examples.labels)
        if numbers[0] < 0 or numbers[-1] >= classes:
            raise InputError(
                f"{name} has labels {', '.join(map(str, numbers))} for a model of {classes} "
                f"classes; valid are 0 to {classes - 1}"
            )
    if missing := sorted(set(range(classes)) - set(train.labels.tolist())):
        raise InputError(
            f"no training example of class {', '.join(map(str, missing))} of a model of {classes} "
            "classes; a class must be seen to be learned"
        )
