"""Run each command on a folder of recordings, and measure its time, memory and disk.

    python scripts/benchmarks/bench_commands.py RECORDINGS --weights FILE

FILE has the weights of Whisper's tiny.en encoder. Commands that take hours are stopped by Ctrl-C
after ``--minutes``: their memory and disk are those until then. ``generate`` and ``export`` use a
short demo on the built-in corpus. Memory is that of the largest process of a command; disk is the
size of what it wrote.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from _quick import parse as parse_options

from serkit.datasets.synthetic import SyntheticSettings, write_synthetic_corpus
from serkit.formatting import markdown_table


@dataclass
class Command:
    """Command to be measured.

    Attributes:
        line: name and arguments of the command.
        writes: files and folders that the command writes, whose size is measured.
        minutes: time until the command gets Ctrl-C; 0 for never.
    """

    line: list[str]
    writes: tuple[str, ...] = ()
    minutes: float = 0.0

    def row(self, folder: Path) -> list[str]:
        """Run the command in a folder; return the cells of its row."""
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        start = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "serkit", *self.line],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            # A shell starts what runs in the background with Ctrl-C ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        stop = threading.Timer(60 * self.minutes, process.send_signal, [signal.SIGINT])
        if self.minutes:
            stop.start()
        message = process.stderr.read()
        # subprocess's own wait does not tell the memory.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        stop.cancel()
        seconds = time.monotonic() - start
        was_stopped = self.minutes > 0 and process.returncode in (0, 130)
        if process.returncode and not was_stopped:
            raise SystemExit(f"serkit {' '.join(self.line)}: {process.returncode}\n{message}")
        size = sum(_size(folder / name) for name in self.writes) / 1e6
        return [
            f"`{self.line[0]}`",
            f"{seconds:.0f} s" + (", stopped" if process.returncode == 130 else ""),
            f"{usage.ru_maxrss / 1e6:.1f} GB",
            f"{size:.1f} MB" if self.writes else "",
        ]


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def commands(recordings: Path, train: list[str], minutes: float) -> list[Command]:
    """Return all commands that can be measured, each after those whose results it needs."""
    roots, one = [str(recordings)], str(next(recordings.rglob("*.wav")))
    return [
        Command(["audit", *roots, "--out", "audit"], ("audit",)),
        Command(
            ["train", *roots, *train, "--out", "train", "--export", "models/mine"],
            ("train", "models/mine"),
        ),
        Command(
            ["demo", "--short", "--out", "short", "--export", "models/short"],
            ("short", "models/short"),
        ),
        Command(
            ["evaluate", "models/mine", *roots, "--allow-leaks", "--out", "evaluate"], ("evaluate",)
        ),
        Command(
            ["generate", "short", "--plan", "balance", "--no-sample-filter", "--out", "generated"],
            ("generated",),
        ),
        Command(["export", "short", "--out", "models/again"], ("models/again",)),
        Command(["predict", "models/mine", one]),
        Command(["serve", "models/mine", "--port", "0"], minutes=min(minutes, 0.5)),
        Command(["spectrogram", one, "--out", "spectrogram.png"], ("spectrogram.png",)),
        Command(["compare", *roots, "--out", "compare"], ("compare",), minutes),
        Command(
            ["demo", *roots, "--out", "demo", "--export", "models/demo"],
            ("demo", "models/demo"),
            minutes,
        ),
        Command(["tune", "classifier", *roots, "--out", "tune"], ("tune",), minutes),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", nargs="?", type=Path, help="default: the built-in corpus")
    parser.add_argument("--weights", type=Path, help="weights of tiny.en; default: downloaded")
    parser.add_argument("--minutes", type=float, default=10.0, help="of commands that take hours")
    options = parse_options(parser, minutes=0.3)
    train = ["--weights", str(options.weights.resolve())] if options.weights else []
    if options.quick:
        train = ["--classifier", "compact", "--epochs", "1", "--folds", "3"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recordings = options.recordings
        if recordings is None:
            recordings = folder / "recordings"
            size = 0.005 if options.quick else 1.0
            write_synthetic_corpus(recordings, SyntheticSettings(size=size))
        rows = []
        for command in commands(recordings.resolve(), train, options.minutes):
            rows.append(command.row(folder))
            print("  ".join(rows[-1]), file=sys.stderr)
    print(markdown_table(["command", "time", "memory", "disk"], rows))


if __name__ == "__main__":
    main()
