"""Compare the time of a Bayesian network with that of its deterministic twin.

    python scripts/benchmarks/bench_bayesian.py

Two Bayesian networks are measured: compact with a Bayesian last block and head, and with all layers
Bayesian. A training step is compared with a step of the deterministic network, and 30 samples for a
batch of 32 with one forward pass. All run in turns in one process, so that other load on the
machine affects all; the fastest time of each counts.
"""

import argparse
import math
import time

import _quick
import numpy as np
import tensorflow as tf

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.formatting import markdown_table
from serkit.layers.variational import set_kl_weight
from serkit.models.bayesian import from_deterministic, last_block
from serkit.models.compact import CompactSettings, compact
from serkit.models.fitting import FitSettings, compiled
from serkit.uncertainty.predictors import SampledNetwork

SPEC = SpectrogramSpec(frames=160, bins=80, window=512, trim_db=30.0)
MAX_STEP_RATIO, MAX_SAMPLES_RATIO = 2.2, 12.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--samples", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=15)
    options = _quick.parse(parser, batch=2, samples=2, rounds=1)

    twin = compact(7, SPEC.shape, CompactSettings(pool=(1, 1), stride=(1, 2)))
    networks = {
        "deterministic": twin,
        "last block and head": from_deterministic(twin, layers=last_block(twin)),
        "all layers": from_deterministic(twin),
    }
    rng = np.random.default_rng(0)
    x = tf.constant(rng.uniform(-1, 1, (options.batch, *SPEC.shape)).astype("float32"))
    y = tf.constant(np.arange(options.batch) % 7)

    steps, passes = {}, {"deterministic": tf.function(lambda: twin(x, training=False))}
    for name, network in networks.items():
        set_kl_weight(network, 1e-3)
        steps[name] = stepping(compiled(network, FitSettings(), 24), x, y)
    for name in list(networks)[1:]:
        passes[name] = sampling(SampledNetwork(networks[name]), x, options.samples)
    rows = [
        *report("a training step", fastest(steps, options.rounds), MAX_STEP_RATIO),
        *report(f"{options.samples} samples", fastest(passes, options.rounds), MAX_SAMPLES_RATIO),
    ]
    print(markdown_table(["", "ratio to the deterministic", "at most"], rows))


def stepping(network, x, y):
    step = tf.function(network.train_step)
    return lambda: step((x, y))


def sampling(network: SampledNetwork, x, samples: int):
    sample = tf.function(network.sample)
    n, seed = tf.constant(samples), tf.constant(0)
    return lambda: sample(x, n, seed)


def fastest(works: dict, rounds: int) -> dict[str, float]:
    """Return the seconds of the fastest call of each function, without the first, which traces."""
    best = dict.fromkeys(works, math.inf)
    for work in works.values():
        work()
    for _ in range(rounds):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            best[name] = min(best[name], time.perf_counter() - began)
    return best


def report(title: str, seconds: dict[str, float], target: float) -> list[list[str]]:
    """Return the rows of a table: ratios to the deterministic network, and whether they are met."""
    deterministic = seconds.pop("deterministic")
    ratios = {name: taken / deterministic for name, taken in seconds.items()}
    met = {name: "met" if ratio <= target else "NOT met" for name, ratio in ratios.items()}
    return [
        [f"{title}, {name}", f"{ratio:.2f}", f"{target} {met[name]}"]
        for name, ratio in ratios.items()
    ]


if __name__ == "__main__":
    main()
