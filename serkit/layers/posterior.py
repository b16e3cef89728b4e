"""Normal posteriors of weights, and estimators of a layer's outputs under them.

The estimators take ``linear``, which maps inputs ``(batch, …)`` and a kernel to outputs
``(batch, …)`` and is linear in both; the mean and the standard deviation of each weight of the
kernel, float32; and a seed as for ``keras.random``. Each output by itself is distributed as if the
kernel had been drawn for it alone; the estimators differ in what the examples of a batch have in
common. Outputs have the dtype of the inputs.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from tensorflow_probability import distributions as tfd

from serkit.errors import check_range
from serkit.layers.priors import NormalPrior, ScaleMixturePrior

Linear = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

# Below the smallest variance that changes a float32 sum; the root has no slope at 0.
_LEAST_VARIANCE = 1e-20


def reparameterization(linear: Linear, inputs, mean, scale, seed):
    """One kernel for the whole batch: the gradients of its examples have their noise in common.

    Source: Kingma & Welling (2014), arXiv:1312.6114.
    """
    noise = keras.random.normal(mean.shape, dtype="float32", seed=seed)
    return linear(inputs, ops.cast(mean + scale * noise, inputs.dtype))


def flipout(linear: Linear, inputs, mean, scale, seed):
    """One draw for the batch, to each example with other signs at each input and output channel.

    So the examples' noise is not correlated, at the price of a second pass of ``linear``. Channels
    are the last axis of inputs and outputs.

    Source: Wen et al. (2018), arXiv:1803.04386.
    """
    noise = keras.random.normal(mean.shape, dtype="float32", seed=seed)
    outputs = linear(inputs, ops.cast(mean, inputs.dtype))
    flipped = inputs * _signs(inputs, seed)
    perturbation = linear(flipped, ops.cast(scale * noise, inputs.dtype))
    return outputs + perturbation * _signs(outputs, seed)


def local_reparameterization(linear: Linear, inputs, mean, scale, seed):
    """Each output is drawn from the normal that the weights' normals add up to.

    Of a dense layer that is exact. Of a convolution each output by itself is distributed as it
    should be, but two positions, whose weights are the same, are drawn as if they were not.

    Source: Kingma et al. (2015), arXiv:1506.02557; for convolutions Shridhar et al. (2018),
    arXiv:1806.05978, which is reference 5 of the 2021 report.
    """
    outputs = linear(inputs, ops.cast(mean, inputs.dtype))
    variance = linear(ops.square(inputs), ops.cast(ops.square(scale), inputs.dtype))
    deviation = ops.sqrt(ops.maximum(ops.cast(variance, "float32"), _LEAST_VARIANCE))
    noise = keras.random.normal(ops.shape(outputs), dtype="float32", seed=seed)
    return outputs + ops.cast(deviation * noise, outputs.dtype)


def _signs(x, seed):
    """-1 or 1 for each example and channel, the same at all positions."""
    shape = (ops.shape(x)[0], *[1] * (len(x.shape) - 2), x.shape[-1])
    drawn = keras.random.uniform(shape, dtype="float32", seed=seed)
    return ops.cast(ops.where(drawn < 0.5, -1.0, 1.0), x.dtype)


Prior = NormalPrior | ScaleMixturePrior


class VariationalLayer(keras.layers.Layer):
    """What layers with a normal posterior for their kernel have in common.

    A bias, if there is one, is a plain number each, as in ``tfp.layers``. Mean and standard
    deviation (softplus of a variable, so that it stays positive) are float32 under every precision,
    and so is the KL, which the layer adds to the model's loss times ``kl_weight``. That is a
    variable, so that a schedule can raise it (:class:`serkit.layers.variational.KLWarmup`); with a
    loss that is a mean over clips it belongs at one over the number of real training clips.

    Args:
        use_bias: whether there is one.
        kernel_initializer: of the posterior's mean.
        bias_initializer: of the bias.
        posterior_scale: the standard deviation that every weight starts with, above 0.
        kernel_prior: what is believed before any data; default: a standard normal.
        kl_weight: what the KL counts in the loss, 0 or more.
        seed: of the weights that are drawn at each call; None for another one in each process.
        **kwargs: as for any Keras layer.

    Raises:
        InputError: for a value out of range.
    """

    def __init__(
        self,
        *,
        use_bias: bool = True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        posterior_scale: float = 1e-3,
        kernel_prior: Prior | dict | None = None,
        kl_weight: float = 1.0,
        seed: int | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        check_range("posterior_scale", posterior_scale, 1e-12, 1e3)
        check_range("kl_weight", kl_weight, 0.0)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.posterior_scale = float(posterior_scale)
        if isinstance(kernel_prior, dict):
            kernel_prior = keras.saving.deserialize_keras_object(kernel_prior)
        self.kernel_prior = kernel_prior or NormalPrior()
        self._kl_weight = float(kl_weight)
        self.seed = seed
        self.noise = keras.random.SeedGenerator(seed)
        self._drawn = None

    def add_kernel(self, shape: tuple[int, ...], biases: int) -> None:
        """The layer's variables: of a kernel of that shape, and of so many biases."""
        self.kernel_posterior_loc = self._own(
            "kernel_posterior_loc", shape, self.kernel_initializer
        )
        raw = keras.initializers.Constant(_unsoftplus(self.posterior_scale))
        self.kernel_posterior_untransformed_scale = self._own(
            "kernel_posterior_untransformed_scale", shape, raw
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(biases,), initializer=self.bias_initializer
            )
        zero = keras.initializers.Zeros()
        if self.kernel_prior.centred:
            self.kernel_prior_loc = self._own("kernel_prior_loc", shape, zero, trainable=False)
            self.kernel_prior_loc.assign(self.kernel_posterior_loc)
        if self.kernel_prior.relative:
            start = keras.initializers.Constant(self.posterior_scale)
            self.kernel_prior_unit = self._own("kernel_prior_unit", shape, start, trainable=False)
        weight = keras.initializers.Constant(self._kl_weight)
        self.kl_weight = self._own("kl_weight", (), weight, trainable=False)

    def _own(self, name: str, shape, initializer, trainable: bool = True) -> keras.Variable:
        # Not cast to bfloat16 in mixed precision: posteriors are narrower than its steps are wide.
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            dtype="float32",
            autocast=False,
            trainable=trainable,
        )

    @property
    def posterior(self) -> tfd.Normal:
        """Of the kernel, float32 and of its shape."""
        return tfd.Normal(
            tf.convert_to_tensor(self.kernel_posterior_loc),
            tf.nn.softplus(tf.convert_to_tensor(self.kernel_posterior_untransformed_scale)),
        )

    def divergence(self) -> tf.Tensor:
        """KL of the posterior from the prior, in nats, over all weights: float32, ()."""
        centre = self.kernel_prior_loc if self.kernel_prior.centred else 0.0
        unit = self.kernel_prior_unit if self.kernel_prior.relative else 1.0
        return self.kernel_prior.divergence(
            self.posterior, tf.convert_to_tensor(centre), tf.convert_to_tensor(unit), self.noise
        )

    def activated(self, linear: Linear, inputs):
        """The layer's outputs for one draw of its kernel; the KL joins the model's losses.

        Args:
            linear: see :mod:`serkit.layers.posterior`.
            inputs: ``(batch, …, channels)``.
        """
        if self._drawn is not None:
            outputs = linear(inputs, ops.cast(self._drawn, inputs.dtype))
        else:
            self.add_loss(ops.convert_to_tensor(self.kl_weight) * self.divergence())
            posterior = self.posterior
            outputs = self.estimator(linear, inputs, posterior.loc, posterior.scale, self.noise)
        if self.use_bias:
            outputs = outputs + ops.cast(self.bias, outputs.dtype)
        return self.activation(outputs)

    def draw(self, seed) -> tf.Tensor:
        """One kernel, float32 and of its shape.

        Args:
            seed: int ``(2,)``: the same seed draws the same kernel, in every process.
        """
        posterior = self.posterior
        noise = tf.random.stateless_normal(posterior.loc.shape, seed)
        return posterior.loc + posterior.scale * noise

    @contextmanager
    def drawing(self, seed) -> Iterator[None]:
        """Calls inside all have the kernel of that seed (see :meth:`draw`), whatever their batch.

        So the layer is one of the functions that it believes in, rather than another one for each
        example; there is no KL.
        """
        with self._fixed(self.draw(seed)):
            yield

    @contextmanager
    def at_mean(self) -> Iterator[None]:
        """Calls inside all have the mean of the posterior as kernel; there is no KL."""
        with self._fixed(tf.convert_to_tensor(self.kernel_posterior_loc)):
            yield

    @contextmanager
    def _fixed(self, kernel: tf.Tensor) -> Iterator[None]:
        self._drawn = kernel
        try:
            yield
        finally:
            self._drawn = None

    def set_posterior(self, loc: np.ndarray, scale: np.ndarray | float) -> None:
        """Set where the posterior starts; a centred or relative prior goes by that.

        Args:
            loc: mean of each weight, of the kernel's shape.
            scale: standard deviation of each, of its shape or one for all, above 0.
        """
        scale = np.broadcast_to(np.maximum(scale, 1e-12), loc.shape)
        self.kernel_posterior_loc.assign(loc)
        self.kernel_posterior_untransformed_scale.assign(_unsoftplus(scale))
        if self.kernel_prior.centred:
            self.kernel_prior_loc.assign(loc)
        if self.kernel_prior.relative:
            self.kernel_prior_unit.assign(scale)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "posterior_scale": self.posterior_scale,
            "kernel_prior": keras.saving.serialize_keras_object(self.kernel_prior),
            "kl_weight": self._kl_weight,
            "seed": self.seed,
        }


def _unsoftplus(scale):
    """What softplus makes ``scale`` of, for small ones without loss."""
    if isinstance(scale, float):
        return scale + math.log(-math.expm1(-scale))
    scale = np.asarray(scale, np.float64)
    return scale + np.log(-np.expm1(-scale))
