"""What a server may do wrong over gRPC; what it does right is in test_transport.py."""

import socket
import time
from dataclasses import replace

import grpc
import numpy as np
import pytest

from serkit.errors import InputError
from serkit.serving.client import connect
from serkit.serving.grpc_transport import GrpcTransport
from serkit.serving.retries import ClientSettings, Retries, ServerError
from serkit.serving.transport import parse_address

SETTINGS = ClientSettings(
    attempts=3, connect_seconds=0.5, read_seconds=1, pause_seconds=0.01, longest_pause_seconds=0.02
)


@pytest.fixture
def transport(grpc_server):
    settings = replace(SETTINGS, read_seconds=10)
    transport = GrpcTransport(parse_address(grpc_server.address), settings)
    yield transport
    transport.close()


def _classes(transport):
    (row,) = transport.call("classes", {"any": [0]}, ["classes"])
    return row["classes"].tolist()


@pytest.mark.parametrize(
    ("name", "message"),
    [("UNIMPLEMENTED", "unlike TF Serving"), ("PERMISSION_DENIED", "PERMISSION_DENIED")],
)
def test_what_no_attempt_mends(transport, grpc_server, name, message):
    grpc_server.faults = [grpc.StatusCode[name]]
    with pytest.raises(ServerError, match=message):
        _classes(transport)
    assert len(grpc_server.request_log) == 1


def test_more_than_four_megabytes_each_way(transport, grpc_server, run_contract_model, monkeypatch):
    def features(signature, inputs):
        return {"spectrogram": np.zeros((1, 1200, 1000, 1), "float32"), "status": np.array([""])}

    features.signatures = run_contract_model.signatures
    monkeypatch.setattr(grpc_server, "run_model", features)
    asked = {"wav_bytes": [b"x" * 5_000_000]}
    (row,) = transport.call("features", asked, ["spectrogram"])
    assert row["spectrogram"].shape == (1200, 1000, 1)


def test_an_answer_of_another_size(transport, grpc_server, run_contract_model, monkeypatch):
    def short(signature, inputs):
        return {"classes": np.array([["a"]] * 2)}

    short.signatures = run_contract_model.signatures
    monkeypatch.setattr(grpc_server, "run_model", short)
    with pytest.raises(ServerError, match=r"\(2, 1\).*1 times"):
        _classes(transport)


def test_somebody_who_takes_the_connection_and_says_nothing(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = replace(SETTINGS, attempts=1, read_seconds=20)
        started = time.monotonic()
        with (
            connect(f"grpc://127.0.0.1:{silent.getsockname()[1]}/m", settings) as client,
            pytest.raises(ServerError, match="UNAVAILABLE"),
        ):
            client.status()
        assert time.monotonic() - started < 10


def test_http_behind_the_port(rest_server):
    port = parse_address(rest_server.address).port
    with (
        connect(f"grpc://127.0.0.1:{port}/m", SETTINGS) as client,
        pytest.raises(ServerError, match=r"gRPC.*8500"),
    ):
        client.status()


def test_a_server_that_starts_late(run_contract_model, monkeypatch):
    from grpc_server import GrpcServer

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    servers = []

    def sleep(seconds):
        if not servers:
            servers.append(GrpcServer(run_contract_model, port))
        time.sleep(0.2)

    address = parse_address(f"grpc://127.0.0.1:{port}/emotions")
    settings = replace(SETTINGS, attempts=9)
    transport = GrpcTransport(address, settings, Retries(settings, time.monotonic, sleep))
    try:
        assert _classes(transport) == [b"angry", b"happy", b"sad"]
    finally:
        transport.close()
        for server in servers:
            server.stop()


def test_tls_is_no_scheme_of_grpc():
    with pytest.raises(InputError, match="is not valid"):
        connect("grpcs://a/m")
