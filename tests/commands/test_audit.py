import json
import subprocess
import sys

import pandas as pd
import pytest

from serkit.cli import main


@pytest.fixture
def model(tmp_path):
    from serkit.audio.spectrogram import SpectrogramSpec
    from serkit.classifiers.compact import CompactSettings, compact
    from serkit.serving.export import export_classifier

    spec = SpectrogramSpec()
    network = compact(2, spec.shape, CompactSettings(channels=(4, 8)))
    export_classifier(network, spec, ("angry", "sad"), tmp_path / "model")
    return tmp_path / "model"


def test_audit_writes_the_manifest_and_prints_a_table(synthetic_root, tmp_path, capsys):
    assert main(["audit", str(synthetic_root), "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "male_surprise" in out
    assert "23 speakers; files rejected: 0" in out
    assert len(pd.read_csv(tmp_path / "manifest.csv")) > 100


@pytest.mark.parametrize("command", ["audit", "demo"])
def test_what_cannot_be_used_is_one_line_and_status_2(command, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "03-01-01-01-01-01-01.wav").write_text("not audio")
    (tmp_path / "file.txt").write_text("x")
    for name, words in {
        "missing": "does not exist",
        "empty": "no recordings",
        "text": "no usable recording",
        "file.txt": "is a file; a folder",
    }.items():
        out = ["--out", str(tmp_path / f"out-{name}")]
        assert main([command, str(tmp_path / name), *out]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith(f"serkit {command}: ")
        assert words in line


def test_places_that_cannot_be_written_to_are_one_line(synthetic_root, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["audit", str(synthetic_root), "--out", str(tmp_path / "file")]) == 1
    arguments = ["--out", str(tmp_path / "run"), "--models", str(tmp_path / "file")]
    assert main(["demo", str(synthetic_root), *arguments]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 2
    assert all(str(tmp_path / "file") in line for line in lines)


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


def test_the_command_answers_without_tensorflow():
    """Help and audit must not wait for TensorFlow's start."""
    code = "import sys; from serkit.cli import main; main(['audit', 'nowhere']);"
    code += "print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_version_and_unknown_commands():
    for arguments, status in ((["--version"], 0), (["dance"], 2), ([], 2)):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == status
