"""Kill commands at random moments, start them again, and compare the results with whole runs.

    python scripts/benchmarks/kill_runs.py  # 20 kills, about an hour on two cores
    python scripts/benchmarks/kill_runs.py --jobs train export --kills 6 --seed 1

Each command gets the built-in corpus, small, and its short form. It runs once without a kill. Then
it runs in a new folder, is killed (SIGKILL, with its child processes) at a random moment, and is
started again, until it comes to its end. Its files must have the same bytes as those of the whole
run. The exit status is 1 if one differs, or if a command fails.
"""

import argparse
import contextlib
import hashlib
import http.server
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from _quick import parse as parse_options

from serkit.datasets.synthetic import SyntheticSettings, write_synthetic_corpus
from serkit.export.versions import DETAILS_FILE, versions
from serkit.files import file_digest, read_json
from serkit.formatting import markdown_table

# No command of this size takes so long.
_TIMEOUT = 3600
_STARTS_PER_KILL = 3
_ZIP_FILES, _SLICE, _SLICE_SECONDS = 100, 20_000, 0.02
# Downloads a zip as `serkit download ravdess` does, from this machine.
_DOWNLOAD = """
import sys
from dataclasses import replace
from serkit.datasets.download import SOURCES, download
address, checksum, size, recordings, to = sys.argv[1:]
source = replace(
    SOURCES["ravdess"], address=address, checksum=checksum, size=int(size),
    recordings=int(recordings),
)
download(source, to)
"""


@dataclass(frozen=True)
class Job:
    """A command to kill.

    Attributes:
        words: command line; ``{out}`` is the folder of the run.
        files: patterns of the files to compare, below this folder.
        model: folder of the exported model, below this folder; its newest version is compared.
        needs: job whose whole run is copied to ``{out}/run`` first.
    """

    words: tuple[str, ...]
    files: tuple[str, ...] = ()
    model: str = ""
    needs: str = ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", nargs="+", help="default: all")
    parser.add_argument("--kills", type=int, default=20, help="in total; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    options = parse_options(parser, jobs=["audit", "download"], kills=2)
    rng = random.Random(options.seed)
    rows, are_same = [], True
    with tempfile.TemporaryDirectory() as folder, _zip_server() as download_words:
        runs = Runs(Path(folder), download_words)
        names = options.jobs or list(runs.jobs)
        for index, name in enumerate(names):
            kills = options.kills // len(names) + (index < options.kills % len(names))
            moments, is_same = runs.kill(name, kills, rng)
            whole = f"{runs.whole(name)[1]:.0f}"
            rows.append([name, whole, ", ".join(moments), "yes" if is_same else "NO"])
            print(*rows[-1], sep="; ", flush=True)
            are_same &= is_same
    print(markdown_table(["command", "whole, s", "killed after, s", "same files"], rows))
    return 0 if are_same else 1


class Runs:
    """Runs of all jobs, whole and killed, in a folder."""

    def __init__(self, folder: Path, download_words: tuple[str, ...]) -> None:
        self._folder = folder
        self._whole: dict[str, tuple[dict[str, str], float]] = {}
        data = folder / "data"
        settings = SyntheticSettings(size=0.001, ravdess_speakers=6, cremad_speakers=6)
        write_synthetic_corpus(data, settings)
        self.jobs = _jobs(str(data), download_words)

    def whole(self, name: str) -> tuple[dict[str, str], float]:
        """Run a job once without a kill; return the digests of its files, and its seconds."""
        if name not in self._whole:
            out, start = self._new_folder(name, "whole"), time.monotonic()
            if not self._finishes(name, out, _TIMEOUT):
                raise SystemExit(f"{name} took more than {_TIMEOUT} s")
            self._whole[name] = (digests(out, self.jobs[name]), time.monotonic() - start)
        return self._whole[name]

    def kill(self, name: str, kills: int, rng: random.Random) -> tuple[list[str], bool]:
        """Kill a job so often, and let it come to its end.

        A job that ends before the kill starts again in a new folder.

        Returns:
            The seconds after which it was killed, and whether all results are those of the whole
            run.
        """
        expected, seconds = self.whole(name)
        moments: list[str] = []
        is_same = True
        out, is_begun = self._new_folder(name, 0), False
        for start in range(1, 1 + _STARTS_PER_KILL * kills):
            if len(moments) == kills:
                break
            moment = rng.uniform(0, seconds)
            if self._finishes(name, out, moment):
                is_same &= digests(out, self.jobs[name]) == expected
                out, is_begun = self._new_folder(name, start), False
            else:
                moments.append(f"{moment:.1f}")
                is_begun = True
        if is_begun:
            if not self._finishes(name, out, _TIMEOUT):
                raise SystemExit(f"{name} took more than {_TIMEOUT} s after a kill")
            is_same &= digests(out, self.jobs[name]) == expected
        return moments, is_same

    def _new_folder(self, name: str, number: int | str) -> Path:
        out = self._folder / f"{name}-{number}"
        out.mkdir()
        if needs := self.jobs[name].needs:
            self.whole(needs)
            shutil.copytree(self._folder / f"{needs}-whole" / "run", out / "run")
        return out

    def _finishes(self, name: str, out: Path, seconds: float) -> bool:
        """Start a job; return whether it ends within some seconds, otherwise kill it."""
        words = [word.replace("{out}", str(out)) for word in self.jobs[name].words]
        with open(out / "log.txt", "ab") as log:
            process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if status:
            raise SystemExit(f"{name} failed:\n{(out / 'log.txt').read_text()[-2000:]}")
        return True


def _jobs(data: str, download_words: tuple[str, ...]) -> dict[str, Job]:
    serkit = (sys.executable, "-m", "serkit")
    run, model = ("--out", "{out}/run"), "{out}/models/it"
    network = ("--classifier", "compact", "--epochs", "1", "--folds", "3")
    exported = ("--export", model)
    arms = ("none", "oversampling", "--rare-below", "0.9", "--folds", "1")
    return {
        "audit": Job((*serkit, "audit", data, *run), ("run/*.csv", "run/audit.json")),
        "download": Job(download_words, ("ravdess/**/*.wav",)),
        "train": Job(
            (*serkit, "train", f"{data}/RAVDESS", f"{data}/CREMA-D", *network, *run, *exported),
            ("run/metrics.json", "run/predictions.csv", "run/manifest.csv"),
            "models/it",
        ),
        "compare": Job(
            (*serkit, "compare", data, "--short", *run, "--arms", *arms),
            ("run/comparison.json", "run/tables/*", "run/manifest.csv"),
        ),
        "export": Job(
            (*serkit, "export", "{out}/run", "--out", model), (), "models/it", needs="compare"
        ),
        "tune": Job(
            (*serkit, "tune", "classifier", data, "--short", "--trials", "2", *run),
            ("run/best.json", "run/trials.csv"),
        ),
        "demo": Job(
            (*serkit, "demo", data, "--short", *run, "--export", "{out}/models/run"),
            ("run/metrics.json", "run/comparison.json", "run/manifest.csv"),
            "models/run",
        ),
    }


def digests(out: Path, job: Job) -> dict[str, str]:
    """Return the SHA-256 of each file to compare, by its path below the folder of the run.

    A kill may come after an export and before the run has noted it. Then the next start exports
    another version, which must be the same but for its number.
    """
    files = [file for pattern in job.files for file in out.glob(pattern) if file.is_file()]
    found = {file.relative_to(out).as_posix(): file_digest(file) for file in files}
    if job.model:
        newest = list(versions(out / job.model).values())[-1]
        details = read_json(newest / DETAILS_FILE) | {"version": 0}
        found["details"] = json.dumps(details)
        weights = next(newest.glob("variables/variables.data-*"))
        found["weights"] = file_digest(weights)
    if not found:
        raise SystemExit(f"no files to compare in {out}")
    return found


@contextmanager
def _zip_server() -> Iterator[tuple[str, ...]]:
    """Serve a zip of recordings slowly; yield the command that downloads it to ``{out}``."""
    buffer, rng = io.BytesIO(), random.Random(0)
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(_ZIP_FILES):
            archive.writestr(f"Actor_01/{number}.wav", rng.randbytes(20_000))
    content = buffer.getvalue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers["Range"]
            start = int(asked[6:-1]) if asked else 0
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(len(content) - start))
            if asked:
                size = len(content)
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            self.end_headers()
            with contextlib.suppress(OSError):
                for position in range(start, len(content), _SLICE):
                    self.wfile.write(content[position : position + _SLICE])
                    time.sleep(_SLICE_SECONDS)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/speech.zip"
        checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
        sizes = (str(len(content)), str(_ZIP_FILES))
        yield (sys.executable, "-c", _DOWNLOAD, address, checksum, *sizes, "{out}")
        server.shutdown()


if __name__ == "__main__":
    sys.exit(main())
