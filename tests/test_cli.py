import importlib
import io
import os
import pkgutil
import signal
import subprocess
import sys

import pytest

import serkit.cli
from serkit.cli.main import main


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
        "file.txt": "A root must be a folder or a CSV",
    }.items():
        out = ["--out", str(tmp_path / f"out-{name}")]
        assert main([command, str(tmp_path / name), *out]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith(f"serkit {command}: ")
        assert words in line


def test_tensorflow_prints_nothing_between_a_command_s_lines(tmp_path, wav_bytes, rng):
    recording, picture = tmp_path / "a.wav", tmp_path / "a.png"
    recording.write_bytes(wav_bytes(rng.uniform(-0.5, 0.5, 16_000)))
    command = [sys.executable, "-m", "serkit", "spectrogram", str(recording), "--out", str(picture)]
    # The tests' own level shows errors, such as that there is no GPU.
    env = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    assert (done.stdout, done.stderr) == (f"written to {picture}\n", "")


def test_an_interrupted_command_that_resumes_says_so(monkeypatch, capsys):
    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setattr("serkit.cli.running.run", interrupt)
    for command, hint in (("compare", "; the same command resumes"), ("audit", "")):
        assert main([command, "x"]) == 130
        assert capsys.readouterr().err == f"\nserkit {command}: interrupted{hint}\n"


def test_places_that_cannot_be_written_to_are_one_line(synthetic_root, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["audit", str(synthetic_root), "--out", str(tmp_path / "file")]) == 1
    arguments = ["--out", str(tmp_path / "run"), "--export", str(tmp_path / "file")]
    assert main(["demo", str(synthetic_root), *arguments]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 2
    assert all(str(tmp_path / "file") in line for line in lines)


def test_the_command_answers_without_what_is_slow_to_import():
    """Help and audit must not wait for TensorFlow's start, nor for librosa's and numba's."""
    code = "import sys; from serkit.cli.main import main; main(['audit', 'nowhere']);"
    code += "print({'tensorflow', 'librosa', 'numba'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_prediction_does_not_wait_for_packages_that_keras_can_do_without(
    bayesian_export, tmp_path, wav_bytes, rng
):
    recording = tmp_path / "a.wav"
    recording.write_bytes(wav_bytes(rng.uniform(-0.5, 0.5, 16_000)))
    arguments = ["predict", str(bayesian_export), str(recording)]
    code = f"import sys; from serkit.cli.main import main; assert main({arguments!r}) == 0;"
    code += "print({'sklearn', 'pandas', 'matplotlib'} & set(sys.modules));"
    # The packages can be imported afterwards.
    code += "import sklearn, pandas, matplotlib"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_version_and_unknown_commands():
    for arguments, status in ((["--version"], 0), (["dance"], 2), ([], 2)):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == status


@pytest.mark.parametrize(
    "after", ["serkit.cli.parser", "argparse", "numpy.core.multiarray", "serkit.cli.listen"]
)
def test_ctrl_c_during_the_imports_is_one_line(after):
    """Python says what it has imported; the signal comes when it has come so far."""
    command = [sys.executable, "-X", "importtime", "-m", "serkit", "audit", "nowhere"]

    def heed() -> None:
        # A shell has what it starts in the background ignore the signal, and that is inherited.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    started = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed)
    with started as process:
        for line in process.stderr:
            # The newest NumPy's name for it has an underscore.
            if line.split("|")[-1].strip().replace("._core", ".core") == after:
                process.send_signal(signal.SIGINT)
                break
        rest = [line for line in process.stderr if not line.startswith("import time:")]
    assert "".join(rest).split() in (
        ["serkit:", "interrupted"],
        ["serkit", "audit:", "interrupted"],
    )
    assert process.returncode == 130


@pytest.mark.parametrize(
    "arguments",
    [
        ["audit", "{nowhere}", "--out", "{out}"],
        ["audit", "mine={nowhere}", "--out", "{out}"],
        ["audit", "{there}", "--reject", "colour", "--out", "{out}"],
        ["compare", "{nowhere}", "--out", "{out}"],
        ["demo", "{nowhere}", "--out", "{out}", "--export", "{out}"],
        ["tune", "classifier", "{nowhere}", "--out", "{out}"],
        ["spectrogram", "{nowhere}", "--out", "{out}"],
        ["listen", "{nowhere}", "--out", "{out}"],
        ["generate", "{nowhere}", "--plan", "balance", "--out", "{out}"],
        ["export", "{nowhere}", "--classes", "sad", "--out", "{out}"],
        ["download", "{nowhere}", "--out", "{out}"],
    ],
    ids=" ".join,
)
def test_what_is_not_there_makes_no_folder(arguments, tmp_path):
    (tmp_path / "there").mkdir()
    places = {name: tmp_path / name for name in ("nowhere", "there", "out")}
    assert main([word.format(**places) for word in arguments]) == 2
    assert not places["out"].exists()


def test_a_terminal_without_the_letters_gets_question_marks(synthetic_root, tmp_path):
    command = [sys.executable, "-m", "serkit", "audit", str(synthetic_root), "--out", str(tmp_path)]
    done = subprocess.run(
        command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=False
    )
    assert done.returncode == 0, done.stderr
    assert b"Cram?r's V" in done.stdout


def test_without_a_standard_output_it_works_as_well(synthetic_root, tmp_path):
    command = f'"{sys.executable}" -m serkit audit "{synthetic_root / "SAVEE"}" --out "{tmp_path}"'
    done = subprocess.run(f"{command} >&-", shell=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "manifest.csv").exists()


def _commands() -> list[str]:
    modules = [module.name for module in pkgutil.iter_modules(serkit.cli.__path__)]
    imported = [importlib.import_module(f"serkit.cli.{name}") for name in modules]
    return [n for n, module in zip(modules, imported, strict=True) if hasattr(module, "add_to")]


@pytest.mark.parametrize("command", _commands())
def test_help_for_a_terminal_without_the_letters(command, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    sys.stdout.flush()
    assert sys.stdout.buffer.getvalue().startswith(f"usage: serkit {command}".encode())
