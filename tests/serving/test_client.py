"""What the client does by itself; beside servers it is tested in test_transport.py."""

import numpy as np
import pytest

from serkit.errors import InputError
from serkit.export import signatures
from serkit.serving.client import Client, connect
from serkit.serving.retries import ClientSettings, RefusedError, ServerError
from serkit.serving.transport import Address, Metadata, parse_address

SETTINGS = ClientSettings(batch_examples=4, batch_bytes=100)


class Transport:
    """Predicts "sad", refuses bytes that begin with "bad", and keeps the requests."""

    address = parse_address("http://a:1/v1/models/m")

    def __init__(self) -> None:
        self.requests, self.closed = [], False
        self.names = ["serving_default", "waveform", "spectrogram", "sampled", "classes"]

    def call(self, signature, columns, outputs):
        if signature == "classes":
            return [{"classes": ["angry", "sad"]}]
        values, *shared = columns.values()
        self.requests.append((signature, len(values), *shared))
        if any(bytes(value[:3]) == b"bad" for value in values):
            raise RefusedError("no")
        row = dict.fromkeys(signatures.OUTPUTS, 0.0) | {"label": "sad", "status": "", "note": ""}
        return [row | {"probabilities": [0.25, 0.75], "abstain": False} for _ in values]

    def metadata(self):
        return Metadata("m", 1, tuple(self.names))

    def status(self):
        return ()

    def request_size(self, value):
        return len(value)

    def close(self):
        self.closed = True


@pytest.fixture
def transport():
    return Transport()


@pytest.fixture
def client(transport):
    return Client(transport, SETTINGS)


def test_each_scheme_has_its_way():
    with connect("http://a:1/v1/models/m/versions/2") as client:
        assert client.address == Address("http", "a", 1, "m", 2)
        assert type(client._transport).__name__ == "RestTransport"
    with connect("grpc://a", model="m", version=2) as client:
        assert client.address == Address("grpc", "a", 8500, "m", 2)
        assert type(client._transport).__name__ == "GrpcTransport"
    with pytest.raises(InputError, match="must name a model"):
        connect("http://a:8501")


def test_requests_are_neither_too_many_nor_too_large(client, transport):
    list(client.predict_wav([b"1"] * 9 + [b"1" * 60] * 3))
    assert [count for _, count in transport.requests] == [4, 4, 2, 1, 1]


def test_requests_are_made_as_predictions_are_taken(client, transport, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    found = client.predict([tmp_path / "a.wav"] * 100)
    assert transport.requests == []
    assert next(found).label == "sad"
    assert len(transport.requests) == 1


def test_what_is_refused_is_found_by_halves(client, transport):
    found = list(client.predict_wav([b"1", b"1", b"bad", b"1"]))
    assert [one.problem for one in found] == ["", "", "no", ""]
    assert [count for _, count in transport.requests] == [4, 2, 2, 1, 1]


def test_files_that_cannot_be_read_are_not_sent(client, transport, tmp_path):
    found = list(client.predict([tmp_path / "a.wav", tmp_path / "b.wav"]))
    assert [one.problem for one in found] == ["no such file or directory"] * 2
    assert transport.requests == []


def test_samples_come_with_each_and_are_asked_about_once(client, transport, monkeypatch):
    asked = []
    original = transport.metadata
    monkeypatch.setattr(transport, "metadata", lambda: asked.append(1) or original())
    list(client.predict_wav([b"1"] * 8, samples=9))
    assert transport.requests == [("sampled", 4, [9] * 4)] * 2
    assert asked == [1]


def test_a_model_without_a_signature(client, transport):
    transport.names = ["serving_default", "classes"]
    with pytest.raises(InputError, match=r"'waveform'.*serving_default, classes"):
        next(client.predict_waveforms([np.zeros(10)]))
    with pytest.raises(InputError, match=r"`samples` must not be given.*'sampled'"):
        next(client.predict_wav([b"1"], samples=9))


def test_a_server_that_refuses_to_tell_classes_it_has(client, transport, monkeypatch):
    def refuse(*_):
        raise RefusedError("not today")

    monkeypatch.setattr(transport, "call", refuse)
    with pytest.raises(ServerError, match="not today"):
        client.classes  # noqa: B018


def test_connections_are_closed_at_the_end(transport):
    with Client(transport, SETTINGS):
        assert not transport.closed
    assert transport.closed
