"""One of two machines that train together, or one process with two devices that stands for both.

python machine.py KIND OUT            # under MirroredStrategy, two logical devices
TF_CONFIG=... python machine.py ...   # a worker of two
"""

import json
import os
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

_CPU = tf.config.list_physical_devices("CPU")[0]
_ALONE = "TF_CONFIG" not in os.environ
if _ALONE:
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(_CPU, two)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
else:
    strategy = tf.distribute.MultiWorkerMirroredStrategy()

from serkit.datasets.splits import Speakers  # noqa: E402
from serkit.gans.dcgan import DCGANSettings, build_dcgan  # noqa: E402
from serkit.gans.fitting import fit_gan  # noqa: E402
from serkit.gans.wgan_gp import WGANGPSettings, build_wgan_gp  # noqa: E402
from serkit.models.compact import CompactSettings, compact  # noqa: E402
from serkit.models.fitting import FitSettings, fit_classifier  # noqa: E402
from serkit.training.examples import Examples  # noqa: E402

SPEAKERS = Speakers(frozenset("a"), frozenset("b"), frozenset("c"))
RNG = np.random.default_rng(0)


def classifier(out: Path) -> tuple[list[dict], keras.Model]:
    """A small network, whose batch normalisation sees half of each batch on each machine."""
    x = RNG.uniform(-1, 1, (36, 32, 32, 1)).astype("float32")
    y = np.arange(36) % 3
    train = Examples(x[:24], frozenset("a"), y[:24])
    validation = Examples(x[24:], frozenset("b"), y[24:])
    with strategy.scope():
        model = compact(3, (32, 32, 1), CompactSettings(pool=(2, 2), channels=(4, 8), dropout=0.0))
    settings = FitSettings(
        epochs=3, steps_per_epoch=4, batch_size=8, class_weights=(1.0, 2.0, 1.0), keep="last"
    )
    history = fit_classifier(model, train, validation, SPEAKERS, settings, 1, out, verbose=0)
    return history, model


def gan(build, settings, out: Path) -> tuple[list[dict], keras.Model]:
    """A small GAN; what each machine draws depends on its number."""
    x = RNG.uniform(-1, 1, (12, 224, 224, 1)).astype("float32")
    with strategy.scope():
        made = build(settings, 0)
    history = fit_gan(made, Examples(x, frozenset("a")), SPEAKERS, settings, 1, out, verbose=0)
    return history, made


def told(history: list[dict], model: keras.Model) -> dict:
    """What the test compares."""
    # Two devices of one process have moving statistics of their own.
    every = [strategy.experimental_local_results(v.value) for v in model.variables]
    means = [np.mean([np.asarray(array) for array in own], axis=0) for own in every]
    return {"history": history, "weights": [float(np.abs(mean).sum()) for mean in means]}


if __name__ == "__main__":
    out = Path(sys.argv[1])
    size = {"width": 0.05, "batch_size": 4, "steps": 4, "steps_per_epoch": 2, "ema": 0.9}
    settings = WGANGPSettings(**size, critic_steps=2)
    found = {
        "classifier": told(*classifier(out / "classifier")),
        "dcgan": told(*gan(build_dcgan, DCGANSettings(**size), out / "dcgan")),
        "wgan_gp": told(*gan(build_wgan_gp, settings, out / "wgan-gp")),
    }
    print("FOUND", json.dumps(found))
