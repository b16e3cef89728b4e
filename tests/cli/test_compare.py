import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.cli import compare
from serkit.cli.arguments import ENCODERS, NETWORKS
from serkit.cli.main import main
from serkit.errors import InputError
from serkit.models.whisper_weights import PRESETS
from serkit.serialization import restored
from serkit.studies import classifier_kinds
from serkit.studies.classifier_kinds import CLASSIFIERS
from serkit.studies.comparison_settings import PROTOCOLS, ComparisonSettings


def _options(*arguments):
    parser = argparse.ArgumentParser()
    compare.add_to(parser.add_subparsers())
    return parser.parse_args(["compare", *arguments])


def test_default_settings(tmp_path):
    settings = compare.settings_of(_options(str(tmp_path)))
    assert settings == ComparisonSettings(roots=(str(tmp_path),))


def test_all_options(tmp_path):
    settings = compare.settings_of(
        _options(
            *(str(tmp_path), "--arms", "none", "dcgan", "--classifier", "resnet50-head"),
            *("--protocol", "both", "--without", "tess", "--rarify", "surprise=0.15", "sad=0.5"),
            *("--folds", "4", "--seeds", "1", "2", "--more-seeds", "3", "--best", "1"),
            *(
                "--pretraining-steps",
                "0",
                "--gan-steps",
                "7",
                "--gan-width",
                "0.1",
                "--generated-share",
                "0.5",
            ),
            *(
                "--sample-filter",
                "--weights",
                "none",
                "--labels",
                "gender_emotion",
                "--epochs",
                "3",
            ),
            *("--everywhere", "specaugment"),
        )
    )
    assert settings.arms == ("none", "dcgan")
    assert settings.rarify == (("surprise", 0.15), ("sad", 0.5))
    assert (settings.gans.width, settings.gans.pretraining, settings.gans.steps) == (0.1, 0, 7)
    assert settings.fit_of("resnet50-head").epochs == 3
    assert settings.fit_of("resnet50-head").loss == "one_vs_rest"
    assert (settings.seeds, settings.more_seeds, settings.best) == ((1, 2), (3,), 1)
    assert settings.gated
    assert settings.everywhere == ("specaugment",)


def test_the_report_recipe_has_its_own_default_of_gan_steps(tmp_path):
    given = (str(tmp_path), "--gan-recipe", "report")
    settings = compare.settings_of(_options(*given))
    assert (settings.gan_recipe, settings.gans.steps) == ("report", 2000)
    assert compare.settings_of(_options(*given, "--gan-steps", "30")).gans.steps == 30


def test_roots_are_absolute_and_may_have_names(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    found = compare.settings_of(_options("mine", "own=mine")).roots
    assert found == (str(tmp_path / "mine"), f"own={tmp_path / 'mine'}")


def test_kind_and_rate_of_spectrograms(tmp_path):
    given = ("--kind", "log", "--sample-rate", "22050")
    settings = compare.settings_of(_options(str(tmp_path), *given, "--short"))
    assert settings.spec == SpectrogramSpec.at_rate(22_050, "log")


def test_naming_rules(tmp_path):
    given = compare.settings_of(_options(str(tmp_path), "--pattern", "(?P<label>x)"))
    assert given.naming.pattern == "(?P<label>x)"
    assert given.to_json()["naming"]["pattern"] == "(?P<label>x)"
    assert restored(ComparisonSettings, given.to_json()) == given
    assert "naming" not in compare.settings_of(_options(str(tmp_path))).to_json()


def test_short_keeps_given_options(tmp_path):
    short = compare.settings_of(_options(str(tmp_path), "--short"))
    assert (short.folds, short.gans.steps, short.gans.pretraining) == (3, 2, 2)
    options = (
        "--folds",
        "50",
        "--pretraining-steps",
        "7",
        "--gan-steps",
        "9",
        "--gan-width",
        "0.5",
        "--epochs",
        "8",
    )
    given = compare.settings_of(_options(str(tmp_path), "--short", *options))
    assert (given.folds, given.gans.pretraining, given.gans.steps) == (50, 7, 9)
    assert (given.gans.width, given.fit_of("compact").epochs) == (0.5, 8)
    some = compare.settings_of(_options(str(tmp_path), "--short", "--gan-width", "0.5"))
    assert (some.gans.width, some.gans.steps) == (0.5, 2)


def test_a_misspelt_arm_of_a_combination_gets_a_suggestion(capsys):
    with pytest.raises(SystemExit):
        main(["compare", "X", "--arms", "none", "mixup+spec-augment"])
    assert "for spec-augment, did you mean specaugment?" in capsys.readouterr().err


def test_choices_are_complete():
    parser = argparse.ArgumentParser()
    compare.add_to(parser.add_subparsers())
    made = parser._subparsers._group_actions[0].choices["compare"]
    choices = {action.dest: action.choices for action in made._actions}
    assert set(choices["classifier"]) == set(CLASSIFIERS)
    assert set(choices["protocol"]) == set(PROTOCOLS)
    for name in choices["everywhere"]:
        ComparisonSettings(roots=("x",), arms=("none",), everywhere=(name,))


def test_classifiers_of_features(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = ("--classifier", "whisper-base", "features", "--features", "mine.npy")
    settings = compare.settings_of(_options(str(tmp_path), *given, "--weights", "base.pt"))
    assert settings.classifiers == ("whisper-base", "features")
    # Other processes of a cluster may have another working directory.
    assert settings.features == str(tmp_path / "mine.npy")
    assert settings.encoder_weights == str(tmp_path / "base.pt")
    assert compare.settings_of(_options(str(tmp_path))).features is None
    with pytest.raises(InputError, match="`features` must be a file for the classifier features"):
        compare.settings_of(_options(str(tmp_path), "--classifier", "features"))


def test_the_help_lists_all_classifiers(capsys):
    assert set(ENCODERS) == set(PRESETS)
    assert set(NETWORKS) == set(classifier_kinds.NETWORKS), "serkit/cli/arguments.py has the names"
    with pytest.raises(SystemExit):
        _options("--help")
    said = "".join(capsys.readouterr().out.split())
    assert "--featuresFILE" in said
    assert [name for name in CLASSIFIERS if name not in said] == []


def test_wrong_fractions_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"`rarify`.*surprise"):
        compare.settings_of(_options(str(tmp_path), "--rarify", "surprise"))


def test_missing_recordings_are_an_error(tmp_path, capsys):
    assert main(["compare", str(tmp_path / "none"), "--out", str(tmp_path / "run")]) == 2
    assert "none does not exist" in capsys.readouterr().err
    assert not Path(tmp_path / "run").exists()


def test_threads_are_set_before_tensorflow_computes(tmp_path):
    """In a process of its own: in this one TensorFlow has computed something long ago."""
    arguments = [str(tmp_path), "--threads", "1", "--out", str(tmp_path / "run")]
    done = subprocess.run(
        [sys.executable, "-m", "serkit", "compare", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"no usable recording below {tmp_path}" in done.stderr
    assert "Traceback" not in done.stderr


def test_live_training(tmp_path):
    assert compare.settings_of(_options(str(tmp_path), "--live")).live
