"""Compare the speed of training and prediction of classifiers with the same networks in PyTorch.

    python scripts/benchmarks/bench_classifier.py  # with requirements-torch.lock installed

The three networks of the 2021 report and compact are measured in training and in prediction.
PyTorch runs the frozen layers at every step. serkit runs them once per clip, and trains the other
layers on the outputs from disk; the speed is that of the second and later epochs. Each contender
runs in a process of its own. The processes take turns, so that other load on the machine affects
all; the fastest step counts. PyTorch's speed is the best of float32 and, where the processor has
units for it, autocast bfloat16, in its default memory format and, in brackets, in channels_last,
which is faster on some CPUs and must be requested. The ratios matter, because absolute speeds
depend on the machine.

`--parts live` trains compact on spectrograms from the cache, and on spectrograms that are computed
at each step from waveforms, without and with augmentation of the waveforms (`--live`).

`break-even` is the first epoch at whose end serkit, which computes features first, has needed less
time than PyTorch on `--for-clips` clips.
"""

import argparse
import contextlib
import importlib.util
import itertools
import json
import math
import sys
import time
from pathlib import Path

import joblib
from _contender import Contender
from _quick import parse as parse_options

_NETWORKS = ("vgg16-half-freeze", "vgg16-head", "resnet50-head", "compact")
_PARTS = ("training", "prediction", "memory", "live")
# Parts that are not compared with PyTorch.
_ALONE = {"memory", "live"}
_TARGETS = {"vgg16-half-freeze": 8, "vgg16-head": 30, "resnet50-head": 30, "compact": 1}


def main() -> None:
    options = parse()
    if options.contender:
        return serve(options)
    if not _ALONE.issuperset(options.parts) and importlib.util.find_spec("torch") is None:
        raise SystemExit(
            "PyTorch is not installed; requirements-torch.lock has it, --parts memory live do "
            "without"
        )
    sys.stdout.reconfigure(line_buffering=True)
    print(f"{joblib.cpu_count()} cores, {options.rounds} rounds of {options.steps} steps")
    if "training" in options.parts:
        for network in options.networks:
            train(network, options)
    if "prediction" in options.parts:
        for network in options.networks:
            predict(network, options)
    if "memory" in options.parts:
        memory(options)
    if "live" in options.parts:
        live(options)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="*", choices=_NETWORKS, default=list(_NETWORKS))
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=list(_PARTS))
    parser.add_argument("--batch", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2, help="of each contender a round")
    parser.add_argument("--for-clips", type=int, default=12_000)
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    return parse_options(
        parser,
        networks=["resnet50-head"],
        batch=[2],
        rounds=1,
        steps=1,
        for_clips=300,
        parts=["live"],
    )


def contenders() -> tuple[list[str], list[str], list[str]]:
    """Return the names of serkit, PyTorch, and PyTorch in channels_last, in each precision."""
    from serkit.training.precision import MIXED_BFLOAT16, fastest_precision

    has_units = fastest_precision() == MIXED_BFLOAT16
    theirs = ["torch float32", *["torch bfloat16"] * has_units]
    ours = ["serkit float32", *["serkit mixed_bfloat16"] * has_units]
    return ours, theirs, [f"{name} channels_last" for name in theirs]


def contender(name: str, network: str, batch: int, options: argparse.Namespace) -> Contender:
    asked = ("--contender", f"{name}/{network}", "--batch", batch, "--steps", options.steps)
    return Contender(__file__, *asked, "--for-clips", options.for_clips)


def serve(options: argparse.Namespace) -> None:
    """Measure what each line of standard input requests, in the process of a contender."""
    name, network = options.contender.split("/")
    (batch,) = options.batch
    if name == "memory":
        from _classifier_step import train_many

        answers = {"memory": lambda: train_many(options.for_clips, batch, 20, peak_memory)}
    elif name.startswith("serkit"):
        from _classifier_step import SerkitClassifier

        ours = SerkitClassifier(network, batch, name.split()[1])
        answers = {
            "steps": lambda: {"seconds": ours.steps(options.steps)},
            "features": lambda: {"seconds": [ours.features()]},
            "predict": lambda: {"seconds": timed(ours.predict, options.steps)},
        }
    else:
        from _classifier_peers import TorchClassifier

        theirs = TorchClassifier(network, batch, "bfloat16" in name, "channels_last" in name)
        answers = {
            "steps": lambda: {"seconds": timed(theirs.step, options.steps)},
            "predict": lambda: {"seconds": timed(theirs.predict, options.steps)},
        }
    for line in sys.stdin:
        print(json.dumps({} if line == "ready\n" else answers[line.strip()]()), flush=True)


def timed(work, count: int) -> list[float]:
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return taken


def race(names, network: str, batch: int, request: str, options) -> dict[str, float]:
    """Run contenders in turns; return the spectrograms per second of each one's fastest run."""
    best = dict.fromkeys(names, math.inf)
    with contextlib.ExitStack() as stack:
        processes = {
            name: stack.enter_context(contender(name, network, batch, options)) for name in best
        }
        # Wait until all processes have started.
        for process in processes.values():
            process.ask("ready")
        for _ in range(options.rounds):
            for name, process in processes.items():
                best[name] = min(best[name], *process.ask(request)["seconds"])
    return {name: batch / seconds for name, seconds in best.items()}


def train(network: str, options: argparse.Namespace) -> None:
    best = {}
    groups = contenders()
    for batch in options.batch:
        for name, rate in compare(network, batch, options).items():
            best[name] = max(rate, best.get(name, 0.0))
    ours, theirs, last = (max(best[n] for n in names) for names in groups)
    print(
        f"{network}, each at its best batch: serkit {ours:.0f} images/s, ratio "
        f"{ours / theirs:.2f} ({ours / last:.2f} against channels_last)"
    )


def compare(network: str, batch: int, options: argparse.Namespace) -> dict[str, float]:
    groups = contenders()
    rates = race(itertools.chain(*groups), network, batch, "steps", options)
    ours, theirs, last = (max(names, key=rates.get) for names in groups)
    ratios = [rates[ours] / rates[name] for name in (theirs, last)]
    met = ["met" if ratio >= _TARGETS[network] else "NOT met" for ratio in ratios]
    print(
        f"\n{network}, batch {batch}: serkit / PyTorch = ratio {ratios[0]:.2f} ({ratios[1]:.2f} "
        f"against channels_last); {_TARGETS[network]} is {met[0]} ({met[1]})"
    )
    for name, rate in rates.items():
        print(f"  {name:28}{rate:8.1f} images/s in training")
    if network == "compact":
        return rates
    once = race((ours,), network, batch, "features", options)[ours]
    print(f"  {ours:28}{once:8.1f} images/s through the frozen part, once")
    clips = options.for_clips
    for name in (theirs, last):
        lead = clips / rates[name] - clips / rates[ours]
        epoch = max(1, math.ceil(clips / once / lead)) if lead > 0 else None
        print(f"  break-even with {name} on {clips} clips: epoch {epoch or 'never'}")
    return rates


def predict(network: str, options: argparse.Namespace) -> None:
    groups = contenders()
    rates = race(itertools.chain(*groups), network, 32, "predict", options)
    ours, theirs, last = (max(rates[n] for n in names) for names in groups)
    print(
        f"\n{network}, prediction, batch 32: serkit {ours:.1f} images/s, PyTorch {theirs:.1f} "
        f"(channels_last {last:.1f}): ratio {ours / theirs:.2f} ({ours / last:.2f})"
    )


def memory(options: argparse.Namespace) -> None:
    with contender("memory", "vgg16-half-freeze", min(32, max(options.batch)), options) as one:
        found = one.ask("memory")
    print(
        f"\nvgg16-half-freeze, {options.for_clips} clips, {found['bytes'] / 2**30:.1f} GiB of "
        f"features on disk: peak memory {found['peak'] / 2**10:.1f} GiB, of which "
        f"{found['mapped'] / 2**10:.1f} GiB are pages of these files, which the system may drop"
    )


def live(options: argparse.Namespace) -> None:
    """Time compact on spectrograms from the cache, and on those computed at each step."""
    from _classifier_step import LiveAndCached

    ways = LiveAndCached(min(32, max(options.batch)))
    best = dict.fromkeys(ways.batches, math.inf)
    for _ in range(options.rounds):
        for name in best:
            best[name] = min(best[name], ways.seconds(name, options.steps))
    print("\ncompact, clips/s in training:")
    for name, seconds in best.items():
        print(f"  {name:28}{1 / seconds:8.1f}, ratio {best['cached'] / seconds:.2f}")


def peak_memory() -> dict[str, float]:
    """Return the peak memory of this process, and the file pages that it has mapped now, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    values = dict(line.split(":", 1) for line in lines)
    peak, mapped = (int(values[name].split()[0]) / 1024 for name in ("VmHWM", "RssFile"))
    return {"peak": peak, "mapped": mapped}


if __name__ == "__main__":
    main()
