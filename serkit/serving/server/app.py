"""The server as an ASGI application."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import resources

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serkit.serving.server.answers import json_answer, refused, written
from serkit.serving.server.refusal import Refusal
from serkit.serving.server.rest_api import RestApi
from serkit.serving.server.service import Service

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
    """What serves a model: TF Serving's REST interface, health, metrics, and a page to try it.

    Loading begins with the application's life: ``/healthz`` answers from then on, ``/readyz`` says
    when all versions are loaded and warmed up.
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
        refusal = Refusal(error.status_code, f"{error.detail}: {request.url.path[:100]}")
        return refused(refusal, request, service.settings.max_bytes)

    routes = {
        "/": lambda request: _page("index.html"),
        "/page/{name}": lambda request: _page(request.path_params["name"]),
        "/healthz": lambda request: json_answer({"status": "alive"}),
        "/readyz": lambda request: _ready(service),
        "/metrics": lambda request: written(service.metrics.text(), service.metrics.content_type),
        "/model.json": lambda request: _model(service),
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


def _model(service: Service) -> Response:
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
