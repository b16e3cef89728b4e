import asyncio
import time

import pytest

pytest.importorskip("starlette", reason="no web server; it is in the extra serve")

from starlette.requests import Request

from serkit.serving.server.http import HttpError, error_response, json_response


def _request(**headers):
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": named})


def _sent(response, chunks=()):
    """What goes out, and how many chunks were listened to before the end."""
    left, sent = list(chunks), []

    async def receive():
        if not left:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": left.pop(0), "more_body": True}

    async def send(message):
        sent.append(message)

    asyncio.run(response({"type": "http"}, receive, send))
    return sent, len(chunks) - len(left)


def test_values_are_json_and_nothing_is_sniffed():
    response = json_response({"a": "é"})
    assert response.body.decode() == '{"a": "é"}'
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-content-type-options"] == "nosniff"


def test_an_error_has_tf_servings_form():
    response = error_response(HttpError(503, "full"), _request(content_length="10"), 100)
    assert (response.status_code, response.body) == (503, b'{"error": "full"}')
    assert response.headers["retry-after"] == "1"
    assert "retry-after" not in error_response(HttpError(404, "gone"), _request(), 100).headers
    sent, heard = _sent(response, [b"x"])
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert heard == 0


@pytest.mark.parametrize(
    "headers",
    [{"content_length": "101"}, {"transfer_encoding": "chunked"}, {"content_length": "x"}],
)
def test_who_still_sends_is_listened_to_for_a_second_and_hung_up_on(headers):
    response = error_response(HttpError(413, "long"), _request(**headers), 100)
    content, began = response.body, time.monotonic()
    sent, heard = _sent(response, [b"x" * 10] * 3)
    assert 0.9 < time.monotonic() - began < 5
    assert heard == 3
    assert (b"connection", b"close") in sent[0]["headers"]
    # The answer is out before anything is listened to.
    assert sent[1] == {"type": "http.response.body", "body": content, "more_body": True}
    assert sent[-1]["more_body"] is False


def test_a_body_that_was_read_needs_no_listening():
    request = _request(transfer_encoding="chunked")
    request.state.is_read = True
    assert len(_sent(error_response(HttpError(400, "bad"), request, 100))[0]) == 2
