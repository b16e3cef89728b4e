import hashlib
import io
import random
import re
import socket
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
import urllib3

from serkit.datasets import http
from serkit.datasets.http import STEP, Remote, fetch, fetch_all
from serkit.errors import DownloadError

BODY = random.Random(0).randbytes(300_000)
WRONG = bytes(300_000)
SHA256 = "sha256:" + hashlib.sha256(BODY).hexdigest()
HALF = 100_000


@dataclass
class Answer:
    """How one request is answered; by default with the rest of ``body`` that is asked for."""

    body: bytes = BODY
    status: int = 200
    headers: dict = field(default_factory=dict)
    breaks_after: int | None = None
    ranges: bool = True
    shift: int = 0
    at_most: int = len(BODY)
    chunked: bool = False
    extra: bytes = b""


class Server(ThreadingHTTPServer):
    """Answers the requests for each path as ``plans`` says, in order, then with ``BODY``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.plans = defaultdict(list)
        self.log, self.asked, self.sent, self.connections = [], [], 0, 0

    def get_request(self):
        self.connections += 1
        return super().get_request()

    def url(self, path: str = "/file") -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.log.append((self.path, self.headers["Range"]))
        self.server.asked.append(dict(self.headers))
        plan = self.server.plans[self.path]
        answer = plan.pop(0) if plan else Answer()
        start = self._start(answer)
        if start is None:
            return
        body = answer.body[start : start + answer.at_most] + answer.extra
        if answer.chunked:
            body = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
        if answer.breaks_after is not None:
            body, self.close_connection = body[: answer.breaks_after], True
        # Counted first: afterwards the test may have looked already.
        self.server.sent += len(body)
        self.wfile.write(body)

    def _start(self, answer: Answer) -> int | None:
        """Send the headers; give the position of the first byte, None if nothing follows."""
        size, asked = len(answer.body), self.headers["Range"]
        start = int(asked[6:-1]) if asked and answer.ranges else 0
        status = 416 if start >= size else answer.status
        length = min(size - start, answer.at_most) if status == 200 else 0
        self.send_response(206 if start and status == 200 else status)
        if start:
            first = start + answer.shift
            self.send_header("Content-Range", f"bytes {first}-{start + length - 1}/{size}")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        return start if status == 200 else None

    def log_message(self, *arguments) -> None:
        pass


@pytest.fixture
def server(running):
    return running(Server())


@pytest.fixture
def pauses():
    """Instead of sleeping: a list of the seconds that would have been slept."""
    return []


@pytest.fixture
def get(server, pauses, tmp_path):
    """Fetch the server's file to ``<tmp_path>/x.wav``."""

    def run(known_hash=SHA256, size=0, **options):
        remote = Remote(server.url(), tmp_path / "x.wav", known_hash, size)
        return fetch(remote, **{"pause": pauses.append} | options)

    return run


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_in_one_request(server, get, tmp_path):
    assert get() == tmp_path / "x.wav"
    assert (tmp_path / "x.wav").read_bytes() == BODY
    assert server.log == [("/file", None)]
    assert server.asked[0]["Accept-Encoding"] == "identity"
    assert server.asked[0]["User-Agent"].startswith("serkit/")
    assert names(tmp_path) == ["x.wav"]


@pytest.mark.parametrize("known_hash", [SHA256.upper().replace("SHA256", "sha256"), None])
def test_other_forms_of_the_checksum(get, known_hash):
    assert get(known_hash).read_bytes() == BODY


@pytest.mark.parametrize("chunked", [False, True])
def test_a_broken_download_is_resumed(server, get, pauses, chunked):
    # Of a chunked body, the line with the chunk's length comes first.
    head = len(f"{len(BODY):x}\r\n") if chunked else 0
    server.plans["/file"] = [Answer(breaks_after=HALF + head, chunked=chunked)]
    assert get().read_bytes() == BODY
    assert server.log == [("/file", None), ("/file", f"bytes={HALF}-")]
    assert server.sent == len(BODY) + head
    assert pauses == [1.0]


def test_breaks_in_all_attempts_are_an_error_and_the_next_call_resumes(server, get, tmp_path):
    server.plans["/file"] = [Answer(breaks_after=6_000) for _ in range(5)]
    with pytest.raises(DownloadError, match=rf"{server.url()} .* 5 attempts .*resumes there"):
        get()
    assert names(tmp_path) == [".partial-x.wav"]
    assert (tmp_path / ".partial-x.wav").read_bytes() == BODY[:30_000]
    assert get().read_bytes() == BODY
    assert server.log[-1] == ("/file", "bytes=30000-")
    assert server.sent == len(BODY)
    assert names(tmp_path) == ["x.wav"]


def test_pauses_grow(server, get, pauses):
    server.plans["/file"] = [Answer(status=500) for _ in range(4)]
    get()
    assert pauses == [1.0, 2.0, 4.0, 8.0]


def test_what_a_killed_process_left_is_continued(server, get, tmp_path):
    (tmp_path / ".partial-x.wav").write_bytes(BODY[:HALF])
    assert get().read_bytes() == BODY
    assert server.log == [("/file", f"bytes={HALF}-")]
    assert server.sent == len(BODY) - HALF


def test_a_server_that_sends_less_than_the_rest_is_asked_again(server, get):
    server.plans["/file"] = [Answer(breaks_after=HALF), Answer(at_most=50_000)]
    assert get().read_bytes() == BODY
    assert [asked for _, asked in server.log] == [None, "bytes=100000-", "bytes=150000-"]


def test_a_server_that_ignores_ranges(server, get, tmp_path):
    (tmp_path / ".partial-x.wav").write_bytes(BODY[:HALF])
    server.plans["/file"] = [Answer(ranges=False)]
    assert get().read_bytes() == BODY
    assert len(server.log) == 1


def test_a_server_that_sends_another_range_is_asked_for_the_whole(server, get, pauses, tmp_path):
    (tmp_path / ".partial-x.wav").write_bytes(BODY[:HALF])
    server.plans["/file"] = [Answer(shift=1)]
    assert get().read_bytes() == BODY
    assert [asked for _, asked in server.log] == [f"bytes={HALF}-", None]
    assert pauses == [0.0]


@pytest.mark.parametrize("left", [BODY, BODY + b"x"], ids=["whole", "too long"])
def test_a_partial_file_without_a_rest_is_begun_anew(server, get, tmp_path, left):
    (tmp_path / ".partial-x.wav").write_bytes(left)
    assert get().read_bytes() == BODY
    assert [asked for _, asked in server.log] == [f"bytes={len(left)}-", None]


def test_wrong_bytes_left_from_before_are_not_built_upon(server, get, tmp_path):
    (tmp_path / ".partial-x.wav").write_bytes(WRONG[:HALF])
    assert get().read_bytes() == BODY
    assert [asked for _, asked in server.log] == [f"bytes={HALF}-", None]


def test_wrong_bytes_twice_are_an_error_and_lose_nothing(server, get, tmp_path):
    (tmp_path / "x.wav").write_bytes(b"mine")
    server.plans["/file"] = [Answer(WRONG), Answer(WRONG)]
    came = hashlib.sha256(WRONG).hexdigest()
    with pytest.raises(DownloadError, match=rf"{server.url()} .*{came} .*{SHA256}"):
        get()
    assert [asked for _, asked in server.log] == [None, None]
    assert names(tmp_path) == ["x.wav"]
    assert (tmp_path / "x.wav").read_bytes() == b"mine"


def test_wrong_bytes_once_are_asked_for_again(server, get):
    server.plans["/file"] = [Answer(WRONG)]
    assert get().read_bytes() == BODY
    assert [asked for _, asked in server.log] == [None, None]


def test_a_wrong_file_is_replaced_and_a_right_one_left(server, get, tmp_path):
    (tmp_path / "x.wav").write_bytes(WRONG)
    get()
    assert (tmp_path / "x.wav").read_bytes() == BODY
    before = (tmp_path / "x.wav").stat()
    get()
    assert len(server.log) == 1
    assert (tmp_path / "x.wav").stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize(
    ("status", "headers", "waited"),
    [
        (503, {}, 1.0),
        (429, {"Retry-After": "7"}, 7.0),
        (429, {"Retry-After": "3600"}, 60.0),
        (503, {"Retry-After": "Wed, 21 Oct 2065 07:28:00 GMT"}, 1.0),
    ],
)
def test_a_busy_server_is_asked_again_when_it_says(server, get, pauses, status, headers, waited):
    server.plans["/file"] = [Answer(status=status, headers=headers)]
    assert get().read_bytes() == BODY
    assert pauses == [waited]


@pytest.mark.parametrize("status", [404, 403, 416])
def test_a_refusal_is_final(server, get, pauses, status, tmp_path):
    server.plans["/file"] = [Answer(status=status)]
    with pytest.raises(DownloadError, match=rf"{server.url()} answers {status}"):
        get()
    assert len(server.log) == 1
    assert pauses == []
    assert names(tmp_path) == []


def test_a_refused_connection_is_one_clear_error(tmp_path, pauses, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/x"
    with pytest.raises(DownloadError) as error:
        fetch(Remote(url, tmp_path / "x.wav", SHA256), pause=pauses.append)
    assert re.match(
        rf"{url} was not complete after 5 attempts \(no connection: Failed to establish a new "
        r"connection: .* refused; is the network up\?\)",
        str(error.value),
    )
    assert len(pauses) == 4
    assert names(tmp_path) == []


def test_an_unknown_host_is_one_clear_error(tmp_path, pauses, monkeypatch):
    def fail(*arguments):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DownloadError, match=r"no connection: Failed to resolve 'host\.invalid'"):
        fetch(Remote("http://host.invalid/", tmp_path / "x", SHA256), pause=pauses.append)


def test_an_address_that_is_none_is_not_asked_twice(tmp_path, pauses):
    with pytest.raises(DownloadError, match="nowhere cannot be requested"):
        fetch(Remote("nowhere", tmp_path / "x", SHA256), pause=pauses.append)
    assert pauses == []


def test_timeouts_are_always_set(monkeypatch, get):
    seen = []
    ask = requests.Session.request

    def request(self, method, url, **options):
        seen.append(options["timeout"])
        return ask(self, method, url, **options)

    monkeypatch.setattr(requests.Session, "request", request)
    get()
    assert seen == [(30.0, 60.0)]


def test_without_a_checksum_nothing_is_put_together_and_nothing_kept(server, get, tmp_path):
    (tmp_path / ".partial-x.wav").write_bytes(WRONG[:HALF])
    (tmp_path / "x.wav").write_bytes(b"an older version")
    server.plans["/file"] = [Answer(WRONG, breaks_after=HALF)]
    assert get(None).read_bytes() == BODY
    assert [asked for _, asked in server.log] == [None, None]
    assert names(tmp_path) == ["x.wav"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_file_that_is_too_long_is_refused(server, get, tmp_path, chunked):
    server.plans["/file"] = [Answer(chunked=chunked)]
    with pytest.raises(DownloadError, match=rf"more than the {HALF} bytes"):
        get(size=HALF)
    assert (names(tmp_path), len(server.log)) == ([], 1)


def test_nothing_after_the_announced_size_is_written(server, get, tmp_path):
    (tmp_path / ".partial-x.wav").write_bytes(BODY[:-10])
    server.plans["/file"] = [Answer(chunked=True, extra=b"!")]
    with pytest.raises(DownloadError, match=rf"more than the {len(BODY)} bytes"):
        get()
    assert (names(tmp_path), server.log) == ([], [("/file", f"bytes={len(BODY) - 10}-")])


def test_a_slow_download_ends_at_the_deadline_and_is_resumed(server, get, tmp_path, monkeypatch):
    monkeypatch.setattr(http, "_BASE_SECONDS", 0.0)
    monkeypatch.setattr(http, "_MIN_BYTES_PER_SECOND", 1e12)
    with pytest.raises(DownloadError, match="too slow"):
        get()
    monkeypatch.undo()
    assert names(tmp_path) == [".partial-x.wav"]
    assert get().read_bytes() == BODY


@pytest.mark.parametrize(
    ("source", "target", "is_followed"),
    [
        ("https://a.org/x", "http://a.org/x", False),
        ("https://a.org/x", "ftp://a.org/x", False),
        ("https://a.org/x", "https://b.org/x", True),
        ("https://a.org/x", "/y", True),
        ("http://a.org/x", "http://b.org/x", True),
    ],
)
def test_no_redirect_leads_from_https_to_http(source, target, is_followed, tmp_path):
    """With an adapter instead of a server, because a server with TLS needs a certificate."""
    asked = []

    class Adapter(requests.adapters.BaseAdapter):
        def send(self, request, **options):
            asked.append(request.url)
            response = requests.Response()
            response.request, response.url, response.status_code = request, request.url, 302
            response.headers["Location"] = target
            response.raw = urllib3.HTTPResponse(io.BytesIO(b""), preload_content=False)
            if len(asked) > 1:
                response.status_code, response.reason = 404, "Not Found"
            return response

        def close(self):
            pass

    session = requests.Session()
    session.mount("https://", Adapter())
    session.mount("http://", Adapter())
    problem = "answers 404" if is_followed else "without TLS"
    with pytest.raises(DownloadError, match=problem):
        fetch(Remote(source, tmp_path / "x", None), session=session)
    assert len(asked) == 1 + is_followed


def test_progress_counts_every_mib_once(server, get):
    body = bytes(2 * STEP + 1)
    known_hash = "md5:" + hashlib.md5(body).hexdigest()
    many = len(body)
    server.plans["/file"] = [
        Answer(b"!" * many, at_most=many),
        Answer(body, breaks_after=STEP + 5, at_most=many),
        Answer(body, at_most=many),
    ]
    totals, seen = [], []

    def track(items, total):
        totals.append(total)
        for item in items:
            seen.append(item)
            yield item

    get(known_hash, size=many, track=track)
    assert totals == [3]
    assert len(seen) == 3


def test_several_files_come_over_few_connections(server, tmp_path):
    remotes = [Remote(server.url(f"/{n}"), tmp_path / f"d/{n}", SHA256) for n in range(12)]
    server.plans["/5"] = [Answer(breaks_after=HALF)]
    totals = []

    def track(items, total):
        totals.append(total)
        return items

    fetch_all(remotes, pause=lambda seconds: None, track=track)
    assert {path.read_bytes() for path in (tmp_path / "d").iterdir()} == {BODY}
    assert len(names(tmp_path / "d")) == totals[0] == 12
    assert len(server.log) == 13
    assert server.connections <= 5


def test_the_first_failure_ends_the_others(server, tmp_path):
    remotes = [Remote(server.url(f"/{n}"), tmp_path / f"{n}", SHA256) for n in range(200)]
    server.plans["/0"] = [Answer(status=404)]
    server.plans["/1"] = [Answer(status=503) for _ in range(5)]
    with pytest.raises(DownloadError, match=r"/0 answers 404"):
        fetch_all(remotes, pause=lambda seconds: time.sleep(0.1))
    asked = [path for path, _ in server.log]
    assert len(set(asked)) < 200
    assert asked.count("/1") < 5
    assert threading.active_count() < 10
