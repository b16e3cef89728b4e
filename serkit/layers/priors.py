"""Priors of weights."""

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from serkit.errors import check_choice, check_range

if TYPE_CHECKING:
    # Its import takes seconds, and this package is imported wherever a model is trained.
    from tensorflow_probability import distributions as tfd


@keras.saving.register_keras_serializable("serkit")
class NormalPrior:
    """Normal prior with independent weights.

    Args:
        scale: standard deviation of each weight, above 0.
        centred: whether the mean of the prior is the initial mean of the posterior rather than 0.
            The initial mean is set when the layer is built, or converted from a trained layer
            (MOPED).
        relative: whether ``scale`` is a multiple of the initial standard deviation of each weight's
            posterior.

    Raises:
        InputError: if ``scale`` is not above 0.

    Example:
        >>> from serkit.layers import DenseVariational, NormalPrior
        >>> DenseVariational(3, prior=NormalPrior(0.5)).prior.scale
        0.5
    """

    def __init__(self, scale: float = 1.0, centred: bool = False, relative: bool = False) -> None:
        check_range("scale", scale, 1e-12, 1e6)
        self.scale: float = float(scale)
        self.centred: bool = bool(centred)
        self.relative: bool = bool(relative)

    def divergence(
        self,
        posterior: "tfd.Normal",
        centre: tf.Tensor | float,
        unit: tf.Tensor | float,
        seed: keras.random.SeedGenerator,
    ) -> tf.Tensor:
        """Compute the KL divergence of the posterior from this prior, summed over all weights.

        Args:
            posterior: float32, of any shape.
            centre: mean of the prior if it is centred, else 0.
            unit: factor of ``scale`` if the prior is relative, else 1.
            seed: not used, because the KL divergence has a closed form.

        Returns:
            float32 scalar in nats.
        """
        from tensorflow_probability import distributions as tfd

        prior = tfd.Normal(centre, self.scale * unit)
        return tf.reduce_sum(tfd.kl_divergence(posterior, prior))

    def get_config(self) -> dict[str, Any]:
        return {"scale": self.scale, "centred": self.centred, "relative": self.relative}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "NormalPrior":
        return cls(**config)


@keras.saving.register_keras_serializable("serkit")
class ScaleMixturePrior:
    """Mixture of a wide and a narrow normal distribution as prior, with independent weights.

    The KL divergence has no closed form. It is estimated from one sample of the weights at each
    step. The estimate is random and can be negative.

    Args:
        wide: standard deviation of the wide component, above 0.
        narrow: standard deviation of the narrow component, above 0.
        fraction: mixture weight of the wide component, 0.001 to 0.999.
        centred: as for :class:`NormalPrior`.
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
        centred: bool = False,
        relative: bool = False,
    ) -> None:
        check_range("wide", wide, 1e-12, 1e6)
        check_range("narrow", narrow, 1e-12, 1e6)
        check_range("fraction", fraction, 0.001, 0.999)
        self.wide: float = float(wide)
        self.narrow: float = float(narrow)
        self.fraction: float = float(fraction)
        self.centred: bool = bool(centred)
        self.relative: bool = bool(relative)

    def divergence(
        self,
        posterior: "tfd.Normal",
        centre: tf.Tensor | float,
        unit: tf.Tensor | float,
        seed: keras.random.SeedGenerator,
    ) -> tf.Tensor:
        """Estimate the KL divergence of the posterior from this prior with one weight sample.

        Args:
            posterior: float32, of any shape.
            centre: mean of the prior if it is centred, else 0.
            unit: factor of ``wide`` and ``narrow`` if the prior is relative, else 1.
            seed: seed of the sample, as for ``keras.random``.

        Returns:
            float32 scalar in nats, summed over all weights.
        """
        from tensorflow_probability import distributions as tfd

        noise = keras.random.normal(posterior.loc.shape, dtype="float32", seed=seed)
        weights = posterior.loc + posterior.scale * noise
        narrow_log_prob = tfd.Normal(centre, self.narrow * unit).log_prob(weights)
        wide_log_prob = tfd.Normal(centre, self.wide * unit).log_prob(weights)
        prior_log_prob = tf.reduce_logsumexp(
            [
                wide_log_prob + tf.math.log(self.fraction),
                narrow_log_prob + tf.math.log(1 - self.fraction),
            ],
            axis=0,
        )
        return tf.reduce_sum(posterior.log_prob(weights) - prior_log_prob)

    def get_config(self) -> dict[str, Any]:
        arguments = ("wide", "narrow", "fraction", "centred", "relative")
        return {name: getattr(self, name) for name in arguments}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ScaleMixturePrior":
        return cls(**config)


Prior = NormalPrior | ScaleMixturePrior
PRIORS: dict[str, type[NormalPrior] | type[ScaleMixturePrior]] = {
    "normal": NormalPrior,
    "scale_mixture": ScaleMixturePrior,
}
"""Priors by name. A prior that is chosen by name has the default values of its arguments."""


def get_prior(prior: str | Prior | dict[str, Any]) -> Prior:
    """Return a prior.

    Args:
        prior: a prior, which is returned, a name in :data:`PRIORS`, or a serialized prior.

    Raises:
        InputError: if the name is unknown.
    """
    if isinstance(prior, str):
        check_choice("prior", prior, PRIORS)
        return PRIORS[prior]()
    if isinstance(prior, dict):
        return keras.saving.deserialize_keras_object(prior)
    return prior
