import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from serkit.datasets.imbalance import balance_plan
from serkit.datasets.synthetic import SyntheticSettings
from serkit.errors import InputError, ResumeError
from serkit.export.versions import DETAILS_FILE
from serkit.files import read_json
from serkit.models.compact import CompactSettings
from serkit.models.fitting import FitSettings
from serkit.studies import demo
from serkit.studies.classifier_runs import ClassifierRun
from serkit.studies.demo import demo_settings, run_demo
from serkit.studies.finished_comparison import open_classifier_to_export
from serkit.studies.gan_kinds import GanSizes
from serkit.studies.search_spaces import CompactRecipe

pytestmark = pytest.mark.filterwarnings("ignore:a GAN is trained on")
TINY = replace(
    demo_settings(rare_below=0.55),
    synthetic=SyntheticSettings(size=0.01),
    gans=GanSizes(width=0.05, pretraining=0, steps=40),
    tuned={
        "classifier": CompactRecipe(
            CompactSettings(channels=(4, 8)),
            FitSettings(epochs=2, steps_per_epoch=3, batch_size=8, keep="last"),
        )
    },
    most_rare=1,
    gated=False,
)


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    """Run folder of a finished demo."""
    out = tmp_path_factory.mktemp("runs") / "demo"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "check_exported_model", lambda *given: "")
        run_demo(TINY, out, out.parent / "models" / "demo")
    return out


@pytest.fixture
def not_tried_out(monkeypatch) -> None:
    """Without the prediction of the exported model in a process of its own."""
    monkeypatch.setattr(demo, "check_exported_model", lambda *given: "")


def test_files(done):
    for name in (
        *("manifest.csv", "rejected.csv", "roots.json", "splits/hold-out-1.json", "settings.json"),
        *("versions.json", "metrics.json", "comparison.json", "report.html", "tables/arms.csv"),
        *("figures/real-and-dcgan.png", "figures/recording.png", "figures/balance-corpus.png"),
        *("gans/female_surprise/history.csv", "gans/female_surprise/generator.keras"),
        *("gans/female_surprise/generator.json", "generated/female_surprise/manifest.csv"),
        *("judge/judge.npz", "judge/classifier.keras"),
    ):
        assert (done / name).is_file(), name
    assert (done.parent / "models" / "demo" / "1" / "saved_model.pb").is_file()
    assert not list(done.rglob(".partial-*"))


def test_metrics_are_of_both_arms_on_the_same_real_clips(done):
    metrics, split = read_json(done / "metrics.json"), read_json(done / "splits/hold-out-1.json")
    for arm in ("original", "augmented"):
        for part, members in split["parts"].items():
            confusion = metrics["arms"][arm][part]["confusion"]
            assert sum(map(sum, confusion)) == members["clips"]
    plan = balance_plan(metrics["training_clips"], TINY.rare_below)
    assert metrics["generated"] == dict([next(iter(plan.items()))])
    assert (metrics["protocol"], metrics["leaky"]) == ("hold-out, one split, one seed", False)


def test_metrics_are_those_of_the_comparison(done):
    metrics = read_json(done / "metrics.json")
    found = read_json(done / "comparison.json")["protocols"]["hold-out"]["classifiers"]["compact"]
    names = {"original": "none", "augmented": "dcgan"}
    for ours, theirs in names.items():
        arm = found["arms"][theirs]
        assert metrics["arms"][ours]["test"]["confusion"] == arm["confusion"]
        assert metrics["arms"][ours]["validation"]["uar"] == arm["validation_uar"]
    apart = found["arms"]["dcgan"]["difference"]["uar"]["estimate"]
    assert metrics["uar_difference"] == {name: apart[name] for name in ("value", "low", "high")}


def test_no_speaker_is_in_two_partitions(done):
    split = read_json(done / "splits/hold-out-1.json")
    assert (split["protocol"], split["leaky"]) == ("hold-out", False)
    for first, second in itertools.combinations(split["parts"].values(), 2):
        assert not set(first["speakers"]) & set(second["speakers"])


def test_report_page(done):
    page = (done / "report.html").read_text("utf-8")
    assert "cannot prove anything" in page
    assert "synthetic voices" in page
    assert "usable clips of" in page
    # Six wrong predictions, and real and generated sounds of one class.
    assert page.count("<img") == len(list((done / "figures").glob("*.png"))) + 6
    assert page.count("<audio") == 6 + 2 * 3
    links = re.findall(r'href="([^#].*?)"', page)
    assert {"tables/arms.csv", "../models/demo/1", "manifest.csv"} <= set(links)
    assert all((done / link).exists() for link in links)
    assert any(link.endswith("model-card.md") for link in links)


def test_a_finished_run_is_not_repeated_but_a_removed_model_is_exported_again(done, capfd):
    before = {path: path.stat().st_mtime_ns for path in done.glob("cache/**/record.json")}
    kept = {name: (done / name).read_bytes() for name in ("report.html", "metrics.json")}
    models = done.parent / "models" / "demo"
    shutil.rmtree(models / "1")
    run_demo(TINY, done, done.parent / "models" / "demo")
    assert len(before) == 2
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert {name: (done / name).read_bytes() for name in kept} == kept
    assert "female_surprise" in capfd.readouterr().out
    assert (models / "1" / "saved_model.pb").is_file()


@pytest.mark.parametrize(("name", "arm"), [("original", "none"), ("augmented", "dcgan")])
def test_both_arms_can_be_exported(done, name, arm, monkeypatch):
    monkeypatch.setattr(ClassifierRun, "run", None)
    given = open_classifier_to_export(done, name)
    assert (given.metadata["arm"], given.metadata["protocol"]) == (arm, "hold-out, one split")
    generated = read_json(done / "metrics.json")["generated"]
    assert given.generated == ({} if arm == "none" else generated)
    assert all(file.is_file() for file in given.files)


@pytest.mark.usefixtures("not_tried_out")
def test_mended_recordings_are_audited_again(tmp_path, wav_bytes, rng):
    """Too few speakers, then enough: the second start must see the new ones."""
    root = tmp_path / "mine"
    root.mkdir()

    def record(actors):
        for actor, emotion in itertools.product(actors, (3, 4)):
            name = f"03-01-{emotion:02}-01-01-01-{actor:02}.wav"
            (root / name).write_bytes(wav_bytes(rng.uniform(-0.5, 0.5, 16_000)))

    record(range(1, 4))
    settings = replace(TINY, roots=(str(root),), synthetic=None, label_set="emotion")
    out, models = tmp_path / "run", tmp_path / "models" / "run"
    with pytest.raises(InputError, match="5 or more"):
        run_demo(settings, out, models)
    record(range(4, 9))
    # No class is rare, so that there is one arm and a model, too.
    metrics = run_demo(settings, out, models)
    assert metrics["arms"]["original"] == metrics["arms"]["augmented"]
    assert metrics["generated"] == {}
    assert read_json(models / "1" / DETAILS_FILE)["arm"] == "none"
    assert "nothing to fill for dcgan" in (out / "report.html").read_text("utf-8")


@pytest.mark.usefixtures("not_tried_out")
def test_all_results_of_the_random_split_are_marked_as_leaky(done, tmp_path, capfd):
    out, cache = tmp_path / "leaky", tmp_path / "cache"
    # Recordings and spectrograms are those of the other run.
    shutil.copytree(done / "cache" / "audio", cache / "audio")
    roots = (str(done / "built-in"),)
    settings = replace(TINY, roots=roots, protocol="random", rare_below=0.0)
    metrics = run_demo(settings, out, tmp_path / "models" / "leaky", cache)
    split = read_json(out / "splits" / "random-1.json")
    assert split["leaky"]
    assert len(split["speakers_in_several_parts"]) > 10
    assert (metrics["leaky"], metrics["protocol"]) == (True, "random, one split, one seed")
    assert read_json(tmp_path / "models" / "leaky" / "1" / DETAILS_FILE)["leaky"] is True
    page = (out / "report.html").read_text("utf-8")
    assert "<h1>LEAKY SPLIT: " in page
    assert page.count("LEAKY") >= 4
    assert "LEAKY test part" in capfd.readouterr().out


def test_other_settings_need_another_folder(done):
    with pytest.raises(ResumeError, match=r"seed.*0.*1"):
        run_demo(replace(TINY, seed=1), done, done.parent / "models" / "demo")


def _kill_when(out: Path, condition) -> None:
    """Start a tiny demo in a process of its own, whose program is this file, and kill it."""
    command = [sys.executable, __file__, str(out)]
    with open(out.with_suffix(".log"), "ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    while not condition():
        assert process.poll() is None, "the demo ended before it could be killed"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.slow
@pytest.mark.usefixtures("not_tried_out")
def test_killed_in_a_gan_and_again_in_a_classifier(done, tmp_path, monkeypatch):
    """The results are those of a run that was never killed."""
    killed = tmp_path / "killed"

    def found(pattern: str) -> bool:
        return bool(list(killed.glob(f"cache/{pattern}")))

    _kill_when(killed, lambda: found("gans/dcgan-female_surprise-*/state.npz"))
    assert not found("gans/dcgan-female_surprise-*/generator.json")
    _kill_when(killed, lambda: found("trainings/*/state.npz"))
    assert len(list(killed.glob("cache/trainings/*/record.json"))) < 2
    # The page is drawn from these results alone.
    monkeypatch.setattr(demo, "write_comparison_report", lambda *given, **named: None)
    run_demo(TINY, killed, tmp_path / "models" / killed.name)
    for name in ("manifest.csv", "metrics.json", "comparison.json", "splits/hold-out-1.json"):
        assert (killed / name).read_bytes() == (done / name).read_bytes()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    run_demo(TINY, folder, folder.parent / "models" / folder.name)
