"""The scripts that measure must go on working; what they measure is for people to read."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import serkit
from serkit.files import read_json
from serkit.models.pretrained import read_card

SCRIPTS = Path(serkit.__file__).parents[1] / "scripts"
EXPERIMENTS = SCRIPTS.parent / "experiments"
_TINY_GAN = ("--width", "0.02", "--batch", "2", "--dtype", "float32")


def _run(name: str, *arguments: str, folder: Path = SCRIPTS) -> str:
    command = [sys.executable, str(folder / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_damaged_recordings_are_all_accounted_for():
    out = _run("fuzz_audit.py", "--count", "500", "--seed", "99")
    assert int(re.match(r"(\d+) files, every one accounted for", out)[1]) >= 500
    assert "'usable': " in out


def test_the_audits_bench_prints_ratios_prosody_and_memory(synthetic_root):
    out = _run("bench_audit.py", str(synthetic_root), "--rounds", "1", "--files", "300")
    assert len(re.findall(r"ratio \d+\.\d\d", out)) == 2
    assert re.findall(r"(\d) workers?: audit \d+ clips/s, with prosody \d+", out) == ["1", "2"]
    assert re.search(r"300 tiny files audited and written: peak \d+ MiB", out)


@pytest.mark.slow
def test_damaged_headers_give_samples_or_a_status():
    out = _run("fuzz_decoder.py", "--count", "1000", "--seed", "99")
    assert "1000 files, seed 99: no crash" in out
    assert "decoded, with a note" in out


@pytest.mark.slow
def test_the_audio_bench_prints_ratios_memory_and_latency(synthetic_root):
    out = _run(
        "bench_audio.py", str(synthetic_root), "--files", "3", "--rounds", "1", "--many", "240"
    )
    assert len(re.findall(r"^  serkit +\d+ +\d+ +1\.00x$", out, re.MULTILINE)) == 2
    assert len(re.findall(r"bound: [\d.]+ ms a clip; serkit costs [\d.]+ x", out)) == 2
    assert re.search(r"peak memory: \d+ MiB", out)
    assert re.search(r"median [\d.]+ ms, 99th percentile [\d.]+", out)


@pytest.mark.slow
def test_the_classifier_bench_prints_ratios_of_live_training():
    options = ("--parts", "live", "--batch", "4", "--rounds", "1", "--steps", "1")
    out = _run("bench_classifier.py", *options)
    names = re.findall(r"^  (\S.*?) +[\d.]+, ratio \d+\.\d\d$", out, re.MULTILINE)
    assert names[:2] == ["cached", "live"]
    assert "live, pitch" in names


@pytest.mark.slow
def test_the_gan_bench_prints_ratios_and_memory():
    pytest.importorskip(
        "torch", reason="PyTorch is not installed; scripts/test.sh --torch installs it"
    )
    out = _run("bench_gan.py", *_TINY_GAN, "--rounds", "1", "--steps", "1")
    assert re.search(r"float32, batch 2: serkit / PyTorch = ratio \d+\.\d\d; matmul \d+ GF/s", out)
    assert len(re.findall(r"images/s, +\d+ % of matmul, peak memory \d+ MiB", out)) == 2


def test_the_gan_bench_says_where_a_step_goes():
    out = _run("bench_gan.py", *_TINY_GAN, "--profile")
    assert len(re.findall(r"^  [\w', ]+ +\d+$", out, re.MULTILINE)) == 8


@pytest.mark.slow
def test_the_classifier_bench_prints_ratios_break_even_and_memory():
    pytest.importorskip(
        "torch", reason="PyTorch is not installed; scripts/test.sh --torch installs it"
    )
    out = _run(
        *("bench_classifier.py", "--networks", "resnet50-head", "--batch", "2"),
        *("--rounds", "1", "--steps", "1", "--for-clips", "300"),
        # Sixteen processes take long to start; prediction works as training does.
        *("--parts", "training", "memory"),
    )
    ratio = r"serkit / PyTorch = ratio [\d.]+ \([\d.]+ against channels_last\); 30 is (NOT )?met"
    assert re.search(rf"resnet50-head, batch 2: {ratio}", out)
    assert len(re.findall(r"images/s in training", out)) == 6
    assert re.search(r"resnet50-head, each at its best batch: serkit \d+ images/s", out)
    assert len(re.findall(r"break-even with torch .* on 300 clips: epoch \d+", out)) == 2
    assert re.search(r"300 clips, .* peak memory [\d.]+ GiB", out)


@pytest.mark.slow
def test_the_bayesian_bench_prints_a_table_of_ratios():
    out = _run("bench_bayesian.py", "--batch", "2", "--samples", "2", "--rounds", "1")
    assert (
        len(re.findall(r"^\| .*, .* \| [\d.]+ \| [\d.]+ (?:NOT )?met \|$", out, re.MULTILINE)) == 4
    )


@pytest.mark.slow
def test_the_bench_of_scheduling_prints_overhead_and_how_much_faster_two_are():
    pytest.importorskip("ray", reason="Ray is not installed; it is the extra ray")
    out = _run("bench_grid.py", "--tasks", "2", "--seconds", "0.2")
    assert len(re.findall(r"^\| (?:bare loop|local engine|Ray, \d CPU) \|", out, re.MULTILINE)) == 4
    assert re.search(r"two workers are [\d.]+ times as fast as one", out)


@pytest.mark.slow
def test_the_bench_of_serving_prints_starts_speeds_memory_and_overload():
    pytest.importorskip("uvicorn", reason="no web server; it is in the extra serve")
    out = _run(
        *("bench_serving.py", "--requests", "20", "--clients", "1", "4"),
        *("--memory", "50", "--overload", "1", "--length", "1"),
    )
    assert re.search(r"^\| with warm-up \|( [\d.]+ \|){4}$", out, re.MULTILINE)
    assert len(re.findall(r"^\| (?:no )?batches \| \d \|( [\d.]+ \|){5}$", out, re.MULTILINE)) == 4
    assert re.search(r"memory: \d+ MiB after 5 requests", out)
    assert len(re.findall(r"overload, \w+, 128 clients for [\d.]+ s: 200: \d+", out)) == 2
    assert len(re.findall(r"next request: 200 after \d\.\d+ s", out)) == 2


@pytest.mark.slow
def test_vgg16_is_trained_from_nothing_in_two_stages(synthetic_root, tmp_path):
    arguments = [str(synthetic_root), "--folds", "3", "--first-folds", "1", "--out", str(tmp_path)]
    small = ["--sides", "32", "32", "--epochs", "2", "1", "--learning-rates", "1e-3", "1e-3"]
    out = _run("pretrain_vgg16.py", *arguments, *small, folder=EXPERIMENTS)
    assert len(re.findall(r"\d+\.\d\d images/s", out)) == 3
    fold = tmp_path / "seed-0" / "fold-1"
    weights, split = fold / "vgg16.weights.h5", read_json(fold / "split.json")
    card = read_card(weights)
    assert (card.scaling, card.seed, card.fold) == ("plain", 0, 1)
    assert 0 < card.uar < 1
    assert list(card.speakers) == split["parts"]["train"]["speakers"]
    # Nothing is left to be done.
    assert "images/s" not in _run("pretrain_vgg16.py", *arguments, *small, folder=EXPERIMENTS)
