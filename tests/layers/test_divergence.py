import keras
import numpy as np
import pytest
import tensorflow as tf

from serkit.errors import InputError
from serkit.layers.variational import (
    DenseFlipout,
    DenseLocalReparameterization,
    KLWarmup,
    set_kl_weight,
    variational_layers,
)


def _model(**kwargs):
    inner = keras.Sequential([keras.Input((6,)), DenseFlipout(5, seed=1, **kwargs)])
    last = DenseLocalReparameterization(3, seed=2, **kwargs)
    return keras.Sequential([keras.Input((6,)), inner, keras.layers.ReLU(), last])


def _data(rng, clips=96):
    return rng.normal(size=(clips, 6)).astype("float32"), rng.integers(0, 3, clips)


def _compile(model, optimizer="adam"):
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


class _Weights(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        first = next(variational_layers(self.model))
        self.seen = [*getattr(self, "seen", []), float(first.kl_weight)]


def test_finds_layers_at_any_depth():
    assert [type(layer) for layer in variational_layers(_model())] == [
        DenseFlipout,
        DenseLocalReparameterization,
    ]


def test_rises_and_stays(rng):
    weights = _Weights()
    _compile(_model()).fit(
        *_data(rng), epochs=6, verbose=0, callbacks=[KLWarmup(96, 4, weight=0.5), weights]
    )
    np.testing.assert_allclose(weights.seen, np.array([1, 2, 3, 4, 4, 4]) / 4 * 0.5 / 96)


def test_depends_on_the_epoch_alone(rng):
    weights = _Weights()
    _compile(_model()).fit(
        *_data(rng), initial_epoch=2, epochs=3, verbose=0, callbacks=[KLWarmup(96, 4), weights]
    )
    np.testing.assert_allclose(weights.seen, [3 / 4 / 96])


def test_the_loss_per_clip_does_not_hang_on_the_batch_size(rng):
    x, y = _data(rng)
    losses = []
    for batch_size in (4, 16, 96):
        # Posteriors so narrow that draws do not matter, and steps of 0.
        model = _model(posterior_scale=1e-7, kernel_initializer="ones")
        _compile(model, keras.optimizers.SGD(0.0))
        history = model.fit(x, y, batch_size, verbose=0, callbacks=[KLWarmup(96)])
        losses.append(history.history["loss"][0])
        divergence = sum(float(layer.divergence()) for layer in variational_layers(model))
        logits = np.full((len(x), 3), np.maximum(x.sum(1), 0)[:, None] * 5)
        expected = keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True)
        assert losses[-1] == pytest.approx(float(np.mean(expected)) + divergence / 96, rel=1e-4)
    np.testing.assert_allclose(losses, losses[0], rtol=1e-5)


def test_without_data_the_posterior_stays_the_prior():
    model = _model(posterior_scale=1.0, kernel_initializer="zeros")
    model.compile(keras.optimizers.SGD(0.1), lambda true, found: 0.0 * keras.ops.sum(found))
    model.fit(np.zeros((32, 6)), np.zeros((32, 3)), epochs=5, verbose=0)
    for layer in variational_layers(model):
        np.testing.assert_allclose(layer.posterior.loc, 0, atol=1e-6)
        np.testing.assert_allclose(layer.posterior.scale, 1, rtol=1e-6)


def test_without_data_the_posterior_goes_to_the_prior():
    model = _model(posterior_scale=0.3)
    steps = 1500
    rate = keras.optimizers.schedules.CosineDecay(0.03, steps)
    model.compile(keras.optimizers.Adam(rate), lambda true, found: 0.0 * keras.ops.sum(found))
    batch = tf.data.Dataset.from_tensors((np.zeros((2, 6)), np.zeros((2, 3)))).repeat()
    model.fit(batch, steps_per_epoch=steps, verbose=0)
    for layer in variational_layers(model):
        np.testing.assert_allclose(layer.posterior.loc, 0, atol=0.02)
        np.testing.assert_allclose(layer.posterior.scale, 1, rtol=0.02)


def test_refuses_a_model_without_variational_layers(rng):
    model = _compile(keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)]))
    with pytest.raises(InputError, match="no variational layer"):
        model.fit(*_data(rng), verbose=0, callbacks=[KLWarmup(96)])


@pytest.mark.parametrize(
    ("arguments", "word"),
    [((0,), "clips=0"), ((9, -1), "epochs=-1"), ((9, 1, -0.5), "weight=-0.5")],
)
def test_refuses_numbers_out_of_range(arguments, word):
    with pytest.raises(InputError, match=word):
        KLWarmup(*arguments)
    with pytest.raises(InputError, match=r"weight=-1\.0"):
        set_kl_weight(_model(), -1.0)
