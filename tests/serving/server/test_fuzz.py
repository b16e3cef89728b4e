"""Requests that nobody means: never an error of the server, a crash or a silence.

``SERKIT_FUZZ=50000`` tries that many instead of a few hundred; ``SERKIT_FUZZ_SEED`` other ones;
``SERKIT_FUZZ_MODEL=saved_models/mine`` an exported model instead of a small one.
"""

import base64
import contextlib
import json
import os
import random
import re
import select
import socket

import pytest
import requests

COUNT = int(os.environ.get("SERKIT_FUZZ", "400"))
SEED = int(os.environ.get("SERKIT_FUZZ_SEED", "1"))
MODEL = os.environ.get("SERKIT_FUZZ_MODEL")
_FINE = {503, 504}
_PATHS = [
    *("/v1/models/tones:predict", "/v1/models/tones/versions/1:predict", "/v1/models/tones"),
    *("/v1/models/tones/metadata", "/", "/page/page.js", "/model.json", "/healthz", "/metrics"),
    *("/v1/models/../../x", "/v1/models/tones/versions/99999999999999999999:predict", "/v1//"),
    *("/v1/models/%00%ff:predict", "/v1/models/:predict", "/v1/models/tones:predict?x=1", "*"),
]
_SCALARS = [None, True, 0, -1, 1e308, float("nan"), float("-inf"), 2**63, 10**30]
_TEXTS = ["", "x", "\ud800", "é\0", "A" * 100_000]
_LISTS = [[], [[]], [[], [1]], [[[[1.0]]]], [1, "a", None]]
_BYTES = [{"b64": ""}, {"b64": "!"}, {"b64": [1]}, {"b64": "YQ==", "x": 1}]
_NAMED = [{}, {"wav_bytes": {"b64": "YQ"}}, {"wav_bytes": None}]
_VALUES = [*_SCALARS, *_TEXTS, *_LISTS, *_BYTES, *_NAMED]
_NAMES = ["serving_default", "waveform", "spectrogram", "sampled", "features", "x", "", 3]
_KEYS = ["instances", "inputs", "signature_name", "wav_bytes", "samples", "waveform", "context"]


@pytest.fixture(scope="module")
def attacked(request, start_server, server_log) -> str:
    if MODEL:
        of_all = ("--versions", "all", "--name", "tones")
        return start_server(MODEL, *of_all, log=server_log)[0]
    return request.getfixturevalue("server")


@pytest.fixture(scope="module")
def sound(tone) -> bytes:
    return tone(200, 0.5)


def _instances(*files: bytes) -> dict:
    return {"instances": [{"b64": base64.b64encode(data).decode()} for data in files]}


def _value(random: random.Random, depth: int = 0):
    kind = random.random()
    if depth < 4 and kind < 0.25:
        return [_value(random, depth + 1) for _ in range(random.randrange(4))]
    if depth < 4 and kind < 0.4:
        return {random.choice(_KEYS): _value(random, depth + 1) for _ in range(random.randrange(3))}
    return random.choice(_VALUES)


def _document(random: random.Random, good: dict) -> bytes:
    document = {**good, "signature_name": random.choice(_NAMES)}
    for _ in range(random.randrange(3)):
        document[random.choice(_KEYS)] = _value(random)
    if random.random() < 0.2:
        document.pop("instances", None)
    return json.dumps(document).encode()


def _damaged(random: random.Random, body: bytes) -> bytes:
    body = bytearray(body)
    for _ in range(random.randrange(1, 6)):
        start = random.randrange(len(body) + 1)
        what = random.random()
        if what < 0.3:
            body[start : start + random.choice([1, 2, 50, 10_000])] = b""
        elif what < 0.6:
            body[start:start] = random.randbytes(random.choice([1, 3, 200]))
        elif what < 0.8:
            body[start:start] = random.choice([b"[", b'{"a":', b'"', b"\\"]) * random.choice(
                [1, 5000]
            )
        else:
            body = body[:start]
    return bytes(body)


def _mended(random: random.Random, sound: bytes) -> bytes:
    """The recording most often with other numbers in its header."""
    sound = bytearray(sound)
    for _ in range(random.randrange(3)):
        place = random.randrange(44)
        sound[place] = random.choice([0, 1, 2, 3, 8, 16, 24, 32, 127, 128, 254, 255])
    return bytes(sound)


def _body(random: random.Random, sound: bytes) -> bytes:
    what, good = random.random(), _instances(sound)
    if what < 0.3:
        return _document(random, good)
    if what < 0.6:
        return _damaged(random, _document(random, good))
    if what < 0.9:
        # A request like any other, of recordings that are not.
        files = [_damaged(random, _mended(random, sound)) for _ in range(random.randrange(1, 4))]
        return json.dumps(_instances(*files)).encode()
    return random.choice(
        [b"", b"x", b"<html></html>", b"[" * 100_000, random.randbytes(300), b"{}"]
    )


def _request(random: random.Random, sound: bytes) -> tuple[bytes, bool]:
    """A request, most of the time one that HTTP allows, and whether it is all there."""
    body = _body(random, sound)
    method = random.choices(["POST", "GET", "PUT", "HEAD", "X"], [20, 2, 1, 1, 1])[0]
    path = _PATHS[0] if random.random() < 0.7 else random.choice(_PATHS)
    kind = random.choice(["application/json", "text/plain", "multipart/form-data", "\x7f", ""])
    head = [
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        f"Content-Type: {kind}",
        "Connection: close",
    ]
    how = random.random()
    if how < 0.7:
        head.append(f"Content-Length: {len(body)}")
    elif how < 0.85:
        head.append("Transfer-Encoding: chunked")
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    else:
        # More or less than there is, or none at all.
        head.append(
            random.choice([f"Content-Length: {len(body) // 2}", "X: y", "Content-Length: x"])
        )
    whole = "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body
    what = random.random()
    if what < 0.1:
        return whole[: random.randrange(len(whole))], False
    return (_damaged(random, whole), False) if what < 0.15 else (whole, how < 0.85)


def _answer(server: str, sent: bytes, is_whole: bool) -> bytes:
    """What comes back; who may have sent half a request soon hangs up."""
    host, port = server.split("/")[2].split(":")
    with socket.create_connection((host, int(port)), 30) as connection:
        received = b""
        # A broken connection: the server had seen enough.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(sent)
            if not select.select([connection], [], [], 30 if is_whole else 0.05)[0]:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65_536):
                received += piece
        return received


def _memory(server: str) -> float:
    """Memory of the server's process in MiB."""
    text = requests.get(f"{server}metrics", timeout=30).text
    return float(re.search(r"^process_resident_memory_bytes (\S+)", text, re.M)[1]) / 2**20


def test_nothing_makes_the_server_fail(attacked, server_log, sound):
    url, good = f"{attacked}v1/models/tones:predict", _instances(sound)
    expected = requests.post(url, json=good, timeout=30).json()
    assert expected["predictions"][0]["status"] == ""
    chance = random.Random(SEED)
    codes: dict[int, int] = {}
    memory: list[float] = []
    for number in range(COUNT):
        sent, is_whole = _request(chance, sound)
        received = _answer(attacked, sent, is_whole)
        assert received or not is_whole, (number, sent[:2000])
        if received:
            assert received.startswith(b"HTTP/1.1 "), sent[:2000]
            code = int(received[9:12])
            assert code < 500 or code in _FINE, (number, sent[:2000], received[:2000])
            codes[code] = codes.get(code, 0) + 1
        if number % 50 == 49:
            assert requests.post(url, json=good, timeout=30).json() == expected
            memory.append(_memory(attacked))
    assert requests.post(url, json=good, timeout=30).json() == expected
    # Some were answered, some refused: what is sent is neither all rubbish nor all fine.
    assert {200, 400, 404} <= set(codes), codes
    log = server_log.read_text()
    assert "Traceback" not in log, log[-5000:]
    print(f"{COUNT} requests, seed {SEED}: {dict(sorted(codes.items()))}")
    before, most = memory[len(memory) // 10], max(memory[len(memory) // 10 :])
    print(f"memory: {before:.0f} MiB after a tenth of them, then at most {most:.0f} MiB")
