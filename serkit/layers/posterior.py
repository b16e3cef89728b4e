"""Normal posteriors of weights, and estimators of a layer's outputs under them.

The estimators have these arguments in common:

- ``linear``: function that maps inputs ``(batch, …)`` and a kernel to outputs ``(batch, …)``. It
  is linear in both.
- ``inputs``: inputs of ``linear``.
- ``mean`` and ``scale``: mean and standard deviation of each weight of the kernel, float32.
- ``seed``: seed as for ``keras.random``.

With every estimator, each single output has the same distribution as with a separate kernel sample
for each example. The estimators differ in the noise that the examples of a batch share. Outputs
have the dtype of the inputs.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import activations, ops

from serkit.errors import check_choice, check_range
from serkit.layers.priors import Prior, get_prior

if TYPE_CHECKING:
    from tensorflow_probability import distributions as tfd

Linear = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

# Lower bound of the variance, because the gradient of the square root is infinite at 0. It is too
# small to change a float32 sum.
_MIN_VARIANCE = 1e-20


def reparameterization(
    linear: Linear,
    inputs: tf.Tensor,
    mean: tf.Tensor,
    scale: tf.Tensor,
    seed: keras.random.SeedGenerator,
) -> tf.Tensor:
    """Compute the outputs with one kernel sample for the whole batch.

    The gradients of all examples share the same noise.

    Source: Kingma & Welling (2014), arXiv:1312.6114.
    """
    noise = keras.random.normal(mean.shape, dtype="float32", seed=seed)
    return linear(inputs, ops.cast(mean + scale * noise, inputs.dtype))


def flipout(
    linear: Linear,
    inputs: tf.Tensor,
    mean: tf.Tensor,
    scale: tf.Tensor,
    seed: keras.random.SeedGenerator,
) -> tf.Tensor:
    """Compute the outputs with one kernel sample per batch and random signs per example.

    The deviation of the kernel sample from the mean is multiplied by random sign vectors, which
    each example has for its input channels and its output channels. So the noise of the examples is
    uncorrelated, at the price of a second pass of ``linear``. Channels are the last axis of inputs
    and outputs.

    Source: Wen et al. (2018), arXiv:1803.04386.
    """
    noise = keras.random.normal(mean.shape, dtype="float32", seed=seed)
    mean_outputs = linear(inputs, ops.cast(mean, inputs.dtype))
    flipped_inputs = inputs * _random_signs(inputs, seed)
    deviation = linear(flipped_inputs, ops.cast(scale * noise, inputs.dtype))
    return mean_outputs + deviation * _random_signs(mean_outputs, seed)


def local_reparameterization(
    linear: Linear,
    inputs: tf.Tensor,
    mean: tf.Tensor,
    scale: tf.Tensor,
    seed: keras.random.SeedGenerator,
) -> tf.Tensor:
    """Sample each output from its own normal distribution, given by the posterior of the weights.

    For a dense layer this is exact. For a convolution each single output has the right
    distribution, but outputs at different positions are sampled independently, although they share
    their weights.

    Source: Kingma et al. (2015), arXiv:1506.02557; for convolutions Shridhar et al. (2018),
    arXiv:1806.05978, which is reference 5 of the 2021 report.
    """
    mean_outputs = linear(inputs, ops.cast(mean, inputs.dtype))
    variance = linear(ops.square(inputs), ops.cast(ops.square(scale), inputs.dtype))
    deviation = ops.sqrt(ops.maximum(ops.cast(variance, "float32"), _MIN_VARIANCE))
    noise = keras.random.normal(ops.shape(mean_outputs), dtype="float32", seed=seed)
    return mean_outputs + ops.cast(deviation * noise, mean_outputs.dtype)


def _random_signs(x, seed):
    """Return a random sign, -1 or 1, for each example and channel, the same at all positions."""
    shape = (ops.shape(x)[0], *[1] * (len(x.shape) - 2), x.shape[-1])
    uniform = keras.random.uniform(shape, dtype="float32", seed=seed)
    return ops.cast(ops.where(uniform < 0.5, -1.0, 1.0), x.dtype)


ESTIMATORS: dict[str, Callable[..., tf.Tensor]] = {
    "flipout": flipout,
    "local_reparameterization": local_reparameterization,
    "reparameterization": reparameterization,
}
"""Estimators by name."""


class VariationalLayer(keras.layers.Layer):
    """Base class of layers with a normal posterior of their kernel.

    A subclass calls :meth:`add_variables` in ``build`` and :meth:`sample_outputs` in ``call``.
    The bias is deterministic, as in ``tfp.layers``. The standard deviation is the softplus of a
    variable, so that it stays positive. Mean, standard deviation and KL divergence are float32
    under every dtype policy.

    The layer adds the KL divergence times ``kl_weight`` to the model's loss. ``kl_weight`` is a
    variable, so that a schedule can raise it (:class:`serkit.layers.variational.KLWarmup`). For a
    loss that is a mean over clips, the right weight is one over the number of real training clips.

    Args:
        activation: as for ``keras.layers.Dense``.
        estimator: one of :data:`ESTIMATORS`.
        prior: prior of the kernel, from :mod:`serkit.layers.priors`: an object or a name.
        use_bias: whether the layer has a bias.
        kernel_initializer: initializer of the posterior's mean.
        bias_initializer: initializer of the bias.
        posterior_scale: initial standard deviation of every weight, above 0.
        kl_weight: weight of the KL divergence in the loss, 0 or more.
        seed: seed of the random weights; None for a different seed in each process.
        **kwargs: as for any Keras layer.

    Raises:
        InputError: if a value is out of range or a name is unknown.
    """

    def __init__(
        self,
        activation: str | Callable[..., Any] | None = None,
        *,
        estimator: str = "flipout",
        prior: str | Prior | dict[str, Any] = "normal",
        use_bias: bool = True,
        kernel_initializer: str
        | dict[str, Any]
        | keras.initializers.Initializer = "glorot_uniform",
        bias_initializer: str | dict[str, Any] | keras.initializers.Initializer = "zeros",
        posterior_scale: float = 1e-3,
        kl_weight: float = 1.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("estimator", estimator, ESTIMATORS)
        check_range("posterior_scale", posterior_scale, 1e-12, 1e3)
        check_range("kl_weight", kl_weight, 0.0)
        self.activation: Callable[..., Any] = activations.get(activation)
        self.estimator: str = estimator
        self.prior: Prior = get_prior(prior)
        self.use_bias: bool = use_bias
        self.kernel_initializer: keras.initializers.Initializer = keras.initializers.get(
            kernel_initializer
        )
        self.bias_initializer: keras.initializers.Initializer = keras.initializers.get(
            bias_initializer
        )
        self.posterior_scale: float = float(posterior_scale)
        self._kl_weight = float(kl_weight)
        self.seed: int | None = seed
        self.noise: keras.random.SeedGenerator = keras.random.SeedGenerator(seed)
        self._fixed_kernel: tf.Tensor | None = None

    def add_variables(self, kernel_shape: tuple[int, ...], bias_count: int) -> None:
        """Create the variables of the layer.

        Args:
            kernel_shape: shape of the kernel.
            bias_count: number of biases.
        """
        self.kernel_posterior_loc: keras.Variable = self._add_float32_weight(
            "kernel_posterior_loc", kernel_shape, self.kernel_initializer
        )
        untransformed_scale = keras.initializers.Constant(_unsoftplus(self.posterior_scale))
        self.kernel_posterior_untransformed_scale: keras.Variable = self._add_float32_weight(
            "kernel_posterior_untransformed_scale", kernel_shape, untransformed_scale
        )
        if self.use_bias:
            self.bias: keras.Variable = self.add_weight(
                name="bias", shape=(bias_count,), initializer=self.bias_initializer
            )
        if self.prior.mean_from_posterior:
            zeros = keras.initializers.Zeros()
            self.kernel_prior_loc: keras.Variable = self._add_float32_weight(
                "kernel_prior_loc", kernel_shape, zeros, trainable=False
            )
            self.kernel_prior_loc.assign(self.kernel_posterior_loc)
        if self.prior.relative:
            initial_scale = keras.initializers.Constant(self.posterior_scale)
            self.kernel_prior_unit: keras.Variable = self._add_float32_weight(
                "kernel_prior_unit", kernel_shape, initial_scale, trainable=False
            )
        kl_weight = keras.initializers.Constant(self._kl_weight)
        self.kl_weight: keras.Variable = self._add_float32_weight(
            "kl_weight", (), kl_weight, trainable=False
        )

    def _add_float32_weight(
        self, name: str, shape, initializer, trainable: bool = True
    ) -> keras.Variable:
        # Not cast to bfloat16 in mixed precision: its resolution is coarser than the posterior is
        # wide.
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            dtype="float32",
            autocast=False,
            trainable=trainable,
        )

    @property
    def posterior(self) -> "tfd.Normal":
        """Posterior of the kernel, float32, with the shape of the kernel."""
        from tensorflow_probability import distributions as tfd

        return tfd.Normal(
            tf.convert_to_tensor(self.kernel_posterior_loc),
            tf.nn.softplus(tf.convert_to_tensor(self.kernel_posterior_untransformed_scale)),
        )

    def kl_divergence(self) -> tf.Tensor:
        """Compute the KL divergence of the posterior from the prior, summed over all weights.

        Returns:
            float32 scalar in nats.
        """
        prior = self.prior
        mean = tf.convert_to_tensor(self.kernel_prior_loc if prior.mean_from_posterior else 0.0)
        factor = tf.convert_to_tensor(self.kernel_prior_unit if prior.relative else 1.0)
        return prior.kl_divergence(self.posterior, mean, factor, self.noise)

    def sample_outputs(self, linear: Linear, inputs: tf.Tensor) -> tf.Tensor:
        """Sample the layer's outputs and add the KL divergence to the model's losses.

        Inside :meth:`fixed_sample` and :meth:`at_mean` the kernel is not random, and no KL
        divergence is added.

        Args:
            linear: see :mod:`serkit.layers.posterior`.
            inputs: ``(batch, …, channels)``.
        """
        if self._fixed_kernel is not None:
            outputs = linear(inputs, ops.cast(self._fixed_kernel, inputs.dtype))
        else:
            self.add_loss(ops.convert_to_tensor(self.kl_weight) * self.kl_divergence())
            posterior = self.posterior
            estimator = ESTIMATORS[self.estimator]
            outputs = estimator(linear, inputs, posterior.loc, posterior.scale, self.noise)
        if self.use_bias:
            outputs = outputs + ops.cast(self.bias, outputs.dtype)
        return self.activation(outputs)

    def sample_kernel(self, seed: tf.Tensor) -> tf.Tensor:
        """Sample one kernel from the posterior, float32.

        Args:
            seed: int ``(2,)``; the same seed gives the same kernel in every process.
        """
        posterior = self.posterior
        noise = tf.random.stateless_normal(posterior.loc.shape, seed)
        return posterior.loc + posterior.scale * noise

    @contextmanager
    def fixed_sample(self, seed: tf.Tensor) -> Iterator[None]:
        """Use one kernel sample for all calls inside the ``with`` block.

        All examples of all batches have the same kernel. Calls add no KL divergence.

        Args:
            seed: as for :meth:`sample_kernel`.
        """
        with self._use_kernel(self.sample_kernel(seed)):
            yield

    @contextmanager
    def at_mean(self) -> Iterator[None]:
        """Use the mean of the posterior as kernel for all calls inside the ``with`` block.

        Calls add no KL divergence.
        """
        with self._use_kernel(tf.convert_to_tensor(self.kernel_posterior_loc)):
            yield

    @contextmanager
    def _use_kernel(self, kernel: tf.Tensor) -> Iterator[None]:
        self._fixed_kernel = kernel
        try:
            yield
        finally:
            self._fixed_kernel = None

    def set_posterior(self, loc: npt.NDArray[Any], scale: npt.NDArray[Any] | float) -> None:
        """Set the initial posterior, and adapt a prior that depends on it.

        Args:
            loc: mean of each weight, with the shape of the kernel.
            scale: standard deviation of each weight with the shape of the kernel, or one number for
                all weights. Above 0.
        """
        scale = np.broadcast_to(np.maximum(scale, 1e-12), loc.shape)
        self.kernel_posterior_loc.assign(loc)
        self.kernel_posterior_untransformed_scale.assign(_unsoftplus(scale))
        if self.prior.mean_from_posterior:
            self.kernel_prior_loc.assign(loc)
        if self.prior.relative:
            self.kernel_prior_unit.assign(scale)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "activation": activations.serialize(self.activation),
            "estimator": self.estimator,
            "prior": keras.saving.serialize_keras_object(self.prior),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "posterior_scale": self.posterior_scale,
            "kl_weight": self._kl_weight,
            "seed": self.seed,
        }


def _unsoftplus(scale):
    """Compute the inverse of softplus, without loss of precision for small values."""
    if isinstance(scale, float):
        return scale + math.log(-math.expm1(-scale))
    scale = np.asarray(scale, np.float64)
    return scale + np.log(-np.expm1(-scale))
