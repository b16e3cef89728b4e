import subprocess
import sys

import pytest

from serkit.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone"], "does not exist"),
        ([".", "--queue", "0"], "--queue 0"),
        ([".", "--port", "70000"], "between 0 and 65535. Received: --port 70000"),
        ([".", "--name", "a/b"], "cannot stand in an address"),
        (["."], "has no saved_model.pb"),
    ],
)
def test_folders_that_cannot_be_served_are_one_line_and_status_2(
    arguments, message, tmp_path, monkeypatch, capsys
):
    pytest.importorskip("uvicorn", reason="no web server; it is in the extra serve")
    monkeypatch.chdir(tmp_path)
    assert main(["serve", *arguments]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


def test_a_missing_extra_is_named(tmp_path):
    code = (
        "import sys; sys.modules['uvicorn'] = None; from serkit.cli.main import main;"
        "sys.exit(main(['serve', '.']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "serkit serve: uvicorn is missing; pip install 'serkit[serve]'\n"


def test_help(capsys):
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert "for development, tests" in printed
    assert "take TF Serving" in printed
