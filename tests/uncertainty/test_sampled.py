import contextlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from serkit.errors import InputError
from serkit.models.bayesian import (
    bayesian_lenet5,
    from_deterministic,
    linear_layers,
    with_monte_carlo_dropout,
)
from serkit.models.compact import CompactSettings, compact
from serkit.models.lenet import LeNet5Settings, lenet5
from serkit.uncertainty.predictors import SampledNetwork, _split_at_random_layers

SHAPE = (32, 32, 1)


def _compact(last=None):
    model = compact(3, SHAPE, CompactSettings(channels=(4, 8)), seed=3)
    layers = None if last is None else linear_layers(model)[-last:]
    return from_deterministic(model, 0.3, layers=layers, seed=4)


def _dropout():
    settings = LeNet5Settings(dropout=0.5)
    return with_monte_carlo_dropout(lenet5(3, SHAPE, settings, seed=3))


MODELS = {
    "all layers": _compact,
    "last layers": lambda: _compact(5),
    "dropout": _dropout,
    "lenet5": lambda: from_deterministic(lenet5(3, SHAPE, seed=2), 0.3),
}


def _batch(rng, clips=5):
    return rng.uniform(-0.9, 1, (clips, *SHAPE)).astype("float32")


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_sample_is_one_draw_of_the_network_that_depends_on_its_number_and_the_seed(rng, make):
    model, x = make(), _batch(rng)
    network = SampledNetwork(model)
    found = network.predict_logits(x, 6, seed=1)
    assert found.shape == (6, 5, 3)
    assert found.std(axis=0).min() > 0
    np.testing.assert_allclose(network.predict_logits(x, 3, seed=1), found[:3], atol=1e-5)
    np.testing.assert_allclose(network.predict_logits(x[:2], 6, seed=1), found[:, :2], atol=1e-5)
    np.testing.assert_allclose(network.predict_logits(x, 6, seed=1, batch_size=2), found, atol=1e-5)
    assert not np.allclose(network.predict_logits(x, 6, seed=2), found)
    # The whole network with the same samples, by hand.
    for number in range(2):
        with contextlib.ExitStack() as stack:
            for place, layer in enumerate(network._random_layers):
                seed = tf.random.experimental.stateless_fold_in(tf.constant([1, number]), place)
                stack.enter_context(layer.fixed_sample(seed))
            expected = model(x, training=False)
        np.testing.assert_allclose(found[number], expected, atol=1e-5)


def test_samples_are_distributed_as_calls_are(rng):
    """Flipout for one clip and a kernel drawn for it have the same distribution."""
    model, x = from_deterministic(lenet5(3, SHAPE, seed=2), 0.3), _batch(rng, 1)
    samples = SampledNetwork(model).predict_logits(x, 800, seed=1)[:, 0]
    call = tf.function(lambda: model(x, training=False)[0])
    calls = np.stack([call() for _ in range(800)])
    error = calls.std(axis=0) * (2 / 800) ** 0.5
    assert (np.abs(samples.mean(axis=0) - calls.mean(axis=0)) < 4 * error).all()
    np.testing.assert_allclose(samples.std(axis=0), calls.std(axis=0), rtol=0.15)


def test_layers_before_the_first_random_layer_are_computed_once():
    model = _compact(3)
    before, behind = _split_at_random_layers(model)
    kinds = {type(layer).__name__ for layer in behind.layers}
    assert "Conv2D" not in kinds
    assert sum(layer.count_params() for layer in before.layers) > 0
    assert _split_at_random_layers(_compact())[0] is not None  # the padding's mask
    assert _split_at_random_layers(bayesian_lenet5(3, SHAPE))[0] is None


def test_nothing_is_added_to_the_losses_and_calls_draw_again_afterwards(rng):
    model, x = _compact(), _batch(rng)
    SampledNetwork(model).predict_logits(x, 2)
    assert not np.allclose(model(x), model(x))
    losses = model.losses
    assert len(losses) == len(linear_layers(compact(3, SHAPE, CompactSettings(channels=(4, 8)))))
    assert np.isfinite([float(loss) for loss in losses]).all()


def test_a_model_within_a_model(rng):
    inner = _compact(2)
    outer = keras.Sequential([keras.Input(SHAPE), keras.layers.Rescaling(0.5), inner])
    found = SampledNetwork(outer).predict_logits(_batch(rng), 4)
    assert found.std(axis=0).min() > 0


def test_another_process_gives_the_same_samples(rng, tmp_path):
    model, x = _compact(), _batch(rng)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    code = (
        "import sys, keras, numpy as np, serkit.layers.variational\n"
        "from serkit.uncertainty.predictors import SampledNetwork\n"
        "network = SampledNetwork(keras.models.load_model(sys.argv[1] + '/model.keras'))\n"
        "x = np.load(sys.argv[1] + '/x.npy')\n"
        "np.save(sys.argv[1] + '/found.npy', network.predict_logits(x, 4, seed=9))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    expected = SampledNetwork(model).predict_logits(x, 4, seed=9)
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected, rtol=1e-5, atol=1e-6)


def test_in_a_saved_model_the_number_is_an_input(rng, tmp_path):
    network, x = SampledNetwork(_compact(4)), _batch(rng)
    module = tf.Module()
    # The model itself would have its calls in training saved, too.
    module.kept = [variable.value for variable in network.model.variables]
    module.sample = tf.function(
        network.sample,
        input_signature=[
            tf.TensorSpec((None, *SHAPE)),
            tf.TensorSpec((), tf.int32),
            tf.TensorSpec((), tf.int32),
        ],
    )
    tf.saved_model.save(module, str(tmp_path / "saved"))
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    for n in (1, 5):
        found = loaded.sample(x, tf.constant(n), tf.constant(3))
        np.testing.assert_allclose(found, network.predict_logits(x, n, 3), atol=1e-5)


def test_invalid_arguments_are_refused():
    with pytest.raises(InputError, match=r"`model`.* lenet5"):
        SampledNetwork(lenet5(3, SHAPE))
    with pytest.raises(InputError, match="n=0"):
        SampledNetwork(_dropout()).predict_logits(np.zeros((1, *SHAPE), "float32"), 0)
