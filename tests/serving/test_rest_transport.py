"""What a server may do wrong over HTTP; what it does right is in test_transport.py."""

import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from serkit.errors import InputError
from serkit.serving import rest_transport
from serkit.serving.client import Client, connect
from serkit.serving.rest_transport import RestTransport
from serkit.serving.retries import ClientSettings, Retries, ServerError
from serkit.serving.transport import parse_address

SETTINGS = ClientSettings(
    attempts=3, connect_seconds=2, read_seconds=0.5, pause_seconds=0.01, longest_pause_seconds=0.02
)


@pytest.fixture
def transport(rest_server):
    """One that writes down its pauses instead of making them."""
    slept = []
    settings = replace(SETTINGS, read_seconds=5)
    retries = Retries(settings, time.monotonic, slept.append)
    transport = RestTransport(parse_address(rest_server.address), settings, retries)
    transport.slept = slept
    yield transport
    transport.close()


def _classes(transport):
    (row,) = transport.call("classes", {"any": [0]}, ["classes"])
    return row["classes"]


@pytest.mark.parametrize("fault", [502, 504, "close", "short"])
def test_what_passes(transport, rest_server, fault):
    rest_server.faults = [fault]
    assert _classes(transport) == ["angry", "happy", "sad"]
    assert len(rest_server.request_log) == 2


def test_a_model_that_is_being_loaded_is_waited_for(transport, rest_server):
    rest_server.faults = [(503, "version 1 of emotions is being loaded")] * 6
    assert _classes(transport) == ["angry", "happy", "sad"]
    assert len(transport.slept) == 6
    rest_server.faults = [503] * 3
    with pytest.raises(ServerError, match="3 attempts"):
        _classes(transport)


@pytest.mark.parametrize("fault", ["drip", "drip-head"])
def test_bytes_that_drip_do_not_extend_the_timeout(rest_server, fault):
    rest_server.faults = [fault]
    transport = RestTransport(parse_address(rest_server.address), SETTINGS)
    started = time.monotonic()
    assert _classes(transport) == ["angry", "happy", "sad"]
    assert time.monotonic() - started < 5


def test_all_attempts_end_at_the_deadline(rest_server):
    settings = replace(SETTINGS, read_seconds=30, deadline_seconds=0.6)
    rest_server.faults = ["drip-head", "drip", "drip"]
    started = time.monotonic()
    with pytest.raises(ServerError, match="no answer within"):
        _classes(RestTransport(parse_address(rest_server.address), settings))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("html", "no JSON.*text/html: <html>.*8501"),
        ("torn", "no JSON.*application/json"),
        (b'{"predictions": []}', "not 1 times classes"),
        (b"[1, 2]", r"\[1, 2\]"),
        (403, "403 simulated error"),
        (b"[" * 100_000, "no JSON"),
        (b'{"predictions": ' + b"9" * 5000 + b"}", "no JSON"),
        (b'{"predictions": 3}', "not 1 times classes"),
        (b"null", "not 1 times classes"),
        (b'{"predictions": [{"entropy": 1' + b"0" * 400 + b"}]}", "not 1 times classes"),
    ],
)
def test_what_is_no_tf_serving(transport, rest_server, fault, message):
    rest_server.faults = [fault]
    with pytest.raises(ServerError, match=message):
        _classes(transport)
    assert len(rest_server.request_log) == 1
    for ask in (transport.status, transport.metadata):
        for answer in (
            b'{"unlike": 1}',
            b'{"model_version_status": [{"version": Infinity, "state": 1}]}',
            b'{"model_version_status": [3], "metadata": {"signature_def": []}}',
            b'{"metadata": {"signature_def": {"signature_def": [1, "a"]}}, "model_spec": []}',
        ):
            rest_server.faults = [answer]
            with pytest.raises(ServerError, match="unlike TF Serving"):
                ask()


def test_an_answer_that_is_too_long_is_not_read_to_its_end(transport, rest_server, monkeypatch):
    monkeypatch.setattr(rest_transport, "MAX_ANSWER_BYTES", 1000)
    assert _classes(transport) == ["angry", "happy", "sad"]
    rest_server.faults = [b"x" * 10_000_000]
    with pytest.raises(ServerError, match="answer of more than 1000 bytes"):
        _classes(transport)
    assert transport.slept == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"probabilities": 0.5},
        {"probabilities": [[0.5], [0.5], [0.5]]},
        {"label": ["happy"]},
        {"status": {"a": 1}},
        {"status": None},
        {"note": 3},
        {"abstain": "yes"},
        {"entropy": [1, 2]},
    ],
)
def test_outputs_of_other_types_are_one_error(transport, rest_server, wrong):
    row = {"probabilities": [0.2, 0.5, 0.3], "label": "happy", "entropy": 1.0, "abstain": False}
    row |= {"mutual_information": 0.0, "status": "", "note": ""}
    client = Client(transport, SETTINGS)
    assert client.classes == ("angry", "happy", "sad")
    for outputs, problem in ((row, None), (row | wrong, next(iter(wrong)))):
        rest_server.faults = [json.dumps({"predictions": [outputs]}).encode()]
        if problem is None:
            assert next(client.predict_wav([b"x"])).label == "happy"
        else:
            with pytest.raises(InputError, match=f"outputs {problem} of other types"):
                next(client.predict_wav([b"x"]))


@pytest.mark.parametrize("classes", [[], "happy", [1, 2], [["a"]], {"a": 1}, None])
def test_classes_that_are_no_names_are_one_error(transport, rest_server, classes):
    rest_server.faults = [json.dumps({"predictions": [{"classes": classes}]}).encode()]
    with pytest.raises(InputError, match="signature 'classes' that gives classes"):
        _ = Client(transport, SETTINGS).classes


def test_moved(transport, rest_server):
    rest_server.faults = [(308, {"Location": "https://elsewhere/v1/models/emotions"})]
    with pytest.raises(InputError, match="https://elsewhere"):
        _classes(transport)


def test_tls_where_there_is_none(rest_server):
    with (
        connect(rest_server.address.replace("http", "https"), SETTINGS) as client,
        pytest.raises(InputError, match=r"TLS.*http://"),
    ):
        client.status()


@pytest.fixture
def certificate(tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += [
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        "key",
        "-out",
        "pem",
    ]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


def test_certificates(certificate, running, monkeypatch):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = b'{"model_version_status": [{"version": "3", "state": "AVAILABLE"}]}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "pem", certificate / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    running(server)
    address = f"https://127.0.0.1:{server.server_port}/v1/models/m"
    with connect(address, SETTINGS) as client:
        with pytest.raises(InputError, match="REQUESTS_CA_BUNDLE"):
            client.status()
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "pem"))
        assert client.status()[0].version == 3


@pytest.mark.parametrize(
    ("first", "message"),
    [
        # An alert of TLS, and how HTTP/2 begins.
        (b"\x15\x03\x01\x00\x02\x02\x16", "https://"),
        (b"\x00\x00\x12\x04\x00\x00\x00", "8500 .*gRPC, 8501 HTTP"),
        (b"", "closed connection"),
    ],
)
def test_something_else_behind_the_port(first, message, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            one, _ = listening.accept()
            with one:
                one.recv(10_000)
                one.sendall(first)

        thread = threading.Thread(target=answer)
        thread.start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/v1/models/m"
        with (
            connect(address, replace(SETTINGS, attempts=1)) as client,
            pytest.raises(ServerError, match=message),
        ):
            client.status()
        thread.join()


def test_the_token_is_sent_and_no_password_instead(monkeypatch, tmp_path, running):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            received.append(self.headers["Authorization"])
            self.send_error(401)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    running(server)
    address = f"http://127.0.0.1:{server.server_port}/v1/models/m"
    for token in ("t0ken", ""):
        settings = replace(SETTINGS, token=token)
        assert "t0ken" not in repr(settings)
        with connect(address, settings) as client, pytest.raises(InputError, match="valid token"):
            client.status()
    assert received[0] == "Bearer t0ken"
    assert received[1].startswith("Basic ")
    with pytest.raises(InputError, match="`token` must be empty over gRPC"):
        connect("grpc://127.0.0.1:1/m", replace(SETTINGS, token="t0ken"))


def test_grpc_behind_the_port(grpc_server):
    address = grpc_server.address.replace("grpc://", "http://").replace("/em", "/v1/models/em")
    with connect(address, SETTINGS) as client, pytest.raises(ServerError, match="8501 HTTP"):
        client.status()


def test_no_tensorflow():
    code = (
        "import sys; from serkit.serving.client import connect;"
        "connect('http://localhost:1/v1/models/m').close();"
        "print([name for name in ('tensorflow', 'keras', 'grpc') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
