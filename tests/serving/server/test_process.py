"""The process: its start, its signals, its end."""

import base64
import contextlib
import inspect
import logging
import signal
import socket
import threading
import time

import pytest
import requests

from serkit.cli.main import main

uvicorn = pytest.importorskip("uvicorn", reason="no web server; it is in the extra serve")


def test_a_signal_ends_it_with_0_after_what_is_in_flight(start_server, served_model, tone):
    address, process = start_server(served_model, "--max-batch", "1", "--name", "other")
    body = {"instances": [{"b64": base64.b64encode(tone(200, 10)).decode()}] * 10}
    found = []

    def ask():
        url = f"{address}v1/models/other:predict"
        found.append(requests.post(url, json=body, timeout=30))

    asking = threading.Thread(target=ask)
    asking.start()
    while "serkit_queue_examples 0.0" in requests.get(f"{address}metrics", timeout=10).text:
        assert asking.is_alive()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    asking.join(10)
    assert found[0].status_code == 200
    assert len(found[0].json()["predictions"]) == 10
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{address}healthz", timeout=5)


def test_a_signal_while_loading_ends_it_too(start_server, served_model):
    address, process = start_server(served_model, ready=False)
    assert requests.get(f"{address}healthz", timeout=10).status_code == 200
    time.sleep(0.1)
    # A connection that never says anything is nobody's reason to wait.
    host, port = address.split("/")[2].split(":")
    with socket.create_connection((host, int(port))):
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0


def test_silent_connections_keep_nobody_out(start_server, served_model, tmp_path):
    """Twice as many as the process may have open files, at once and again."""
    address, _ = start_server(served_model, log=tmp_path / "log", open_files=300)
    host, port = address.split("/")[2].split(":")
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            for _ in range(200):
                stack.enter_context(socket.create_connection((host, int(port)), 20))
            for path in ("healthz", "readyz", "model.json"):
                assert requests.get(address + path, timeout=10).status_code == 200
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log
    assert "open files" not in log


@pytest.mark.parametrize(
    ("open_files", "connections"), [(1024, 512), (256, 64), (100, 1), (-1, 512)]
)
def test_the_limit_of_open_files_limits_connections(monkeypatch, open_files, connections):
    from serkit.serving.server import process

    monkeypatch.setattr(process.resource, "getrlimit", lambda _: (open_files, open_files))
    assert process._max_connections() == connections


def test_an_address_that_is_taken_is_one_line(served_model, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", str(served_model), "--port", str(port)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--port {port} of --host 127.0.0.1: address already in use; " in line


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_one_line(served_model, capsys, host):
    assert main(["serve", str(served_model), "--port", "0", "--host", host]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--port 0 of --host {host}: " in line
    assert "valid is an address of this machine" in line


def test_a_model_that_cannot_be_loaded_ends_the_server(tmp_path, capsys):
    (tmp_path / "saved_model.pb").write_bytes(b"torn")
    closed = []
    others = logging.NullHandler()
    others.close = lambda: closed.append("others")
    assert main(["serve", str(tmp_path), "--port", "0"]) == 2
    assert "cannot be loaded" in capsys.readouterr().err
    assert closed == []


def test_an_unexpected_error_of_a_model_is_a_clear_error_too(served_model, monkeypatch, capsys):
    def fail(*_):
        raise RuntimeError("no kernel for this\nand a long trace")

    monkeypatch.setattr("serkit.serving.server.service._load", fail)
    assert main(["serve", str(served_model), "--port", "0"]) == 1
    *_, line = capsys.readouterr().err.splitlines()
    assert line == "serkit serve: model tones cannot be loaded: no kernel for this"


def test_what_is_used_of_uvicorn_and_not_documented_is_there():
    """If this fails with a new uvicorn: see ``protocol.Protocol`` and ``process._Server``."""
    from uvicorn import Server
    from uvicorn.protocols.http.flow_control import FlowControl
    from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

    # The versions whose source was read for it, those of the lock files.
    assert uvicorn.__version__ in {"0.54.0"}

    def parameters(function):
        return list(inspect.signature(function).parameters)

    assert parameters(H11Protocol.send_400_response) == ["self", "msg"]
    assert parameters(H11Protocol) == ["config", "server_state", "app_state", "_loop"]
    for name in ("connection_lost", "handle_events", "on_response_complete", "pause_writing"):
        assert inspect.isfunction(getattr(H11Protocol, name))
    for name in ("resume_writing", "timeout_keep_alive_handler", "connection_made"):
        assert inspect.isfunction(getattr(H11Protocol, name))
    attributes = {"cycle", "transport", "connections", "flow", "loop"}
    assert attributes <= set(H11Protocol.__init__.__code__.co_names)
    attributes = {"disconnected", "message_event", "more_body", "response_complete"}
    assert attributes <= set(RequestResponseCycle.__init__.__code__.co_names)
    assert "write_paused" in FlowControl.__init__.__code__.co_names
    # Nothing else waits until the system has taken what was written before.
    assert "drain" in RequestResponseCycle.send.__code__.co_names
    assert parameters(Server.startup) == ["self", "sockets"]
    assert inspect.iscoroutinefunction(Server.on_tick)
    assert parameters(Server.on_tick) == ["self", "counter"]
    assert parameters(Server.capture_signals) == ["self"]
    assert parameters(Server.handle_exit) == ["self", "sig", "frame"]
