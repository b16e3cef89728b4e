"""Measure an earlier version and this one by the same commands and benchmarks, in one table.

    python scripts/benchmarks/before_after.py COMMIT RECORDINGS
    python scripts/benchmarks/before_after.py COMMIT RECORDINGS --only serve help

The package of COMMIT is unpacked into a temporary folder. Both versions run with this Python, its
libraries and this version's benchmarks, in turns; the best value of all rounds counts. The whole
demo runs once. Rows appear as they are measured, and in a table at the end.
"""

import argparse
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from _quick import parse as parse_options

from serkit.formatting import markdown_table

_HERE = Path(__file__).resolve().parent
_NUMBER = r"([\d.]+)"


class Version:
    """One version of serkit.

    Args:
        package: folder that holds the version's folder ``serkit``.
        folder: new folder in which its commands run.
    """

    def __init__(self, package: Path, folder: Path) -> None:
        self._package = package
        self.folder = folder
        folder.mkdir()

    def run(self, *command: str) -> str:
        """Run Python with this version; return what it prints."""
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self._package)},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.returncode}\n{done.stderr}")
        return done.stdout

    def seconds(self, *command: str) -> float:
        """Return the time that a command of serkit takes."""
        start = time.monotonic()
        self.run("-m", "serkit", *command)
        return time.monotonic() - start

    def model(self) -> str:
        """Return the name of a model in the folder, exported by ``serkit demo --short``."""
        if not (self.folder / "model").exists():
            self.seconds("demo", "--short", "--out", "short", "--export", "model")
        return "model"


Measure = Callable[[Version], dict[str, float]]
"""What returns the numbers of a version, by the name of their row in the table."""


def whole_demo(version: Version) -> dict[str, float]:
    command = ("demo", "--out", "demo", "--export", "of-demo")
    is_done = (version.folder / "demo").exists()
    return {} if is_done else {"serkit demo, s": version.seconds(*command)}


def first_prediction(version: Version, recording: str) -> dict[str, float]:
    name = "serkit predict of one recording, s"
    return {name: version.seconds("predict", version.model(), recording)}


def graph_size(version: Version) -> dict[str, float]:
    (path,) = (version.folder / version.model()).rglob("saved_model.pb")
    return {"saved_model.pb of compact, MB": path.stat().st_size / 1e6}


def printed(version: Version, rows: dict[str, str], *command: str) -> dict[str, float]:
    """Run a benchmark, and find a number of each row in its output by a pattern with a group."""
    text = version.run(str(_HERE / command[0]), *command[1:])
    found = {row: re.search(pattern, text) for row, pattern in rows.items()}
    if missing := [row for row, match in found.items() if match is None]:
        raise SystemExit(f"{command[0]} did not print {', '.join(missing)}:\n{text}")
    return {row: float(match[1]) for row, match in found.items()}


def measures(root: str, is_quick: bool) -> dict[str, Measure]:
    """Return what can be measured, by the names for ``--only``."""
    recording = str(next(Path(root).rglob("*.wav")))

    def benchmark(rows: dict[str, str], *command: str) -> Measure:
        quick = ["--quick"] * is_quick
        return lambda version: printed(version, rows, *command, *quick)

    gan = {
        "DCGAN step, width 1, batch 16, images/s": rf"serkit +{_NUMBER} images/s",
        "the same, peak memory, MiB": rf"serkit +.*peak memory {_NUMBER} MiB",
    }
    audit = {
        "audit and prosody with two workers, x librosa loop": rf"2 workers.*ratio {_NUMBER}",
        "audit of 100,000 tiny files, files/s": rf"tiny files.*; {_NUMBER} files/s",
    }
    return {
        "help": lambda version: {"serkit --help, s": version.seconds("--help")},
        "predict": lambda version: first_prediction(version, recording),
        "graph": graph_size,
        "latency": benchmark(
            {
                "exported compact, one recording, ms": rf"one clip, .* median {_NUMBER} ms",
                "exported compact, batch of 32, ms a recording": rf"of 32: median {_NUMBER} ms",
            },
            *("bench_audio.py", root, "--rounds", "1", "--files", "300", "--many", "1200"),
        ),
        "audio": benchmark(
            {"spectrograms at 16 kHz, x bound": rf"a clip; serkit costs {_NUMBER} x"},
            *("bench_audio.py", root, "--rounds", "5", "--many", "1200"),
        ),
        "serve": benchmark(
            {
                "serkit serve, 64 clients, requests/s": rf"\| batches \| 64 \| {_NUMBER} ",
                "the same, 99th percentile, ms": rf"\| batches \| 64 \|.* {_NUMBER} \|\n",
            },
            *("bench_serving.py", "--clients", "64", "--memory", "0", "--overload", "0"),
        ),
        "training": benchmark(
            {
                "compact, training, x PyTorch in channels_last": rf"best batch: .*\({_NUMBER} ag",
                "compact, prediction, x PyTorch in channels_last": rf"prediction.*\({_NUMBER}\)",
            },
            *("bench_classifier.py", "--networks", "compact", "--parts", "training", "prediction"),
        ),
        "gan": benchmark(gan, "bench_gan.py", "--batch", "16", "--dtype", "float32"),
        "audit": benchmark(audit, "bench_audit.py", root, "--rounds", "2"),
        "demo": whole_demo,
    }


def unpack(commit: str, folder: Path) -> Path:
    """Unpack the package of a commit into a folder; return the folder."""
    archive = subprocess.run(
        ["git", "archive", commit, "serkit"],
        cwd=_HERE.parents[1],
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as file:
        file.extractall(folder, filter="data")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commit", help="the earlier version")
    parser.add_argument("recordings", help="folder of RAVDESS")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="default: all, which takes hours")
    parser.add_argument("--rounds", type=int, default=2)
    options = parse_options(parser, only=["help"], rounds=1)
    chosen = measures(str(Path(options.recordings).resolve()), options.quick)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        packages = {"before": unpack(options.commit, folder / "package"), "now": _HERE.parents[1]}
        versions = {name: Version(package, folder / name) for name, package in packages.items()}
        rows = []
        for measure in [chosen[name] for name in options.only or chosen]:
            rounds = [
                {name: measure(version) for name, version in versions.items()}
                for _ in range(options.rounds)
            ]
            for row in rounds[0]["now"]:
                best = max if re.search("/s$|, x (PyTorch|librosa)", row) else min
                before, now = (best(each[name][row] for each in rounds) for name in versions)
                rows.append([row, f"{before:.4g}", f"{now:.4g}", f"{now / before:.2f}"])
                print("  ".join(rows[-1]), file=sys.stderr)
    print(markdown_table(["", "before", "now", "now / before"], rows))


if __name__ == "__main__":
    main()
