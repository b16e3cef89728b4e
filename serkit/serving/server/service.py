"""The model versions being served, and requests batched for them."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from serkit.errors import SerkitError
from serkit.serving.server import tensors as pieces
from serkit.serving.server.http import Allowance, Refusal
from serkit.serving.server.metrics import Metrics
from serkit.serving.server.settings import ServeSettings, model_name, versions_to_serve
from serkit.serving.server.tensors import Model, Piece, Tensors


class Batcher:
    """Queue that batches examples for the same signature of the same version.

    A separate thread runs one batch at a time. TensorFlow uses all cores for a batch, and the event
    loop is not blocked. The examples that arrive meanwhile form the next batch. So the wait for
    further examples (``batch_delay``) costs time only while the model is idle.

    A batcher belongs to one event loop; call :meth:`start` in this loop.

    Args:
        settings: maximum batch size, maximum queue length, and ``batch_delay``.
        counted: called with the number of examples of each batch.
    """

    def __init__(self, settings: ServeSettings, counted: Callable[[int], None]) -> None:
        self._settings, self._counted = settings, counted
        # The waiting pieces in order, each with the time of its arrival.
        self._waiting: dict[Piece, float] = {}
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "model")
        self._examples = self._expected = 0
        self.is_busy: bool = False
        """Whether the model is running a batch."""

    @property
    def waiting(self) -> int:
        """Number of examples in the queue, without the examples of the running batch."""
        return self._examples

    def start(self) -> None:
        """Start processing the queue; earlier requests wait until then."""
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Stop processing the queue; requests that still wait are never answered."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._thread.shutdown(wait=False, cancel_futures=True)

    def check_room(self, examples: int = 1) -> None:
        """Check that the queue has room for ``examples`` more examples.

        Raises:
            Refusal: 503, if the queue has no room.
        """
        there = self._examples + self._expected
        if there + examples > self._settings.queue:
            raise Refusal(503, f"the queue is full: {there} examples wait; try again")

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """Reserve the room of one example for a request whose number of examples is not known yet.

        Raises:
            Refusal: 503, if the queue is full. The request need not be parsed then.
        """
        self.check_room()
        self._expected += 1
        try:
            yield
        finally:
            self._expected -= 1

    async def run(self, model: Model, tensors: Tensors) -> dict[str, npt.NDArray[Any]]:
        """Return the outputs for the tensors of a request.

        The tensors must be valid for the model's spec. If the call is cancelled while it waits, its
        examples leave the queue at once.

        Raises:
            Refusal: 503, if the queue is full. Errors of the model for this request are raised too.
        """
        parts = list(pieces.cut(model, tensors, self._settings.max_batch))
        self.check_room(sum(part.examples for part in parts))
        now = asyncio.get_running_loop().time()
        for part in parts:
            self._waiting[part] = now
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
        """Remove pieces from the queue; pieces that have already left the queue are ignored."""
        for piece in taken:
            if self._waiting.pop(piece, None) is not None:
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
                # A request that was cancelled meanwhile has cancelled its future.
                if piece.answer.done():
                    continue
                if isinstance(outcome, Exception):
                    piece.answer.set_exception(outcome)
                else:
                    piece.answer.set_result(outcome)

    async def _next(self) -> list[Piece]:
        """Return the next batch, once it is full or its first piece has waited ``batch_delay``."""
        loop = asyncio.get_running_loop()
        while True:
            self._arrived.clear()
            if not self._waiting:
                await self._arrived.wait()
                continue
            batch = pieces.together(list(self._waiting), self._settings.max_batch)
            left = self._waiting[batch[0]] + self._settings.batch_delay / 1000 - loop.time()
            full = sum(piece.examples for piece in batch) >= self._settings.max_batch
            if full or left <= 0 or batch[0].key is None:
                return batch
            with suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), left)


if TYPE_CHECKING:
    from serkit.serving.server.loaded import LoadedVersion


class Service:
    """State that all requests of a server use.

    Args:
        model: folder of versions, or of one version.
        settings: settings of the server.

    Attributes:
        name: name of the model in addresses.
        paths: folders of the versions to serve, by number.
        versions: versions that are loaded and warmed up, by number.
        failure: error that ended the loading; None without one.
        batcher: queue of examples.
        metrics: metrics of the server.
        allowance: limit on the total size of the bodies that are not answered yet.
        json_thread: thread that parses and writes JSON.

    Raises:
        InputError: if there is no model in the folder.
    """

    def __init__(self, model: Path, settings: ServeSettings) -> None:
        self.settings = settings
        self.name: str = settings.name or model_name(model)
        self.paths: dict[int, Path] = versions_to_serve(model, settings.versions)
        self.versions: dict[int, LoadedVersion] = {}
        self.failure: SerkitError | None = None
        self.allowance: Allowance = Allowance(4 * settings.max_bytes)
        self.metrics: Metrics = Metrics(lambda: self.batcher.waiting)
        self.batcher: Batcher = Batcher(settings, self.metrics.count_batch)
        # A single thread, so that only one long body is parsed at a time.
        self.json_thread: ThreadPoolExecutor = ThreadPoolExecutor(1, "json")
        self._loading_thread = ThreadPoolExecutor(1, "load")

    @property
    def is_busy(self) -> bool:
        """Whether a thread is still running a batch or loading a version."""
        return self.batcher.is_busy or not (self.is_ready or self.failure)

    @property
    def is_ready(self) -> bool:
        """Whether all versions are loaded and warmed up."""
        return len(self.versions) == len(self.paths)

    async def load(self) -> None:
        """Load all versions in a thread, newest first; store an error in ``failure``."""
        loop = asyncio.get_running_loop()
        try:
            for number, path in reversed(self.paths.items()):
                self.versions[number] = await loop.run_in_executor(
                    self._loading_thread, _load, number, path, self.settings.warm_up
                )
        # No task awaits this coroutine. The function that started the server checks failure.
        except SerkitError as error:
            logging.getLogger("serkit").error("%s", error)
            self.failure = error
        # TensorFlow raises errors of many types.
        except Exception as error:
            logging.getLogger("serkit").exception("the model cannot be loaded")
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            self.failure = SerkitError(f"model {self.name} cannot be loaded: {reason}")
            self.failure.__cause__ = error

    def newest(self) -> "LoadedVersion":
        """Return the newest version, which answers requests without a version.

        Raises:
            Refusal: 503, while the version is being loaded.
        """
        return self.find(self.name, None)

    def find(self, name: str, number: int | None) -> "LoadedVersion":
        """Return a version; the newest if ``number`` is None.

        Raises:
            Refusal: 404, if the model or the version is not served; 503, if the version is not
                loaded yet.
        """
        found = max(self.paths) if number is None else number
        if name != self.name or found not in self.paths:
            wanted = f"Latest({name})" if number is None else f"Specific({name}, {number})"
            raise Refusal(404, f"Servable not found for request: {wanted}")
        if found not in self.versions:
            raise Refusal(503, f"version {found} of {name} is being loaded")
        return self.versions[found]

    def status(self, name: str, number: int | None) -> dict[str, Any]:
        """Return the state of a version, or of all versions, in TF Serving's format.

        Raises:
            Refusal: 404, if the model or the version is not served.
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
    # Import here, in the thread: TensorFlow takes seconds to import, and the server answers
    # requests meanwhile.
    from serkit.serving.server.loaded import load_version, warm_up

    version = load_version(number, path)
    if warm:
        warm_up(version)
    return version
