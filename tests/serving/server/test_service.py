import asyncio

import pytest

pytest.importorskip("starlette", reason="no web server; it is in the extra serve")

from serkit.errors import InputError
from serkit.serving.server.http import HttpError
from serkit.serving.server.service import Service
from serkit.serving.server.settings import ServeSettings


@pytest.fixture(scope="module")
def loaded(served_model):
    service = Service(served_model, ServeSettings(versions="all", warm_up=False))
    asyncio.run(service.load())
    return service


def test_versions_are_loaded_and_found(loaded):
    assert loaded.is_ready
    assert not loaded.is_busy
    assert loaded.failure is None
    assert loaded.find("tones", None).number == loaded.newest().number == 3
    assert loaded.find("tones", 1).number == 1
    states = loaded.status("tones", None)["model_version_status"]
    assert [(one["version"], one["state"]) for one in states] == [
        ("3", "AVAILABLE"),
        ("1", "AVAILABLE"),
    ]
    assert len(loaded.status("tones", 1)["model_version_status"]) == 1


def test_what_is_not_there_is_404(loaded):
    for find, message in [
        (lambda: loaded.find("tunes", None), r"request: Latest\(tunes\)"),
        (lambda: loaded.find("tones", 2), r"request: Specific\(tones, 2\)"),
        (lambda: loaded.status("tunes", None), "any versions of model tunes"),
        (lambda: loaded.status("tones", 2), "version 2 of model tones"),
    ]:
        with pytest.raises(HttpError, match=message) as caught:
            find()
        assert caught.value.code == 404


def test_what_is_not_there_yet_is_503(served_model):
    service = Service(served_model / "1", ServeSettings(name="other"))
    assert not service.is_ready
    assert service.is_busy
    assert service.status("other", None)["model_version_status"][0]["state"] == "LOADING"
    with pytest.raises(HttpError, match="is being loaded") as caught:
        service.find("other", None)
    assert caught.value.code == 503


def test_what_cannot_be_loaded_is_kept(tmp_path, caplog):
    (tmp_path / "saved_model.pb").write_bytes(b"torn")
    service = Service(tmp_path, ServeSettings())
    asyncio.run(service.load())
    assert isinstance(service.failure, InputError)
    assert not service.is_busy
    assert "cannot be loaded" in caplog.text
