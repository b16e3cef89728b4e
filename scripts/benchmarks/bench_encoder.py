"""Compare the speed of the Whisper encoder with PyTorch's and CTranslate2's on the same frames.

    python scripts/benchmarks/bench_encoder.py    # with requirements-torch.lock installed

All contenders get the same unpadded frames: padded to 30 seconds, a peer would do eight times the
work for clips of 3.6 seconds. The encoder has the size of whisper-tiny.en and random weights; only
CTranslate2 needs a model, which requirements-weights.lock brings, and is left out if ctranslate2 or
these weights are not installed. Each contender runs in a process of its own. The processes take
turns, so that other load on the machine affects all; the fastest step counts.
"""

import argparse
import contextlib
import importlib.util
import json
import math
import sys
import time

import joblib
from _contender import Contender
from _quick import parse as parse_options

_MELS, _DEPTH, _WIDTH = 80, 4, 384
_OURS = ("serkit float32", "serkit mixed_bfloat16")
_PEERS = {
    "torch": ("torch float32", "torch bfloat16"),
    "ctranslate2": ("ctranslate2 float32", "ctranslate2 int8"),
}


def main() -> None:
    options = parse()
    if options.contender:
        return serve(options)
    names = list(_OURS)
    for package, contenders in _PEERS.items():
        is_there = importlib.util.find_spec(package) is not None
        names += contenders if is_there else ()
        print("" if is_there else f"{package} is not installed and left out\n", end="")
    print(f"{joblib.cpu_count()} cores, clips of {options.frames / 100:.1f} s")
    for batch in options.batch:
        rates = race(names, batch, options)
        ours = max(rates[name] for name in _OURS)
        print(f"\nbatch {batch}")
        for name, rate in rates.items():
            print(f"  {name:24}{rate:8.1f} clips/s, serkit's best / this = {ours / rate:.2f}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--frames", type=int, default=360, help="10 ms each; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5, help="of each contender a round")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    return parse_options(parser, batch=[1], frames=100, rounds=1, steps=1)


def race(names: list[str], batch: int, options: argparse.Namespace) -> dict[str, float]:
    """Run contenders in turns; return the clips per second of each one's fastest step."""
    best = dict.fromkeys(names, math.inf)
    with contextlib.ExitStack() as stack:
        processes = {
            name: stack.enter_context(
                Contender(
                    __file__,
                    *("--contender", name, "--batch", batch),
                    *("--frames", options.frames, "--steps", options.steps),
                )
            )
            for name in names
        }
        for _ in range(options.rounds):
            for name, process in processes.items():
                best[name] = min(best[name], process.ask("steps")["seconds"])
    return {name: batch / seconds for name, seconds in best.items()}


def serve(options: argparse.Namespace) -> None:
    """Time the steps that each line of standard input requests, in the process of a contender."""
    package, precision = options.contender.split()
    (batch,) = options.batch
    if package == "serkit":
        step = serkit_step(batch, options.frames, precision)
    else:
        import _encoder_peers

        step = _encoder_peers.STEPS[package](batch, options.frames, precision)
    step()
    for _ in sys.stdin:
        seconds = []
        for _ in range(options.steps):
            began = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - began)
        print(json.dumps({"seconds": min(seconds)}), flush=True)


def serkit_step(batch: int, frames: int, precision: str):
    """Return a function that runs serkit's encoder once."""
    import keras
    import tensorflow as tf

    from serkit.models.whisper import WhisperSettings, whisper_encoder

    keras.config.set_dtype_policy(precision)
    encoder = whisper_encoder(WhisperSettings(_DEPTH, _WIDTH, _MELS))
    inputs = [tf.random.stateless_normal([batch, frames, _MELS], [0, 0]), tf.fill([batch], frames)]
    forward = tf.function(lambda: encoder(inputs, training=False)[-1], autograph=False)
    return lambda: forward().numpy()


if __name__ == "__main__":
    main()
