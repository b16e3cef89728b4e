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
    seed, it depends on ``i`` alone: neither on the number of samples, nor on the other clips of a
    batch.
    """

    def predict_logits(self, x: Source, n: int = 30, seed: int = 0) -> npt.NDArray[Any]:
        """Return the logits of each sample.

        Args:
            x: float32 ``(clips, frames, bins, 1)`` in [-1, 1].
            n: number of samples, at least 1. Deterministic networks and ensembles return their own
                fixed number of samples instead.
            seed: of the samples.

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
        predictor: such as :class:`Ensemble` or :class:`SampledNetwork`.
        x: float32 ``(clips, frames, bins, 1)`` in [-1, 1].
        n: number of samples, at least 1; ignored by ensembles.
        seed: of the samples.

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
            found = ", ".join(str(model.output_shape[-1]) for model in models) or "none"
            raise InputError(
                "`models` must be one or more networks with the same number of classes. Received "
                f"numbers: {found}."
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
        found = [model.predict(batches, verbose=0) for model in self.models]
        return np.stack(found).astype(np.float32)


_DRAWING = VariationalLayer, MCDropout


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
        self._layers = [layer for layer in layers_of(model) if isinstance(layer, _DRAWING)]
        if not self._layers:
            raise InputError(
                "`model` must have variational layers or Monte Carlo dropout. Received: "
                f"{model.name}."
            )
        self._before, self._behind = _pieces(model)
        clips = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
        number = tf.TensorSpec((), tf.int32)
        # One graph for all batch sizes: tracing it again for the last batch takes seconds.
        self._compiled = tf.function(self.sample, input_signature=(clips, number, number))

    def sample(self, x: tf.Tensor, n: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Return the samples of one batch, usable in a graph.

        Args:
            x: float32 ``(batch, frames, bins, 1)``.
            n: int32, number of samples.
            seed: int32.

        Returns:
            float32 logits ``(n, batch, classes)``.
        """
        found = self._before(x, training=False) if self._before else x
        # TensorFlow's stubs do not know this module.
        fold_in = tf.random.experimental.stateless_fold_in  # pyright: ignore[reportAttributeAccessIssue]

        def one(number: tf.Tensor) -> tf.Tensor:
            with ExitStack() as draws:
                for place, layer in enumerate(self._layers):
                    own = fold_in(tf.stack([seed, number]), place)
                    draws.enter_context(layer.fixed_sample(own))
                return tf.cast(self._behind(found, training=False), tf.float32)

        return tf.map_fn(one, tf.range(n), fn_output_signature=tf.float32)

    def predict_logits(
        self, x: Source, n: int = 30, seed: int = 0, batch_size: int = 64
    ) -> npt.NDArray[Any]:
        """Return the logits of each sample; the first samples do not depend on ``n``.

        Args:
            x: float32 ``(clips, frames, bins, 1)`` in [-1, 1].
            n: number of samples, at least 1.
            seed: of the samples.
            batch_size: clips per batch.

        Returns:
            float32 logits ``(n, clips, classes)``.

        Raises:
            InputError: if ``n`` is below 1.
        """
        check_range("n", n, 1)
        batches = (batch for (batch,) in batches_in_order((x,), batch_size))
        found = [self._compiled(batch, tf.constant(n), tf.constant(seed)) for batch in batches]
        return np.concatenate(found, axis=1)


def _pieces(model: keras.Model) -> tuple[keras.Model | None, keras.Model]:
    """Split a model into a deterministic part and a random part.

    The random part takes the outputs of the deterministic part. The latter is None if the model
    cannot be split, or nothing could be computed in advance.
    """
    known, random, crossing = {id(each) for each in model.inputs}, set(), {}
    # The rebuilt model lists its operations in computation order, for a sequential model, too.
    for operation in keras.Model(model.inputs, model.outputs).operations:
        if isinstance(operation, keras.layers.InputLayer):
            continue
        inputs = keras.tree.flatten(operation.input)
        if not {id(each) for each in inputs} <= known:
            # A layer is used several times: its inputs and outputs cannot be assigned to one use.
            return None, model
        outputs = {id(each) for each in keras.tree.flatten(operation.output)}
        if draws(operation) or any(id(each) in random for each in inputs):
            random |= outputs
            crossing |= {id(each): each for each in inputs if id(each) not in random}
        known |= outputs
    if set(crossing) <= {id(each) for each in model.inputs}:
        return None, model
    tensors = list(crossing.values())
    return keras.Model(model.inputs, tensors), keras.Model(tensors, model.outputs[0])


def draws(layer: keras.layers.Layer) -> bool:
    """Return whether a layer or model has random layers, at any depth.

    Random layers are variational layers and Monte Carlo dropout.
    """
    return any(isinstance(part, _DRAWING) for part in layers_of(layer))
