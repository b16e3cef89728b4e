import importlib.resources
import io
import re
import time

import numpy as np
import pytest
import requests
import soundfile

PAGE = importlib.resources.files("serkit.serving.server") / "page"


def test_health_and_details(server):
    assert requests.get(f"{server}healthz", timeout=10).json() == {"status": "alive"}
    assert requests.get(f"{server}readyz", timeout=10).json() == {"status": "ready"}
    found = requests.get(f"{server}model.json", timeout=10).json()
    assert found["classes"] == ["angry", "happy", "sad"]
    assert found["serving"]["name"] == "tones"
    assert found["serving"]["version"] == 3


def test_metrics_are_for_prometheus(server):
    found = requests.get(f"{server}metrics", timeout=10)
    assert found.headers["content-type"].startswith("text/plain; version=")
    assert "# TYPE serkit_requests_total counter" in found.text


def test_before_it_is_ready_it_is_alive_and_says_so(fake_service, run_app):
    service = fake_service(lambda x: x)
    load = service.load

    async def never():
        pass

    service.load = never
    address = run_app(service, wait=False)
    deadline = time.monotonic() + 10
    while requests.get(f"{address}healthz", timeout=10).status_code != 200:
        assert time.monotonic() < deadline
    for path in ("readyz", "model.json", "v1/models/fake/metadata"):
        found = requests.get(address + path, timeout=10)
        assert (found.status_code, found.headers["retry-after"]) == (503, "1")
    found = requests.post(f"{address}v1/models/fake:predict", json={"instances": [[1]]}, timeout=10)
    assert found.status_code == 503
    import asyncio

    asyncio.run(load())
    assert requests.get(f"{address}readyz", timeout=10).status_code == 200


def test_the_page_and_all_that_it_names_come_from_the_package(server):
    found = requests.get(server, timeout=10)
    assert found.headers["content-type"] == "text/html; charset=utf-8"
    names = re.findall(r'(?:src|href)="(page/\S+)"', found.text)
    assert names
    for name in names:
        assert requests.get(server + name, timeout=10).status_code == 200
    files = {path.name for path in PAGE.iterdir()}
    for name in files:
        asset = requests.get(f"{server}page/{name}", timeout=10)
        assert asset.content == (PAGE / name).read_bytes()
        policy = asset.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert asset.headers["x-content-type-options"] == "nosniff"
        assert "://" not in asset.text.replace("http://www.w3.org/2000/svg", "")


def test_examples_are_short_wav_files_and_always_the_same(server):
    lengths = {}
    for name in ("neutral", "angry", "happy", "sad", "several"):
        answers = [requests.get(f"{server}examples/{name}.wav", timeout=30) for _ in range(2)]
        assert answers[0].content == answers[1].content
        assert answers[0].headers["content-type"] == "audio/wav"
        samples, rate = soundfile.read(io.BytesIO(answers[0].content))
        assert rate == 16_000
        assert np.abs(samples).max() > 0.05
        lengths[name] = len(samples) / rate
    assert lengths.pop("several") > 10
    assert max(lengths.values()) < 5


def test_a_model_without_a_card_says_so(server):
    assert requests.get(f"{server}model.json", timeout=10).json()["serving"]["has_card"] is False
    assert requests.get(f"{server}model-card.md", timeout=10).status_code == 404


@pytest.mark.parametrize(
    "path", ["examples/x.wav", "page/../app.py", "page/..%2fapp.py", "page/app.py", "x", "page/"]
)
def test_nothing_else_is_served(server, path):
    found = requests.get(server + path, timeout=10)
    assert found.status_code == 404
    assert set(found.json()) == {"error"}


def test_methods_that_make_no_sense_are_json_too(server):
    found = requests.post(f"{server}healthz", timeout=10)
    assert found.status_code == 404
    assert set(found.json()) == {"error"}
