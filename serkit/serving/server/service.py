"""The queues that batch requests, and the model versions that a server has loaded."""

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
from serkit.serving.server.http import Allowance, HttpError
from serkit.serving.server.metrics import Metrics
from serkit.serving.server.settings import ServeSettings, model_name, versions_to_serve
from serkit.serving.server.tensors import (
    Piece,
    RunnableSignature,
    Tensors,
    first_batch,
    run_batch,
    split_request,
)


class Batcher:
    """Queue that batches examples for the same signature of the same version.

    A separate thread runs one batch at a time, so the event loop is not blocked. TensorFlow uses
    all cores for a batch. The examples that arrive while a batch runs form the next batch. So
    ``batch_delay``, the wait for further examples, costs time only while the model is idle.

    Examples run in order of their arrival. Long recordings run one by one in a thread of their own,
    so that others need not wait for them.

    A batcher belongs to one event loop; call :meth:`start` in this loop.

    Args:
        settings: maximum batch size, maximum queue length, and ``batch_delay``.
        record_batch: called with the number of examples of each batch.
    """

    def __init__(self, settings: ServeSettings, record_batch: Callable[[int], None]) -> None:
        self._settings, self._record_batch = settings, record_batch
        # The waiting pieces in order of their arrival. The values are the times of their arrival.
        self._arrival_times: dict[Piece, float] = {}
        # A queue for long pieces, and one for the others.
        self._arrival_events = {is_long: asyncio.Event() for is_long in (False, True)}
        self._model_threads = ThreadPoolExecutor(2, "model")
        self._waiting_examples = self._running_batches = 0
        # Number of requests that are being parsed. Each reserves the room of one example.
        self._reserved_examples = 0

    @property
    def is_busy(self) -> bool:
        """Whether the model is running a batch."""
        return self._running_batches > 0

    @property
    def waiting_examples(self) -> int:
        """Number of examples in the queues, without the examples of the running batches."""
        return self._waiting_examples

    def start(self) -> None:
        """Start processing the queues; requests that came earlier have waited in them."""
        self._tasks = [
            asyncio.create_task(self._process_queue(is_long)) for is_long in self._arrival_events
        ]

    async def stop(self) -> None:
        """Stop processing the queues; requests that still wait get no answer."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._model_threads.shutdown(wait=False, cancel_futures=True)

    def check_room(self, example_count: int = 1) -> None:
        """Check that the queue has room for more examples.

        Args:
            example_count: number of examples that are to be added.

        Raises:
            HttpError: 503, if the queue has too little room.
        """
        occupied = self._waiting_examples + self._reserved_examples
        if occupied + example_count > self._settings.queue:
            raise HttpError(503, f"the queue is full: {occupied} examples wait; try again")

    @contextmanager
    def reserve_room(self) -> Iterator[None]:
        """Reserve the room of one example while a request is parsed.

        The number of examples of the request is known only after parsing.

        Raises:
            HttpError: 503, if the queue is full. The request need not be parsed then.
        """
        self.check_room()
        self._reserved_examples += 1
        try:
            yield
        finally:
            self._reserved_examples -= 1

    async def run(
        self, signature: RunnableSignature, tensors: Tensors
    ) -> dict[str, npt.NDArray[Any]]:
        """Return the outputs for the tensors of a request.

        If the call is cancelled while it waits, its examples leave the queue at once.

        Args:
            signature: signature to call.
            tensors: inputs by name, valid for the signature's spec.

        Returns:
            Outputs by name.

        Raises:
            HttpError: 503, if the queue has too little room. Errors of the signature for this
                request are raised too.
        """
        pieces = list(split_request(signature, tensors, self._settings.max_batch))
        self.check_room(sum(piece.example_count for piece in pieces))
        now = asyncio.get_running_loop().time()
        for piece in pieces:
            self._arrival_times[piece] = now
            self._waiting_examples += piece.example_count
            self._arrival_events[piece.is_long].set()
        try:
            outputs = await asyncio.gather(*(piece.outputs for piece in pieces))
        finally:
            self._remove(pieces)
            for piece in pieces:
                piece.outputs.cancel()
        if len(outputs) == 1:
            return outputs[0]
        return {
            name: np.concatenate([outputs_of_piece[name] for outputs_of_piece in outputs])
            for name in outputs[0]
        }

    def _remove(self, pieces: Sequence[Piece]) -> None:
        """Remove pieces from the queue; pieces that have already left the queue are ignored."""
        for piece in pieces:
            if self._arrival_times.pop(piece, None) is not None:
                self._waiting_examples -= piece.example_count

    async def _process_queue(self, is_long: bool) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._next_batch(is_long)
            self._remove(batch)
            self._running_batches += 1
            results = await loop.run_in_executor(self._model_threads, run_batch, batch)
            self._running_batches -= 1
            self._record_batch(sum(piece.example_count for piece in batch))
            for piece, result in zip(batch, results, strict=True):
                # If the request was cancelled while the batch ran, its future is done.
                if piece.outputs.done():
                    continue
                if isinstance(result, Exception):
                    piece.outputs.set_exception(result)
                else:
                    piece.outputs.set_result(result)

    async def _next_batch(self, is_long: bool) -> list[Piece]:
        """Return the next batch, once it is full or its first piece has waited ``batch_delay``."""
        loop = asyncio.get_running_loop()
        arrival_event = self._arrival_events[is_long]
        while True:
            arrival_event.clear()
            waiting = [piece for piece in self._arrival_times if piece.is_long == is_long]
            if not waiting:
                await arrival_event.wait()
                continue
            batch = first_batch(waiting, self._settings.max_batch)
            delay_end = self._arrival_times[batch[0]] + self._settings.batch_delay / 1000
            seconds_left = delay_end - loop.time()
            is_full = sum(piece.example_count for piece in batch) >= self._settings.max_batch
            if is_full or seconds_left <= 0 or batch[0].batch_key is None:
                return batch
            with suppress(TimeoutError):
                await asyncio.wait_for(arrival_event.wait(), seconds_left)


if TYPE_CHECKING:
    from serkit.serving.server.loaded import LoadedVersion


class Service:
    """State that all requests of a server use.

    Args:
        model: folder of versions, or of one version.
        settings: settings of the server.

    Attributes:
        name: name of the model in addresses.
        paths: folders of the versions to serve, by version number.
        versions: versions that are loaded and warmed up, by version number.
        failure: error that ended the loading; None if there was no error.
        batcher: queue of examples.
        metrics: metrics of the server.
        allowance: limit on the total size of the bodies that are not answered yet.
        answer_allowance: limit on the total size of the long answers that are not sent yet.
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
        self.answer_allowance: Allowance = Allowance(4 * settings.max_answer)
        self.metrics: Metrics = Metrics(lambda: self.batcher.waiting_examples)
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
        """Load all versions in a thread, newest first. An error is stored in ``failure``."""
        loop = asyncio.get_running_loop()
        try:
            for number, path in reversed(self.paths.items()):
                self.versions[number] = await loop.run_in_executor(
                    self._loading_thread, _load, number, path, self.settings
                )
        # Store the error, because no task awaits this coroutine. process.serve raises the error.
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
            HttpError: 503, while the version is being loaded.
        """
        return self.find(self.name, None)

    def find(self, name: str, number: int | None) -> "LoadedVersion":
        """Return a version; the newest if ``number`` is None.

        Raises:
            HttpError: 404, if the model or the version is not served; 503, if the version is not
                loaded yet.
        """
        version_number = max(self.paths) if number is None else number
        if name != self.name or version_number not in self.paths:
            requested = f"Latest({name})" if number is None else f"Specific({name}, {number})"
            raise HttpError(404, f"Servable not found for request: {requested}")
        if version_number not in self.versions:
            raise HttpError(503, f"version {version_number} of {name} is being loaded")
        return self.versions[version_number]

    def status(self, name: str, number: int | None) -> dict[str, Any]:
        """Return the state of a version, or of all versions, in TF Serving's format.

        Raises:
            HttpError: 404, if the model or the version is not served.
        """
        if name != self.name:
            raise HttpError(404, f"Could not find any versions of model {name}")
        if number is not None and number not in self.paths:
            raise HttpError(404, f"Could not find version {number} of model {name}")
        numbers = sorted(self.paths, reverse=True) if number is None else [number]
        return {
            "model_version_status": [
                {
                    "version": str(version_number),
                    "state": "AVAILABLE" if version_number in self.versions else "LOADING",
                    "status": {"error_code": "OK", "error_message": ""},
                }
                for version_number in numbers
            ]
        }


def _load(number: int, path: Path, settings: ServeSettings) -> "LoadedVersion":
    # Import here, in the loading thread: the import of TensorFlow takes seconds, in which the
    # server already answers requests.
    from serkit.serving.server.loaded import load_version, warm_up

    version = load_version(number, path, trust=settings.trust)
    if settings.warm_up:
        warm_up(version)
    return version
