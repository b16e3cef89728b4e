"""Requests of many clients put together, so that the model is asked less often."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import numpy as np

from serkit.serving.server import pieces
from serkit.serving.server.pieces import Model, Piece, Tensors
from serkit.serving.server.refusal import Refusal
from serkit.serving.server.serve_settings import ServeSettings


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
