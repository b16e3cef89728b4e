"""Compare the speed of computing spectrograms with librosa and the 2021 report's method.

    python scripts/benchmarks/bench_audio.py ../shared/data/ravdess

All contenders run in turns, and the fastest of several rounds counts; the ratios matter. The
recordings are measured as they are, and resampled to 48 kHz by soxr. `bound` is a lower bound of
the time: decoding alone and the real FFT of the same frames alone, each by the fastest library that
is installed; at 48 kHz also soxr's resampling alone. Memory and linearity: the same files are read
many times, in a process of their own. Determinism: serkit's pipeline with and without
`enable_op_determinism`, which every training run enables, in two processes that take turns.
Latency: an exported model of `compact` predicts one clip after another, and in batches.
"""

import argparse
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import _audio_peers as peers
import _quick
import joblib
import numpy as np
import soundfile
import soxr
import tensorflow as tf

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.export.exportable_model import ExportableModel
from serkit.export.saved_model import export_model
from serkit.models.compact import compact
from serkit.training.recordings import Skipped
from serkit.training.spectrograms import spectrogram_dataset

# How often the list of files is read in a round, so that the time to start does not matter.
_PASSES = 3
_PICTURES = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", help="folder with recordings at 16 kHz")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, help="use only so many, spread over all")
    parser.add_argument("--many", type=int, default=12_000, help="files for memory and linearity")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--calls", type=int, default=300, help="of the exported model")
    options = _quick.parse(parser, files=3, rounds=1, many=120, calls=20)
    if options.measure:
        print(json.dumps(measure_many(Path(options.measure), options.many)))
        return
    files = sorted(map(str, Path(options.root).resolve().rglob("*.wav")))
    files = files[:: max(1, len(files) // options.files)] if options.files else files
    print(f"{describe_machine()}; {len(files)} files, {options.rounds} rounds")
    with tempfile.TemporaryDirectory() as scratch:
        for rate in (16_000, 48_000):
            chosen = files if rate == 16_000 else upsampled(files, rate, Path(scratch, str(rate)))
            compare(chosen, rate, options.rounds, Path(scratch))
        print_determinism(files, options.rounds)
        print_many(files, options, Path(scratch, "files.json"))
        print_latency(files, Path(scratch, "model"), options.calls)


def describe_machine() -> str:
    text = Path("/proc/cpuinfo").read_text()
    model = next(line.split(":")[1] for line in text.splitlines() if "model name" in line)
    return f"{joblib.cpu_count()} cores of {model.strip()}"


def upsampled(files: list[str], rate: int, folder: Path) -> list[str]:
    """Resample recordings, write them with 16 bits to a folder, and return their paths."""
    folder.mkdir()
    paths = []
    for number, file in enumerate(files):
        wave, rate_of_file = soundfile.read(file, dtype="float32")
        path = str(folder / f"{number}.wav")
        soundfile.write(path, soxr.resample(wave, rate_of_file, rate), rate, "PCM_16")
        paths.append(path)
    return paths


def compare(files: list[str], rate: int, rounds: int, scratch: Path) -> None:
    workers = joblib.cpu_count()
    librosa = peers.LibrosaProcesses(workers)
    seconds = sum(soundfile.info(file).duration for file in files) / len(files)
    pictures = files[:: max(1, len(files) // _PICTURES)]
    files = files * _PASSES
    # The dataset is built once, as librosa's processes are started once.
    dataset = spectrogram_dataset(files, SpectrogramSpec())
    works = {
        "serkit": lambda: [None for _ in dataset],
        "librosa, a process per core": lambda: librosa.run(files),
        **peers.decoders(files, workers),
    }
    best = {name: len(files) / value for name, value in peers.fastest(works, rounds).items()}
    librosa.close()
    fft = peers.fastest(peers.transforms(workers), 4 * rounds)
    best |= {name: 32 / value for name, value in fft.items()}
    if rate != 16_000:
        some = files[: 2 * _PICTURES]
        soxr_alone = {"soxr HQ": peers.resampler(some, workers)}
        best["soxr HQ"] = len(some) / peers.fastest(soxr_alone, 2 * rounds)["soxr HQ"]
    drawn = peers.fastest({"drawn": lambda: peers.by_pictures(pictures, scratch)}, 1)["drawn"]
    best["the 2021 report, one process"] = len(pictures) / drawn
    print(f"\n{rate} Hz" + " " * 25 + "clips/s   x real time   serkit is")
    for name, speed in best.items():
        real_time = speed * seconds
        print(f"  {name:30}{speed:8.0f}{real_time:14.0f}{best['serkit'] / speed:11.2f}x")
    decoding = max(best["serkit's decoder"], best["tf.audio.decode_wav"])
    bound = 1 / decoding + 1 / max(best[name] for name in fft)
    print(f"  bound: {1000 * bound:.3f} ms a clip; serkit costs {1 / best['serkit'] / bound:.2f} x")
    if rate != 16_000:
        bound += 1 / best["soxr HQ"]
        cost = 1 / best["serkit"] / bound
        print(f"  with resampling: {1000 * bound:.3f} ms a clip; serkit costs {cost:.2f} x")


def print_determinism(files: list[str], rounds: int) -> None:
    """Measure with and without determinism in two processes; it cannot be disabled again."""
    spawn = multiprocessing.get_context("spawn")
    best = {False: float("inf"), True: float("inf")}
    with spawn.Pool(1, start_run, (False,)) as off, spawn.Pool(1, start_run, (True,)) as on:
        for _ in range(rounds):
            for deterministic, pool in ((False, off), (True, on)):
                taken = pool.apply(run_once, (files,))
                best[deterministic] = min(best[deterministic], taken)
    speed = {deterministic: len(files) / seconds for deterministic, seconds in best.items()}
    print(
        f"\nwith deterministic ops {speed[True]:.0f} clips/s, without {speed[False]:.0f}, "
        f"ratio {speed[True] / speed[False]:.2f}",
        flush=True,
    )


def start_run(deterministic: bool) -> None:
    if deterministic:
        tf.config.experimental.enable_op_determinism()


def run_once(files: list[str]) -> float:
    """Return the seconds for all files after the graph is built, with a log of skipped files."""
    dataset = spectrogram_dataset(files, SpectrogramSpec(), skipped=Skipped())
    for _ in dataset.take(1):
        began = time.perf_counter()
    for _ in dataset:
        pass
    return time.perf_counter() - began


def print_many(files: list[str], options: argparse.Namespace, listed: Path) -> None:
    listed.write_text(json.dumps(files))
    command = [sys.executable, __file__, options.root, "--measure", str(listed)]
    command += ["--many", str(options.many)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    print("\nfiles and ms for each, in one process: ", end="")
    print(", ".join(f"{count}: {1000 * s / int(count):.2f}" for count, s in found["times"].items()))
    print(f"peak memory: {found['peak']:.0f} MiB, {found['start']:.0f} of it after the first batch")


def measure_many(listed: Path, many: int) -> dict:
    files = json.loads(listed.read_text())
    dataset = spectrogram_dataset((files * (many // len(files) + 1))[:many], SpectrogramSpec())
    for _ in dataset.take(1):
        start = peak_memory()
    times = {}
    for count in (many // 120, many // 10, many):
        began = time.perf_counter()
        rows = sum(len(rows) for rows, _ in dataset.take(-(-count // 32)))
        times[str(rows)] = time.perf_counter() - began
    return {"start": start, "peak": peak_memory(), "times": times}


def peak_memory() -> float:
    """Return the peak memory of this process in MiB.

    The value of getrusage would include the process that started this process.
    """
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def print_latency(files: list[str], folder: Path, calls: int) -> None:
    spec = SpectrogramSpec()
    path = export_model(ExportableModel([compact(7, spec.shape)], spec, "abcdefg"), folder)
    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures["serving_default"]
    contents = [Path(file).read_bytes() for file in files]

    def milliseconds(first: int, count: int) -> float:
        chosen = [contents[number % len(contents)] for number in range(first, first + count)]
        data = tf.constant(chosen)
        began = time.perf_counter()
        serve(wav_bytes=data)["probabilities"].numpy()
        return 1000 * (time.perf_counter() - began)

    alone = [milliseconds(number, 1) for number in range(20 + calls)][20:]
    median, high = np.percentile(alone, [50, 99])
    print(f"one clip, bytes to probabilities: median {median:.1f} ms, 99th percentile {high:.1f}")
    batches = [milliseconds(first, 32) for first in range(0, 32 * (2 + calls // 10), 32)][2:]
    print(f"in batches of 32: median {np.median(batches) / 32:.1f} ms a clip")


if __name__ == "__main__":
    main()
