"""What holds for both ways to a server, and beside the model at hand."""

import socket
import time
from dataclasses import replace

import numpy as np
import pytest
from grpc import StatusCode

from serkit.errors import InputError
from serkit.serving.client import connect
from serkit.serving.grpc_transport import GrpcTransport
from serkit.serving.local import ExportedModel
from serkit.serving.rest_transport import RestTransport
from serkit.serving.retries import ClientSettings, RefusedError, Retries, ServerError
from serkit.serving.transport import parse_address

SETTINGS = ClientSettings(
    batch_examples=2, pause_seconds=0.01, longest_pause_seconds=0.02, attempts=3, read_seconds=20
)


@pytest.fixture(params=["rest", "grpc"])
def kind(request):
    return request.param


@pytest.fixture
def server(kind, request):
    return request.getfixturevalue(f"{kind}_server")


def _transport(address: str, settings=SETTINGS, slept=None):
    """A transport that writes its pauses into ``slept`` instead of making them, if it is given."""
    parsed = parse_address(address)
    retries = None if slept is None else Retries(settings, time.monotonic, slept.append)
    return (GrpcTransport if parsed.scheme == "grpc" else RestTransport)(parsed, settings, retries)


def _classes(transport) -> list[str]:
    (row,) = transport.call("classes", {"any": [0]}, ["classes"])
    return [one.decode() if isinstance(one, bytes) else one for one in row["classes"]]


@pytest.fixture
def busy(kind):
    """Faults of a busy server: one that names no time to wait, and one that names 7 seconds."""
    if kind == "rest":
        return 503, (429, {"Retry-After": "7"})
    pushback = ("grpc-retry-pushback-ms", "7000")
    return StatusCode.UNAVAILABLE, (StatusCode.RESOURCE_EXHAUSTED, pushback)


@pytest.fixture
def client(server):
    with connect(server.address, SETTINGS) as client:
        yield client


@pytest.fixture(scope="module")
def predictor(contract_model):
    return ExportedModel(contract_model)


@pytest.fixture
def files(recordings_in_memory, tmp_path):
    lying = bytearray(recordings_in_memory[0])
    lying[40:44] = b"\0" * 4
    contents = [*recordings_in_memory, b"no audio", bytes(lying)]
    for number, content in enumerate(contents):
        (tmp_path / f"{number}.wav").write_bytes(content)
    return [tmp_path / f"{name}.wav" for name in ("0", "3", "1", "missing", "2", "4")]


def _alike(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        for name in ("file", "label", "problem", "abstain", "note"):
            assert getattr(one, name) == getattr(other, name)
        assert list(one.probabilities) == list(other.probabilities)
        for name in ("entropy", "mutual_information"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-6)
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)


def test_the_same_predictions_as_at_hand(client, predictor, files):
    expected = list(predictor.predict(files))
    assert [bool(one.problem) for one in expected] == [False, True, False, True, False, False]
    assert "right length" in expected[5].note
    assert expected[0].mutual_information > 0
    _alike(list(client.predict(files)), expected)
    assert client.classes == ("angry", "happy", "sad")


def test_as_often_as_is_asked_for(client, predictor, files):
    usual, often = (list(client.predict(files, samples)) for samples in (None, 40))
    _alike(often, list(predictor.predict(files, 40)))
    assert often[0].probabilities != usual[0].probabilities
    with pytest.raises(InputError, match=r"samples.*0"):
        client.predict(files, 0)


def test_bytes_of_floats_are_those_at_the_server(client, run_contract_model, recordings_in_memory):
    data = recordings_in_memory[:1]
    (found,) = client.predict_wav(data)
    expected = run_contract_model("serving_default", {"wav_bytes": np.array(data, object)})
    values = np.array(list(found.probabilities.values()), "float32")
    np.testing.assert_array_equal(values, expected["probabilities"][0])
    assert found.entropy == float(expected["entropy"][0])
    assert found.file == "0"


def test_waveforms_and_spectrograms(server, client, run_contract_model, rng):
    waves = [rng.uniform(-0.5, 0.5, n).astype("float32") for n in (16_000, 16_000, 60_000)]
    for found, wave in zip(client.predict_waveforms(waves), waves, strict=True):
        expected = run_contract_model("waveform", {"waveform": wave[np.newaxis]})
        values = list(found.probabilities.values())
        np.testing.assert_allclose(values, expected["probabilities"][0], atol=1e-6)
    # Two of one length, and then one of another.
    assert len(server.request_log) == 4
    pictures = rng.uniform(-1, 1, (3, 224, 224, 1))
    expected = run_contract_model("spectrogram", {"spectrogram": pictures.astype("float32")})
    found = [list(one.probabilities.values()) for one in client.predict_spectrograms(pictures)]
    np.testing.assert_allclose(found, expected["probabilities"], atol=1e-6)


def test_what_is_no_waveform_is_refused_here(client):
    with pytest.raises(InputError, match=r"waveform.*\(2, 3\)"):
        list(client.predict_waveforms(np.zeros((1, 2, 3))))
    with pytest.raises(InputError, match=r"`waveforms` must have floats.*an array of int16"):
        list(client.predict_waveforms(np.zeros((1, 16_000), "int16")))


def test_status_and_metadata(client):
    (status,) = client.status()
    assert (status.version, status.state, status.problem) == (1, "AVAILABLE", "")
    metadata = client.metadata()
    assert (metadata.model, metadata.version) == ("emotions", 1)
    assert set(metadata.signatures) >= {"serving_default", "sampled", "classes"}


def test_one_that_is_refused_fails_alone(client, recordings_in_memory):
    good = recordings_in_memory[0]
    found = list(client.predict_wav([good, b"refuse me", good, good]))
    assert [bool(one.problem) for one in found] == [False, True, False, False]
    assert "refused" in found[1].problem
    assert found[1].abstain


@pytest.mark.parametrize(("model", "version"), [("other", None), ("emotions", 7)])
def test_a_model_that_is_not_there(server, model, version):
    address = server.address.replace("emotions", model)
    with (
        connect(address, SETTINGS, version=version) as client,
        pytest.raises(InputError, match=r"Servable not found.*--model_name"),
    ):
        list(client.predict_wav([b""]))


def test_a_named_version(server, recordings_in_memory):
    with connect(server.address, SETTINGS, version=1) as client:
        assert not next(client.predict_wav(recordings_in_memory)).problem
        assert client.status()[0].version == 1


def test_a_model_without_our_signatures(server, run_contract_model, monkeypatch):
    def few(signature, inputs):
        return run_contract_model(signature, inputs)

    few.signatures = {"serving_default": run_contract_model.signatures["serving_default"]}
    monkeypatch.setattr(server, "run_model", few)
    with (
        connect(server.address, SETTINGS) as client,
        pytest.raises(InputError, match=r"'classes'.*serving_default"),
    ):
        list(client.predict_wav([b""]))
    few.signatures |= {"classes": run_contract_model.signatures["classes"]}
    with (
        connect(server.address, SETTINGS) as client,
        pytest.raises(InputError, match=r"`samples` must not be given.*'sampled'"),
    ):
        list(client.predict_wav([b""], samples=3))


def test_a_model_that_tells_less(server, run_contract_model, monkeypatch, recordings_in_memory):
    def old(signature, inputs):
        found = run_contract_model(signature, inputs)
        return {name: v for name, v in found.items() if name not in ("entropy", "abstain")}

    old.signatures = run_contract_model.signatures
    monkeypatch.setattr(server, "run_model", old)
    with (
        connect(server.address, SETTINGS) as client,
        pytest.raises(InputError, match="abstain, entropy"),
    ):
        list(client.predict_wav(recordings_in_memory))


def test_another_version_with_other_classes(server, client, recordings_in_memory, monkeypatch):
    list(client.predict_wav(recordings_in_memory))
    original = server.run_model

    def renamed(signature, inputs):
        # As if another version had been loaded meanwhile.
        found = original(signature, inputs)
        if signature == "classes":
            return {"classes": np.array([[b"x", b"y", b"z"]])}
        names = dict(zip((b"angry", b"happy", b"sad"), (b"x", b"y", b"z"), strict=True))
        return found | {"label": np.array([names[label] for label in found["label"]])}

    renamed.signatures = original.signatures
    monkeypatch.setattr(server, "run_model", renamed)
    found = list(client.predict_wav(recordings_in_memory))
    assert [set(one.probabilities) for one in found] == [{"x", "y", "z"}] * 3
    assert {one.label for one in found} <= {"x", "y", "z"}


def test_classes_that_never_fit(
    server, client, run_contract_model, recordings_in_memory, monkeypatch
):
    def wrong(signature, inputs):
        found = run_contract_model(signature, inputs)
        return {"classes": np.array([[b"x", b"y"]])} if signature == "classes" else found

    wrong.signatures = run_contract_model.signatures
    monkeypatch.setattr(server, "run_model", wrong)
    with pytest.raises(ServerError, match="classes are x, y"):
        list(client.predict_wav(recordings_in_memory))


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        *[("rest", code) for code in (400, 413, 500)],
        *[("grpc", StatusCode[n]) for n in ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "INTERNAL")],
    ],
    indirect=["kind"],
)
def test_a_refusal_is_not_repeated(server, fault):
    server.faults = [fault]
    with pytest.raises(RefusedError, match="simulated error"):
        _classes(_transport(server.address))
    assert len(server.request_log) == 1


def test_a_busy_server_is_asked_again_after_the_pause_that_it_names(server, busy):
    slept = []
    server.faults = list(busy)
    assert _classes(_transport(server.address, slept=slept)) == ["angry", "happy", "sad"]
    assert len(server.request_log) == 3
    assert slept[0] < 1
    assert slept[1] == 7


def test_a_server_that_stays_busy(server, busy):
    server.faults = [busy[0]] * 3
    with pytest.raises(ServerError, match=r"simulated error \(3 attempts\)"):
        _classes(_transport(server.address))
    assert len(server.request_log) == 3


def test_an_answer_that_takes_too_long_is_requested_again(server):
    transport = _transport(server.address, replace(SETTINGS, read_seconds=0.5))
    server.faults = ["hang"]
    assert _classes(transport) == ["angry", "happy", "sad"]
    server.faults = ["hang"] * 3
    started = time.monotonic()
    with pytest.raises(ServerError, match=r"0\.5 s \(3 attempts\)"):
        _classes(transport)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_no_server(scheme, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    with (
        connect(f"{scheme}://127.0.0.1:{port}", SETTINGS, model="m") as client,
        pytest.raises(ServerError, match=r"refused.*\(3 attempts\)"),
    ):
        client.status()


def test_sizes_in_a_request():
    numbers = np.zeros((10, 2), "float32")
    for address, sizes in (("http://a/v1/models/m", (8, 440)), ("grpc://a/m", (4, 80))):
        transport = _transport(address)
        assert (transport.request_size(b"1234"), transport.request_size(numbers)) == sizes
