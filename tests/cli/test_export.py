import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.cli.main import main
from serkit.export.versions import DETAILS_FILE
from serkit.files import read_json
from serkit.models.compact import CompactSettings, compact


def test_a_run_becomes_a_model_that_is_not_overwritten(finished_run, tmp_path, capsys):
    out = tmp_path / "mine" / "5"
    arguments = ["export", str(finished_run), "--out", str(out), "--arm", "original"]
    assert main([*arguments, "--coverage", "0.8"]) == 0
    said = capsys.readouterr().out
    assert f"arm none of {finished_run}\n" in said
    assert f"{out}\nwhat it is:" in said
    assert f"serkit serve {out.parent}" in said
    details = read_json(out / DETAILS_FILE)
    assert (details["arm"], details["version"], details["name"]) == ("none", 5, "mine")
    assert details["abstention"]["validation_coverage"] == pytest.approx(0.8, abs=0.02)
    before = (out / "saved_model.pb").read_bytes()
    assert main(arguments) == 2
    assert "is not overwritten" in capsys.readouterr().err
    assert (out / "saved_model.pb").read_bytes() == before


def test_keras_files_become_an_ensemble_in_the_next_version(tmp_path):
    (tmp_path / "two" / "4").mkdir(parents=True)
    spec = SpectrogramSpec()
    files = [str(tmp_path / f"{seed}.keras") for seed in range(2)]
    for seed, file in enumerate(files):
        compact(2, spec.shape, CompactSettings(channels=(4, 8)), seed).save(file)
    settings = ["--temperature", "1.5", "--threshold", "0.6", "--classes", "angry", "sad"]
    assert main(["export", *files, "--out", str(tmp_path / "two"), *settings]) == 0
    details = read_json(tmp_path / "two" / "5" / DETAILS_FILE)
    assert details["answers"]["networks"] == 2
    assert (details["answers"]["temperature"], details["answers"]["threshold"]) == (1.5, 0.6)


def test_a_bayesian_network_with_its_own_spec(bayesian_export):
    details = read_json(bayesian_export / DETAILS_FILE)
    assert details["answers"]["draws"]
    assert details["answers"]["samples"] == 4
    assert details["spec"]["hop"] == 1536
    assert details["classes"] == ["angry", "sad"]


def test_options_that_exclude_each_other_are_one_line(finished_run, tmp_path, capsys):
    (tmp_path / "x.keras").write_text("no network")
    (tmp_path / "spec.json").write_text("{")
    out = ["--out", str(tmp_path / "m")]
    run, file, classes = str(finished_run), str(tmp_path / "x.keras"), ["--classes", "a", "b"]
    for arguments, words in (
        ([str(tmp_path)], "no finished run of serkit demo"),
        ([run, run], "valid is one run"),
        ([run, *classes], "--classes must not be given with a run"),
        ([run, "--arm", "third"], "one of: noise-images, none, original"),
        ([file], "no --classes"),
        ([file, *classes], "no model that Keras can load"),
        ([file, *classes, "--spec", str(tmp_path / "spec.json")], "--spec"),
        ([file, *classes, "--arm", "original"], "--arm must not be given with Keras files"),
        ([str(tmp_path / "gone.keras")], "gone.keras does not exist"),
    ):
        assert main(["export", *arguments, *out]) == 2, arguments
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith("serkit export: ")
        assert words in line
    assert not (tmp_path / "m").exists()


def test_one_target_for_abstention_only(capsys):
    with pytest.raises(SystemExit):
        main(["export", "run", "--out", "m", "--coverage", "0.5", "--accuracy", "0.5"])
    assert "--accuracy: not allowed with argument --coverage" in capsys.readouterr().err
