"""The scripts that make environments, and the lock files that they are made from."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import serkit

PROJECT = Path(serkit.__file__).parents[1]
# Makes an environment of copies of itself; whatever else it is asked to do, it writes down.
PYTHON = """#!/usr/bin/env bash
case "$1 $2" in
    "-c "*) exit ;;
    "-m venv") mkdir -p "$3/bin"
        for name in pip python ruff pyright; do cp "$0" "$3/bin/$name"; done ;;
    *) echo "${PYTHONDONTWRITEBYTECODE:-compiles} $0 $*" >> log; [ ! -e no-network ] ;;
esac
"""


@pytest.fixture
def project(tmp_path) -> Path:
    """A project with the scripts, lock files and setup.cfg, where nothing is installed."""
    shutil.copytree(PROJECT / "scripts", tmp_path / "scripts")
    for path in [*PROJECT.glob("requirements*.lock"), PROJECT / "setup.cfg"]:
        shutil.copy(path, tmp_path)
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    return tmp_path


def _call(project: Path, *command: str) -> list[str]:
    """What the environments were asked to do, a line each; the last is the script's own work."""
    (project / "log").write_text("")
    environ = {"PATH": "/usr/bin:/bin", "PYTHON": str(project / "python")}
    environ["PYTHONDONTWRITEBYTECODE"] = "1"
    subprocess.run([project / command[0], *command[1:]], cwd="/", env=environ, check=False)
    return (project / "log").read_text().splitlines()


def test_an_environment_is_made_once_and_again_when_its_lock_changes(project):
    made = _call(project, "scripts/test.sh", "-k", "this")
    run, tests, serkit_itself, *_checks, pytest_line = made
    assert run.startswith("compiles .venv/bin/python -m pip install")
    assert run.endswith("-r requirements.lock")
    assert tests.endswith("-r requirements-test.lock")
    assert serkit_itself.endswith("--editable .")
    assert ".venv/bin/python -m pytest" in pytest_line
    assert pytest_line.endswith("-k this")
    assert _call(project, "scripts/test.sh", "-k", "this") == [*_checks, pytest_line]
    with (project / "requirements-test.lock").open("a") as lock:
        lock.write("another==1\n")
    assert _call(project, "scripts/test.sh", "-k", "this") == [tests, *_checks, pytest_line]


def test_pytorch_is_installed_only_when_asked_for(project):
    plain = _call(project, "scripts/test.sh")
    assert not [line for line in plain if "requirements-torch.lock" in line]
    torch, *rest = _call(project, "scripts/test.sh", "--torch", "-k", "this")
    assert torch.endswith("-r requirements-torch.lock")
    assert rest[-1].endswith("-k this")
    # A plain "torch", or a range, would bring a build for CUDA.
    assert _pinned("requirements-torch.lock")["torch"] == "2.13.0"


def test_the_latest_is_an_environment_of_its_own(project):
    _call(project, "scripts/test.sh")
    made = _call(project, "scripts/test.sh", "--latest")
    assert [Path(line.split()[1]).parts[-3] for line in made] == [".venv-latest"] * 4
    assert [line.split()[-1] for line in made[:2]] == [
        "requirements-latest.lock",
        "requirements-test.lock",
    ]
    assert "--editable" in made[2]
    assert "-m not slow" in made[3]
    # Arguments take the place of the choice.
    (line,) = _call(project, "scripts/test.sh", "--latest", "tests/audio")
    assert line.endswith("tests/audio")
    assert "not slow" not in line
    assert not [line for line in _call(project, "scripts/test.sh") if ".venv-latest" in line]


def test_an_interrupted_installation_is_taken_up_again(project):
    (project / "no-network").touch()
    assert len(_call(project, "scripts/test.sh", "--latest")) == 1
    (project / "no-network").unlink()
    assert len(_call(project, "scripts/test.sh", "--latest")) == 4


def test_the_quick_choice_leaves_out_what_is_there(project):
    *_, line = _call(project, "scripts/test.sh", "--latest")
    left_out = re.findall(r"--(?:ignore|deselect)=(\S+)", line)
    assert left_out
    for path, _, name in (item.partition("::") for item in left_out):
        there = PROJECT / path
        assert there.is_dir() or f"def {name}" in there.read_text("utf-8")


def _pinned(lock: str) -> dict[str, str]:
    # A hash follows each version, in lines that are indented.
    pairs = re.findall(
        r"^([^#\s]+)==(\S+) \\\n +--hash=sha256:", (PROJECT / lock).read_text(), re.M
    )
    return {canonicalize_name(name): version for name, version in pairs}


@pytest.mark.parametrize("lock", [path.name for path in PROJECT.glob("requirements*.lock")])
def test_every_line_of_a_lock_file_has_a_version_and_a_hash(lock):
    lines = (PROJECT / lock).read_text().splitlines()
    versions = [line for line in lines if not line.startswith(("#", " "))]
    assert len(_pinned(lock)) == len(versions) > 0


def test_only_files_with_these_hashes_are_installed(project):
    made = _call(project, "scripts/test.sh", "--torch", "--weights")
    installed = [line for line in made if ".lock" in line]
    assert len(installed) == 4
    assert all("--no-deps --require-hashes" in line for line in installed)


def _ranges(*extras: str) -> list[Requirement]:
    config = configparser.ConfigParser()
    config.read(PROJECT / "setup.cfg", "utf-8")
    texts = [config["options"]["install_requires"]]
    texts += [config["options.extras_require"][extra] for extra in extras]
    lines = (line.strip() for text in texts for line in text.splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize(
    ("locks", "extras"),
    [
        (["requirements.lock", "requirements-test.lock"], ["tfio", "serve", "dev", "ray"]),
        (["requirements-latest.lock", "requirements-test.lock"], ["serve", "dev", "ray"]),
    ],
)
def test_every_range_admits_what_is_locked(locks, extras):
    pinned = {name: version for lock in locks for name, version in _pinned(lock).items()}
    for wanted in _ranges(*extras):
        assert wanted.specifier.contains(pinned[canonicalize_name(wanted.name)]), wanted


def test_each_set_has_the_probability_that_goes_with_its_tensorflow():
    # Its release notes: 0.24 was made for TensorFlow 2.16, 0.25 for 2.18. pip does not know.
    old, new = _pinned("requirements.lock"), _pinned("requirements-latest.lock")
    assert Version(old["tensorflow"]) < Version("2.18") <= Version(new["tensorflow"])
    assert old["tensorflow-probability"].startswith("0.24.")
    assert new["tensorflow-probability"].startswith("0.25.")
    # And its library loads on the old one only.
    assert "tensorflow-io" in old
    assert not {name for name in new if name.startswith("tensorflow-io")}


def test_only_known_arguments_write_locks(project):
    script = project / "scripts" / "lock.sh"
    done = subprocess.run([script, "--newest"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: " in done.stderr
