"""What a Bayesian network costs, as ratios to its deterministic twin.

    python scripts/benchmarks/bench_bayesian.py

A training step of compact with its last block and head Bayesian, and with all layers, and 30
samples for a batch of 32, beside one step and one pass of the same network without. They take turns
in one process, so that whatever else the machine does falls on all; the fastest of each counts.
"""

import argparse
import math
import os
import time

from _quick import parse as parse_options

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

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
STEP, SAMPLES = 2.2, 12.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--samples", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=15)
    options = parse_options(parser, batch=2, samples=2, rounds=1)

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
        *report("a training step", fastest(steps, options.rounds), STEP),
        *report(f"{options.samples} samples", fastest(passes, options.rounds), SAMPLES),
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
    """Seconds of each one's fastest try, the first, which traces, aside."""
    best = dict.fromkeys(works, math.inf)
    for work in works.values():
        work()
    for _ in range(rounds):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            best[name] = min(best[name], time.perf_counter() - began)
    return best


def report(what: str, seconds: dict[str, float], target: float) -> list[list[str]]:
    ours = seconds.pop("deterministic")
    ratios = {name: taken / ours for name, taken in seconds.items()}
    met = {name: "met" if ratio <= target else "NOT met" for name, ratio in ratios.items()}
    return [
        [f"{what}, {name}", f"{ratio:.2f}", f"{target} {met[name]}"]
        for name, ratio in ratios.items()
    ]


if __name__ == "__main__":
    main()
