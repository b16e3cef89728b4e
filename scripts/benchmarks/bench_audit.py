"""Compare the speed and memory of the audit with a plain loop over the same files.

    python scripts/benchmarks/bench_audit.py ../shared/data/ravdess

Speed: files per second of `audit` and of the peer, a loop of `soundfile.read`, SHA-256, peak and
RMS in one process. Both run in turns, several times; the fastest time counts, and the ratio
matters. The second line of the output repeats the folder with links, until there are about as many
files as in all four corpora. All but the first are duplicates then: the audit compares them byte by
byte, the peer does not notice them. The third and the fourth line are the audit, the prosody of its
clips (`serkit audit --prosody`) in one process and in two, and a plain loop of `librosa.load`,
`librosa.yin` and `librosa.feature.rms` with the same settings. The first round also imports
librosa.
Memory: the peak of a process, and of its helper processes, that audits 100,000 tiny synthetic
recordings.
"""

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
from _quick import parse as parse_options

from serkit.datasets.audit import audit
from serkit.datasets.prosody import (
    FRAME,
    HIGHEST_HZ,
    HOP,
    LOWEST_HZ,
    RATE,
    measure_corpus,
)
from serkit.formatting import counted

_MANY, _RATE = 100_000, 8_000
_PROSODY_ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", help="folder with RAVDESS recordings")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=_MANY, help="tiny files for the memory")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parse_options(parser, rounds=1, files=300)
    if options.measure:
        print(json.dumps(measure_memory(Path(options.measure))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        for times in (1, 10):
            root = Path(options.root).resolve()
            if times > 1:
                root = repeat(root, Path(scratch, f"times-{times}"), times)
            compare_speed(root, options.rounds if times == 1 else min(options.rounds, 2))
        for workers in (1, 2):
            compare_prosody(Path(options.root), min(options.rounds, _PROSODY_ROUNDS), workers)
        print_memory(options, Path(scratch, "tiny"))


def repeat(root: Path, folder: Path, times: int) -> Path:
    """Fill a folder with links to recordings, ``times`` links to each; return the folder."""
    for number in range(times):
        for file in root.rglob("*.wav"):
            link = folder / f"copy-{number}" / file.relative_to(root)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file)
    return folder


def compare_speed(root: Path, rounds: int) -> None:
    files = sorted(root.rglob("*.wav"))
    fastest = {"audit": float("inf"), "peer": float("inf")}
    for _ in range(rounds):
        for name, work in {"peer": lambda: peer(files), "audit": lambda: audit([root])}.items():
            began = time.perf_counter()
            work()
            fastest[name] = min(fastest[name], time.perf_counter() - began)
    speed = {name: len(files) / seconds for name, seconds in fastest.items()}
    print(
        f"{len(files)} files, {os.cpu_count()} cores: audit {speed['audit']:.0f} files/s, "
        f"plain loop {speed['peer']:.0f} files/s, ratio {speed['audit'] / speed['peer']:.2f}",
        flush=True,
    )


def compare_prosody(root: Path, rounds: int, workers: int) -> None:
    # joblib uses this as the number of cores.
    os.environ["LOKY_MAX_CPU_COUNT"] = str(workers)
    alone, prosody, loop = [], [], []
    for _ in range(rounds):
        began = time.perf_counter()
        corpus = audit([root]).corpus
        alone.append(time.perf_counter() - began)
        began = time.perf_counter()
        measure_corpus(corpus)
        prosody.append(time.perf_counter() - began)
        began = time.perf_counter()
        prosody_peer(corpus.files())
        loop.append(time.perf_counter() - began)
    del os.environ["LOKY_MAX_CPU_COUNT"]
    count = len(corpus)
    print(
        f"{count} clips, {counted(workers, 'worker')}: audit {count / min(alone):.0f} clips/s, "
        f"prosody {count / min(prosody):.0f} ({count / prosody[0]:.0f} in the first round), plain "
        f"librosa loop {count / min(loop):.0f}, ratio {min(loop) / min(prosody):.2f}",
        flush=True,
    )


def prosody_peer(files: list[str]) -> list[tuple]:
    """Measure files in a plain loop: fundamental frequency by the same estimator, and level."""
    import librosa

    measures = []
    for file in files:
        waveform, _ = librosa.load(file, sr=RATE)
        size = {"frame_length": FRAME, "hop_length": HOP}
        f0 = librosa.yin(waveform, fmin=LOWEST_HZ, fmax=HIGHEST_HZ, sr=RATE, **size)
        measures.append((np.median(f0), librosa.feature.rms(y=waveform, **size).mean()))
    return measures


def peer(files: list[Path]) -> list[tuple]:
    """Measure files in a plain loop: digest, peak and RMS of each."""
    measures = []
    for file in files:
        samples, _ = soundfile.read(file)
        digest = hashlib.sha256(samples).hexdigest()
        measures.append((digest, np.abs(samples).max(), np.sqrt(np.mean(samples**2))))
    return measures


def print_memory(options: argparse.Namespace, folder: Path) -> None:
    make_tiny_files(folder, options.files)
    command = [sys.executable, __file__, options.root, "--measure", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    shutil.rmtree(folder)
    print(
        f"{found['clips']} tiny files audited and written: peak {found['parent']:.0f} MiB, "
        f"{found['start']:.0f} of it before it began; largest helper process "
        f"{found['helper']:.0f} MiB; {found['clips'] / found['seconds']:.0f} files/s"
    )


def make_tiny_files(folder: Path, number: int) -> None:
    """Write different recordings of 0.15 s, in a folder for each label and speaker."""
    rng = np.random.default_rng(0)
    for index in range(number):
        emotion = ("angry", "happy", "sad", "neutral")[index % 4]
        path = folder / emotion / f"speaker-{index // 4 % 500}" / f"{index}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = rng.integers(-9000, 9000, _RATE * 15 // 100, dtype=np.int16)
        soundfile.write(path, samples, _RATE)


def measure_memory(folder: Path) -> dict[str, float]:
    def peak(who: int) -> float:
        return resource.getrusage(who).ru_maxrss / 1024

    start, began = peak(resource.RUSAGE_SELF), time.perf_counter()
    found = audit([folder])
    found.write(folder.with_name("out"))
    seconds = time.perf_counter() - began
    return {
        "clips": len(found.corpus),
        "start": start,
        "parent": peak(resource.RUSAGE_SELF),
        "helper": helper_peak(),
        "seconds": seconds,
    }


def helper_peak() -> float:
    """Return the largest peak memory, in MiB, of the running child processes of this process."""
    peaks = [0.0]
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        except OSError:
            continue
        if int(fields["PPid"]) == os.getpid() and "VmHWM" in fields:
            peaks.append(int(fields["VmHWM"].split()[0]) / 1024)
    return max(peaks)


if __name__ == "__main__":
    main()
