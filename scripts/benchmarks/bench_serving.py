"""Measure start, latency, throughput and memory of `serkit serve`, also under overload.

    python scripts/benchmarks/bench_serving.py [MODEL]

Without MODEL a compact network with random weights is exported. Recordings are three seconds of
noise at 16 kHz. The server is compared with the same SavedModel called directly, one recording at a
time, and with the server without batching. Clients are threads of this process, on the same machine
as the server. Targets: memory is constant within 2 % from request 2,000 to request 20,000; under
overload all statuses are 200 or 503, and a request is answered within a second after the load ends.
"""

import argparse
import base64
import io
import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import numpy as np
import soundfile
from _quick import parse as parse_options

from serkit.formatting import markdown_table
from serkit.serving.server.settings import model_name, versions_to_serve


@dataclass
class Server:
    """Process of a server, and the seconds until it listened and was ready."""

    process: subprocess.Popen
    port: int
    listening: float
    ready: float = 0.0

    @property
    def rss(self) -> float:
        """Memory of the process in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


@contextmanager
def served(model: Path, *options: str, errors: TextIO | None = None) -> Iterator[Server]:
    """Serve the model until the block ends; standard error goes to the file ``errors``."""
    began = time.monotonic()
    command = [sys.executable, "-m", "serkit", "serve", str(model), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        port = int(re.search(r":(\d+)/", process.stdout.readline())[1])
        server = Server(process, port, time.monotonic() - began)
        assert "ready" in process.stdout.readline()
        server.ready = time.monotonic() - began
        yield server
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


@dataclass
class Load:
    """Results of a load: counts of statuses, seconds of answers with status 200, total seconds."""

    codes: Counter = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    wall: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.seconds) / self.wall

    def percentile(self, share: float) -> str:
        return f"{1000 * np.percentile(self.seconds, share):.0f}" if self.seconds else "-"


def exchange(connection: socket.socket, request: bytes) -> int:
    """Send a request, read the answer, and return its status."""
    connection.sendall(request)
    received = b""
    while b"\r\n\r\n" not in received:
        if not (piece := connection.recv(65_536)):
            raise ConnectionError("no answer")
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    left = int(re.search(rb"content-length: (\d+)", head)[1]) - len(body)
    while left > 0:
        left -= len(connection.recv(left))
    return int(head[9:12])


def load(port: int, request: bytes, clients: int, count: int, seconds: float = 600.0) -> Load:
    """Send ``count`` requests from several clients, for at most ``seconds``."""
    found, lock, began = Load(), threading.Lock(), time.monotonic()
    left = iter(range(count))

    def client() -> None:
        with socket.create_connection(("127.0.0.1", port), 120) as connection:
            while time.monotonic() - began < seconds:
                with lock:
                    if next(left, None) is None:
                        return
                asked = time.monotonic()
                code = exchange(connection, request)
                with lock:
                    found.codes[code] += 1
                    if code == 200:
                        found.seconds.append(time.monotonic() - asked)
                if code == 503:
                    # Wait, but less than the server requests.
                    time.sleep(0.02)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found.wall = time.monotonic() - began
    return found


def recording(seconds: float) -> bytes:
    """Return the bytes of a WAV file of noise."""
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, round(16_000 * seconds))
    buffer = io.BytesIO()
    soundfile.write(buffer, noise, 16_000, "PCM_16", format="WAV")
    return buffer.getvalue()


def http_request(name: str, sound: bytes) -> bytes:
    """Return the HTTP request for the prediction of one recording."""
    body = json.dumps({"instances": [{"b64": base64.b64encode(sound).decode()}]}).encode()
    head = f"POST /v1/models/{name}:predict HTTP/1.1\r\nHost: localhost\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def in_process(model: Path, sound: bytes, count: int) -> float:
    """Return the predictions per second of the SavedModel in this process."""
    import tensorflow as tf

    (path,) = versions_to_serve(model).values()
    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures["serving_default"]
    (name,) = serve.structured_input_signature[1]
    given = {name: tf.constant([sound])}
    for _ in range(3):
        serve(**given)
    began = time.monotonic()
    for _ in range(count):
        {key: value.numpy() for key, value in serve(**given).items()}
    return count / (time.monotonic() - began)


def export(folder: Path) -> Path:
    """Export a compact network with random weights; return the folder."""
    from serkit.audio.spectrogram import SpectrogramSpec
    from serkit.export.exportable_model import ExportableModel
    from serkit.export.saved_model import export_model
    from serkit.models.compact import compact

    spec = SpectrogramSpec()
    classes = ("angry", "calm", "fearful", "happy", "neutral", "sad", "surprised")
    network = compact(len(classes), spec.shape, seed=1)
    export_model(ExportableModel([network], spec, classes), folder)
    return folder


def starts(model: Path, request: bytes) -> None:
    """Print the times of starts with and without warm-up, and of the first requests."""
    rows = []
    for name, options in {"with warm-up": (), "without": ("--no-warm-up",)}.items():
        with served(model, *options) as server:
            first = load(server.port, request, 1, 1).seconds[0]
            later = load(server.port, request, 1, 20)
            row = [server.listening, server.ready, first]
        rows.append([name, *(f"{value:.2f}" for value in row), later.percentile(50)])
    head = ["", "listens, s", "ready, s", "first request, s", "later ones, ms"]
    print(markdown_table(head, rows))


def speeds(model: Path, request: bytes, options: argparse.Namespace, alone: float) -> None:
    """Print latency and throughput by number of clients, with and without batching."""
    rows = [["in a process, one by one", "", f"{alone:.0f}", "1.00", "", "", ""]]
    for name, given in {"batches": (), "no batches": ("--max-batch", "1")}.items():
        with served(model, *given) as server:
            load(server.port, request, 1, 10)
            for clients in options.clients:
                found = load(server.port, request, clients, options.requests)
                assert set(found.codes) <= {200, 503}, found.codes
                figures = map(found.percentile, (50, 95, 99))
                speed = [f"{found.rate:.0f}", f"{found.rate / alone:.2f}"]
                rows.append([name, str(clients), *speed, *figures])
    head = ["", "clients", "requests/s", "ratio to alone", "p50, ms", "p95, ms", "p99, ms"]
    print(markdown_table(head, rows))


def memory(model: Path, request: bytes, count: int) -> None:
    """Print the server's memory after a tenth of ``count`` requests, and its growth afterwards."""
    with served(model) as server:
        load(server.port, request, 8, count // 10)
        before, values = server.rss, []
        for _ in range(9):
            load(server.port, request, 8, count // 10)
            values.append(server.rss)
    change = 100 * (max(values) / before - 1)
    print(
        f"memory: {before:.0f} MiB after {count // 10} requests, at most {max(values):.0f} MiB "
        f"until {count}: {change:+.1f} %; 2 % is {'' if change <= 2 else 'NOT '}met"
    )


def overload(model: Path, request: bytes, seconds: float) -> None:
    """Load the server twice with four times as many clients as its queue has places.

    The memory must not grow from the first to the second load.
    """
    with served(model, "--queue", "32") as server:
        load(server.port, request, 8, 50)
        before, peaks, over = server.rss, [], threading.Event()

        def watch() -> None:
            while not over.wait(0.05):
                peaks.append(server.rss)

        watching = threading.Thread(target=watch)
        watching.start()
        for number in ("first", "second"):
            found = load(server.port, request, 128, 10**9, seconds)
            ended = time.monotonic()
            code = load(server.port, request, 1, 1).codes.most_common()[0][0]
            recovered = time.monotonic() - ended
            codes = ", ".join(f"{code}: {count}" for code, count in sorted(found.codes.items()))
            print(
                f"overload, {number}, 128 clients for {found.wall:.1f} s: {codes}; "
                f"{found.rate:.0f} answers/s, p99 {found.percentile(99)} ms; "
                f"memory {before:.0f} MiB before, at most {max(peaks):.0f}; "
                f"next request: {code} after {recovered:.2f} s"
            )
            before, peaks[:] = server.rss, [server.rss]
        over.set()
        watching.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", type=Path, help="folder of a SavedModel")
    parser.add_argument("--requests", type=int, default=1000, help="of each number of clients")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--memory", type=int, default=20_000, help="requests; 0 for none")
    parser.add_argument("--overload", type=float, default=10.0, help="seconds; 0 for none")
    parser.add_argument("--length", type=float, default=3.0, help="of a recording, seconds")
    options = parse_options(parser, requests=20, clients=[1, 4], memory=50, overload=1, length=1)
    with tempfile.TemporaryDirectory() as folder:
        model = options.model or export(Path(folder) / "compact")
        sound = recording(options.length)
        request = http_request(model_name(model), sound)
        alone = in_process(model, sound, min(options.requests, 300))
        starts(model, request)
        speeds(model, request, options, alone)
        if options.memory:
            memory(model, request, options.memory)
        if options.overload:
            overload(model, request, options.overload)


if __name__ == "__main__":
    main()
