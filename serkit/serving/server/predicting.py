"""How a request for a prediction is answered."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from serkit.serving.server.answers import written
from serkit.serving.server.body import read_body
from serkit.serving.server.refusal import Refusal
from serkit.serving.server.rest_answer import write_answer
from serkit.serving.server.rest_json import (
    check_examples,
    read_document,
    read_tensors,
    signature_name,
)
from serkit.serving.server.service import Service

if TYPE_CHECKING:
    from serkit.serving.server.loaded import LoadedVersion


async def predict(service: Service, request: Request, name: str, number: int | None) -> Response:
    """The answer to ``POST …:predict``.

    Args:
        service: whom to ask.
        request: its body is read; ``state.signature`` is set once it is known to be one.
        name, number: of the model and the version, None for the newest.

    Raises:
        Refusal: with any of its codes.
    """
    settings = service.settings
    version = service.find(name, number)
    # Under a load that is too high nothing is cheaper than not to read.
    service.batcher.check_room()
    with service.allowance.share() as share:
        # In a list, from which it is taken: otherwise it would be kept until the answer.
        body = [await read_body(request, share, settings.max_bytes, settings.time_out)]
        request.state.is_read = True
        try:
            async with asyncio.timeout(settings.time_out):
                return await _while_there(request, _answer(service, version, request, body))
        except TimeoutError:
            raise Refusal(504, f"no answer within {settings.time_out:g} s") from None


async def _answer(
    service: Service, version: "LoadedVersion", request: Request, body: list[bytes]
) -> Response:
    def aside(function: Callable, *arguments: Any) -> Awaitable:
        return asyncio.get_running_loop().run_in_executor(service.json_thread, function, *arguments)

    with service.batcher.expecting():
        document = await aside(read_document, body.pop())
        asked = signature_name(document)
        if asked not in version.signatures:
            raise Refusal(
                400, f'Serving signature name: "{asked[:100]}" not found in signature def'
            )
        request.state.signature = asked
        signature = version.signatures[asked]
        inputs = signature.spec.inputs
        if signature.spec.is_batched:
            check_examples(document, inputs, service.settings.queue)
        tensors, rows = await aside(read_tensors, document, inputs)
        # What it was made from is larger than what is kept while it waits.
        del document
        signature.spec.check(tensors)
    outputs = await service.batcher.ask(signature, tensors)
    service.metrics.count_outputs(outputs, signature.spec.examples(tensors))
    return written(await aside(write_answer, outputs, rows))


async def _while_there(request: Request, work: Awaitable[Response]) -> Response:
    """The answer, unless whoever asked hangs up: then nothing is worked out for him."""
    answer, left = asyncio.ensure_future(work), asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({answer, left}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise Refusal(499, "nobody is there any more")
        return answer.result()
    finally:
        answer.cancel()
        left.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
