"""Estimate the time of the full study on this machine, and on several, from measured steps.

    python scripts/benchmarks/study_cost.py  # on an accelerator if there is one
    python scripts/benchmarks/study_cost.py --width 0.25  # GANs of a quarter of the width

The study has four corpora (12,162 clips), 14 classes, 5 folds, 5 seeds, 8 arms and 3 networks. The
duration of a step of each GAN and classifier is measured and multiplied by the number of steps.
Then a schedule for 1, 8 and 64 machines like this one is simulated: each training run starts on the
first free machine once the runs that it needs are done.
"""

import argparse
import heapq
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import _quick
import keras
import numpy as np
import tensorflow as tf

from serkit.datasets.splits import Speakers
from serkit.formatting import markdown_table
from serkit.models.fitting import fit_classifier
from serkit.studies import classifier_kinds
from serkit.studies.cost import median_seconds
from serkit.studies.gan_kinds import KINDS, GanSizes
from serkit.training.batches import training_batches
from serkit.training.examples import Examples

CLIPS, CLASSES, FOLDS, SEEDS = 12_162, 14, 5, 5
TRAINED = round(CLIPS * 3 / 5)
CHEAP_ARMS, GAN_ARMS = 6, ("dcgan", "wgan-gp")
NETWORKS = ("compact", "resnet50-head", "vgg16-half-freeze")
_SPEAKERS = Speakers(frozenset("a"), frozenset("b"), frozenset("c"))


@dataclass
class Kind:
    """Training runs that take the same time.

    Attributes:
        name: name in the table.
        count: number of training runs.
        steps: number of steps of a training run.
        seconds_per_step: measured duration of a step.
        besides: seconds of a training run outside its steps, such as validation.
    """

    name: str
    count: int
    steps: int
    seconds_per_step: float
    besides: float = 0.0

    @property
    def seconds(self) -> float:
        return self.steps * self.seconds_per_step + self.besides


def pictures(count: int) -> Examples:
    drawn = np.random.default_rng(0).uniform(-1, 1, (count, 224, 224, 1)).astype("float32")
    return Examples(drawn, frozenset("a"), np.arange(count) % CLASSES)


def of_gan(name: str, sizes: GanSizes, count: int) -> tuple[Kind, Kind]:
    """Measure a GAN; return the training runs on all clips and those on each class."""
    kind = KINDS[name]
    of_all, of_rare = (kind.settings(sizes, rare, CLASSES) for rare in (0, 1))
    gan = kind.build(of_all, 0)
    shown = (pictures(of_all.examples_per_step).spectrograms,)
    batches = iter(training_batches(shown, of_all.examples_per_step, 0))
    # As in fit, the losses are read at each step.
    seconds = median_seconds(lambda: gan.train_on_batch(next(batches)[0]), count)
    return (
        Kind(f"{name} of all clips", FOLDS, of_all.steps, seconds),
        Kind(f"{name} of a category", FOLDS * CLASSES, of_rare.steps, seconds),
    )


class Clock(keras.callbacks.Callback):
    """Record the seconds of each batch of training and of validation."""

    def __init__(self) -> None:
        super().__init__()
        self.train: list[float] = []
        self.test: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self._began = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.train.append(time.monotonic() - self._began)

    on_test_batch_begin = on_train_batch_begin

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.test.append(time.monotonic() - self._began)


def of_network(name: str, count: int) -> Kind:
    """Measure a network; return its training runs, with a validation after each epoch."""
    contender = classifier_kinds.NETWORKS[name]
    model = contender.build(CLASSES, (224, 224, 1), "none", 0)
    train, validation = pictures(64), replace(pictures(64), speakers=frozenset("b"))
    fit = replace(contender.fit, epochs=3, steps_per_epoch=count, views=0, patience=None)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        given = model, train, validation, _SPEAKERS, fit, 0, Path(folder)
        fit_classifier(*given, callbacks=(clock,), verbose=0)
    fit = contender.fit
    # The first steps compile.
    each, validated = np.median(clock.train[1:]), np.median(clock.test[1:])
    besides = fit.epochs * validated * (CLIPS / FOLDS / 64)
    besides += _features(model, name) if contender.pretrained else 0.0
    count = FOLDS * SEEDS * (CHEAP_ARMS + len(GAN_ARMS))
    return Kind(name, count, fit.steps(TRAINED) * fit.epochs, float(each), float(besides))


def _features(model, name: str) -> float:
    """Return the seconds of the frozen layers, which run once for all training runs, per run."""
    batch = tf.constant(pictures(16).spectrograms)
    forward = tf.function(lambda x: model(x, training=False))
    seconds = median_seconds(lambda: forward(batch).numpy(), 3) / 16
    return seconds * CLIPS / (FOLDS * SEEDS * (CHEAP_ARMS + len(GAN_ARMS)))


def spread(kinds: dict[str, Kind], networks: list[str], machines: int) -> float:
    """Return the seconds until all runs are done; a classifier waits for the GANs of its fold."""
    free = [0.0] * machines
    heapq.heapify(free)

    def do(seconds: float, after: float = 0.0) -> float:
        end = max(heapq.heappop(free), after) + seconds
        heapq.heappush(free, end)
        return end

    ready = {}
    for arm in GAN_ARMS:
        for fold in range(FOLDS):
            before = do(kinds[f"{arm} of all clips"].seconds)
            ends = [do(kinds[f"{arm} of a category"].seconds, before) for _ in range(CLASSES)]
            ready[arm, fold] = max(ends)
    cheap = [(0.0, name) for name in networks for _ in range(CHEAP_ARMS * FOLDS * SEEDS)]
    made = [(after, name) for after in ready.values() for name in networks for _ in range(SEEDS)]
    for after, name in sorted(cheap + made, key=lambda one: (one[0], -kinds[one[1]].seconds)):
        do(kinds[name].seconds, after)
    return max(free)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=float, default=1.0, help="of GANs, 1 is the report's")
    parser.add_argument("--steps", type=int, default=5, help="that are measured of each")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    options = _quick.parse(parser, width=0.02, steps=1, networks=["compact"])
    sizes = GanSizes(width=options.width)
    found = [kind for name in GAN_ARMS for kind in of_gan(name, sizes, options.steps)]
    found += [of_network(name, options.steps) for name in options.networks]
    rows = [
        [
            kind.name,
            f"{kind.count}",
            f"{kind.steps}",
            f"{1000 * kind.seconds_per_step:.0f}",
            f"{kind.seconds / 60:.1f}",
            f"{kind.count * kind.seconds / 3600:.1f}",
        ]
        for kind in found
    ]
    total = sum(kind.count * kind.seconds for kind in found)
    rows.append(["all", f"{sum(kind.count for kind in found)}", "", "", "", f"{total / 3600:.1f}"])
    devices = tf.config.list_physical_devices("GPU") or tf.config.list_physical_devices("CPU")
    name = tf.config.experimental.get_device_details(devices[0]).get("device_name", "CPU")
    head = [f"on {name}", "pieces", "steps each", "ms a step", "minutes each", "hours"]
    print(markdown_table(head, rows))
    kinds = {kind.name: kind for kind in found}
    hours = {machines: spread(kinds, options.networks, machines) / 3600 for machines in (1, 8, 64)}
    rows = [
        [f"{machines}", f"{value:.1f}", f"{hours[1] / value:.1f}"]
        for machines, value in hours.items()
    ]
    print(markdown_table(["machines", "hours until all is done", "times as fast"], rows))


if __name__ == "__main__":
    main()
