import pytest

from serkit.cli.main import main
from serkit.cli.parser import COMMANDS, build_parser, suggestion


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
    assert suggestion(message, given, ["--out", "--seed", "--folds"]) == ""


def test_spelled_maps_destinations_to_options():
    options = build_parser().parse_args(["predict", "model", "file"])
    assert options.spelled["time_out"] == "--time-out"
    assert not {"model", "files"} & set(options.spelled)


def test_no_help_text_has_a_doubled_percent_sign(capsys):
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert "%%" not in capsys.readouterr().out
