"""Addresses below /v1; what they answer is for the contract's tests."""

import http.client

import pytest
import requests


def _raw(server, method, path):
    """No client tidies the path up."""
    connection = http.client.HTTPConnection(server.split("/")[2], timeout=10)
    connection.putrequest(method, path, skip_host=False)
    connection.endheaders()
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, content


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/models/tones", 200),
        ("/V1/Models/tones/Versions/1", 200),
        ("/v2/models/tones", 404),
        ("/v1/models/tones/versions/1", 200),
        ("/v1/models/tones/versions/1/metadata", 200),
        ("/v1/models/tones/metadata", 200),
        ("/v1/models/t%6fnes", 200),
        ("/v1/models/tunes", 404),
        ("/v1/models/tunes/metadata", 404),
        ("/v1/models/tones/versions/2", 404),
        ("/v1/models/tones/versions/2/metadata", 404),
        ("/v1/models/tones/versions/99999999999999999999", 400),
        ("/v1/models/tones/versions/" + "9" * 5000, 400),
        ("/v1/models/tones/versions/-1", 400),
        ("/v1/models/tones/versions/%C2%B2", 400),
        ("/v1/models/tones/labels/stable", 400),
        ("/v1/models/../../etc/passwd", 400),
        ("/v1/models/..%2f..%2fetc%2fpasswd", 404),
        ("/v1/models/%00", 404),
        ("/v1/models/%ff%fe", 404),
        ("/v1/models/" + "a" * 10_000, 404),
        ("/v1/models", 400),
        ("/v1/", 400),
        ("/v1/models/tones:predict", 400),
    ],
    ids=lambda value: str(value)[:50],
)
def test_addresses(server, path, code):
    found, content = _raw(server, "GET", path)
    assert found == code
    assert len(content) < 600 or code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "STRANGE"])
def test_other_methods_are_malformed_requests(server, method):
    code, content = _raw(server, method, "/v1/models/tones")
    assert code == 400
    assert method == "HEAD" or b"Malformed request" in content


@pytest.mark.parametrize("method", ["classify", "regress"])
def test_only_predict_is_served(server, method):
    found = requests.post(f"{server}v1/models/tones:{method}", json={"examples": []}, timeout=10)
    assert (found.status_code, found.json()) == (
        400,
        {"error": f"{method} is not served; valid is predict"},
    )


def test_requests_are_counted_by_code_and_by_signatures_that_there_are(server):
    for name in ("nobody", "features"):
        requests.post(
            f"{server}v1/models/tones:predict",
            json={"signature_name": name, "instances": ["x"]},
            timeout=10,
        )
    counts = requests.get(f"{server}metrics", timeout=10).text
    assert 'serkit_requests_total{code="200",signature="features"}' in counts
    assert 'code="400",signature=""' in counts
    assert "nobody" not in counts
