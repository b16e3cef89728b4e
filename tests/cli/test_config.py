import json
import shlex

import pytest

from serkit.cli.config import COMMAND_FILE, record_command
from serkit.cli.main import main
from serkit.cli.parser import build_parser


def _parse(*words):
    return build_parser().parse_args(list(map(str, words)))


COMMANDS = [
    "compare mine=data --arms none,speed --rarify sad=0.5 --sample-filter --short",
    "compare data more --gan-steps 7 --tuned best.json --seeds 1 2 --label-names W=angry",
    "train data --classifier compact --epochs 3 --labels gender_emotion",
    "tune dcgan data --class male_sad --examples 64 32 --algorithm bayesian",
    "tune classifier data --live noise speed",
    "demo --protocol random",
    "demo data",
]


@pytest.mark.parametrize("line", COMMANDS)
@pytest.mark.parametrize("form", ["folder", "settings.json"])
def test_a_run_is_repeated_by_its_folder(line, form, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = _parse(*line.split(), "--out", "old", "--seed=5")
    record_command(first, tmp_path / "old")
    config = tmp_path / "old" / ("" if form == "folder" else form)
    again = _parse(first.command, "--config", config, "--out", "new")
    assert str(again.out) == "new"
    same = {"out", "config", "given", "line", "roots", "tuned", "spelled"}
    assert {k: v for k, v in vars(again).items() if k not in same} == {
        k: v for k, v in vars(first).items() if k not in same
    }
    assert again.given == first.given
    other = _parse(first.command, "--config", config, "--seed", "6")
    assert other.seed == 6


@pytest.mark.parametrize("line", COMMANDS)
def test_the_command_line_of_a_run_makes_the_same_run(line):
    first = _parse(*line.split(), "--out", "old", "--seed=5")
    program, *words = shlex.split(first.line)
    assert program == "serkit"
    again = _parse(*words)
    assert (again.line, again.given) == (first.line, first.given)
    assert {k: v for k, v in vars(again).items() if k != "out"} == {
        k: v for k, v in vars(first).items() if k != "out"
    }


def test_a_command_line_has_no_defaults_and_is_quoted_for_a_shell():
    words = ("compare", "my data", "--arms", "none", "speed", "--no-sample-filter", "--folds", "3")
    assert _parse(*words).line == "serkit compare 'my data' --arms none speed --folds 3"


def test_a_file_in_toml(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("roots = ['data']\narms = ['none', 'speed']\nrare-below = 0.6\nshort = true\n")
    options = _parse("compare", "--config", file)
    assert (options.arms, options.rare_below, options.short) == (["none", "speed"], 0.6, True)
    assert list(map(str, options.roots)) == ["data"]
    assert list(map(str, _parse("compare", "other", "--config", file).roots)) == ["other"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("arms = 'none'", 'arms must be a list. Received: "none"'),
        ("arms = ['none', 'dcgn']", "arms: invalid choice: 'dcgn' (choose from none, "),
        ("folds = 'many'", "folds must be a whole number"),
        ("folds = [3]", "folds must be a whole number"),
        ("short = 1", "short must be true or false"),
        ("labels = 3", "labels must be one value"),
        ("colour = 3", "no option colour; valid are address, arms,"),
        ("config = 'x'", "no option config"),
        ("arms = [", "is no TOML"),
    ],
)
def test_a_file_that_is_not_valid_is_an_error_that_says_why(tmp_path, capsys, text, words):
    (tmp_path / "x.toml").write_text(text)
    assert _status("compare", "x", "--config", tmp_path / "x.toml") == 2
    assert words in capsys.readouterr().err


def test_a_run_of_another_command_is_an_error(tmp_path, capsys):
    (tmp_path / COMMAND_FILE).write_text(json.dumps({"command": "train", "roots": ["x"]}))
    assert _status("compare", "--config", tmp_path) == 2
    assert "is of serkit train, not of serkit compare" in capsys.readouterr().err
    (tmp_path / COMMAND_FILE).write_text("{")
    assert _status("train", "--config", tmp_path) == 2
    assert "is damaged: no JSON object" in capsys.readouterr().err
    (tmp_path / COMMAND_FILE).unlink()
    assert _status("train", "--config", tmp_path) == 2
    assert "no finished run" in capsys.readouterr().err
    assert _status("train", "--config", tmp_path / "none.toml") == 2
    assert "none.toml does not exist" in capsys.readouterr().err


def _status(*words):
    try:
        return main(list(map(str, words)))
    except SystemExit as stopped:
        return stopped.code
