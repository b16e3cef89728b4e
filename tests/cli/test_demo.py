from dataclasses import replace

import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.cli.main import main
from serkit.datasets.custom import Naming
from serkit.datasets.imbalance import RARE_BELOW
from serkit.studies.comparison_settings import ComparisonSettings


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """What the demo would have been run with."""
    calls = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "serkit.studies.demo.run_demo", lambda *call, command: calls.append(call[:-1])
    )
    return calls


def test_options_become_settings(asked, tmp_path):
    command = ["demo", str(tmp_path), "--seed", "3", "--labels", "emotion", "--protocol", "random"]
    assert (
        main([*command, "--gan-steps", "40", "--epochs", "2", "--out", "there", "--cache", "c"])
        == 0
    )
    ((settings, out, models, cache),) = asked
    assert (settings.seed, settings.label_set, settings.protocols) == (3, "emotion", ("random",))
    assert settings.roots == (str(tmp_path.resolve()),)
    assert (settings.gans.steps, settings.fit_of("compact").epochs) == (40, 2)
    assert (str(out), str(models), str(cache)) == ("there", "saved_models/there", "c")


def test_default_is_the_built_in_corpus_split_by_speaker(asked):
    assert main(["demo", "--short"]) == 0
    ((settings, out, _, cache),) = asked
    assert cache is None
    assert (settings.roots, settings.protocols) == ((), ("hold-out",))
    assert str(out) == "runs/built-in-short"


def test_short_has_two_rare_classes_and_keeps_given_options(asked):
    assert main(["demo", "--short", "--gan-steps", "50", "--rare-below", "0.9"]) == 0
    assert main(["demo"]) == 0
    (short, *_), (plain, *_) = asked
    assert (short.most_rare, short.gans.steps, short.rare_below) == (2, 50, 0.9)
    assert (plain.most_rare, plain.rare_below) == (0, RARE_BELOW)
    assert ComparisonSettings(roots=("x",)).rare_below == RARE_BELOW
    assert "most_rare" not in plain.to_json()


def test_a_missing_folder_is_an_error_before_anything_starts(asked, capsys):
    assert main(["demo", "nowhere"]) == 2
    assert "nowhere does not exist" in capsys.readouterr().err
    assert asked == []


def test_named_roots_and_naming_rules(asked, tmp_path):
    pattern = "(?P<label>[A-Z])"
    command = ["demo", f"mine={tmp_path}", "--pattern", pattern, "--label-names", "W=angry"]
    assert main(command) == 0
    ((settings, out, _, _),) = asked
    assert settings.roots == (f"mine={tmp_path.resolve()}",)
    assert settings.naming == Naming(pattern, {"W": "angry"})
    assert str(out) == "runs/mine"
    assert settings.to_json()["naming"]["pattern"] == pattern
    assert "naming" not in replace(settings, naming=Naming()).to_json()


def test_kind_and_rate_of_spectrograms(asked):
    assert main(["demo", "--short", "--kind", "log", "--sample-rate", "22050"]) == 0
    ((settings, *_),) = asked
    assert settings.spec == SpectrogramSpec.at_rate(22_050, "log")


@pytest.mark.parametrize("weights", [None, "model.bin"])
def test_recordings_get_a_hint_at_the_encoder_and_nothing_is_downloaded(
    asked, tmp_path, capsys, monkeypatch, weights
):
    monkeypatch.setattr("serkit.models.whisper_weights.local_weights", lambda preset: weights)
    assert main(["demo", str(tmp_path)]) == 0
    hint = capsys.readouterr().out
    assert f"serkit train {tmp_path}" in hint
    assert ("are on this machine" in hint) == bool(weights)
    assert main(["demo"]) == 0
    assert capsys.readouterr().out == ""
