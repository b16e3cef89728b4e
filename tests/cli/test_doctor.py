import importlib.metadata
import json

import pytest

from serkit.cli import doctor
from serkit.cli.main import main


def test_it_works_here_and_lists_versions(capsys):
    assert main(["doctor", "--json"]) == 0
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)}
    assert checks["keras"]["detail"] == importlib.metadata.version("keras")
    assert checks["spectrogram of noise"]["detail"] == "224x224x1"
    assert {"GPU", "format flac", "whisper-tiny.en", "extra serve"} <= set(checks)


def test_what_is_missing_comes_with_advice(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_EXTRAS", {"ray": (("no_such_module",), "clusters")})
    monkeypatch.setattr("serkit.models.whisper_weights.local_weights", lambda preset: None)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "clusters: pip install 'serkit[ray]'" in out
    assert "--weights FILE" in out


@pytest.mark.parametrize("broken", ["package", "spectrogram"])
def test_without_what_every_command_needs_it_is_status_1(broken, monkeypatch, capsys):
    if broken == "package":
        monkeypatch.setattr(doctor, "_PACKAGES", ("no-such-package",))
    else:

        def fail(*_):
            raise RuntimeError("no such kernel")

        monkeypatch.setattr("serkit.audio.spectrogram.to_spectrogram", fail)
    assert main(["doctor"]) == 1
    assert "MISSING" in capsys.readouterr().out
