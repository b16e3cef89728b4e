"""The server's ASGI application: REST API, health checks, metrics, and the demo page."""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from serkit.export.versions import MODEL_CARD
from serkit.serving.server.access import Access
from serkit.serving.server.http import (
    HttpError,
    answer_response,
    check_length,
    content_response,
    error_response,
    json_response,
    read_body,
)
from serkit.serving.server.page_files import card_response, example_response, page_response
from serkit.serving.server.rest_json import (
    check_example_count,
    read_document,
    read_tensors,
    signature_name,
    write_answer,
)
from serkit.serving.server.service import Service
from serkit.serving.server.settings import SMALL_ANSWER, ServeSettings

if TYPE_CHECKING:
    from serkit.serving.server.loaded import LoadedVersion


async def predict(
    service: Service,
    request: Request,
    name: str,
    number: int | None,
    take_answer: Callable[[int], None],
) -> Response:
    """Answer ``POST …:predict``.

    Args:
        service: service that runs the model.
        request: request, whose body is not read yet. The function sets two attributes of its
            ``state``: ``is_read`` when it has read the body, and ``signature`` to the name of the
            signature if the model has it.
        name: name of the model.
        number: version of the model; None for the newest.
        take_answer: takes the size of a long answer from the service's ``answer_allowance``.

    Returns:
        The response with the outputs.

    Raises:
        HttpError: with any code that :class:`serkit.serving.server.http.HttpError` lists.
    """
    settings = service.settings
    version = service.find(name, number)
    # If the queue is full, refuse the request before reading its body, which saves most work.
    service.batcher.check_room()
    # Check the declared length, but do not take its bytes from the allowance yet. Otherwise a
    # client that declares a long body and sends nothing would block other clients.
    service.allowance.check(check_length(request, settings.max_bytes))
    with service.allowance.account() as take:
        # A list, from which _answer pops the body. A variable for the body in this function would
        # keep the body in memory until the answer.
        body = [await read_body(request, take, settings.max_bytes, settings.time_out)]
        request.state.is_read = True
        try:
            async with asyncio.timeout(settings.time_out):
                answer = _answer(service, version, request, body)
                content = await _unless_disconnected(request, answer)
        except TimeoutError:
            raise HttpError(504, f"no answer within {settings.time_out:g} s") from None
        if len(content) > SMALL_ANSWER:
            take_answer(len(content))
        return answer_response(content)


async def _answer(
    service: Service, version: "LoadedVersion", request: Request, body: list[bytes]
) -> bytes:
    def in_json_thread(function: Callable, *arguments: Any) -> Awaitable:
        return asyncio.get_running_loop().run_in_executor(service.json_thread, function, *arguments)

    with service.batcher.reserve_room():
        document = await in_json_thread(read_document, body.pop())
        name = signature_name(document)
        if name not in version.signatures:
            raise HttpError(
                400, f'Serving signature name: "{name[:100]}" not found in signature def'
            )
        request.state.signature = name
        signature = version.signatures[name]
        inputs = signature.spec.inputs
        if signature.spec.is_batched:
            check_example_count(document, inputs, service.settings.queue)
        tensors, is_row_format = await in_json_thread(read_tensors, document, inputs)
        # Free the document, which is larger than the tensors, before the request waits.
        del document
        signature.spec.check(tensors)
    outputs = await service.batcher.run(signature, tensors)
    service.metrics.count_outputs(outputs, signature.spec.example_count(tensors))
    # In JSON a value and the comma after it take at least two bytes.
    _check_answer_size(2 * sum(array.size for array in outputs.values()), service.settings)
    content = await in_json_thread(write_answer, outputs, is_row_format)
    _check_answer_size(len(content), service.settings)
    return content


def _check_answer_size(byte_count: int, settings: ServeSettings) -> None:
    """Check that an answer of a number of bytes is not too long.

    Raises:
        HttpError: 400, if the number exceeds ``settings.max_answer``.
    """
    if byte_count > settings.max_answer:
        raise HttpError(
            400, f"the answer is longer than {settings.max_answer} bytes; send fewer examples"
        )


async def _unless_disconnected(request: Request, work: Awaitable[bytes]) -> bytes:
    """Return the result of ``work``; cancel ``work`` if the client disconnects.

    Raises:
        HttpError: 499, if the client disconnects before the result.
    """
    result = asyncio.ensure_future(work)
    disconnect = asyncio.ensure_future(_wait_for_disconnect(request))
    try:
        await asyncio.wait({result, disconnect}, return_when=asyncio.FIRST_COMPLETED)
        if not result.done():
            raise HttpError(499, "the client has disconnected")
        return result.result()
    finally:
        result.cancel()
        disconnect.cancel()


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


_MODEL_PATH = (
    r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
)
_POST_PATH = re.compile(
    _MODEL_PATH + r":(?P<method>classify|regress|predict)", re.IGNORECASE | re.ASCII
)
_GET_PATH = re.compile(_MODEL_PATH + r"(?P<metadata>/metadata)?", re.IGNORECASE | re.ASCII)


class RestApi:
    """ASGI application for ``/v1/…``; an error becomes an answer ``{"error": …}``.

    Paths are not case-sensitive, except for the model's name.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A long answer counts until it was sent.
        with self._service.answer_allowance.account() as take_answer:
            response = await self._respond_or_fail(Request(scope, receive, send), take_answer)
            await response(scope, receive, send)

    async def _respond_or_fail(
        self, request: Request, take_answer: Callable[[int], None]
    ) -> Response:
        """Return the response to a request, which may be that of an error."""
        start_time = time.monotonic()
        max_bytes = self._service.settings.max_bytes
        try:
            response = await self._respond(request, take_answer)
        except HttpError as error:
            # The traceback is part of a reference cycle between a task and its error. The cycle
            # would keep the request's data in memory until the next garbage collection.
            error.__traceback__ = None
            response = error_response(error, request, max_bytes)
        # A bug must not stop the server. The log gets its details; the client does not.
        except Exception:
            logging.getLogger("serkit").exception("a request failed")
            internal_error = HttpError(500, "internal error; the server's log has it")
            response = error_response(internal_error, request, max_bytes)
        if request.method == "POST":
            signature = getattr(request.state, "signature", "")
            seconds = time.monotonic() - start_time
            self._service.metrics.count_request(response.status_code, signature, seconds)
        return response

    async def _respond(self, request: Request, take_answer: Callable[[int], None]) -> Response:
        # Use the undecoded path, in which an escaped slash is part of a name, not a separator.
        path = request.scope.get("raw_path", b"").partition(b"?")[0].decode("latin-1")
        if not path.lower().startswith("/v1/"):
            raise HttpError(404, f"Not Found: {path}")
        if request.method == "POST" and (match := _POST_PATH.fullmatch(path)):
            name, number = _name_and_version(match)
            if match["method"].lower() != "predict":
                raise HttpError(400, f"{match['method']} is not served; valid is predict")
            return await predict(self._service, request, name, number, take_answer)
        if request.method == "GET" and (match := _GET_PATH.fullmatch(path)):
            name, number = _name_and_version(match)
            if match["metadata"]:
                return json_response(self._metadata(name, number))
            return json_response(self._service.status(name, number))
        raise HttpError(400, f"Malformed request: {request.method[:20]} {path}")

    def _metadata(self, name: str, number: int | None) -> dict[str, Any]:
        version = self._service.find(name, number)
        return {
            "model_spec": {"name": name, "signature_name": "", "version": str(version.number)},
            "metadata": {"signature_def": {"signature_def": version.metadata}},
        }


def _name_and_version(match: re.Match) -> tuple[str, int | None]:
    """Return the name of the model in a path, and the version; None for the newest."""
    if match["label"]:
        raise HttpError(400, "labels of versions are not served; valid is /versions/NUMBER")
    digits = match["version"]
    # Version numbers have 64 bits in TF Serving. Check the length first, because Python refuses to
    # parse thousands of digits.
    if digits and (len(digits) > 19 or int(digits) >= 2**63):
        raise HttpError(400, f"Failed to convert version: {digits[:30]} to numeric.")
    return unquote(match["name"]), int(digits) if digits else None


def build_app(service: Service) -> Starlette:
    """Build the server: TF Serving's REST API, health checks, metrics, and a demo page.

    :class:`serkit.serving.server.access.Access` decides which requests it answers.

    When the application starts, it begins to load the model, and ``/healthz`` answers 200.
    ``/readyz`` answers 503 until all versions are loaded and warmed up, then 200.

    Args:
        service: service that runs the model.

    Returns:
        The ASGI application.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        service.batcher.start()
        loading = asyncio.create_task(service.load())
        yield
        loading.cancel()
        await service.batcher.stop()

    def endpoint(
        respond: Callable[[Request], Response],
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return an endpoint that answers an HttpError of ``respond`` with its error response."""

        async def answer(request: Request) -> Response:
            try:
                # In a thread: reading a file and synthesising an example clip take time.
                return await run_in_threadpool(respond, request)
            except HttpError as error:
                return error_response(error, request, service.settings.max_bytes)

        return answer

    def handle_http_exception(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        http_error = HttpError(error.status_code, f"{error.detail}: {request.url.path[:100]}")
        return error_response(http_error, request, service.settings.max_bytes)

    def metrics_response() -> Response:
        return content_response(service.metrics.text(), service.metrics.content_type)

    responses = {
        "/": lambda request: page_response("index.html"),
        "/page/{name}": lambda request: page_response(request.path_params["name"]),
        "/examples/{name}": lambda request: example_response(request.path_params["name"]),
        "/model-card.md": lambda request: card_response(service.newest().path),
        "/healthz": lambda request: json_response({"status": "alive"}),
        "/readyz": lambda request: _readiness_response(service),
        "/metrics": lambda request: metrics_response(),
        "/model.json": lambda request: _details_response(service),
    }
    return Starlette(
        routes=[
            *(Route(path, endpoint(respond)) for path, respond in responses.items()),
            Route("/{rest:path}", RestApi(service)),
        ],
        middleware=[Middleware(Access, service.settings)],
        lifespan=lifespan,
        exception_handlers={HTTPException: handle_http_exception},
    )


def _readiness_response(service: Service) -> Response:
    if not service.is_ready:
        raise HttpError(503, f"{service.name} is being loaded")
    return json_response({"status": "ready"})


def _details_response(service: Service) -> Response:
    version = service.newest()
    serving = {
        "name": service.name,
        "version": version.number,
        "max_bytes": service.settings.max_bytes,
        "max_examples": service.settings.queue,
        "has_card": (version.path / MODEL_CARD).is_file(),
    }
    return json_response({**version.details, "serving": serving})
