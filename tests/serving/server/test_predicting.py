"""Requests and what becomes of them, with a model that is a Python function."""

import contextlib
import gc
import socket
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import requests

URL = "v1/models/fake:predict"
ONE = {"instances": [[1, 2]]}


def _post(address, body=ONE, **options):
    return requests.post(address + URL, json=body, timeout=20, **options)


def test_an_answer(fake_service, run_app):
    address = run_app(fake_service(lambda x: 2 * x))
    found = _post(address)
    assert (found.status_code, found.json()) == (200, {"predictions": [[2, 4]]})
    assert _post(address, {"inputs": [[1.5]]}).json() == {"outputs": [[3]]}


def test_what_takes_too_long_is_504_and_what_waits_behind_it_too(fake_service, run_app):
    go = threading.Event()

    def run(x):
        assert go.wait(20)
        return x

    address = run_app(fake_service(run, time_out=0.5, max_batch=1))
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(_post, [address] * 2))
    go.set()
    assert [one.status_code for one in found] == [504, 504]
    assert found[0].json() == {"error": "no answer within 0.5 s"}
    assert _post(address).status_code == 200


def test_a_full_queue_is_503_and_over_within_a_second(fake_service, run_app):
    go = threading.Event()

    def run(x):
        go.wait(20)
        return x

    service = fake_service(run, queue=2, max_batch=1)
    address = run_app(service)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(_post, address)]
        while not service.batcher.is_busy:
            time.sleep(0.01)
        asked += [pool.submit(_post, address) for _ in range(7)]
        while sum(one.done() for one in asked) < 5:
            time.sleep(0.01)
        refused = [one.result() for one in asked if one.done()]
        # Alive, and says how it stands.
        assert requests.get(f"{address}healthz", timeout=5).status_code == 200
        while service.batcher.waiting_examples < 2:
            time.sleep(0.01)
        assert "serkit_queue_examples 2.0" in requests.get(f"{address}metrics", timeout=5).text
        go.set()
        began = time.monotonic()
        codes = [one.result().status_code for one in asked]
        assert _post(address).status_code == 200
        assert time.monotonic() - began < 1
    assert sorted(codes) == [200] * 3 + [503] * 5
    assert refused[0].headers["retry-after"] == "1"
    assert "the queue is full" in refused[0].json()["error"]


def test_more_examples_than_may_wait_are_no_request(fake_service, run_app):
    address = run_app(fake_service(lambda x: x, queue=3, max_batch=2))
    assert _post(address, {"instances": [[1]] * 3}).json() == {"predictions": [[1]] * 3}
    found = _post(address, {"instances": [[1]] * 4})
    assert found.status_code == 400
    assert found.json()["error"] == "4 examples in a request; valid are at most 3"


def test_who_hangs_up_is_not_worked_for(fake_service, run_app):
    go, seen = threading.Event(), []

    def run(x):
        seen.append(x.tolist())
        go.wait(20)
        return x

    service = fake_service(run, max_batch=1)
    address = run_app(service)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(_post, address)
        while not seen:
            time.sleep(0.01)
        with pytest.raises(requests.ReadTimeout):
            requests.post(address + URL, json={"instances": [[9]]}, timeout=0.2)
        while service.batcher.waiting_examples:
            time.sleep(0.01)
        go.set()
        assert first.result().status_code == 200
    assert _post(address).status_code == 200
    assert [[9]] not in seen


def test_bodies_that_are_too_long_or_never_come(fake_service, run_app):
    address = run_app(fake_service(lambda x: x, max_bytes=2000, time_out=0.5))
    found = requests.post(address + URL, data=b"x" * 2001, timeout=5)
    assert (found.status_code, found.json()) == (
        413,
        {"error": "the body is longer than 2000 bytes"},
    )
    found = requests.post(address + URL, data=(b"x" * 500 for _ in range(100)), timeout=5)
    assert found.status_code == 413
    host, port = address.split("/")[2].split(":")
    head = f"POST /{URL} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n".encode()
    with socket.create_connection((host, int(port)), 5) as connection:
        connection.sendall(head + b"half")
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")
    assert _post(address).status_code == 200


def _ones(x):
    """As many ones as the request says; three bytes each in the answer, and a comma."""
    return np.ones((1, int(x[0, 0])), "float32")


def test_a_longer_answer_than_allowed_is_no_request(fake_service, run_app):
    address = run_app(fake_service(_ones, max_answer=2**16))
    # The first of 64 KiB less some bytes, the second refused after, the third before it is written.
    for count, code in ((16_000, 200), (17_000, 400), (10_000_000, 400)):
        found = _post(address, {"instances": [[count]]})
        assert found.status_code == code
        assert code == 200 or "longer than 65536 bytes" in found.json()["error"]


def test_long_answers_that_nobody_reads_are_held_for_a_while_and_only_some(fake_service, run_app):
    from serkit.serving.server.http import Allowance

    service = fake_service(_ones, time_out=2)
    service.answer_allowance = Allowance(2**24)
    address = run_app(service)
    host, port = address.split("/")[2].split(":")
    body = b'{"instances": [[3000000]]}'
    head = f"POST /{URL} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((host, int(port)), 20) as reader:
        reader.sendall(head.encode() + body)
        assert reader.recv(100).startswith(b"HTTP/1.1 200")
        found = _post(address, {"instances": [[3_000_000]]})
        assert found.status_code == 503
        # A short answer is not kept waiting by those.
        assert _post(address, {"instances": [[10]]}).status_code == 200
        # The reader is given up after two seconds.
        while found.status_code == 503:
            found = _post(address, {"instances": [[3_000_000]]})
        assert (found.status_code, len(found.content)) == (200, 12_000_000 + 19)
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while piece := reader.recv(2**20):
                received += len(piece)
        assert received < 12_000_000


def test_a_mistake_of_ours_is_500_and_the_next_is_answered(fake_service, run_app, caplog):
    def run(x):
        if x[0, 0] < 0:
            raise KeyError("inside")
        return x

    address = run_app(fake_service(run))
    found = _post(address, {"instances": [[-1]]})
    assert found.status_code == 500
    assert "inside" not in found.text
    assert "KeyError" in caplog.text
    assert _post(address).status_code == 200


def test_what_was_sent_is_forgotten_with_the_answer(fake_service, run_app):
    address = run_app(fake_service(lambda x: x, time_out=0.5))
    bodies = [b"[" + b" " * 2**20, b'{"instances": ["' + b"x" * 2**20 + b'"]}']
    for body in bodies:
        assert requests.post(address + URL, data=body, timeout=20).status_code == 400
    # Not only when Python looks for circles of objects, which it does when it likes.
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for body in bodies * 10:
            assert requests.post(address + URL, data=body, timeout=20).status_code == 400
        assert tracemalloc.get_traced_memory()[0] < 5 * 2**20
    finally:
        tracemalloc.stop()
        gc.enable()
