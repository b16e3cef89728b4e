"""Which requests are answered: hosts, pages of others, the token, ambiguous HTTP."""

import base64
import http.client
import socket

import pytest
import requests

_TOKEN = "s3cret-t0ken"


def _status(address: str, path: str = "/healthz", **headers: str) -> int:
    """The status of a request with just these headers."""
    connection = http.client.HTTPConnection(address.split("/")[2], timeout=10)
    connection.putrequest("GET", path, skip_host="host" in headers, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


def _raw(address: str, text: str) -> bytes:
    host, port = address.split("/")[2].split(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(text.replace("\n", "\r\n").encode("latin-1"))
        received = b""
        while piece := connection.recv(65_536):
            received += piece
        return received


@pytest.fixture
def open_to_names(fake_service, run_app) -> str:
    return run_app(fake_service(lambda x: x, allowed_hosts=("Speech.example", "other.example.")))


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *(("localhost", 200), ("LocalHost:8501", 200), ("a.localhost", 200), ("localhost.", 200)),
        *(("127.0.0.1:1", 200), ("192.0.2.7", 200), ("[::1]:8501", 200), ("[2001:db8::1]", 200)),
        *(("speech.example", 200), ("SPEECH.example.:443", 200), ("other.example", 200)),
        *(("evil.example", 403), ("speech.example.evil", 403), ("localhost.evil.example", 403)),
        *(("127.0.0.1.evil.example", 403), ("2130706433", 403), ("", 403), (":8501", 403)),
        *(("user@localhost", 400), ("localhost/x", 400), ("[::1", 400), ("a b", 400)),
    ],
)
def test_hosts(open_to_names, host, status):
    assert _status(open_to_names, host=host) == status


def test_without_a_host_only_an_old_client_is_answered(open_to_names):
    assert _raw(open_to_names, "GET /healthz HTTP/1.0\n\n").startswith(b"HTTP/1.1 200")
    assert _raw(open_to_names, "GET /healthz HTTP/1.1\n\n").startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        *(("http://localhost:80", 200), ("https://localhost:80", 200)),
        *(("http://localhost", 403), ("http://localhost:3000", 403), ("null", 403), ("", 403)),
        *(("http://evil.example", 403), ("http://localhost:80.evil.example", 403)),
    ],
)
def test_pages_of_others_are_refused(open_to_names, origin, status):
    assert _status(open_to_names, host="localhost:80", origin=origin) == status


def test_a_refused_prediction_is_not_computed(fake_service, run_app):
    seen = []

    def run(x):
        seen.append(x)
        return x

    address = run_app(fake_service(run))
    url, body = f"{address}v1/models/fake:predict", {"instances": [[1]]}
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        found = requests.post(url, json=body, headers=headers, timeout=10)
        assert (found.status_code, set(found.json())) == (403, {"error"})
        assert "access-control-allow-origin" not in found.headers
    assert seen == []
    assert requests.post(url, json=body, timeout=10).status_code == 200


@pytest.fixture
def with_token(fake_service, run_app) -> str:
    return run_app(fake_service(lambda x: x, token=_TOKEN))


@pytest.mark.parametrize(
    ("path", "is_open"),
    [
        *(("/", True), ("/healthz", True), ("/readyz", True), ("/page/page.js", True)),
        *(("/metrics", False), ("/model.json", False), ("/v1/models/fake", False)),
        *(("/model-card.md", False), ("/examples/sad.wav", False)),
        *(("/page/../model.json", False), ("/page/%2e%2e/metrics", False), ("//metrics", False)),
        *(("/V1/models/fake", False), ("/x", False)),
    ],
)
def test_the_token_opens_all_but_the_page_and_health_checks(with_token, path, is_open):
    assert (_status(with_token, path) == 401) == (not is_open)
    assert _status(with_token, path, authorization=f"Bearer {_TOKEN}") != 401


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        *((f"Bearer {_TOKEN}", 200), (f"bearer  {_TOKEN}", 200)),
        *((f"Bearer {_TOKEN}x", 401), (f"Bearer {_TOKEN[:-1]}", 401), ("Bearer", 401), ("", 401)),
        *((f"Basic {_TOKEN}", 401), (_TOKEN, 401), ("Bearer \xe9\xff", 401)),
    ],
)
def test_only_the_whole_token_counts(with_token, authorization, status):
    assert _status(with_token, "/model.json", authorization=authorization) == status


def test_without_the_token_nothing_of_the_body_is_read(with_token):
    found = requests.post(f"{with_token}v1/models/fake:predict", json={}, timeout=10)
    assert (found.status_code, found.headers["www-authenticate"]) == (401, "Bearer")
    assert _TOKEN not in found.text


def test_metrics_at_a_port_of_their_own(start_server, served_model, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address, _ = start_server(served_model, "--metrics-port", port, ready=False)
    metrics = f"http://127.0.0.1:{port}/"
    assert b"serkit_examples_total" in requests.get(f"{metrics}metrics", timeout=10).content
    for url in (f"{address}metrics", f"{metrics}healthz", metrics, f"{metrics}v1/models/tones"):
        assert requests.get(url, timeout=10).status_code == 404
    assert requests.get(f"{address}healthz", timeout=10).status_code == 200


_FRAMED = "POST /v1/models/fake:predict HTTP/1.{minor}\nHost: localhost\n{headers}\n\n{body}"
_CHUNKS = "11\n" + '{"inputs": [[1]]}' + "\n0\n\n"


@pytest.mark.parametrize(
    ("minor", "headers", "status"),
    [
        (1, "Connection: close\nTransfer-Encoding: chunked", 200),
        (1, "Content-Length: 17\nTransfer-Encoding: chunked", 400),
        (1, "Transfer-Encoding: chunked\nContent-Length: 0", 400),
        (0, "Transfer-Encoding: chunked", 400),
    ],
)
def test_two_lengths_are_refused_and_the_connection_is_closed(
    open_to_names, minor, headers, status
):
    sent = _FRAMED.format(minor=minor, headers=headers, body=_CHUNKS)
    # What follows must not be taken for a request.
    received = _raw(open_to_names, sent + "GET /healthz HTTP/1.1\nHost: localhost\n\n")
    assert received.startswith(b"HTTP/1.1 %d" % status)
    assert received.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in received.lower()


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://localhost/healthz", "localhost", 200),
        ("HTTP://LOCALHOST:1/healthz?x", "localhost", 200),
        ("http://localhost", "localhost", 200),
        ("http://localhost/v1/models/fake", "localhost", 200),
        # The host of the target counts, not the header.
        ("http://speech.example/healthz", "evil.example", 200),
        ("http://evil.example/healthz", "localhost", 403),
        ("http://user@localhost/healthz", "localhost", 400),
        *((target, "localhost", 400) for target in ("*", "localhost:80", "ftp://localhost/", "x")),
        ("http:///healthz", "localhost", 400),
    ],
)
def test_targets(open_to_names, target, host, status):
    received = _raw(open_to_names, f"GET {target} HTTP/1.1\nHost: {host}\nConnection: close\n\n")
    assert received.startswith(b"HTTP/1.1 %d" % status)


def test_a_server_with_a_token_from_end_to_end(start_server, served_model, tone, tmp_path, capsys):
    from serkit.cli.main import main

    secret, wrong = tmp_path / "token", tmp_path / "wrong"
    secret.write_text(f"{_TOKEN}\n")
    wrong.write_text("no")
    log = tmp_path / "log"
    address, _ = start_server(served_model, "--token-file", secret, "--host", "0.0.0.0", log=log)
    sound = tmp_path / "low.wav"
    sound.write_bytes(tone(200))
    url = f"{address}v1/models/tones".replace("0.0.0.0", "localhost")
    body = {"instances": [{"b64": base64.b64encode(sound.read_bytes()).decode()}]}
    assert requests.post(f"{url}:predict", json=body, timeout=10).status_code == 401
    (line,) = [line for line in log.read_text().splitlines() if line.startswith("!")]
    assert line.startswith("! other machines can reach 0.0.0.0, without encryption; ")
    headers = {"Authorization": f"Bearer {_TOKEN}"}
    answer = requests.post(f"{url}:predict", json=body, headers=headers, timeout=30).json()
    assert answer["predictions"][0]["label"] == "angry"
    for options in ([], ["--token-file", str(wrong)]):
        assert main(["predict", url, str(sound), *options]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "needs a valid token (`--token-file`)" in line
    (tmp_path / "empty").touch()
    assert main(["predict", url, str(sound), "--token-file", str(tmp_path / "empty")]) == 2
    assert "one line of visible ASCII characters" in capsys.readouterr().err
