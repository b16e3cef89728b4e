"""Everything below ``/v1``: TF Serving's REST interface."""

import logging
import re
import time
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serkit.serving.server.answers import json_answer, refused
from serkit.serving.server.predicting import predict
from serkit.serving.server.refusal import Refusal
from serkit.serving.server.service import Service

_MODEL = r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_ASKED = re.compile(_MODEL + r":(?P<method>classify|regress|predict)", re.IGNORECASE | re.ASCII)
_SHOWN = re.compile(_MODEL + r"(?P<metadata>/metadata)?", re.IGNORECASE | re.ASCII)


class RestApi:
    """An ASGI application for ``/v1/…``; any error is an answer ``{"error": …}``.

    Upper and lower case are the same in all but the model's name.
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
            # A task and its error know each other by this; what was sent would stay in memory
            # until Python looks for such circles.
            refusal.__traceback__ = None
            response = refused(refusal, request, most)
        # The server outlives its own mistakes; what they are is for the log, not for strangers.
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
        # Not decoded: an escaped slash is part of a name.
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
            "model_spec": {
                "name": name,
                "signature_name": "",
                "version": str(version.number),
            },
            "metadata": {"signature_def": {"signature_def": version.metadata}},
        }


def _model(found: re.Match) -> tuple[str, int | None]:
    if found["label"]:
        raise Refusal(400, "labels of versions are not served; valid is /versions/NUMBER")
    digits = found["version"]
    # TF Serving's numbers have 64 bits; Python refuses to read those of thousands of digits.
    if digits and (len(digits) > 19 or int(digits) >= 2**63):
        raise Refusal(400, f"Failed to convert version: {digits[:30]} to numeric.")
    return unquote(found["name"]), int(digits) if digits else None
