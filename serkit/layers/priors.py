"""Priors of weights."""

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from serkit.errors import check_range


@keras.saving.register_keras_serializable("serkit")
class NormalPrior:
    """Weights are normal and independent of each other.

    Args:
        scale: standard deviation of each weight, above 0.
        centred: around what the posterior's mean is when the layer is built or converted from a
            trained one (MOPED), rather than around 0.
        relative: whether ``scale`` is a multiple of the standard deviation that each weight's
            posterior starts with.

    Raises:
        InputError: if ``scale`` is not above 0.
    """

    def __init__(self, scale: float = 1.0, centred: bool = False, relative: bool = False) -> None:
        check_range("scale", scale, 1e-12, 1e6)
        self.scale, self.centred, self.relative = float(scale), bool(centred), bool(relative)

    def divergence(
        self, posterior: tfd.Normal, centre: tf.Tensor | float, unit: tf.Tensor | float, seed
    ) -> tf.Tensor:
        """KL of the posterior from this prior, in nats, summed over all weights: float32, ().

        Args:
            posterior: float32, of any shape.
            centre: what the prior is around, if it is centred, else 0.
            unit: what its scale is a multiple of, if it is relative, else 1.
            seed: not used, there is a formula.
        """
        prior = tfd.Normal(centre, self.scale * unit)
        return tf.reduce_sum(tfd.kl_divergence(posterior, prior))

    def get_config(self) -> dict:
        return {"scale": self.scale, "centred": self.centred, "relative": self.relative}

    @classmethod
    def from_config(cls, config: dict) -> "NormalPrior":
        return cls(**config)


@keras.saving.register_keras_serializable("serkit")
class ScaleMixturePrior:
    """Each weight comes from a wide normal or from a narrow one.

    There is no formula for the KL, which is estimated from one draw of the weights at each step,
    and so is itself random, and can be negative.

    Args:
        wide: standard deviation of the one, above 0.
        narrow: of the other, above 0.
        share: of the wide one, 0.001 to 0.999.
        centred: as for :class:`NormalPrior`.
        relative: as for :class:`NormalPrior`, of both.

    Raises:
        InputError: for a value out of range.

    Source: Blundell et al. (2015), arXiv:1505.05424, section 3.3.
    """

    def __init__(
        self,
        wide: float = 1.0,
        narrow: float = 0.002,
        share: float = 0.5,
        centred: bool = False,
        relative: bool = False,
    ) -> None:
        check_range("wide", wide, 1e-12, 1e6)
        check_range("narrow", narrow, 1e-12, 1e6)
        check_range("share", share, 0.001, 0.999)
        self.wide, self.narrow, self.share = float(wide), float(narrow), float(share)
        self.centred, self.relative = bool(centred), bool(relative)

    def divergence(
        self, posterior: tfd.Normal, centre: tf.Tensor | float, unit: tf.Tensor | float, seed
    ) -> tf.Tensor:
        """What one draw of the weights says about the KL, in nats: float32, ().

        Args:
            posterior: float32, of any shape.
            centre: what the prior is around, if it is centred, else 0.
            unit: what its deviations are multiples of, if it is relative, else 1.
            seed: of the draw, as for ``keras.random``.
        """
        noise = keras.random.normal(posterior.loc.shape, dtype="float32", seed=seed)
        draw = posterior.loc + posterior.scale * noise
        narrow = tfd.Normal(centre, self.narrow * unit).log_prob(draw)
        wide = tfd.Normal(centre, self.wide * unit).log_prob(draw)
        prior = tf.reduce_logsumexp(
            tf.stack([wide + tf.math.log(self.share), narrow + tf.math.log(1 - self.share)]), axis=0
        )
        return tf.reduce_sum(posterior.log_prob(draw) - prior)

    def get_config(self) -> dict:
        names = ("wide", "narrow", "share", "centred", "relative")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: dict) -> "ScaleMixturePrior":
        return cls(**config)
