"""Every experiment takes the same options and fails as a command does."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import serkit
from serkit.audio.arguments import spec_of
from serkit.errors import InputError

EXPERIMENTS = sorted((Path(serkit.__file__).parents[1] / "experiments").glob("*.py"))


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_it_takes_recordings_spectrograms_and_a_folder(path, monkeypatch, tmp_path):
    assert path.read_text("utf-8").endswith("    run_experiment(main, parse())\n")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    experiment = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(experiment)
    words = ["nowhere", "--kind", "log", "--sample-rate", "22050", "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", [path.name, *words])
    options = experiment.parse()
    assert [str(root) for root in options.roots] == ["nowhere"]
    assert (spec_of(options).kind, spec_of(options).sample_rate) == ("log", 22_050)
    assert options.out == tmp_path / "out"
    with pytest.raises(InputError, match=r"nowhere does not exist$"):
        experiment.main(options)


def test_nothing_but_our_line_reaches_the_user():
    (path,) = (path for path in EXPERIMENTS if path.stem == "report_choices")
    # It imports Keras and TensorFlow itself, before the rest of serkit.
    assert "\nimport tensorflow" in path.read_text("utf-8")
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    words = [sys.executable, str(path), "nowhere"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "report_choices.py: nowhere does not exist\n"
