"""The server as an ASGI application."""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from serkit.serving.server.http import (
    Refusal,
    check_length,
    json_answer,
    read_body,
    refused,
    written,
)
from serkit.serving.server.rest_json import (
    check_examples,
    read_document,
    read_tensors,
    signature_name,
    write_answer,
)
from serkit.serving.server.service import Service

if TYPE_CHECKING:
    from serkit.serving.server.loaded import LoadedVersion


async def predict(service: Service, request: Request, name: str, number: int | None) -> Response:
    """Answer ``POST …:predict``.

    Args:
        service: service that runs the model.
        request: request; its body is read. ``state.signature`` is set to the name of the signature
            once the name is known to be valid.
        name: name of the model.
        number: version of the model; None for the newest.

    Raises:
        Refusal: with any code that :class:`serkit.serving.server.http.Refusal` lists.
    """
    settings = service.settings
    version = service.find(name, number)
    # If the queue is full, refuse the request before reading its body, which saves most work.
    service.batcher.check_room()
    # Check the declared length, but do not take its bytes yet. Otherwise a client that declares a
    # long body and sends nothing would block other clients.
    service.allowance.check(check_length(request, settings.max_bytes))
    with service.allowance.account() as take:
        # A list, from which _answer pops the body. A reference to the body here would keep it in
        # memory until the answer.
        body = [await read_body(request, take, settings.max_bytes, settings.time_out)]
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
        name = signature_name(document)
        if name not in version.signatures:
            raise Refusal(400, f'Serving signature name: "{name[:100]}" not found in signature def')
        request.state.signature = name
        signature = version.signatures[name]
        inputs = signature.spec.inputs
        if signature.spec.is_batched:
            check_examples(document, inputs, service.settings.queue)
        tensors, rows = await aside(read_tensors, document, inputs)
        # The document is larger than the tensors that stay in memory while the request waits.
        del document
        signature.spec.check(tensors)
    outputs = await service.batcher.run(signature, tensors)
    service.metrics.count_outputs(outputs, signature.spec.examples(tensors))
    return written(await aside(write_answer, outputs, rows))


async def _while_there(request: Request, work: Awaitable[Response]) -> Response:
    """Return the answer; cancel the work if the client disconnects.

    Raises:
        Refusal: 499, if the client disconnects before the answer.
    """
    answer, left = asyncio.ensure_future(work), asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({answer, left}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise Refusal(499, "the client has disconnected")
        return answer.result()
    finally:
        answer.cancel()
        left.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


_MODEL = r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_ASKED = re.compile(_MODEL + r":(?P<method>classify|regress|predict)", re.IGNORECASE | re.ASCII)
_SHOWN = re.compile(_MODEL + r"(?P<metadata>/metadata)?", re.IGNORECASE | re.ASCII)


class RestApi:
    """ASGI application for ``/v1/…``; an error becomes an answer ``{"error": …}``.

    Paths are not case-sensitive, except for the model's name.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        began = time.monotonic()
        most = self._service.settings.max_bytes
        try:
            response = await self._respond(request)
        except Refusal as refusal:
            # The traceback is part of a reference cycle between a task and its error. The cycle
            # would keep the request's data in memory until the next garbage collection.
            refusal.__traceback__ = None
            response = refused(refusal, request, most)
        # A bug must not stop the server. Its details go to the log, not to the client.
        except Exception:
            logging.getLogger("serkit").exception("a request failed")
            response = refused(
                Refusal(500, "internal error; the server's log has it"), request, most
            )
        if request.method == "POST":
            signature = getattr(request.state, "signature", "")
            seconds = time.monotonic() - began
            self._service.metrics.count_request(response.status_code, signature, seconds)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        # Use the path before decoding: an escaped slash is part of a name, not a separator.
        path = request.scope.get("raw_path", b"").partition(b"?")[0].decode("latin-1")
        if not path.lower().startswith("/v1/"):
            raise Refusal(404, f"Not Found: {path}")
        if request.method == "POST" and (found := _ASKED.fullmatch(path)):
            name, number = _model(found)
            if found["method"].lower() != "predict":
                raise Refusal(400, f"{found['method']} is not served; valid is predict")
            return await predict(self._service, request, name, number)
        if request.method == "GET" and (found := _SHOWN.fullmatch(path)):
            name, number = _model(found)
            if found["metadata"]:
                return json_answer(self._metadata(name, number))
            return json_answer(self._service.status(name, number))
        raise Refusal(400, f"Malformed request: {request.method[:20]} {path}")

    def _metadata(self, name: str, number: int | None) -> dict[str, Any]:
        version = self._service.find(name, number)
        return {
            "model_spec": {"name": name, "signature_name": "", "version": str(version.number)},
            "metadata": {"signature_def": {"signature_def": version.metadata}},
        }


def _model(found: re.Match) -> tuple[str, int | None]:
    if found["label"]:
        raise Refusal(400, "labels of versions are not served; valid is /versions/NUMBER")
    digits = found["version"]
    # TF Serving's numbers have 64 bits. Python refuses to parse thousands of digits.
    if digits and (len(digits) > 19 or int(digits) >= 2**63):
        raise Refusal(400, f"Failed to convert version: {digits[:30]} to numeric.")
    return unquote(found["name"]), int(digits) if digits else None


_PAGE = {
    "index.html": "text/html",
    "page.css": "text/css",
    "page.js": "text/javascript",
    "drawing.js": "text/javascript",
    "sound.js": "text/javascript",
    "recorder.js": "text/javascript",
}
_ONLY_OURS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; media-src 'self' blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def build_app(service: Service) -> Starlette:
    """Build the server: TF Serving's REST API, health checks, metrics, and a demo page.

    Loading begins when the application starts. From then on, ``/healthz`` answers. ``/readyz``
    answers 503 until all versions are loaded and warmed up, then 200.
    """

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        service.batcher.start()
        loading = asyncio.create_task(service.load())
        yield
        loading.cancel()
        await service.batcher.stop()

    def answering(
        function: Callable[[Request], Response],
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                return function(request)
            except Refusal as refusal:
                return refused(refusal, request, service.settings.max_bytes)

        return answer

    def failed(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        refusal = Refusal(error.status_code, f"{error.detail}: {request.url.path[:100]}")
        return refused(refusal, request, service.settings.max_bytes)

    routes = {
        "/": lambda request: _page("index.html"),
        "/page/{name}": lambda request: _page(request.path_params["name"]),
        "/healthz": lambda request: json_answer({"status": "alive"}),
        "/readyz": lambda request: _ready(service),
        "/metrics": lambda request: written(service.metrics.text(), service.metrics.content_type),
        "/model.json": lambda request: _model_of(service),
    }
    return Starlette(
        routes=[
            *(Route(path, answering(function)) for path, function in routes.items()),
            Route("/{rest:path}", RestApi(service)),
        ],
        lifespan=life,
        exception_handlers={HTTPException: failed},
    )


def _ready(service: Service) -> Response:
    if not service.is_ready:
        raise Refusal(503, f"{service.name} is being loaded")
    return json_answer({"status": "ready"})


def _model_of(service: Service) -> Response:
    version = service.newest()
    serving = {"name": service.name, "version": version.number}
    serving["max_bytes"] = service.settings.max_bytes
    return json_answer({**version.details, "serving": serving})


def _page(name: str) -> Response:
    if name not in _PAGE:
        raise Refusal(404, f"Not Found: /page/{name}")
    content = resources.files("serkit.serving.server").joinpath("page", name).read_bytes()
    response = written(content, f"{_PAGE[name]}; charset=utf-8")
    response.headers.update(_ONLY_OURS)
    return response
