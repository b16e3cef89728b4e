"""Compare the speed of a DCGAN's training step, with Discriminator2, with the same in PyTorch.

    python scripts/benchmarks/bench_gan.py  # with requirements-torch.lock installed
    python scripts/benchmarks/bench_gan.py --profile  # the parts of a step; without PyTorch

Networks and algorithm are the same in both: real and generated spectrograms as two batches; the
generator runs once per step, and its loss comes from the updated discriminator. Each library runs
in a process of its own, with its own threads and peak memory. The processes take turns, so that
other load on the machine affects both. PyTorch runs in the memory format in which it is faster. The
fastest step of each counts; `of matmul` is the arithmetic throughput of a step relative to the
faster library's large matrix products in the same precision.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import joblib
from _contender import Contender
from _gan_sizes import flops_of_a_step
from _quick import parse as parse_options

_TORCH = ("torch contiguous", "torch channels_last")


def main() -> None:
    options = parse()
    if options.contender:
        return serve(options.contender, options)
    # A run may take hours; show each result at once, also in a file.
    sys.stdout.reconfigure(line_buffering=True)
    print(f"{joblib.cpu_count()} cores, width {options.width}, {options.rounds} rounds")
    for dtype in options.dtype:
        for batch in options.batch:
            if options.profile:
                with contender("serkit", batch, dtype, options) as ours:
                    print_profile(ours.ask("profile"), batch, dtype)
            else:
                compare(batch, dtype, options)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--dtype", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=2, help="steps of each contender a round")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    return parse_options(parser, width=0.02, batch=[2], dtype=["float32"], rounds=1, steps=1)


def contender(name: str, batch: int, dtype: str, options: argparse.Namespace) -> Contender:
    asked = ("--contender", name, "--batch", batch, "--dtype", dtype)
    return Contender(__file__, *asked, "--width", options.width, "--steps", options.steps)


def serve(name: str, options: argparse.Namespace) -> None:
    """Run one step, then what each line of standard input asks for."""
    step = make_step(name, options.batch[0], options.dtype[0], options.width)
    step.run()
    for line in sys.stdin:
        if line.strip() == "steps":
            answer = {"seconds": [seconds(step.run) for _ in range(options.steps)]}
            answer["memory"] = peak_memory()
        elif line.strip() == "matmul":
            answer = {"seconds": min(seconds(step.multiply) for _ in range(3))}
        else:
            answer = step.profile()
        print(json.dumps(answer), flush=True)


def make_step(name: str, batch: int, dtype: str, width: float):
    if name == "serkit":
        from _gan_step import SerkitStep

        return SerkitStep(batch, dtype == "bfloat16", width)
    from _gan_peers import TorchStep

    return TorchStep(batch, dtype == "bfloat16", name.endswith("channels_last"), width)


def compare(batch: int, dtype: str, options: argparse.Namespace) -> None:
    with contender("serkit", batch, dtype, options) as ours:
        first = {name: trial(name, batch, dtype, options) for name in _TORCH}
        theirs_name = min(first, key=first.get)
        with contender(theirs_name, batch, dtype, options) as theirs:
            both = {"serkit": ours, theirs_name: theirs}
            taken, matmul = {name: [] for name in both}, []
            for _ in range(options.rounds):
                for name, one in both.items():
                    answer = one.ask("steps")
                    taken[name].append(answer)
                    matmul.append(one.ask("matmul")["seconds"])
    best = {name: min(min(a["seconds"]) for a in answers) for name, answers in taken.items()}
    peak = 2 * 2048**3 / min(matmul) / 1e9
    ratio = best[theirs_name] / best["serkit"]
    print(f"\n{dtype}, batch {batch}: serkit / PyTorch = ratio {ratio:.2f}; matmul {peak:.0f} GF/s")
    for name, answers in taken.items():
        share = flops_of_a_step(options.width) * batch / best[name] / peak / 1e9
        print(
            f"  {name:22}{batch / best[name]:8.2f} images/s, {100 * share:3.0f} % of matmul, "
            f"peak memory {answers[-1]['memory']:.0f} MiB"
        )


def trial(name: str, batch: int, dtype: str, options: argparse.Namespace) -> float:
    with contender(name, batch, dtype, options) as one:
        return min(one.ask("steps")["seconds"])


def print_profile(parts: dict[str, float], batch: int, dtype: str) -> None:
    print(f"\n{dtype}, batch {batch}: ms of the fastest of several calls")
    for name, milliseconds in parts.items():
        print(f"  {name:58}{milliseconds:8.0f}")


def seconds(work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def peak_memory() -> float:
    """Of this process, in MiB."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
