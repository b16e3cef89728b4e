"""Benchmarks and experiments still run."""

import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import pytest

import serkit
from serkit.files import read_json
from serkit.models.pretrained import read_card

PROJECT = Path(serkit.__file__).parents[1]


def _run(script: str, *arguments: str) -> str:
    command = [sys.executable, str(PROJECT / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_benchmark_runs(synthetic_root):
    _run("scripts/benchmarks/bench_audit.py", str(synthetic_root / "SAVEE"), "--quick")


def test_damaged_recordings_are_all_accounted_for():
    """Its exit status is 1 if the audit crashed, hung or forgot a file."""
    _run("scripts/benchmarks/fuzz_audit.py", "--quick", "--seed", "99")


@pytest.mark.slow
def test_damaged_headers_give_samples_or_a_status():
    """Its exit status is 1 if the decoder crashed, hung or kept memory."""
    _run("scripts/benchmarks/fuzz_decoder.py", "--quick", "--seed", "99")


@pytest.mark.slow
def test_killed_commands_give_the_files_of_whole_ones():
    """Its exit status is 1 if a file differs."""
    _run("scripts/benchmarks/kill_runs.py", "--quick")


@pytest.mark.slow
def test_two_versions_are_measured_in_one_table(synthetic_root):
    printed = _run("scripts/benchmarks/before_after.py", "HEAD", str(synthetic_root), "--quick")
    row = re.search(r"\| serkit --help, s \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", printed)
    before, now, ratio = map(float, row.groups())
    assert ratio == pytest.approx(now / before, abs=0.01)


@pytest.mark.slow
def test_attacks_do_not_make_the_server_fail():
    """Its exit status is 1 if the log has a traceback or a request in between failed."""
    _run("scripts/benchmarks/attack_server.py", "--quick")


@pytest.mark.slow
def test_slow_and_incomplete_requests_do_not_make_the_server_fail():
    """Its exit status is 1 if the log has a traceback, or for a status 500."""
    _run("scripts/benchmarks/fuzz_streams.py", "--quick")


@pytest.mark.slow
def test_the_gpu_benchmark_computes_spectrograms_on_a_logical_device():
    printed = _run("scripts/benchmarks/bench_gpu.py", "spectrograms", "--logical", "--quick")
    assert re.findall(r"computed on (CPU:\d): [1-9]\d* clips/s", printed) == ["CPU:1", "CPU:0"]


def _small_network(classes: int, side: int, seed: int) -> keras.Model:
    """A network in place of VGG16, whose weights fit every side, too."""
    keras.utils.set_random_seed(seed % 1000)
    inputs = keras.Input((224, 224, 1))
    found = keras.layers.Conv2D(4, 3, strides=4)(keras.layers.AveragePooling2D(224 // side)(inputs))
    found = keras.layers.Dense(classes)(keras.layers.GlobalAveragePooling2D()(found))
    return keras.Model(inputs, found)


@pytest.mark.slow
@pytest.mark.usefixtures("deterministic")
def test_vgg16_is_trained_from_nothing_in_two_stages(synthetic_root, tmp_path, monkeypatch, capsys):
    """With a small network in its place; tests/models/test_scratch.py trains VGG16 itself."""
    script = str(PROJECT / "experiments" / "pretrain_vgg16.py")
    experiment = SimpleNamespace(**runpy.run_path(script))
    shared = experiment.main.__globals__
    monkeypatch.setitem(shared, "vgg16_from_scratch", _small_network)
    monkeypatch.setitem(shared, "plain_base", lambda model: model)
    arguments = [str(synthetic_root), "--folds", "3", "--first-folds", "1", "--out", str(tmp_path)]
    small = ["--sides", "32", "56", "--epochs", "2", "1", "--learning-rates", "1e-3", "1e-3"]
    monkeypatch.setattr(sys, "argv", [script, *arguments, *small])
    experiment.main(experiment.parse())
    said = capsys.readouterr().out
    assert len(re.findall(r"\d+\.\d\d images/s", said)) == 3
    assert "stage 1: 2 epochs at 32 x 32" in said
    assert "stage 2: 1 epochs at 56 x 56" in said
    fold = tmp_path / "seed-0" / "fold-1"
    weights, split = fold / "vgg16.weights.h5", read_json(fold / "split.json")
    card = read_card(weights)
    assert (card.scaling, card.seed, card.fold) == ("plain", 0, 1)
    assert 0 < card.uar < 1
    assert list(card.speakers) == split["parts"]["train"]["speakers"]
    # Nothing is left to be done.
    experiment.main(experiment.parse())
    assert "images/s" not in capsys.readouterr().out
