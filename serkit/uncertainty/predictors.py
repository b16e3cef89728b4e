"""Several predictions per clip: by an ensemble, or by sampling one network."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serkit.errors import InputError, check_range
from serkit.layers import MCDropout
from serkit.layers.dropout import layers_of
from serkit.layers.posterior import VariationalLayer
from serkit.metrics.calibration import softmax
from serkit.training.batches import Source, batches_in_order


class Predictor(Protocol):
    """Classifier that gives several predictions (samples) per clip.

    Sample number ``i`` comes from one network, the same for all clips. Given the predictor and the
    seed, this network depends on ``i`` alone: neither on the number of samples, nor on the other
    clips of a batch.
    """

    def predict_logits(self, x: Source, n: int = 30, seed: int = 0) -> npt.NDArray[Any]:
        """Return the logits of each sample.

        Args:
            x: float32 ``(clips, frames, bins, 1)`` in [-1, 1].
            n: number of samples, at least 1. Deterministic networks and ensembles return their own
                fixed number of samples instead.
            seed: seed of the samples.

        Returns:
            float32 logits ``(samples, clips, classes)``.
        """
        ...


def predict_samples(
    predictor: Predictor, x: Source, n: int = 30, seed: int = 0
) -> npt.NDArray[Any]:
    """Return the class probabilities of each sample.

    The mean over samples is the prediction; see :mod:`serkit.metrics.calibration` for the
    uncertainty that the differences between samples express.

    Args:
        predictor: a predictor, such as :class:`Ensemble` or :class:`SampledNetwork`.
        x: float32 ``(clips, frames, bins, 1)`` in [-1, 1].
        n: number of samples, at least 1; ignored by ensembles.
        seed: seed of the samples.

    Returns:
        float64 ``(samples, clips, classes)``; each clip's probabilities add up to 1.

    Raises:
        InputError: if ``n`` is below 1 for a predictor that uses it.

    Example:
        >>> import numpy as np
        >>> import serkit
        >>> class Fixed:
        ...     def predict_logits(self, x, n=30, seed=0):
        ...         return np.zeros((n, len(x), 2), np.float32)
        >>> serkit.predict_samples(Fixed(), np.zeros((1, 4, 4, 1)), n=2).tolist()
        [[[0.5, 0.5]], [[0.5, 0.5]]]
    """
    return softmax(predictor.predict_logits(x, n, seed).astype(np.float64))


class Ensemble:
    """Ensemble of networks; each network is one sample.

    Args:
        models: from spectrograms to logits, one or more, of the same classes. For a deep ensemble,
            networks trained from different seeds. The networks may be trained on different clips,
            but a speaker on whom one network is tested must not be in the training clips of any
            other.

    Raises:
        InputError: if there is no network, or their numbers of classes differ.

    Example:
        >>> import numpy as np
        >>> import serkit
        >>> models = [serkit.lenet5(4, (32, 32, 1), seed=seed) for seed in range(2)]
        >>> ensemble = serkit.Ensemble(models)
        >>> ensemble.predict_logits(np.zeros((3, 32, 32, 1), "float32")).shape
        (2, 3, 4)

    Source: Lakshminarayanan et al. (2017), arXiv:1612.01474.
    """

    def __init__(self, models: Sequence[keras.Model]) -> None:
        if len({model.output_shape[-1] for model in models}) != 1:
            class_counts = ", ".join(str(model.output_shape[-1]) for model in models) or "none"
            raise InputError(
                "`models` must be one or more networks with the same number of classes. Received "
                f"numbers: {class_counts}."
            )
        self.models: tuple[keras.Model, ...] = tuple(models)

    def predict_logits(
        self, x: Source, n: int = 30, seed: int = 0, batch_size: int = 64
    ) -> npt.NDArray[Any]:
        """Return the logits of each network; one network is one sample.

        Args:
            x: float32 ``(clips, frames, bins, 1)`` in [-1, 1].
            n: ignored.
            seed: ignored.
            batch_size: clips per batch.

        Returns:
            float32 logits ``(networks, clips, classes)``.
        """
        batches = batches_in_order((x,), batch_size)
        logits = [model.predict(batches, verbose=0) for model in self.models]
        return np.stack(logits).astype(np.float32)


RANDOM_LAYERS = VariationalLayer, MCDropout
"""Classes of the layers whose outputs are random in inference."""


class SampledNetwork:
    """Monte Carlo samples of a network with variational layers or Monte Carlo dropout.

    Layers before the first random layer are computed once. All samples are computed in one graph,
    by a TensorFlow loop over the other layers, with a kernel or dropout mask per sample rather than
    per clip. This takes one convolution where Flipout takes two.

    Args:
        model: functional, from spectrograms to logits, with variational layers or
            :class:`serkit.layers.MCDropout`.

    Raises:
        InputError: if the model has no such layer.

    Example:
        >>> import numpy as np
        >>> import serkit
        >>> model = serkit.from_deterministic(serkit.lenet5(4, (32, 32, 1)), layers=["logits"])
        >>> network = serkit.SampledNetwork(model)
        >>> network.predict_logits(np.zeros((3, 32, 32, 1), "float32"), n=5, seed=1).shape
        (5, 3, 4)

    Source: Blundell et al. (2015), arXiv:1505.05424; Gal & Ghahramani (2016), arXiv:1506.02142.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model: keras.Model = model
        self._random_layers = [
            layer for layer in layers_of(model) if isinstance(layer, RANDOM_LAYERS)
        ]
        if not self._random_layers:
            raise InputError(
                "`model` must have variational layers or Monte Carlo dropout. Received: "
                f"{model.name}."
            )
        self._deterministic_part, self._random_part = _split_at_random_layers(model)
        clips = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
        integer = tf.TensorSpec((), tf.int32)
        # One graph for all batch sizes: tracing another graph for the last batch takes seconds.
        self._compiled_sample = tf.function(
            self.sample, input_signature=(clips, integer, integer), autograph=False
        )

    def sample(self, x: tf.Tensor, n: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Return the samples of one batch, usable in a graph.

        Args:
            x: float32 ``(batch, frames, bins, 1)``.
            n: int32, number of samples.
            seed: int32, seed of the samples.

        Returns:
            float32 logits ``(n, batch, classes)``.
        """
        features = x
        if self._deterministic_part is not None:
            features = self._deterministic_part(x, training=False)
        # TensorFlow's stubs do not know this module.
        fold_in = tf.random.experimental.stateless_fold_in  # pyright: ignore[reportAttributeAccessIssue]

        def logits_of_sample(sample_number: tf.Tensor) -> tf.Tensor:
            with ExitStack() as fixed_samples:
                for layer_index, layer in enumerate(self._random_layers):
                    layer_seed = fold_in(tf.stack([seed, sample_number]), layer_index)
                    fixed_samples.enter_context(layer.fixed_sample(layer_seed))
                return tf.cast(self._random_part(features, training=False), tf.float32)

        return tf.map_fn(logits_of_sample, tf.range(n), fn_output_signature=tf.float32)

    def predict_logits(
        self, x: Source, n: int = 30, seed: int = 0, batch_size: int = 64
    ) -> npt.NDArray[Any]:
        """Return the logits of each sample; the first samples do not depend on ``n``.

        Args:
            x: float32 ``(clips, frames, bins, 1)`` in [-1, 1].
            n: number of samples, at least 1.
            seed: seed of the samples.
            batch_size: clips per batch.

        Returns:
            float32 logits ``(n, clips, classes)``.

        Raises:
            InputError: if ``n`` is below 1.
        """
        check_range("n", n, 1)
        batches = (batch for (batch,) in batches_in_order((x,), batch_size))
        n_samples, seed_tensor = tf.constant(n), tf.constant(seed)
        logits = [self._compiled_sample(batch, n_samples, seed_tensor) for batch in batches]
        return np.concatenate(logits, axis=1)


def _split_at_random_layers(
    model: keras.Model,
) -> tuple[keras.Model | None, keras.Model]:
    """Split a model into a deterministic part and a random part.

    The random part takes the outputs of the deterministic part. The deterministic part is None if
    the model cannot be split, or if nothing could be computed in advance.
    """
    input_ids = {id(tensor) for tensor in model.inputs}
    # Ids of all tensors computed so far, and of those that depend on a random layer.
    computed_ids, random_ids = set(input_ids), set()
    # Deterministic tensors that the random part takes, by id.
    split_tensors = {}
    # The rebuilt model lists its operations in computation order, for a sequential model, too.
    for operation in keras.Model(model.inputs, model.outputs).operations:
        if isinstance(operation, keras.layers.InputLayer):
            continue
        inputs = keras.tree.flatten(operation.input)
        if not {id(tensor) for tensor in inputs} <= computed_ids:
            # A layer is used several times: its inputs and outputs cannot be assigned to one use.
            return None, model
        output_ids = {id(tensor) for tensor in keras.tree.flatten(operation.output)}
        if has_random_layers(operation) or any(id(tensor) in random_ids for tensor in inputs):
            random_ids |= output_ids
            for tensor in inputs:
                if id(tensor) not in random_ids:
                    split_tensors[id(tensor)] = tensor
        computed_ids |= output_ids
    if set(split_tensors) <= input_ids:
        return None, model
    tensors = list(split_tensors.values())
    return keras.Model(model.inputs, tensors), keras.Model(tensors, model.outputs[0])


def has_random_layers(layer: keras.layers.Layer) -> bool:
    """Return whether a layer or model has random layers, at any depth.

    Random layers are variational layers and Monte Carlo dropout.
    """
    return any(isinstance(inner_layer, RANDOM_LAYERS) for inner_layer in layers_of(layer))
