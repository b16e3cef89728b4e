"""The model versions being served, and requests batched for them."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from serkit.serving.server import tensors as pieces
from serkit.serving.server.http import Allowance, Refusal
from serkit.serving.server.metrics import Metrics
from serkit.serving.server.settings import ServeSettings, model_name, versions_to_serve
from serkit.serving.server.tensors import Model, Piece, Tensors


class Batcher:
    """Puts examples together that wait for the same signature of the same version.

    One batch at a time passes the models, in a thread of its own: TensorFlow uses all cores for it,
    and the event loop stays free. What arrives meanwhile makes up the next batch, so that waiting
    for others costs time only when there is nothing to do.

    Belongs to one event loop; call :meth:`start` in it.

    Args:
        settings: how many examples together, how many may wait, and for how long.
        counted: called with the number of examples in each batch.
    """

    def __init__(self, settings: ServeSettings, counted: Callable[[int], None]) -> None:
        self._settings, self._counted = settings, counted
        self._waiting: deque[Piece] = deque()
        self._since: dict[Piece, float] = {}
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "model")
        self._examples = self._expected = 0
        self.is_busy = False
        """Whether the model is being asked at the moment."""

    @property
    def waiting(self) -> int:
        """Examples that wait; those that the model is being asked about are not among them."""
        return self._examples

    def start(self) -> None:
        """Begin; whatever was asked before waits until then."""
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """End; what still waits is never answered."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._thread.shutdown(wait=False, cancel_futures=True)

    def check_room(self, examples: int = 1) -> None:
        """That so many examples may wait.

        Raises:
            Refusal: 503, if not.
        """
        there = self._examples + self._expected
        if there + examples > self._settings.queue:
            raise Refusal(503, f"the queue is full: {there} examples wait; try again")

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """Keep room for a request of which it is not known yet how many examples it has.

        Raises:
            Refusal: 503, if there is none: before anybody takes the trouble to find out.
        """
        self.check_room()
        self._expected += 1
        try:
            yield
        finally:
            self._expected -= 1

    async def ask(self, model: Model, tensors: Tensors) -> dict[str, np.ndarray]:
        """Outputs for a request's tensors, which the model's spec admits.

        Whoever is cancelled while waiting leaves the queue at once.

        Raises:
            Refusal: 503, if the queue is full; or what the model makes of the request.
        """
        parts = list(pieces.cut(model, tensors, self._settings.max_batch))
        self.check_room(sum(part.examples for part in parts))
        now = asyncio.get_running_loop().time()
        for part in parts:
            self._waiting.append(part)
            self._since[part] = now
            self._examples += part.examples
        self._arrived.set()
        try:
            found = await asyncio.gather(*(part.answer for part in parts))
        finally:
            self._take(parts)
            for part in parts:
                part.answer.cancel()
        if len(found) == 1:
            return found[0]
        return {name: np.concatenate([part[name] for part in found]) for name in found[0]}

    def _take(self, taken: Sequence[Piece]) -> None:
        """Out of the queue; those that have left it already are none of its business."""
        for piece in taken:
            if self._since.pop(piece, None) is not None:
                self._waiting.remove(piece)
                self._examples -= piece.examples

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._next()
            self._take(batch)
            self.is_busy = True
            found = await loop.run_in_executor(self._thread, pieces.run, batch)
            self.is_busy = False
            self._counted(sum(piece.examples for piece in batch))
            for piece, outcome in zip(batch, found, strict=True):
                # Who gave up meanwhile has cancelled it.
                if piece.answer.done():
                    continue
                if isinstance(outcome, Exception):
                    piece.answer.set_exception(outcome)
                else:
                    piece.answer.set_result(outcome)

    async def _next(self) -> list[Piece]:
        """What passes the model next: as soon as it is enough, or the first has waited enough."""
        loop = asyncio.get_running_loop()
        while True:
            self._arrived.clear()
            if not self._waiting:
                await self._arrived.wait()
                continue
            batch = pieces.together(self._waiting, self._settings.max_batch)
            left = self._since[batch[0]] + self._settings.batch_delay / 1000 - loop.time()
            full = sum(piece.examples for piece in batch) >= self._settings.max_batch
            if full or left <= 0 or batch[0].key is None:
                return batch
            with suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), left)


if TYPE_CHECKING:
    from serkit.serving.server.loaded import LoadedVersion


class Service:
    """What all requests share.

    Args:
        model: a folder of versions, or of one.
        settings: how to serve it.

    Attributes:
        name: of the model, in addresses.
        versions: those that are loaded and warmed up, by number.
        failure: why loading ended, if it did.
        batcher, metrics, allowance, json_thread: of this server.

    Raises:
        InputError: if there is no model in the folder.
    """

    def __init__(self, model: Path, settings: ServeSettings) -> None:
        self.settings = settings
        self.name = settings.name or model_name(model)
        self.paths = versions_to_serve(model, settings.versions)
        self.versions: dict[int, LoadedVersion] = {}
        self.failure: Exception | None = None
        self.allowance = Allowance(4 * settings.max_bytes)
        self.metrics = Metrics(lambda: self.batcher.waiting)
        self.batcher = Batcher(settings, self.metrics.count_batch)
        # One of them, so that of many long bodies one at a time is taken apart.
        self.json_thread = ThreadPoolExecutor(1, "json")
        self._loading_thread = ThreadPoolExecutor(1, "load")

    @property
    def is_busy(self) -> bool:
        """Whether one of its threads is still at work, on a batch or on loading."""
        return self.batcher.is_busy or not (self.is_ready or self.failure)

    @property
    def is_ready(self) -> bool:
        """Whether all versions are loaded and warmed up."""
        return len(self.versions) == len(self.paths)

    async def load(self) -> None:
        """Load all versions, in a thread; what goes wrong is kept in ``failure``."""
        loop = asyncio.get_running_loop()
        try:
            for number, path in reversed(self.paths.items()):
                asked = number, path, self.settings.warm_up
                loaded = loop.run_in_executor(self._loading_thread, _load, *asked)
                self.versions[number] = await loaded
        # Nobody awaits this: whoever started the server looks at it.
        except Exception as error:
            logging.getLogger("serkit").error("%s", error)
            self.failure = error

    def newest(self) -> "LoadedVersion":
        """The version that answers if none is asked for.

        Raises:
            Refusal: 503, while it is loaded.
        """
        return self.find(self.name, None)

    def find(self, name: str, number: int | None) -> "LoadedVersion":
        """A version; the newest if no number is given.

        Raises:
            Refusal: 404 for what is not served, 503 for what is not loaded yet.
        """
        asked = max(self.paths) if number is None else number
        if name != self.name or asked not in self.paths:
            wanted = f"Latest({name})" if number is None else f"Specific({name}, {number})"
            raise Refusal(404, f"Servable not found for request: {wanted}")
        if asked not in self.versions:
            raise Refusal(503, f"version {asked} of {name} is being loaded")
        return self.versions[asked]

    def status(self, name: str, number: int | None) -> dict[str, Any]:
        """States of a version, or of all, as TF Serving tells them.

        Raises:
            Refusal: 404 for what is not served.
        """
        if name != self.name:
            raise Refusal(404, f"Could not find any versions of model {name}")
        if number is not None and number not in self.paths:
            raise Refusal(404, f"Could not find version {number} of model {name}")
        numbers = sorted(self.paths, reverse=True) if number is None else [number]
        return {
            "model_version_status": [
                {
                    "version": str(one),
                    "state": "AVAILABLE" if one in self.versions else "LOADING",
                    "status": {"error_code": "OK", "error_message": ""},
                }
                for one in numbers
            ]
        }


def _load(number: int, path: Path, warm: bool) -> "LoadedVersion":
    # TensorFlow takes seconds to import; the server answers in the meantime.
    from serkit.serving.server.loaded import load_version, warm_up

    version = load_version(number, path)
    if warm:
        warm_up(version)
    return version
