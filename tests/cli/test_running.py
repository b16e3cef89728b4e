import argparse
import errno
import logging
import subprocess
import sys
import warnings

from serkit.cli.running import as_options, prepare, run, run_experiment

import pytest

from serkit.errors import InputError, ResumeError

SPELLED = {
    "weights": "--weights",
    "rare_below": "--rare-below",
    "out": "--out",
    "labels": "--labels",
}


@pytest.fixture
def tensorflow_remarks():
    """The logger, loud at first, as where TensorFlow was imported before us."""
    logger = logging.getLogger("tensorflow")
    before = logger.level
    logger.setLevel(logging.INFO)
    yield logger
    logger.setLevel(before)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("weights='none': random", "--weights none: random"),
        ("pass weights=PATH, or weights='none'", "pass --weights PATH, or --weights none"),
        ("weights='/a b' is no file", "--weights '/a b' is no file"),
        ("valid is another rare_below, or", "valid is another --rare-below, or"),
        ("`rare_below` must be 1 or less. Received: 2.", None),
        (
            "no weights of it; a/out=3, /rare_below/x, my.out=4",
            "no weights of it; a/out=3, /rare_below/x, my.out=4",
        ),
        ("folds=2 is out of range", "folds=2 is out of range"),
        ("`label_set` or label_set='emotion'", "`--labels` or --labels emotion"),
        ("`classifiers` must be one", "`classifiers` must be one"),
        ("no run ([Errno 2] No such file: 'x')", "no run (No such file: 'x')"),
    ],
)
def test_arguments_are_named_as_options(message, shown):
    assert as_options(message, SPELLED) == (shown or message.replace("rare_below", "--rare-below"))


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (InputError("rare_below=2"), 2, "serkit dance: --rare-below 2"),
        (ResumeError("other"), 1, "serkit dance: other"),
        (ResumeError("a\x1b[2J\nb"), 1, r"serkit dance: a\x1b[2J\nb"),
        (
            FileExistsError(errno.EEXIST, "File exists", "/x/y"),
            1,
            "serkit dance: /x/y: file exists; ",
        ),
        (
            RuntimeError("/x; No space left on device\n[Op:SaveV2]"),
            1,
            "serkit dance: no space left on device; make room",
        ),
    ],
)
def test_errors_are_one_line_and_a_status(error, status, line, capsys):
    def fail(_):
        raise error

    options = argparse.Namespace(command="dance", verbose=False, run=fail, spelled=SPELLED)
    assert run(options) == status
    (printed,) = capsys.readouterr().err.splitlines()
    assert printed.startswith(line)


def test_warnings_are_one_line_without_file_and_line_number(capsys):
    def warn(_):
        warnings.warn("weights='none':\n random", stacklevel=1)
        warnings.warn("for programmers", DeprecationWarning, stacklevel=1)
        return 0

    before = warnings.showwarning
    with pytest.warns(DeprecationWarning, match="for programmers"):
        assert (
            run(argparse.Namespace(command="dance", verbose=False, run=warn, spelled=SPELLED)) == 0
        )
    assert capsys.readouterr().err == "! --weights none: random\n"
    assert warnings.showwarning is before


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (InputError("rare_below=2, roots=3"), 2, "dance.py: --rare-below 2, roots=3"),
        (ResumeError("other"), 1, "dance.py: other"),
        (KeyboardInterrupt(), 130, "dance.py: interrupted"),
    ],
)
def test_an_experiment_ends_as_a_command_does(
    error, status, line, monkeypatch, capsys, tmp_path, tensorflow_remarks
):
    def fail(options):
        warnings.warn(f"rare_below={options.rare_below}", stacklevel=1)
        raise error

    monkeypatch.setattr(sys, "argv", ["experiments/dance.py"])
    with pytest.raises(SystemExit) as ended:
        run_experiment(fail, argparse.Namespace(roots=[tmp_path], rare_below=3))
    assert ended.value.code == status
    told = [found for found in capsys.readouterr().err.splitlines() if found]
    assert told == ["! --rare-below 3", line]
    assert not tensorflow_remarks.isEnabledFor(logging.WARNING)


def test_an_experiment_checks_its_recordings_first(monkeypatch, capsys, tmp_path):
    done = []
    monkeypatch.setattr(sys, "argv", ["experiments/dance.py"])
    for roots, status, works in (([tmp_path / "none"], 2, 0), ([tmp_path], 0, 1)):
        with pytest.raises(SystemExit) as ended:
            run_experiment(done.append, argparse.Namespace(roots=roots))
        assert (ended.value.code, len(done)) == (status, works)
    assert capsys.readouterr().err == f"dance.py: {tmp_path / 'none'} does not exist\n"


def test_a_closed_output_is_no_error():
    code = "import argparse, os, sys; from serkit.cli.running import run\n"
    code += "def show(_):\n    while True:\n        print('x' * 1000)\n"
    code += (
        "sys.exit(run(argparse.Namespace(command='dance', run=show, spelled={}, verbose=False)))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert (process.wait(), process.stderr.read()) == (1, b"")


def test_log_messages_of_tensorflow_are_not_shown(tensorflow_remarks):
    tf, shown, handler = pytest.importorskip("tensorflow"), [], logging.Handler()
    handler.emit = lambda record: shown.append(record.getMessage())
    tensorflow_remarks.addHandler(handler)
    try:
        for prepared in (False, True):
            shown.clear()
            if prepared:
                prepare()
            retraced = tf.function(lambda n: tf.constant(n))
            for n in range(9):
                retraced(n)
            assert any("retracing" in line for line in shown) is not prepared
    finally:
        tensorflow_remarks.removeHandler(handler)
