import json
from types import SimpleNamespace

import pytest

from serkit.cli import experiments as command_line
from serkit.cli.experiments import rare_classes_parser, rare_classes_trial
from serkit.errors import InputError, ResumeError


@pytest.fixture
def no_trial(monkeypatch):
    """What would be made rare, without doing it."""
    monkeypatch.setattr(
        command_line.RareClasses,
        "of_recordings",
        lambda roots, settings, folder, naming: SimpleNamespace(
            roots=roots, settings=settings, folder=folder
        ),
    )


def _options(*arguments: str, labels=("sad",), seed: int = 0):
    parser = rare_classes_parser("Claim: none.", "runs/none", labels)
    parser.add_argument("--seed", type=int, default=seed)
    return parser.parse_args(arguments)


def test_one_class_stays_one(capsys):
    assert _options("a", "b").label == ["sad"]
    assert _options("a", "--class", "happy").label == ["happy"]
    with pytest.raises(SystemExit):
        _options("a", "--class", "happy", "sad", "--gan-width", "1")
    assert "unrecognized arguments: sad" in capsys.readouterr().err
    several = _options("a", "--class", "happy", labels=("sad", "angry"))
    assert several.label == ["happy"]


@pytest.mark.usefixtures("no_trial", "deterministic")
def test_the_trial_is_what_the_options_say(tmp_path):
    options = _options("a", "--clips", "12", "--out", str(tmp_path), labels=("sad", "angry"))
    with rare_classes_trial(options) as trial:
        assert (trial.settings.labels, trial.settings.clips) == (("sad", "angry"), 12)
        assert [str(root) for root in trial.roots] == ["a"]
        assert trial.folder == tmp_path
        with pytest.raises(ResumeError, match="used by another"), rare_classes_trial(options):
            pass
    asked = json.loads((tmp_path / "settings.json").read_text())
    assert asked["clips"] == "12"


@pytest.mark.usefixtures("no_trial", "deterministic")
def test_spectrogram_options_are_used_and_recorded(tmp_path):
    options = _options("a", "--kind", "log", "--sample-rate", "22050", "--out", str(tmp_path))
    with rare_classes_trial(options) as trial:
        assert trial.settings.spec.kind == "log"
    kept = json.loads((tmp_path / "settings.json").read_text())
    assert (kept["kind"], kept["sample_rate"]) == ("log", "22050")


@pytest.mark.usefixtures("no_trial", "deterministic")
def test_a_folder_of_other_options_is_refused(tmp_path):
    with rare_classes_trial(_options("a", "--out", str(tmp_path))):
        pass
    with rare_classes_trial(_options("a", "--out", str(tmp_path))):
        pass
    with (
        pytest.raises(ResumeError, match="seed was '0', now '1'"),
        rare_classes_trial(_options("a", "--seed", "1", "--out", str(tmp_path))),
    ):
        pass


@pytest.mark.usefixtures("no_trial", "deterministic")
def test_a_width_out_of_range_leaves_no_folder(tmp_path):
    out = tmp_path / "out"
    with (
        pytest.raises(InputError, match="width"),
        rare_classes_trial(_options("a", "--gan-width", "-1", "--out", str(out))),
    ):
        pass
    assert not out.exists()
