"""Responses with the files of the page, the synthetic example clips, and the model card."""

import functools
from importlib import resources
from pathlib import Path

from starlette.responses import Response

from serkit.datasets.synthetic import synthesise_clip
from serkit.export.versions import MODEL_CARD
from serkit.serving.server.http import HttpError, content_response

_MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
# Headers that let the page load nothing from other servers.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; media-src 'self' blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
# Emotions of the example clips by name. The last one is long enough for a timeline.
_EXAMPLES = {
    "neutral.wav": ("neutral",),
    "angry.wav": ("angry",),
    "happy.wav": ("happy",),
    "sad.wav": ("sad",),
    "several.wav": ("neutral", "neutral", "angry", "angry", "sad", "sad", "happy", "happy"),
}


def page_response(name: str) -> Response:
    """Return the response with a file of the page.

    Raises:
        HttpError: 404, if the page has no such file.
    """
    folder = resources.files("serkit.serving.server").joinpath("page")
    if name not in {file.name for file in folder.iterdir()}:
        raise HttpError(404, f"Not Found: /page/{name[:100]}")
    media_type = f"{_MEDIA_TYPES[Path(name).suffix]}; charset=utf-8"
    response = content_response(folder.joinpath(name).read_bytes(), media_type)
    response.headers.update(_HEADERS)
    return response


def example_response(name: str) -> Response:
    """Return the response with an example clip, a WAV file of a synthetic voice.

    Raises:
        HttpError: 404, if there is no such clip.
    """
    if name not in _EXAMPLES:
        valid = ", ".join(_EXAMPLES)
        raise HttpError(404, f"Not Found: /examples/{name[:100]}; there are {valid}")
    return content_response(_example(name), "audio/wav")


@functools.cache
def _example(name: str) -> bytes:
    return synthesise_clip(_EXAMPLES[name])


def card_response(version: Path) -> Response:
    """Return the response with the model card of a version, as plain text.

    Raises:
        HttpError: 404, if the version has none.
    """
    path = version / MODEL_CARD
    if not path.is_file():
        raise HttpError(404, "Not Found: the model has no model card")
    return content_response(path.read_bytes(), "text/plain; charset=utf-8")
