"""Attack `serkit serve` with requests that cost a client little, and measure what they cost it.

    python scripts/benchmarks/attack_server.py [MODEL]

Without MODEL a compact network with random weights is exported. The script starts a server of its
own with a token, and sends to 127.0.0.1 only. For each attack the table shows the limit that stops
it, what became of it, the server's CPU seconds, its memory before and at most, and the answers to a
good client meanwhile: it sends a recording of one second every tenth of a second. The exit status
is 1 if the log has a traceback, or if the good client gets anything but its answers or 504.
"""

import argparse
import base64
import contextlib
import io
import json
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from _quick import parse as parse_options
from bench_serving import Server, exchange, export, recording, served

from serkit.formatting import markdown_table
from serkit.serving.server.settings import model_name

_TOKEN = "attacked"


@dataclass
class Target:
    """Server to attack, and how much to send."""

    server: Server
    name: str
    time_out: float
    connections: int
    requests: int

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.server.port), 30)
        connection.settimeout(3 * self.time_out)
        return connection

    def head(
        self, length: str, host: str = "localhost", token: str = _TOKEN, more: str = ""
    ) -> bytes:
        return (
            f"POST /v1/models/{self.name}:predict HTTP/1.1\r\nHost: {host}\r\n{more}"
            f"Authorization: Bearer {token}\r\n{length}\r\n\r\n"
        ).encode()

    def request(self, *files: bytes, signature: str = "serving_default", **head: str) -> bytes:
        instances = [{"b64": base64.b64encode(data).decode()} for data in files]
        body = json.dumps({"signature_name": signature, "instances": instances}).encode()
        return self.head(f"Content-Length: {len(body)}", **head) + body


def wav(rate: int, samples: int) -> bytes:
    """Return a WAV file of 8 bits."""
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate, 1, 8)
    data = struct.pack("<4sI", b"data", samples) + b"\x80" * samples
    return struct.pack("<4sI4s", b"RIFF", 4 + len(fmt + data), b"WAVE") + fmt + data


def opened(target: Target, count: int, start: bytes, piece: bytes = b"") -> str:
    """Open connections, send a start on each, then a piece each second until all are closed."""
    closed, deadline = 0, time.monotonic() + 3 * target.time_out
    with contextlib.ExitStack() as stack:
        left = []
        for _ in range(count):
            left.append(stack.enter_context(target.connect()))
            with contextlib.suppress(OSError):
                left[-1].sendall(start)
        while left and time.monotonic() < deadline:
            readable, _, _ = select.select(left, [], [], 1.0)
            for connection in readable:
                with contextlib.suppress(ConnectionResetError):
                    if connection.recv(65_536):
                        continue
                left.remove(connection)
                closed += 1
            for connection in left if piece else ():
                with contextlib.suppress(OSError):
                    connection.sendall(piece)
    return f"{closed} of {count} closed"


def asked(target: Target, *requests: bytes) -> str:
    """Send requests one after the other, each on a connection of its own; count the statuses."""
    statuses: Counter[int] = Counter()
    for request in requests:
        with target.connect() as connection:
            statuses[exchange(connection, request)] += 1
    return ", ".join(f"{count} times {status}" for status, count in sorted(statuses.items()))


def silence(target: Target) -> str:
    return opened(target, target.connections, b"")


def slow_heads(target: Target) -> str:
    return opened(target, target.connections, b"GET /healthz HTTP/1.1\r\n", b"X: y\r\n")


def half_bodies(target: Target) -> str:
    start = target.head("Content-Length: 1000000") + b"["
    return opened(target, target.connections, start, b" ")


def slow_readers(target: Target) -> str:
    """Ask for the spectrograms of 64 files, which are 22 MB of JSON, and read nothing of them."""
    request, count = target.request(*[wav(16_000, 1)] * 64, signature="features"), 12
    deadline = time.monotonic() + 3 * target.time_out
    with contextlib.ExitStack() as stack:
        readers, statuses = [], Counter()
        for _ in range(count):
            readers.append(stack.enter_context(target.connect()))
            readers[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            # One after the other, since each fills the queue.
            readers[-1].sendall(request)
            with contextlib.suppress(OSError):
                statuses[readers[-1].recv(12)[9:]] += 1
        closed = select.poll()
        for reader in readers:
            closed.register(reader, select.POLLHUP | select.POLLERR)
        gone: set[int] = set()
        while len(gone) < statuses[b"200"] and time.monotonic() < deadline:
            for number, _ in closed.poll(500):
                gone.add(number)
                closed.unregister(number)
    answers = ", ".join(f"{n} times {status.decode()}" for status, n in sorted(statuses.items()))
    return f"{answers}; {len(gone)} closed"


def low_rates(target: Target) -> str:
    return asked(target, target.request(*[wav(1000, 600_000)] * 8))


def odd_rates(target: Target) -> str:
    # The queue holds 64 examples; with 64 the request would be refused while the good client waits.
    return asked(target, target.request(*[wav(999_983, 4)] * 60))


def other_hosts(target: Target) -> str:
    request = target.request(wav(16_000, 1), host="evil.example")
    return asked(target, *[request] * target.requests)


def other_pages(target: Target) -> str:
    request = target.request(wav(16_000, 1), more="Origin: http://evil.example\r\n")
    return asked(target, *[request] * target.requests)


def wrong_tokens(target: Target) -> str:
    request = target.request(wav(16_000, 1), token="guessed")
    return asked(target, *[request] * target.requests)


def two_lengths(target: Target) -> str:
    both = target.head("Content-Length: 4\r\nTransfer-Encoding: chunked") + b"0\r\n\r\nGET /x"
    return asked(target, *[both] * min(target.requests, 20))


def other_targets(target: Target) -> str:
    request = target.request(wav(16_000, 1))
    request = request.replace(b"POST /", b"POST http://evil.example/", 1)
    return asked(target, *[request] * min(target.requests, 20))


def deep_json(target: Target) -> str:
    body = b'{"instances": ' + b"[" * 1_000_000
    return asked(target, target.head(f"Content-Length: {len(body)}") + body)


def long_flac(target: Target) -> str:
    """Send FLAC files of an hour of silence."""
    flac = io.BytesIO()
    soundfile.write(flac, np.zeros(3600 * 8000, np.int16), 8000, format="FLAC")
    return asked(target, target.request(*[flac.getvalue()] * 8))


ATTACKS: dict[str, tuple[Callable[[Target], str], str]] = {
    "connections that send nothing": (silence, "number of connections, time for a head"),
    "heads, a line each second": (slow_heads, "number of connections, time for a head"),
    "bodies, a byte each second": (half_bodies, "number of connections, time for a body"),
    "22 MB of answer, never read": (slow_readers, "memory of answers, time to read"),
    "8 times ten minutes at 1,000 Hz": (low_rates, "size of a batch by duration"),
    "60 WAV of 48 bytes at 999,983 Hz": (odd_rates, "ratio of small numbers"),
    "Host: evil.example": (other_hosts, "allowed hosts"),
    "Origin: http://evil.example": (other_pages, "origin"),
    "wrong tokens": (wrong_tokens, "token"),
    "Content-Length and Transfer-Encoding": (two_lengths, "HTTP with one meaning"),
    "POST http://evil.example/…": (other_targets, "allowed hosts"),
    "JSON a million brackets deep": (deep_json, "depth of JSON"),
    "8 times an hour of silence as FLAC": (long_flac, "a model takes WAV only"),
}


@dataclass
class GoodClient:
    """Client that sends a recording every tenth of a second, and the health check.

    As any client of the server does, it tries again after 503. Its seconds are those until the
    final status.
    """

    target: Target
    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        over = threading.Event()
        thread = threading.Thread(target=self._run, args=(over,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _run(self, over: threading.Event) -> None:
        health = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        prediction = self.target.request(recording(1.0))
        while True:
            for request in (health, prediction):
                start, status = time.monotonic(), "503"
                while status == "503" and time.monotonic() - start < 3 * self.target.time_out:
                    try:
                        with self.target.connect() as connection:
                            status = str(exchange(connection, request))
                    except OSError as error:
                        status = repr(error)
                    if status == "503":
                        time.sleep(0.1)
                if status != "200":
                    self.failures.append(status)
                self.seconds.append(time.monotonic() - start)
            if over.wait(0.1):
                return


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_until_idle(pid: int) -> None:
    """Wait until a process has computed what earlier requests left, at most a minute."""
    for _ in range(120):
        cpu = cpu_seconds(pid)
        time.sleep(0.5)
        if cpu_seconds(pid) - cpu < 0.1:
            return


def measured(target: Target, attack: Callable[[Target], str]) -> tuple[list[str], list[str]]:
    """Run an attack; return the cells of its row, and the failures of the good client."""
    server, client = target.server, GoodClient(target)
    wait_until_idle(server.process.pid)
    pid, before, peak = server.process.pid, server.rss, [server.rss]
    cpu, over = cpu_seconds(pid), threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            peak[0] = max(peak[0], server.rss)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        with client.running():
            outcome = attack(target)
    finally:
        over.set()
        watching.join()
    slowest = max(client.seconds)
    answered = f"{'yes' if slowest <= 1 and not client.failures else 'no'}, {slowest:.2f} s"
    if client.failures:
        counts = Counter(client.failures)
        answered += "; " + ", ".join(f"{n} times {text}" for text, n in counts.items())
    used = f"{cpu_seconds(pid) - cpu:.1f}"
    return [outcome, used, f"{before:.0f}", f"{peak[0]:.0f}", answered], client.failures


def row_of_a_writing_model(folder: Path) -> list[str]:
    """Serve a SavedModel that writes a file; return a row with the status of the server."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def write(inputs):
        tf.io.write_file(inputs[0], "x")
        return {"probabilities": tf.ones([1, 2])}

    tf.saved_model.save(tf.Module(), folder / "1", signatures={"serving_default": write})
    command = [sys.executable, "-m", "serkit", "serve", str(folder), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    named = "names WriteFile" if "WriteFile" in done.stderr else "does not name the operation"
    outcome = f"no server: status {done.returncode}, {named}"
    return ["a model that writes files", "operations of the model", outcome, "", "", "", ""]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", type=Path, help="folder of a SavedModel")
    parser.add_argument("--connections", type=int, default=600, help="at the same time")
    parser.add_argument("--requests", type=int, default=200, help="of each kind that is refused")
    parser.add_argument("--time-out", type=float, default=10.0, help="of the server, seconds")
    options = parse_options(parser, connections=30, requests=5, time_out=3)
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        model = options.model or export(Path(folder) / "compact")
        token, log = Path(folder) / "token", Path(folder) / "log"
        token.write_text(_TOKEN)
        limits = ("--token-file", str(token), "--time-out", str(options.time_out))
        rows = []
        with (
            open(log, "w") as errors,
            served(model, *limits, errors=errors) as server,
        ):
            sizes = (options.time_out, options.connections, options.requests)
            target = Target(server, model_name(model), *sizes)
            for name, (attack, limit) in ATTACKS.items():
                cells, failed = measured(target, attack)
                failures += [failure for failure in failed if failure != "504"]
                rows.append([name, limit, *cells])
                print(f"{name}: {cells[0]}", file=sys.stderr)
        rows.append(row_of_a_writing_model(Path(folder) / "writes"))
        has_traceback = "Traceback" in log.read_text()
    head = ["attack", "stopped by", "result", "CPU, s", "MiB before", "at most"]
    print(markdown_table([*head, "good client within 1 s, slowest"], rows))
    print(f"\ntracebacks in the log: {'yes' if has_traceback else 'none'}")
    return 1 if failures or has_traceback else 0


if __name__ == "__main__":
    sys.exit(main())
