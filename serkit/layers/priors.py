"""Prior distributions of the weights of variational layers."""

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from serkit.errors import InputError, check_choice, check_range

if TYPE_CHECKING:
    # TensorFlow Probability takes seconds to import, and this package is imported wherever a model
    # is trained.
    from tensorflow_probability import distributions as tfd

# Key of ``mean_from_posterior`` in configurations, so that saved models stay readable.
_MEAN_KEY = "centred"


class Prior:
    """Base class of the priors of a kernel, with independent weights.

    Args:
        mean_from_posterior: see :class:`NormalPrior`.
        relative: see :class:`NormalPrior`.
    """

    def __init__(self, mean_from_posterior: bool, relative: bool) -> None:
        self.mean_from_posterior: bool = bool(mean_from_posterior)
        self.relative: bool = bool(relative)

    def kl_divergence(
        self,
        posterior: "tfd.Normal",
        prior_mean: tf.Tensor | float,
        scale_factor: tf.Tensor | float,
        seed: keras.random.SeedGenerator,
    ) -> tf.Tensor:
        """Compute or estimate the KL divergence of the posterior from this prior.

        Args:
            posterior: float32, of any shape.
            prior_mean: mean of the prior, with the shape of the posterior or a scalar: the initial
                mean of the posterior if ``mean_from_posterior``, else 0.
            scale_factor: factor of the prior's standard deviations, with the shape of the posterior
                or a scalar: the initial standard deviation of each weight's posterior if
                ``relative``, else 1.
            seed: seed of a sample of the weights, as for ``keras.random``.

        Returns:
            float32 scalar in nats, summed over all weights.
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {_MEAN_KEY: self.mean_from_posterior, "relative": self.relative}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Prior":
        names = {_MEAN_KEY: "mean_from_posterior"}
        return cls(**{names.get(key, key): value for key, value in config.items()})


@keras.saving.register_keras_serializable("serkit")
class NormalPrior(Prior):
    """Normal prior with independent weights.

    Args:
        scale: standard deviation of each weight, 1e-12 to 1e6.
        mean_from_posterior: whether the prior's mean is the posterior's initial mean (MOPED); if
            False, it is 0. The layer stores the initial mean when it is built or when
            ``set_posterior`` is called.
        relative: whether ``scale`` is a multiple of the initial standard deviation of each weight's
            posterior.

    Raises:
        InputError: if ``scale`` is out of range.

    Example:
        >>> from serkit.layers import DenseVariational, NormalPrior
        >>> DenseVariational(3, prior=NormalPrior(0.5)).prior.scale
        0.5
    """

    def __init__(
        self, scale: float = 1.0, mean_from_posterior: bool = False, relative: bool = False
    ) -> None:
        super().__init__(mean_from_posterior, relative)
        check_range("scale", scale, 1e-12, 1e6)
        self.scale: float = float(scale)

    def kl_divergence(
        self,
        posterior: "tfd.Normal",
        prior_mean: tf.Tensor | float,
        scale_factor: tf.Tensor | float,
        seed: keras.random.SeedGenerator,
    ) -> tf.Tensor:
        """Compute the KL divergence in closed form; see :class:`Prior`. ``seed`` is not used."""
        from tensorflow_probability import distributions as tfd

        prior = tfd.Normal(prior_mean, self.scale * scale_factor)
        return tf.reduce_sum(tfd.kl_divergence(posterior, prior))

    def get_config(self) -> dict[str, Any]:
        return {"scale": self.scale, **super().get_config()}


@keras.saving.register_keras_serializable("serkit")
class ScaleMixturePrior(Prior):
    """Mixture of a wide and a narrow normal distribution as prior, with independent weights.

    The KL divergence has no closed form. It is estimated from one sample of the weights at each
    call. The estimate is random and can be negative.

    Args:
        wide: standard deviation of the wide component, 1e-12 to 1e6.
        narrow: standard deviation of the narrow component, 1e-12 to 1e6.
        fraction: mixture weight of the wide component, 0.001 to 0.999.
        mean_from_posterior: as for :class:`NormalPrior`.
        relative: as for :class:`NormalPrior`, applied to ``wide`` and ``narrow``.

    Raises:
        InputError: if a value is out of range.

    Example:
        >>> from serkit.layers import DenseVariational, ScaleMixturePrior
        >>> DenseVariational(3, prior=ScaleMixturePrior(wide=0.5, narrow=0.01)).prior.wide
        0.5

    Source: Blundell et al. (2015), arXiv:1505.05424, section 3.3.
    """

    def __init__(
        self,
        wide: float = 1.0,
        narrow: float = 0.002,
        fraction: float = 0.5,
        mean_from_posterior: bool = False,
        relative: bool = False,
    ) -> None:
        super().__init__(mean_from_posterior, relative)
        check_range("wide", wide, 1e-12, 1e6)
        check_range("narrow", narrow, 1e-12, 1e6)
        check_range("fraction", fraction, 0.001, 0.999)
        self.wide: float = float(wide)
        self.narrow: float = float(narrow)
        self.fraction: float = float(fraction)

    def kl_divergence(
        self,
        posterior: "tfd.Normal",
        prior_mean: tf.Tensor | float,
        scale_factor: tf.Tensor | float,
        seed: keras.random.SeedGenerator,
    ) -> tf.Tensor:
        """Estimate the KL divergence from one sample of the weights; see :class:`Prior`."""
        from tensorflow_probability import distributions as tfd

        noise = keras.random.normal(posterior.loc.shape, dtype="float32", seed=seed)
        weights = posterior.loc + posterior.scale * noise
        narrow_log_prob = tfd.Normal(prior_mean, self.narrow * scale_factor).log_prob(weights)
        wide_log_prob = tfd.Normal(prior_mean, self.wide * scale_factor).log_prob(weights)
        prior_log_prob = tf.reduce_logsumexp(
            [
                wide_log_prob + tf.math.log(self.fraction),
                narrow_log_prob + tf.math.log(1 - self.fraction),
            ],
            axis=0,
        )
        return tf.reduce_sum(posterior.log_prob(weights) - prior_log_prob)

    def get_config(self) -> dict[str, Any]:
        arguments = {"wide": self.wide, "narrow": self.narrow, "fraction": self.fraction}
        return {**arguments, **super().get_config()}


PRIORS: dict[str, type[NormalPrior] | type[ScaleMixturePrior]] = {
    "normal": NormalPrior,
    "scale_mixture": ScaleMixturePrior,
}
"""Priors by name. A prior that is chosen by name has the default values of its arguments."""


def get_prior(prior: str | Prior | dict[str, Any]) -> Prior:
    """Convert an identifier to a prior, as ``keras.initializers.get`` does.

    Args:
        prior: a prior, a name in :data:`PRIORS`, or a prior serialized by
            ``keras.saving.serialize_keras_object``.

    Returns:
        The prior; a new one unless ``prior`` is a prior.

    Raises:
        InputError: if the name is unknown, or the value is none of these.
        TypeError: if a serialized prior cannot be deserialized.
    """
    if isinstance(prior, str):
        check_choice("prior", prior, PRIORS)
        return PRIORS[prior]()
    if isinstance(prior, dict):
        prior = keras.saving.deserialize_keras_object(prior)
    if not isinstance(prior, Prior):
        raise InputError(f"`prior` must be a prior or its name. Received: {prior!r}.")
    return prior
