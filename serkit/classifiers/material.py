"""What is really trained: a whole network on spectrograms, or what is not frozen on features."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from serkit.caching.rows import Rows
from serkit.classifiers.features import Augmented, compute_features, open_feature_cache
from serkit.classifiers.frozen import cut
from serkit.errors import InputError
from serkit.seeds import derive_seed
from serkit.training.batches import batches_in_order, training_batches
from serkit.training.examples import Examples
from serkit.training.live import LiveSpectrograms
from serkit.training.mixing import mixed

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
    pictures = [train.spectrograms]
    if augment is not None:
        seeds = (derive_seed(seed, "view", view) for view in range(views))
        pictures = [Augmented(train.spectrograms, augment, each) for each in seeds]
    cache = open_feature_cache(folder, pieces.frozen)
    say(
        f"{model.name}: the frozen part, {pieces.frozen.count_params():,} of "
        f"{model.count_params():,} parameters, is computed once for "
        + (f"each of {views} augmented views of a clip" if augment else "each clip")
        + f" and kept in {folder} as {cache.dtype}; the rest is trained on its outputs"
    )
    rows = [compute_features(pieces.frozen, each, cache) for each in pictures]
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
