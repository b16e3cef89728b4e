import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from serkit.datasets.imbalance import balance_plan
from serkit.datasets.synthetic import SyntheticSettings
from serkit.errors import InputError, ResumeError
from serkit.export.versions import DETAILS
from serkit.files import read_json, write_json
from serkit.gans.dcgan import DCGANSettings
from serkit.models.compact import CompactSettings
from serkit.models.fitting import FitSettings
from serkit.reporting.verdicts import LEAKY
from serkit.studies.demo import run_demo
from serkit.studies.demo_settings import ARMS, DemoSettings

# So few clips are all that a test has time for.
pytestmark = pytest.mark.filterwarnings("ignore:a GAN is trained on")
TINY = DemoSettings(
    synthetic=SyntheticSettings(size=0.01),
    gan=DCGANSettings(width=0.05, batch_size=4, steps=20, steps_per_epoch=2),
    compact=CompactSettings(channels=(4, 8)),
    fit=FitSettings(epochs=2, steps_per_epoch=3, batch_size=8),
    rare_below=0.55,
    pretraining_steps=2,
    gated=False,
)


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    """The folder of a finished demo."""
    out = tmp_path_factory.mktemp("runs") / "demo"
    run_demo(TINY, out, out.parent / "models")
    return out


def test_everything_the_issue_of_a_run_needs_is_there(done):
    for name in (
        *("manifest.csv", "rejected.csv", "roots.json", "split.json", "settings.json"),
        *("versions.json", "metrics.json", "report.html", "figures/gan-grid.png"),
        *("gans/male_surprise/history.csv", "gans/male_surprise/generator.keras"),
        *("gans/male_surprise/generator.json", "generated/male_surprise/manifest.csv"),
        *("classifiers/original/history.csv", "classifiers/augmented/model.keras"),
    ):
        assert (done / name).is_file(), name
    assert (done.parent / "models" / "demo" / "1" / "saved_model.pb").is_file()
    assert not list(done.rglob(".partial-*"))


def test_metrics_are_of_both_arms_on_the_same_real_clips(done):
    metrics, split = read_json(done / "metrics.json"), read_json(done / "split.json")
    for arm in ARMS:
        for part, members in split["parts"].items():
            confusion = metrics["arms"][arm][part]["confusion"]
            assert sum(map(sum, confusion)) == members["clips"]
    plan = balance_plan(metrics["training_clips"], TINY.rare_below)
    assert metrics["generated"] == plan
    assert plan


def test_no_speaker_is_in_two_parts(done):
    split = read_json(done / "split.json")
    assert (split["protocol"], split["leaky"]) == ("hold-out", False)
    for first, second in itertools.combinations(split["parts"].values(), 2):
        assert not set(first["speakers"]) & set(second["speakers"])


def test_report_admits_that_it_is_small(done):
    page = (done / "report.html").read_text("utf-8")
    assert "cannot prove anything" in page
    assert "synthetic voices" in page
    assert page.count("<img") == 9


def test_a_finished_run_is_not_done_again(done, capfd):
    before = {path: path.stat().st_mtime_ns for path in done.rglob("*.npz")}
    report = (done / "report.html").read_bytes()
    run_demo(TINY, done, done.parent / "models")
    assert {path: path.stat().st_mtime_ns for path in done.rglob("*.npz")} == before
    assert (done / "report.html").read_bytes() == report
    assert "male_surprise" in capfd.readouterr().out


def test_another_split_than_the_fitted_one_is_refused(done):
    path = done / "split.json"
    before = path.read_bytes()
    split = read_json(path)
    parts = split["parts"]
    parts["train"], parts["test"] = parts["test"], parts["train"]
    write_json(path, split)
    with pytest.raises(ResumeError, match="not the split that is drawn now"):
        run_demo(TINY, done, done.parent / "models")
    path.write_bytes(before)


def test_a_model_that_was_removed_is_exported_again(done):
    models = done.parent / "models" / "demo"
    shutil.rmtree(models / "1")
    run_demo(TINY, done, done.parent / "models")
    assert (models / "1" / "saved_model.pb").is_file()


def test_mended_recordings_are_audited_again(tmp_path, wav_bytes, rng):
    """Too few speakers, then enough: the second start must see the new ones."""
    root = tmp_path / "recordings"
    root.mkdir()

    def record(actors):
        for actor, emotion in itertools.product(actors, (3, 4)):
            name = f"03-01-{emotion:02}-01-01-01-{actor:02}.wav"
            (root / name).write_bytes(wav_bytes(rng.uniform(-0.5, 0.5, 16_000)))

    record(range(1, 4))
    settings = replace(TINY, roots=(str(root),), label_set="emotion")
    with pytest.raises(InputError, match="5 or more"):
        run_demo(settings, tmp_path / "run", tmp_path / "models")
    record(range(4, 9))
    run_demo(settings, tmp_path / "run", tmp_path / "models")
    assert (tmp_path / "run" / "report.html").is_file()
    assert "No class is rare" in (tmp_path / "run" / "report.html").read_text("utf-8")


def test_everything_made_from_the_random_split_says_that_it_leaks(tmp_path, capfd):
    out = tmp_path / "leaky"
    run_demo(replace(TINY, protocol="random", pretraining_steps=0), out, tmp_path / "models")
    split, metrics = read_json(out / "split.json"), read_json(out / "metrics.json")
    assert split["leaky"]
    assert len(split["speakers_in_several_parts"]) > 10
    assert (metrics["leaky"], metrics["protocol"]) == (True, "random, one split, one seed")
    assert read_json(tmp_path / "models" / "leaky" / "1" / DETAILS)["leaky"] is True
    page = (out / "report.html").read_text("utf-8")
    assert "<h1>LEAKY SPLIT: " in page
    assert page.count(LEAKY.split(":")[0]) >= 4
    assert "LEAKY test part" in capfd.readouterr().out


def test_other_settings_need_another_folder(done):
    with pytest.raises(ResumeError, match="seed was 0, now 1"):
        run_demo(replace(TINY, seed=1), done, done.parent / "models")


def _start(out: Path, *, wait: bool) -> subprocess.Popen:
    """A tiny demo in a process of its own; this file is its program."""
    command = [sys.executable, __file__, str(out)]
    with open(out.with_suffix(".log"), "ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    if wait:
        assert process.wait(timeout=1800) == 0, out.with_suffix(".log").read_text()
    return process


def _kill_when(process: subprocess.Popen, condition) -> None:
    while not condition():
        assert process.poll() is None, "the demo ended before it could be killed"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.slow
def test_killed_in_the_middle_of_a_gan_and_again_in_a_classifier(done, tmp_path):
    """Same manifest and metrics as a run that was never killed: same seed twice, too."""
    parts = tmp_path / "parts"
    state = parts / "gans" / "female_surprise" / "state.npz"
    generated = parts / "generated" / "female_surprise" / "manifest.csv"
    process = _start(parts, wait=False)
    _kill_when(process, lambda: state.exists() and not generated.exists())
    assert 0 < len(pd.read_csv(state.with_name("history.csv"))) <= 10
    process = _start(parts, wait=False)
    _kill_when(process, (parts / "classifiers" / "augmented" / "history.csv").exists)
    _start(parts, wait=True)
    for name in ("manifest.csv", "metrics.json", "split.json"):
        assert (parts / name).read_bytes() == (done / name).read_bytes()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    run_demo(TINY, folder, folder.parent / "models")
