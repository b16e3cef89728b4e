import argparse
import re
from pathlib import Path

import pytest

from serkit.cli.main import main
from serkit.cli.parser import COMMANDS, RENAMED_OPTIONS, build_parser, suggestion

# One of the two ways of serkit generate has to be chosen.
_WITHOUT_DEFAULT = {("generate", "label"), ("generate", "count"), ("generate", "plan")}


@pytest.mark.parametrize(
    ("arguments", "prog", "meant"),
    [
        (["compare", "x", "--clasifier", "compact"], "serkit compare", "--classifier"),
        (["audit", "x", "--pattrn=(?P<label>x)"], "serkit audit", "--pattern"),
        # argparse itself would only say that --out is missing.
        (["export", "x", "--ouput", "y"], "serkit export", "--out"),
        (["serv", "x"], "serkit", "serve"),
        (["--verson"], "serkit", "--version"),
        (["compare", "x", "--arms", "dcgn"], "serkit compare", "dcgan"),
        (["tune", "wgangp", "x"], "serkit tune", "wgan-gp"),
    ],
)
def test_a_misspelled_option_gets_the_usage_and_a_suggestion(arguments, prog, meant, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    lines = capsys.readouterr().err.splitlines()
    assert stopped.value.code == 2
    assert lines[0].startswith(f"usage: {prog} [")
    assert lines[-1].startswith(f"{prog}: error: ")
    assert lines[-1].endswith(f"did you mean {meant}?")


@pytest.mark.parametrize(
    ("message", "given"),
    [
        ("unrecognized arguments: --zzzzzz", ["--zzzzzz"]),
        ("unrecognized arguments: --foo", ["--foo"]),
        ("unrecognized arguments: b", ["a", "b"]),
        ("argument --seed: invalid int value: 'x'", ["--seed", "x"]),
        # Beginnings of options are taken for them, and what stands behind "--" is none.
        ("the following arguments are required: ROOT", ["--se=1", "--"]),
    ],
)
def test_no_suggestion_without_a_similar_word(message, given):
    assert suggestion(message, given, ["--out", "--seed", "--folds"], {}) == ""


@pytest.mark.parametrize(
    ("command", "old", "new"),
    [(command, *names) for command, pairs in RENAMED_OPTIONS.items() for names in pairs.items()],
)
def test_an_earlier_name_of_an_option_gets_the_present_one(command, old, new, capsys):
    words = {"download": ["ravdess"], "predict": ["model", "x"], "tune": ["dcgan", "x"]}
    with pytest.raises(SystemExit):
        main([command, *words.get(command, ["x"]), old, "1"])
    assert capsys.readouterr().err.splitlines()[-1].endswith(f"{old} is now {new}")
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert new in capsys.readouterr().out


def test_values_of_an_option_are_separated_by_spaces_or_commas():
    parser = build_parser()
    for arms in (["none", "speed"], ["none,speed"], ["none,", "speed"]):
        assert parser.parse_args(["compare", "x", "--arms", *arms]).arms == ["none", "speed"]
    assert parser.parse_args(["compare", "a,b", "--seeds", "1,2"]).roots == [Path("a,b")]


def test_spelled_maps_destinations_to_options():
    options = build_parser().parse_args(["predict", "model", "file"])
    assert options.spelled["time_out"] == "--time-out"
    assert not {"model", "files"} & set(options.spelled)


def test_no_help_text_has_a_doubled_percent_sign(capsys):
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert "%%" not in capsys.readouterr().out


def test_every_option_has_a_help_text_with_a_verb_and_a_default():
    commands = build_parser()._subparsers._group_actions[0].choices
    for command, parser in commands.items():
        for action in parser._actions:
            if not action.option_strings or action.dest == "help":
                continue
            name, text = f"{command} {action.option_strings[-1]}", action.help
            assert text, name
            assert re.match(r"[a-z]+ ", text), name
            assert text.split()[0] not in {"a", "an", "at", "how", "of", "such", "the"}, name
            takes_no_value = action.nargs == 0 and not isinstance(
                action, argparse.BooleanOptionalAction
            )
            is_free = (
                action.required or takes_no_value or (command, action.dest) in _WITHOUT_DEFAULT
            )
            assert is_free or re.search(r"; default: [^;]+$", text), name
