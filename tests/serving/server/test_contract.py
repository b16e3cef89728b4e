"""TF Serving's REST interface, as its clients meet it.

These tests talk to ``serkit serve``. With ``SERKIT_TF_SERVING=host:port`` they talk to TF Serving
instead, which has to serve the model that ``SERKIT_TF_SERVING_MODEL`` names (default ``tones``), as
the newest version and as version 1: one with all signatures in ``serkit.export.signatures``, for
example the one that the fixture ``served_model`` makes (``pytest --basetemp`` keeps it).
"""

import base64
import json
import os

import numpy as np
import pytest
import requests

from serkit.export import signatures

REAL = os.environ.get("SERKIT_TF_SERVING", "")
NAME = os.environ.get("SERKIT_TF_SERVING_MODEL", "tones") if REAL else "tones"


@pytest.fixture(scope="session")
def models(request) -> str:
    address = f"http://{REAL}/" if REAL else request.getfixturevalue("server")
    return f"{address}v1/models/"


@pytest.fixture(scope="session")
def ask(models):
    """Posts a document, or raw bytes, to the model."""

    def post(document, version: str = "") -> requests.Response:
        body = document if isinstance(document, bytes) else json.dumps(document)
        return requests.post(f"{models}{NAME}{version}:predict", data=body, timeout=60)

    return post


@pytest.fixture(scope="session")
def sound(tone) -> dict[str, str]:
    return {"b64": base64.b64encode(tone(200)).decode()}


def test_rows_have_all_outputs_by_name(ask, sound):
    found = ask({"instances": [sound, "no WAV", {"b64": ""}]})
    assert found.status_code == 200
    assert found.headers["content-type"] == "application/json"
    good, *bad = found.json()["predictions"]
    assert set(good) == set(signatures.OUTPUTS)
    assert sum(good["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert good["status"] == ""
    assert good["label"]
    for one in bad:
        assert one["status"]
        assert one["abstain"] is True
        assert set(one["probabilities"]) == {0}


def test_columns_say_the_same(ask, sound):
    row = ask({"instances": [{"wav_bytes": sound}]}).json()["predictions"][0]
    for inputs in ([sound], {"wav_bytes": [sound]}):
        columns = ask({"inputs": inputs}).json()["outputs"]
        assert {name: value[0] for name, value in columns.items()} == row


@pytest.mark.parametrize("version", ["", "/versions/1"])
def test_versions_and_named_signatures(ask, sound, version):
    document = {"signature_name": signatures.WAV, "instances": [sound]}
    assert ask(document, version).status_code == 200
    assert ask(document | {"signature_name": ""}, version).status_code == 200


def test_samples_come_with_each_example(ask, sound):
    asked = {"signature_name": signatures.SAMPLED}
    (row,) = ask(asked | {"instances": [{"wav_bytes": sound, "samples": 3}]}).json()["predictions"]
    columns = ask(asked | {"inputs": {"wav_bytes": [sound], "samples": [3]}}).json()["outputs"]
    assert {name: value[0] for name, value in columns.items()} == row
    # In JSON no input has a default.
    assert ask(asked | {"inputs": {"wav_bytes": [sound]}}).status_code == 400
    assert ask(asked | {"instances": [sound]}).status_code == 400


def test_numbers_in_nested_lists(ask, sound):
    features = ask({"signature_name": signatures.FEATURES, "instances": [sound]})
    picture = features.json()["predictions"][0]["spectrogram"]
    assert np.shape(picture)[2] == 1
    assert -1 <= np.min(picture) <= np.max(picture) <= 1
    asked = {"signature_name": signatures.SPECTROGRAM}
    from_picture = ask(asked | {"instances": [picture]}).json()["predictions"][0]
    from_sound = ask({"instances": [sound]}).json()["predictions"][0]
    assert from_picture["probabilities"] == pytest.approx(from_sound["probabilities"], abs=1e-3)
    assert ask(asked | {"instances": [picture, picture[:-1]]}).status_code == 400
    assert ask(asked | {"instances": [[row[:5] for row in picture[:5]]]}).status_code == 400


def test_nan_is_json_to_it(ask, sound):
    features = ask({"signature_name": signatures.FEATURES, "instances": [sound]})
    picture = features.json()["predictions"][0]["spectrogram"]
    picture[0][0][0] = float("nan")
    document = {"signature_name": signatures.SPECTROGRAM, "instances": [picture]}
    assert b"NaN" in json.dumps(document).encode()
    assert ask(document).status_code == 200


@pytest.mark.parametrize(
    "document",
    [
        *(b"", b"{", b"<html>", b"[]", b'"text"', b"\x00", b'{"instances": [1e999]}'),
        {},
        {"instances": ["a"], "inputs": ["a"]},
        {"instances": []},
        {"instances": "a"},
        {"instances": [1]},
        {"instances": [None]},
        {"instances": [["a"]]},
        {"instances": [["a"], ["a", "b"]]},
        {"instances": [{"wav_bytes": "a", "more": 1}]},
        {"instances": [{"other": "a"}]},
        {"instances": ["a", {"wav_bytes": "a"}]},
        {"instances": [{"b64": "%%%"}]},
        {"instances": [{"b64": 1}]},
        {"inputs": "a"},
        {"inputs": {"other": ["a"]}},
        {"inputs": [["a"]]},
        {"signature_name": 1, "instances": ["a"]},
        {"signature_name": "nobody", "instances": ["a"]},
        {"signature_name": signatures.WAVEFORM, "instances": [["a"]]},
        {"signature_name": signatures.WAVEFORM, "instances": [[16_777_217]]},
        {"signature_name": signatures.WAVEFORM, "instances": [[1e39]]},
    ],
    ids=lambda document: str(document)[:60],
)
def test_what_cannot_be_meant_is_400_with_an_error(ask, document):
    found = ask(document)
    assert found.status_code == 400
    assert set(found.json()) == {"error"}
    assert isinstance(found.json()["error"], str)


@pytest.mark.parametrize(
    "path", ["nobody:predict", f"{NAME}/versions/987654:predict", "..%2f..%2fpasswd:predict"]
)
def test_what_is_not_served_is_404_with_an_error(models, path):
    found = requests.post(models + path, json={"instances": ["a"]}, timeout=60)
    assert (found.status_code, set(found.json())) == (404, {"error"})


def test_states_of_versions(models):
    states = requests.get(f"{models}{NAME}", timeout=60).json()["model_version_status"]
    assert {
        "version": "1",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    } in states
    one = requests.get(f"{models}{NAME}/versions/1", timeout=60).json()["model_version_status"]
    assert [state["version"] for state in one] == ["1"]
    for path in ("nobody", f"{NAME}/versions/987654", "nobody/metadata"):
        found = requests.get(models + path, timeout=60)
        assert (found.status_code, set(found.json())) == (404, {"error"})


@pytest.mark.parametrize("version", ["", "/versions/1"])
def test_metadata_names_inputs_and_outputs(models, version):
    found = requests.get(f"{models}{NAME}{version}/metadata", timeout=60).json()
    assert found["model_spec"]["name"] == NAME
    known = found["metadata"]["signature_def"]["signature_def"]
    assert {signatures.WAV, signatures.WAVEFORM, signatures.SPECTROGRAM} <= set(known)
    wav = known[signatures.WAV]
    assert wav["method_name"] == "tensorflow/serving/predict"
    assert wav["inputs"][signatures.WAV_BYTES]["dtype"] == "DT_STRING"
    assert wav["inputs"][signatures.WAV_BYTES]["tensor_shape"] == {
        "dim": [{"size": "-1", "name": ""}],
        "unknown_rank": False,
    }
    assert set(wav["outputs"]) == set(signatures.OUTPUTS)
    (side,) = known[signatures.SAMPLED]["inputs"][signatures.SAMPLES]["tensor_shape"]["dim"]
    assert side["size"] == "-1"
