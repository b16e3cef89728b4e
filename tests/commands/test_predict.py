import json

import pytest

from serkit.cli import main


@pytest.fixture
def model(tmp_path):
    from serkit.audio.spectrogram import SpectrogramSpec
    from serkit.classifiers.compact import CompactSettings, compact
    from serkit.serving.answering import Answering
    from serkit.serving.export import export_classifier

    spec = SpectrogramSpec()
    network = compact(2, spec.shape, CompactSettings(channels=(4, 8)))
    export_classifier(Answering([network], spec, ("angry", "sad")), tmp_path / "model")
    return tmp_path / "model"


def test_predict_goes_on_after_a_bad_file(model, synthetic_corpus, tmp_path, capsys):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF....")
    good = synthetic_corpus.files()[0]
    assert main(["predict", str(model), str(bad), str(tmp_path / "gone.wav"), good]) == 1
    printed = capsys.readouterr()
    assert len(printed.err.strip().splitlines()) == 2
    assert f"{bad}: not a WAV file" in printed.err
    assert printed.out.startswith(f"{good}: ")
    assert main(["predict", str(model), good]) == 0


def test_predict_as_json(model, synthetic_corpus, tmp_path, capsys):
    good, bad = synthetic_corpus.files()[0], str(tmp_path / "gone.wav")
    assert main(["predict", str(model), "--json", good, bad]) == 1
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert set(first["probabilities"]) == {"angry", "sad"}
    assert first["problem"] == ""
    assert (second["file"], second["label"]) == (bad, "")
    assert second["problem"]


def test_predict_without_a_model(tmp_path, capsys):
    assert main(["predict", str(tmp_path / "no-model"), "x.wav"]) == 2
    assert "does not exist" in capsys.readouterr().err
