"""Benchmarks and experiments still run."""

import re
import subprocess
import sys
from pathlib import Path

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
    _run("scripts/benchmarks/bench_audit.py", str(synthetic_root), "--quick")


def test_damaged_recordings_are_all_accounted_for():
    """Its exit status is 1 if the audit crashed, hung or forgot a file."""
    _run("scripts/benchmarks/fuzz_audit.py", "--quick", "--seed", "99")


@pytest.mark.slow
def test_damaged_headers_give_samples_or_a_status():
    """Its exit status is 1 if the decoder crashed, hung or kept memory."""
    _run("scripts/benchmarks/fuzz_decoder.py", "--quick", "--seed", "99")


@pytest.mark.slow
def test_vgg16_is_trained_from_nothing_in_two_stages(synthetic_root, tmp_path):
    arguments = [str(synthetic_root), "--folds", "3", "--first-folds", "1", "--out", str(tmp_path)]
    small = ["--sides", "32", "32", "--epochs", "2", "1", "--learning-rates", "1e-3", "1e-3"]
    out = _run("experiments/pretrain_vgg16.py", *arguments, *small)
    assert len(re.findall(r"\d+\.\d\d images/s", out)) == 3
    fold = tmp_path / "seed-0" / "fold-1"
    weights, split = fold / "vgg16.weights.h5", read_json(fold / "split.json")
    card = read_card(weights)
    assert (card.scaling, card.seed, card.fold) == ("plain", 0, 1)
    assert 0 < card.uar < 1
    assert list(card.speakers) == split["parts"]["train"]["speakers"]
    # Nothing is left to be done.
    assert "images/s" not in _run("experiments/pretrain_vgg16.py", *arguments, *small)
