import csv
import io
import json
import os
import shutil
import subprocess
import sys

import pytest
import soundfile

from serkit.cli import predict
from serkit.cli.main import main
from serkit.cli.parser import build_parser
from serkit.datasets.audit import audit
from serkit.serving.local import ExportedModel
from serkit.serving.prediction import Prediction


@pytest.fixture
def files(synthetic_corpus, tmp_path):
    """Two good ones, and between them a bad one and one that is not there."""
    (tmp_path / "bad.wav").write_bytes(b"RIFF....")
    first, second, *_ = synthetic_corpus.files()
    return [first, str(tmp_path / "bad.wav"), str(tmp_path / "gone.wav"), second]


@pytest.fixture(scope="module")
def predictor(contract_model):
    return ExportedModel(contract_model)


@pytest.fixture
def model(contract_model, predictor, monkeypatch) -> str:
    """The model's folder; it is loaded once for all tests."""
    predictors = {(str(contract_model), False): predictor}
    monkeypatch.setattr(
        "serkit.serving.local.load_model", lambda path, trust: predictors.get((path, trust))
    )
    return str(contract_model)


def test_predict_continues_after_a_bad_file(contract_model, files, capsys):
    good, bad, gone, _ = files
    assert main(["predict", str(contract_model), bad, gone, good]) == 1
    printed = capsys.readouterr()
    assert len(printed.err.strip().splitlines()) == 2
    assert f"{bad}: not a WAV file" in printed.err
    assert printed.out.startswith(f"{good}: ")


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_same_from_a_folder_over_http_and_over_grpc(
    model, rest_server, grpc_server, files, capsys, form
):
    outputs = []
    for address in (model, rest_server.address, grpc_server.address):
        assert main(["predict", address, *form, *files]) == 1
        outputs.append(capsys.readouterr())
    assert outputs[0] == outputs[1] == outputs[2]


def test_predict_as_text(rest_server, files, wav_bytes, tmp_path, capsys):
    # Silence is as unsure as this model gets; its header says that nothing is in it.
    odd = tmp_path / "odd.wav"
    data = bytearray(wav_bytes([0.5, -0.5] * 8_000))
    data[40:44] = b"\0" * 4
    odd.write_bytes(data)
    assert main(["predict", rest_server.address, "--json", str(odd), files[0]]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert main(["predict", rest_server.address, str(odd), files[0]]) == 0
    first, second = capsys.readouterr().out.split(f"{files[0]}: ")
    for text, told in ((first, found[0]), (second, found[1])):
        assert ("(abstains)" in text) is told["abstain"]
        assert f"   entropy {told['entropy']:.3f} nats, of which disagreement 0." in text
        assert ("note: " + told["note"] in text) is bool(told["note"])
    assert "right length" in first
    assert "note" not in second


def test_an_abstention_is_shown_in_the_text(capsys):
    from serkit.cli.predict_output import format_prediction
    from serkit.serving.prediction import Prediction

    found = Prediction("a.wav", "sad", {"angry": 0.25, "sad": 0.75}, "", 0.5623, 0.0, True, "odd")
    assert format_prediction(found).splitlines() == [
        "a.wav: sad (abstains)",
        "   sad 0.750  angry 0.250",
        "   entropy 0.562 nats",
        "   note: odd",
    ]


def test_predict_as_json(rest_server, files, capsys):
    assert main(["predict", rest_server.address, "--json", files[0], files[2]]) == 1
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert list(first) == [
        *("file", "label", "probabilities", "problem", "entropy", "mutual_information"),
        *("abstain", "note"),
    ]
    assert set(first["probabilities"]) == {"angry", "happy", "sad"}
    assert first["problem"] == ""
    assert (second["file"], second["label"], second["abstain"]) == (files[2], "", True)
    assert second["problem"]


@pytest.fixture
def folder(files, wav_bytes, tmp_path):
    """The same recording as WAV and FLAC at two depths, what is none, and what is not looked at."""
    found = tmp_path / "found"
    (found / "deeper").mkdir(parents=True)
    (found / ".hidden").mkdir()
    samples, rate = soundfile.read(files[0], dtype="int16")
    (found / "a.wav").write_bytes(wav_bytes(samples, rate))
    (found / "deeper" / "b.flac").write_bytes(wav_bytes(samples, rate, format="FLAC"))
    os.mkfifo(found / "deeper" / "c.ogg")
    for name in ("notes.txt", ".hidden/d.wav", ".e.wav"):
        (found / name).write_text("no sound")
    return found


def test_tables_and_named_folders_are_read_as_in_other_commands(model, files, tmp_path, capsys):
    good, _, gone, other = files
    table = tmp_path / "table.csv"
    rows = [f"{file},sad,s" for file in (good, gone, other)]
    table.write_text("\n".join(["path,label,speaker", *rows]))
    assert main(["predict", model, "--json", str(table)]) == 1
    printed = capsys.readouterr()
    found = [json.loads(line)["file"] for line in printed.out.splitlines()]
    assert [os.path.realpath(file) for file in found] == list(map(os.path.realpath, (good, other)))
    assert "line 3 of table.csv names it; it is not there" in printed.err
    copy = tmp_path / "one" / "sad" / "a.wav"
    copy.parent.mkdir(parents=True)
    shutil.copy(good, copy)
    named = f"mine={tmp_path / 'one'}"
    audit([named]).write(tmp_path / "audit")
    for argument in (named, str(tmp_path / "audit" / "manifest.csv")):
        assert main(["predict", model, "--json", argument]) == 0
        (line,) = capsys.readouterr().out.splitlines()
        assert json.loads(line)["file"] == str(copy)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    assert main(["predict", model, str(tmp_path / "other.csv")]) == 2
    assert "other.csv lacks the columns path, label, speaker" in capsys.readouterr().err


def test_folders_and_other_formats_the_same_from_everywhere(
    model, rest_server, grpc_server, folder, capsys
):
    outputs = []
    for address in (model, rest_server.address, grpc_server.address):
        assert main(["predict", address, "--json", str(folder)]) == 1
        outputs.append([json.loads(line) for line in capsys.readouterr().out.splitlines()])
    names = [str(folder / name) for name in ("a.wav", "deeper/b.flac", "deeper/c.ogg")]
    for wav, flac, pipe in outputs:
        assert [found["file"] for found in (wav, flac, pipe)] == names
        assert (
            flac["probabilities"]
            == wav["probabilities"]
            == pytest.approx(outputs[0][0]["probabilities"], rel=1e-4)
        )
        assert "is a pipe" in pipe["problem"]


def test_skipped_folders_are_reported(model, folder, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (folder / "link").symlink_to(tmp_path)
    (folder / "deeper" / "c.ogg").unlink()
    for given, words in ((folder, "link: a link to a folder"), (tmp_path / "empty", "no record")):
        assert main(["predict", model, str(given)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"serkit predict: {given}")
        assert words in line


@pytest.mark.parametrize("top", [None, 1, 2, 9])
def test_a_table_and_the_most_probable_classes(model, files, capsys, top):
    more = [] if top is None else ["--top", str(top)]
    good, bad = files[0], files[1]
    assert main(["predict", model, "--csv", *more, bad, good, bad]) == 1
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert main(["predict", model, "--json", good]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert [row["file"] for row in rows] == [bad, good, bad]
    assert [bool(row["problem"]) for row in rows] == [True, False, True]
    assert list(rows[0])[-3:] == ["p_angry", "p_happy", "p_sad"]
    assert rows[0]["p_sad"] == rows[0]["entropy"] == ""
    ranked = sorted(whole["probabilities"].items(), key=lambda item: -item[1])[:top]
    cells = {label: rows[1][f"p_{label}"] for label in whole["probabilities"]}
    # With other files beside it, the last digits are others.
    found = {label: float(cell) for label, cell in cells.items() if cell}
    assert found == pytest.approx(dict(ranked), rel=1e-4)
    assert float(rows[1]["entropy"]) == pytest.approx(whole["entropy"], rel=1e-4)
    assert main(["predict", model, "--json", *more, good]) == 0
    told = json.loads(capsys.readouterr().out)
    if top is not None:
        assert list(told["probabilities"].items()) == ranked
    assert told | {"probabilities": whole["probabilities"]} == whole


def test_csv_without_any_usable_file(model, files, capsys):
    assert main(["predict", model, "--csv", files[1]]) == 1
    header, row = capsys.readouterr().out.splitlines()
    assert header.split(",")[0] == "file"
    assert row.startswith(files[1])


def test_predict_without_a_model(tmp_path, capsys):
    assert main(["predict", str(tmp_path / "no-model"), "x.wav"]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_number_of_monte_carlo_samples(model, rest_server, files, capsys):
    outputs = []
    for address, more in (
        (rest_server.address, []),
        (rest_server.address, ["--samples", "40"]),
        (model, ["--samples", "40"]),
    ):
        assert main(["predict", address, *more, files[0]]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] != outputs[1] == outputs[2]


def test_timeout_and_attempts(rest_server, files, capsys):
    rest_server.faults = ["hang"]
    limits = ["--time-out", "0.3", "--attempts", "1"]
    assert main(["predict", rest_server.address, *limits, files[0]]) == 1
    assert "no answer within 0.3 s (the only attempt)" in capsys.readouterr().err
    rest_server.faults = ["hang"]
    limits[3] = "2"
    assert main(["predict", rest_server.address, "--time-out", "2", *limits[2:], files[0]]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["http://a:8501", "x.wav"], "must name a model"),
        (["ftp://a/v1/models/m", "x.wav"], "is not valid; valid are"),
        (
            ["http://a/v1/models/m", "--engine", "ray", "x.wav"],
            "--engine ray needs the folder",
        ),
        (["folder", "--attempts", "2", "x.wav"], "--attempts needs the address"),
        (["folder", "--time-out", "2", "x.wav"], "--time-out needs the address"),
        (["folder", "--top", "0", "x.wav"], "--top 0"),
        (["http://a/v1/models/m", "--attempts", "0", "x.wav"], "--attempts 0"),
        (["http://a/v1/models/m", "--samples", "0", "x.wav"], "--samples 0"),
    ],
)
def test_options_that_need_a_server_or_a_folder(arguments, message, capsys):
    assert main(["predict", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_predicting_with_a_server_does_not_import_tensorflow(rest_server, files):
    code = (
        "import sys; from serkit.cli.main import main;"
        f"status = main(['predict', {rest_server.address!r}, {files[0]!r}]);"
        "heavy = {'tensorflow', 'keras', 'grpc', 'pandas', 'librosa'} & set(sys.modules);"
        "print(status, heavy)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 set()"


@pytest.mark.parametrize("form", ["text", "json", "csv"])
@pytest.mark.parametrize("is_terminal", [True, False])
def test_control_characters_of_names_and_servers_do_not_reach_a_terminal(
    form, is_terminal, monkeypatch, capsys
):
    evil = "\x1b[2J\x9b\u202e\n"
    found = [
        Prediction(f"{evil}.wav", f"sad{evil}", {f"sad{evil}": 1.0}, note=evil),
        Prediction.failed(f"{evil}.wav", evil),
    ]
    monkeypatch.setattr(predict, "_predictions", lambda *_: found)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    form_options = [] if form == "text" else [f"--{form}"]
    options = build_parser().parse_args(["predict", "model", "a.wav", *form_options])
    assert predict.run(options) == 1
    printed, problems = capsys.readouterr()
    controls = {"\x1b", "\x9b", "\u202e"}
    assert controls.isdisjoint(problems)
    if form == "csv" and not is_terminal:
        assert [row["file"] for row in csv.DictReader(io.StringIO(printed))] == [f"{evil}.wav"] * 2
        return
    assert controls.isdisjoint(printed)
    if form == "json":
        assert [json.loads(line)["file"] for line in printed.splitlines()] == [f"{evil}.wav"] * 2
