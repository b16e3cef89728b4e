"""GANs in another process: on two logical devices of its CPU, and loaded from a file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from serkit.gans.dcgan import DCGAN, DCGANSettings
from serkit.gans.sampling import sample
from serkit.gans.wgan_gp import WGANGP, WGANGPSettings

pytestmark = pytest.mark.slow

SCRIPT = """
import json
import sys

import keras
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from conftest import SHAPE, small_discriminator, small_generator
from serkit.gans.steps import apply_gradients
from serkit.gans.dcgan import DCGAN, DCGANSettings
from serkit.gans.small_data import DiffAugmentSettings
from serkit.gans.fitting import fit_gan
from serkit.gans.sampling import sample
from serkit.gans.wgan_gp import WGANGP, WGANGPSettings
from serkit.datasets.splits import Speakers
from serkit.training.examples import Examples

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
SHORT = {"batch_size": 4, "steps": 2, "steps_per_epoch": 2, "ema": 0.9}
SHORT["augment"] = DiffAugmentSettings()
rng = np.random.default_rng(0)


def on_each(value):
    return [np.asarray(part) for part in strategy.experimental_local_results(value)]


def split(array):
    halves = np.split(array, 2)
    return strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(halves[context.replica_id_in_sync_group])
    )


def new_gan(kind, settings):
    discriminator = small_discriminator("discriminator", dropout=0.4 if kind is DCGAN else 0.0)
    return kind(settings, 0, generator=small_generator(), discriminators=[discriminator])


def train(kind, settings, folder):
    drawn = rng.uniform(-1, 1, (8, *SHAPE)).astype("float32")
    examples = Examples(drawn, frozenset("a"))
    speakers = Speakers(frozenset("a"), frozenset("b"), frozenset("c"))
    with strategy.scope():
        gan, again = new_gan(kind, settings), new_gan(kind, settings)
    begin = [np.array(variable) for variable in gan.state]
    noise = on_each(strategy.run(tf.function(lambda: gan.noise(2, gan.step_seed()))))
    history = fit_gan(gan, examples, speakers, 0, folder, verbose=0)
    resumed = fit_gan(again, examples, speakers, 0, folder, verbose=0)
    parts = {n: on_each(v.value) for n, v in enumerate(gan.state)}
    # Moving statistics differ between the devices; reading them gives the mean.
    own = {n for n, v in enumerate(gan.state) if "moving_" in v.path}
    trained = [v for network in gan.networks for v in network.trainable_variables]
    trained = {id(v) for v in trained if v.name != "bias"}
    return {
        "history": history,
        "resumed": resumed,
        "noise": [values.tolist() for values in noise],
        "devices": sorted({len(values) for values in parts.values()}),
        "finite": all(np.isfinite(value).all() for values in parts.values() for value in values),
        "unlike": [
            gan.state[n].path for n, (a, b) in parts.items() if n not in own and (a != b).any()
        ],
        "unmoved": [
            v.path for old, v in zip(begin, gan.state) if id(v) in trained and (old == v).all()
        ],
        "iterations": [
            int(np.asarray(optimizer.iterations))
            for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer)
        ],
        "restored": all(np.array_equal(a, b) for a, b in zip(gan.state, again.state)),
    }


def network():
    start = keras.initializers.GlorotUniform
    inputs = keras.Input((3,))
    x = keras.layers.Dense(4, "tanh", kernel_initializer=start(seed=1))(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1, kernel_initializer=start(seed=2))(x))
    optimizer = keras.optimizers.SGD(0.5)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x) - y))
        apply_gradients(tape, loss, model, optimizer)

    return model, step


def descent():
    x = rng.standard_normal((3, 6, 3)).astype("float32")
    y = x[..., :1] ** 2
    model, step = network()
    begin = [v.numpy() for v in model.trainable_variables]
    with strategy.scope():
        mirrored, each = network()
    for batch, truth in zip(x, y):
        step(batch, truth)
        strategy.run(each, [split(batch), split(truth)])
    flat = lambda arrays: np.concatenate([np.ravel(a) for a in arrays]).tolist()
    parts = [on_each(v.value) for v in mirrored.trainable_variables]
    return {
        "begin": flat(begin),
        "one": flat(model.trainable_variables),
        "two": [flat(first for first, _ in parts), flat(second for _, second in parts)],
    }


dcgan, wgan_gp = DCGANSettings(**SHORT), WGANGPSettings(**SHORT, critic_steps=2)
for name in ("dcgan", "wgan_gp"):
    loaded = keras.saving.load_model(f"{sys.argv[1]}/{name}.keras")
    samples = sample(loaded.sampler, 2, 1)
    values = loaded.train_on_batch(np.load(sys.argv[1] + "/batch.npy"), return_dict=True)
    np.savez(f"{sys.argv[1]}/{name}.npz", samples=samples, stage=loaded.stage, **values)

found = {
    "dcgan": train(DCGAN, dcgan, sys.argv[1] + "/dcgan"),
    "wgan_gp": train(WGANGP, wgan_gp, sys.argv[1] + "/wgan_gp"),
    "descent": descent(),
}
print("FOUND", json.dumps(found))
"""


BATCH = np.random.default_rng(1).uniform(-1, 1, (4, 224, 224, 1)).astype("float32")


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> dict:
    """GANs after a training step, by name; they are saved in ``folder``."""
    folder = tmp_path_factory.mktemp("saved")
    np.save(folder / "batch.npy", BATCH)
    staged = DCGANSettings(width=0.02, batch_size=4, discriminator="staged", ema=0.9)
    gans = {
        "dcgan": DCGAN(staged, 3),
        "wgan_gp": WGANGP(WGANGPSettings(width=0.02, batch_size=2, critic_steps=2), 3),
    }
    gans["dcgan"].go_to_stage(1)
    for name, gan in gans.items():
        optimizer = keras.optimizers.SGD(0.01)
        gan.compile(generator_optimizer=optimizer, run_eagerly=True)
        gan.train_on_batch(BATCH)
        gan.save(folder / f"{name}.keras")
    return {"folder": folder, **gans}


@pytest.fixture(scope="module")
def found(saved) -> dict:
    # This folder, for the small networks in conftest.py.
    paths = [str(Path(__file__).parent), *sys.path]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(saved["folder"])],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": os.pathsep.join(paths)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    return json.loads(line.removeprefix("FOUND "))


@pytest.mark.parametrize("kind", ["dcgan", "wgan_gp"])
def test_a_saved_gan_samples_and_trains_alike_in_another_process(saved, found, kind):
    gan = saved[kind]
    there = np.load(saved["folder"] / f"{kind}.npz")
    np.testing.assert_array_equal(there["samples"], sample(gan.sampler, 2, 1))
    assert there["stage"] == gan.stage
    for name, value in gan.train_on_batch(BATCH, return_dict=True).items():
        assert there[name] == pytest.approx(float(value), rel=1e-3), name


@pytest.mark.parametrize(("kind", "steps"), [("dcgan", [2, 2]), ("wgan_gp", [2, 4])])
def test_both_devices_train_one_gan(found, kind, steps):
    """With the average and the augmentation switched on."""
    run = found[kind]
    assert run["devices"] == [2]
    assert run["finite"]
    assert run["unlike"] == []
    assert run["unmoved"] == []
    assert run["iterations"] == steps
    (row,) = run["history"]
    assert all(np.isfinite(value) for value in row.values())


@pytest.mark.parametrize("kind", ["dcgan", "wgan_gp"])
def test_each_device_draws_its_own_noise(found, kind):
    first, second = map(np.array, found[kind]["noise"])
    assert first.shape == second.shape == (2, 5)
    assert not np.isclose(first, second).any()


@pytest.mark.parametrize("kind", ["dcgan", "wgan_gp"])
def test_a_finished_run_is_restored(found, kind):
    assert found[kind]["resumed"] == found[kind]["history"]
    assert found[kind]["restored"]


def test_two_devices_with_half_the_batch_train_as_one_with_all_of_it(found):
    run = found["descent"]
    for weights in run["two"]:
        np.testing.assert_allclose(weights, run["one"], atol=1e-5)
    assert np.abs(np.subtract(run["one"], run["begin"])).max() > 0.05
