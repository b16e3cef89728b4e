import os
import subprocess
import sys

import pytest

from serkit.cli import main


@pytest.mark.parametrize("command", ["audit", "demo"])
def test_what_cannot_be_used_is_one_line_and_status_2(command, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "03-01-01-01-01-01-01.wav").write_text("not audio")
    (tmp_path / "file.txt").write_text("x")
    for name, words in {
        "missing": "does not exist",
        "empty": "no recordings",
        "text": "no usable recording",
        "file.txt": "is a file; a folder with recordings or a CSV",
    }.items():
        out = ["--out", str(tmp_path / f"out-{name}")]
        assert main([command, str(tmp_path / name), *out]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith(f"serkit {command}: ")
        assert words in line


def test_places_that_cannot_be_written_to_are_one_line(synthetic_root, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["audit", str(synthetic_root), "--out", str(tmp_path / "file")]) == 1
    arguments = ["--out", str(tmp_path / "run"), "--models", str(tmp_path / "file")]
    assert main(["demo", str(synthetic_root), *arguments]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 2
    assert all(str(tmp_path / "file") in line for line in lines)


def test_the_command_answers_without_tensorflow():
    """Help and audit must not wait for TensorFlow's start."""
    code = "import sys; from serkit.cli import main; main(['audit', 'nowhere']);"
    code += "print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_version_and_unknown_commands():
    for arguments, status in ((["--version"], 0), (["dance"], 2), ([], 2)):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == status


def test_a_terminal_without_the_letters_gets_question_marks(synthetic_root, tmp_path):
    command = [sys.executable, "-m", "serkit", "audit", str(synthetic_root), "--out", str(tmp_path)]
    done = subprocess.run(
        command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=False
    )
    assert done.returncode == 0, done.stderr
    assert b"Cram?r's V" in done.stdout
