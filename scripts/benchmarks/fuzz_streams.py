"""Send many slow or incomplete requests to `serkit serve`, and measure its memory.

    python scripts/benchmarks/fuzz_streams.py [MODEL]  # 50,000 requests, about 20 minutes

Without MODEL a compact network with random weights is exported. The script starts a server of its
own and sends to 127.0.0.1 only. Each request has one of three forms, at random: a head that comes
in pieces, a body that does, or an answer that is read in pieces. Most clients leave before the end.
After every fiftieth request a valid one must get the same probabilities as before, but for
rounding, which depends on the rest of the batch. The exit status is 1 if it does not, if the log
has a traceback, or if a status is 500. The memory after a tenth of the requests is compared with
the highest one until the end. Target: at most 2 % more.
"""

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import requests
from _quick import parse as parse_options
from attack_server import Target
from bench_serving import export, recording, served

from serkit.serving.server.settings import model_name

_TIME_OUT = 3.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", type=Path, help="folder of a SavedModel")
    parser.add_argument("--requests", type=int, default=50_000, help="default: %(default)s")
    parser.add_argument("--connections", type=int, default=100, help="at the same time")
    parser.add_argument("--seed", type=int, default=0)
    options = parse_options(parser, requests=100, connections=10)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        model, log = options.model or export(Path(folder) / "compact"), Path(folder) / "log"
        limits = ("--time-out", str(_TIME_OUT))
        with open(log, "w") as errors, served(model, *limits, errors=errors) as server:
            sizes = (_TIME_OUT, options.connections, options.requests)
            fuzz = Fuzz(Target(server, model_name(model), *sizes), random.Random(options.seed))
            asyncio.run(fuzz.run())
        has_traceback = "Traceback" in log.read_text()
    tenth = len(fuzz.memory) // 10
    before, most = fuzz.memory[tenth], max(fuzz.memory[tenth:])
    for form, outcomes in sorted(fuzz.outcomes.items()):
        print(f"{form}: {dict(sorted(outcomes.items()))}")
    print(
        f"memory: {before:.0f} MiB after {options.requests // 10} requests, at most {most:.0f} MiB "
        f"until {options.requests}: {100 * (most / before - 1):+.1f} %"
    )
    print(f"tracebacks in the log: {'yes' if has_traceback else 'none'}")
    failed = sum(outcomes["500"] for outcomes in fuzz.outcomes.values())
    return 1 if has_traceback or failed else 0


class Fuzz:
    """Clients of three forms, many at a time.

    Attributes:
        outcomes: for each form, how often each status was read, or none because the client left.
        memory: the server's memory in MiB after every fiftieth request.
    """

    def __init__(self, target: Target, rng: random.Random) -> None:
        self._target, self._rng = target, rng
        self._sound = recording(0.5)
        self.outcomes: dict[str, Counter[str]] = {}
        self.memory: list[float] = []

    async def run(self) -> None:
        expected = await asyncio.to_thread(self._predict)
        places = asyncio.Semaphore(self._target.connections)
        forms = {"head": self._send_head, "body": self._send_body, "answer": self._read_answer}

        async def send(name: str) -> None:
            async with places:
                outcome = await self._status(forms[name])
            self.outcomes.setdefault(name, Counter())[outcome] += 1

        async with asyncio.TaskGroup() as tasks:
            for number in range(self._target.requests):
                async with places:
                    tasks.create_task(send(self._rng.choice(list(forms))))
                if number % 50 == 49:
                    answer = await asyncio.to_thread(self._predict)
                    if not np.allclose(answer, expected, atol=1e-5):
                        raise SystemExit(f"another answer after {number + 1} requests: {answer}")
                    self.memory.append(self._target.server.rss)

    def _predict(self) -> list[float]:
        """Return the probabilities of a recording; try again after 503 and 504."""
        request = self._target.request(self._sound)
        head, _, body = request.partition(b"\r\n\r\n")
        url = f"http://127.0.0.1:{self._target.server.port}{head.split()[1].decode()}"
        while (answer := requests.post(url, body, timeout=60)).status_code in (503, 504):
            pass
        return answer.json()["predictions"][0]["probabilities"]

    async def _status(self, form: Callable[..., Awaitable[str]]) -> str:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self._target.server.port, limit=4096
        )
        try:
            return await asyncio.wait_for(form(reader, writer), 10 * _TIME_OUT)
        except OSError:
            return "reset"
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _send_head(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        request = self._target.request(self._sound)
        head = request[: request.index(b"\r\n\r\n") + 4]
        cut = self._rng.choice([len(head), self._rng.randrange(len(head))])
        await self._send_pieces(writer, head[:cut])
        return await self._leave_or_read(reader)

    async def _send_body(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        request = self._target.request(self._sound)
        start = request.index(b"\r\n\r\n") + 4
        if self._rng.random() < 0.3:
            # In chunks, and the last one is often missing.
            body = request[start:]
            head = self._target.head("Transfer-Encoding: chunked")
            request, start = head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body), len(head)
        cut = self._rng.choice([len(request), self._rng.randrange(start, len(request))])
        writer.write(request[:start])
        await self._send_pieces(writer, request[start:cut])
        return await self._leave_or_read(reader)

    async def _read_answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        files = [self._sound] * self._rng.choice([1, 1, 1, 4])
        writer.write(self._target.request(*files, signature="features"))
        status = (await reader.read(12))[9:].decode() or "closed"
        for _ in range(self._rng.randrange(20)):
            await asyncio.sleep(self._rng.uniform(0, 0.05))
            await reader.read(self._rng.choice([1, 100, 4096]))
        return status

    async def _send_pieces(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        pieces = self._rng.randrange(1, 10)
        size = max(1, -(-len(data) // pieces))
        for start in range(0, len(data), size):
            writer.write(data[start : start + size])
            await writer.drain()
            await asyncio.sleep(self._rng.uniform(0, 0.05))

    async def _leave_or_read(self, reader: asyncio.StreamReader) -> str:
        """Leave, most often; otherwise wait until the server answers or closes."""
        if self._rng.random() < 0.9:
            return "left"
        return (await reader.read(12))[9:].decode() or "closed"


if __name__ == "__main__":
    sys.exit(main())
