import keras
import numpy as np
import pytest
import tensorflow as tf

from serkit.errors import InputError
from serkit.layers import DenseVariational, KLWarmup
from serkit.layers.variational import set_kl_weight, variational_layers


def _model(**kwargs):
    inner = keras.Sequential([keras.Input((6,)), DenseVariational(5, seed=1, **kwargs)])
    last = DenseVariational(3, seed=2, estimator="local_reparameterization", **kwargs)
    return keras.Sequential([keras.Input((6,)), inner, keras.layers.ReLU(), last])


def _data(rng, clips=96):
    return rng.normal(size=(clips, 6)).astype("float32"), rng.integers(0, 3, clips)


def test_variational_layers_at_any_depth():
    found = list(variational_layers(_model()))
    assert [layer.units for layer in found] == [5, 3]


def test_warmup_rises_and_stays_and_depends_on_the_epoch_alone():
    model, warmup = _model(), KLWarmup(96, 4, factor=0.5)
    warmup.set_model(model)
    found = {}
    for epoch in (2, 0, 1, 3, 4, 5):
        warmup.on_epoch_begin(epoch)
        (found[epoch],) = {float(layer.kl_weight) for layer in variational_layers(model)}
    expected = np.array([1, 2, 3, 4, 4, 4]) / 4 * 0.5 / 96
    np.testing.assert_allclose([found[epoch] for epoch in range(6)], expected)


def test_the_loss_per_clip_is_the_same_for_any_batch_size(rng):
    x, y = _data(rng)
    # Posteriors so narrow that draws do not matter, and steps of 0.
    model = _model(posterior_scale=1e-7, kernel_initializer="ones")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.0), loss)
    divergence = sum(float(layer.kl_divergence()) for layer in variational_layers(model))
    logits = np.full((len(x), 3), np.maximum(x.sum(1), 0)[:, None] * 5)
    expected = keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True)
    for batch_size in (4, 16, 96):
        history = model.fit(x, y, batch_size, verbose=0, callbacks=[KLWarmup(96)]).history
        wanted = float(np.mean(expected)) + divergence / 96
        assert history["loss"][0] == pytest.approx(wanted, rel=1e-4)


def test_without_data_a_posterior_at_the_prior_has_no_gradient():
    model = _model(posterior_scale=1.0, kernel_initializer="zeros")
    posteriors = [v for v in model.trainable_variables if "posterior" in v.name]
    with tf.GradientTape() as tape:
        model(np.zeros((32, 6), "float32"), training=True)
        loss = tf.add_n(model.losses)
    for gradient in tape.gradient(loss, [v.value for v in posteriors]):
        np.testing.assert_allclose(gradient, 0, atol=1e-6)


def test_without_data_the_posterior_goes_to_the_prior():
    model = _model(posterior_scale=0.3)
    steps = 1500
    rate = keras.optimizers.schedules.CosineDecay(0.03, steps)
    model.compile(
        keras.optimizers.Adam(rate),
        lambda y_true, y_pred: 0.0 * keras.ops.sum(y_pred),
        steps_per_execution=50,
    )
    batch = tf.data.Dataset.from_tensors((np.zeros((2, 6)), np.zeros((2, 3)))).repeat()
    model.fit(batch, steps_per_epoch=steps, verbose=0)
    for layer in variational_layers(model):
        np.testing.assert_allclose(layer.posterior.loc, 0, atol=0.02)
        np.testing.assert_allclose(layer.posterior.scale, 1, rtol=0.02)


def test_warmup_refuses_a_model_without_variational_layers():
    warmup = KLWarmup(96)
    warmup.set_model(keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)], name="plain"))
    with pytest.raises(InputError, match="plain"):
        warmup.on_train_begin()


@pytest.mark.parametrize(
    ("arguments", "received"),
    [
        ((0,), "training_clips.*0"),
        ((9, -1), "warmup_epochs.*-1"),
        ((9, 1, -0.5), r"factor.*-0\.5"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments, received):
    with pytest.raises(InputError, match=received):
        KLWarmup(*arguments)
    with pytest.raises(InputError, match=r"weight.*-1\.0"):
        set_kl_weight(_model(), -1.0)
