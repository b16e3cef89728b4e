"""Classifiers whose dropout goes on in prediction."""

import keras

from serkit.errors import InputError, check_range
from serkit.layers.dropout import MonteCarloDropout


def with_monte_carlo_dropout(model: keras.Model, rate: float | None = None) -> keras.Model:
    """A copy of a trained network whose dropout goes on in prediction.

    Args:
        model: functional, with dropout or spatial dropout.
        rate: 0 to 0.95; default: as in training.

    Raises:
        InputError: if there is no dropout in it, or ``rate`` is out of range.

    Source: Gal & Ghahramani (2016), arXiv:1506.02142.
    """
    if rate is not None:
        check_range("rate", rate, 0.0, 0.95)
    spatial = keras.layers.SpatialDropout2D
    if not any(isinstance(layer, keras.layers.Dropout) for layer in model.layers):
        raise InputError(f"{model.name} has no dropout that could go on in prediction")

    def dropping(layer):
        if not isinstance(layer, keras.layers.Dropout):
            return type(layer).from_config(layer.get_config())
        return MonteCarloDropout(
            layer.rate if rate is None else rate,
            noise_shape=(None, 1, 1, None) if isinstance(layer, spatial) else layer.noise_shape,
            seed=layer.seed,
            name=layer.name,
            dtype=layer.dtype_policy,
        )

    made = keras.models.clone_model(model, clone_function=dropping)
    made.set_weights(model.get_weights())
    return made
