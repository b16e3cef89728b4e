"""Options -q, -v and --json."""

import json
import os
import shlex
import subprocess
import sys

import pytest

from serkit.cli.main import main

QUICK = {
    "audit": (),
    "train": ("--classifier", "features", "--folds", "3"),
    "compare": ("--classifier", "features", "--arms", "none", "class-weights", "--folds", "3"),
}
FILES = {"audit": "audit.json", "train": "metrics.json", "compare": "comparison.json"}


def _call(command: str, root, features, out, *options: str) -> list[str]:
    own = ("--features", str(features)) if command != "audit" else ()
    return [command, str(root / "RAVDESS"), *QUICK[command], *own, "--out", str(out), *options]


@pytest.mark.parametrize("command", QUICK)
def test_json_is_all_that_is_printed_and_quiet_prints_nothing(
    command, synthetic_root, own_features, tmp_path, capfd
):
    call = _call(command, synthetic_root, own_features, tmp_path / "run")
    assert main([*call, "--json"]) == 0
    printed = json.loads(capfd.readouterr().out)
    written = json.loads((tmp_path / "run" / FILES[command]).read_text("utf-8"))
    assert written.items() <= printed.items()
    assert main([*call, "--quiet"]) == 0
    assert capfd.readouterr().out == ""


def test_verbose_says_where_an_error_was_raised(tmp_path, capfd):
    call = ["audit", str(tmp_path / "nowhere")]
    assert main(call) == 2
    line = capfd.readouterr().err
    assert main([*call, "--verbose"]) == 2
    with_traceback = capfd.readouterr().err
    assert with_traceback.startswith("Traceback")
    assert with_traceback.endswith(line)


def test_a_shell_completes_values_of_options():
    line = "serkit compare recordings --arms spec"
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    # argcomplete answers on file descriptor 8.
    command = f"{shlex.quote(sys.executable)} -m serkit 8>&1 9>&2"
    done = subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "specaugment"


def test_a_dry_run_has_no_json(synthetic_root, tmp_path, capfd):
    call = ["train", str(synthetic_root), "--out", str(tmp_path / "run"), "--dry-run", "--json"]
    assert main(call) == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert "--dry-run prints a table" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", ["train", "compare"])
def test_a_seed_has_a_range(command, synthetic_root, tmp_path, capfd):
    option = "--seeds" if command == "compare" else "--seed"
    call = [command, str(synthetic_root), "--out", str(tmp_path / "run"), option]
    assert main([*call, str(2**31)]) == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert f"`{option}` must be between 0 and {2**31 - 1}" in line


def test_an_audit_does_not_replace_another_run(finished_run, synthetic_root, capfd):
    before = (finished_run / "manifest.csv").read_bytes()
    assert main(["audit", str(synthetic_root / "SAVEE"), "--out", str(finished_run)]) == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert "`--out` must not be the folder of another command's run" in line
    assert (finished_run / "manifest.csv").read_bytes() == before
