import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.cli.main import main
from serkit.datasets.corpus import Corpus
from serkit.errors import InputError, ResumeError
from serkit.files import read_json
from serkit.models.compact import CompactSettings
from serkit.models.fitting import FitSettings
from serkit.studies import comparison
from serkit.studies.comparison import compare, verdicts
from serkit.studies.engine import Comparison
from serkit.studies.gan_kinds import GanSizes
from serkit.studies.run_folder import RunFolder
from serkit.studies.search_spaces import CompactRecipe
from serkit.tasks.ray import RayEngine, RaySettings

pytestmark = pytest.mark.filterwarnings("ignore:a GAN is trained on")


def test_everything_is_written_and_arms_may_be_added(
    synthetic_root, settings_of, pretend, tmp_path, monkeypatch
):
    out, small = tmp_path / "run", SpectrogramSpec(frames=64, bins=64, hop=768)
    settings = settings_of(
        synthetic_root / "RAVDESS", classifiers=("compact",), arms=("none",), spec=small
    )
    with monkeypatch.context() as patch:
        patch.setattr(comparison, "write_comparison_report", lambda *given, **named: None)
        assert verdicts(compare(settings, out)) == []
    found = compare(replace(settings, arms=("none", "oversampling")), out)
    assert read_json(out / "comparison.json") == found
    assert [line.split(":")[0] for line in verdicts(found)] == ["oversampling"]
    for name in (
        *("report.html", "tables/arms.csv", "figures/forest-k-fold-compact.svg", "manifest.csv"),
        *("splits/k-fold-1.csv", "settings.json", "versions.json"),
    ):
        assert (out / name).is_file(), name
    with pytest.raises(ResumeError, match=r"folds.*3.*4"):
        compare(replace(settings, folds=4), out)


def test_after_a_call_that_failed_before_any_work_other_recordings_may_be_given(
    synthetic_root, settings_of, tmp_path, monkeypatch
):
    shutil.copytree(synthetic_root, tmp_path / "other")
    with pytest.raises(InputError, match="rarify"):
        compare(settings_of(synthetic_root, rarify=(("boredom", 0.5),)), tmp_path / "run")

    def stop(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(Comparison, "run", stop)
    with pytest.raises(KeyboardInterrupt):
        compare(settings_of(tmp_path / "other"), tmp_path / "run")
    manifest = Corpus.read(tmp_path / "run" / "manifest.csv")
    assert set(manifest.roots) == {"other"}
    with pytest.raises(ResumeError):
        compare(settings_of(synthetic_root), tmp_path / "run")


def test_weights_that_cannot_be_loaded_do_not_bind_the_folder(
    synthetic_root, settings_of, pretend, tmp_path, monkeypatch
):
    monkeypatch.setattr(comparison, "write_comparison_report", lambda *given, **named: None)
    gone = str(tmp_path / "gone.h5")
    settings = settings_of(
        synthetic_root / "RAVDESS", arms=("none",), classifiers=("resnet50-head",), weights=gone
    )
    with pytest.raises(InputError, match=r"gone\.h5, which does not exist"):
        compare(settings, tmp_path / "run")
    assert not (tmp_path / "run" / "cache").exists()
    compare(replace(settings, weights="none"), tmp_path / "run")


def test_the_compare_line_of_the_readme_ends_well_without_a_rare_class(
    synthetic_root, pretend, tmp_path, capsys
):
    root, out = synthetic_root / "RAVDESS", tmp_path / "run"
    assert main(["compare", str(root), "--out", str(out), "--short"]) == 0
    said = capsys.readouterr().out
    assert "! nothing to fill for oversampling" in said
    assert "! A short run shows only that everything works: 2 epochs of 4 steps; 3 folds" in said
    page = (out / "report.html").read_text()
    assert "A short run shows only that everything works" in page
    results = read_json(out / "comparison.json")
    assert {"left_out", "short"} <= set(results)


def test_an_experiment_forgets_the_recordings_of_a_call_that_failed(
    synthetic_root, settings_of, tmp_path
):
    settings, folder = settings_of(synthetic_root, rarify=(("boredom", 0.5),)), tmp_path / "run"
    with pytest.raises(InputError, match="rarify"), RunFolder(folder, {}) as run:
        comparison.open_comparison(run, settings)
    with RunFolder(folder, {}) as run:
        opened = comparison.open_comparison(run, settings_of(synthetic_root / "RAVDESS"))
    assert set(opened.corpus.roots) == {"RAVDESS"}


@pytest.mark.slow
def test_on_a_cluster_that_loses_a_node_it_is_the_same_bit_for_bit(
    synthetic_root, settings_of, tmp_path, two_nodes, monkeypatch
):
    # What is small has to be said by the settings: elsewhere nothing is patched.
    recipe = CompactRecipe(
        CompactSettings(pool=(8, 8), channels=(4, 8)),
        FitSettings(epochs=2, steps_per_epoch=2, batch_size=8),
    )
    monkeypatch.setattr(comparison, "write_comparison_report", lambda *given, **named: None)
    settings = settings_of(
        synthetic_root / "RAVDESS",
        most_rare=1,
        arms=("none", "dcgan"),
        classifiers=("compact",),
        first_folds=1,
        gans=GanSizes(width=0.05, pretraining=0, steps=2),
        tuned={"classifier": recipe},
    )
    compare(settings, tmp_path / "local")
    address, lose_a_node = two_nodes

    def lose() -> None:
        while not list((tmp_path / "ray" / "cache").glob("*/*/history.csv")):
            time.sleep(0.05)
        lose_a_node()

    losing = threading.Thread(target=lose)
    losing.start()
    with RayEngine(RaySettings(address)) as engine:
        compare(settings, tmp_path / "ray", engine=engine)
    losing.join()
    both = [(tmp_path / name / "comparison.json").read_bytes() for name in ("local", "ray")]
    assert both[0] == both[1]
    # The same where an address is all that driver and nodes share; one arm shows it.
    few, share = replace(settings, arms=("none",)), f"file://{tmp_path}/share"
    with RayEngine(RaySettings(address, share=share)) as engine:
        compare(few, tmp_path / "apart", engine=engine)
    local, apart = (_predictions(tmp_path / name) for name in ("local", "apart"))
    assert apart
    assert apart.items() <= local.items()
    # The spectrograms, too, were computed there.
    assert list(tmp_path.glob("share/cache/audio/speed-1-*/spectrograms/*.npy"))


def _predictions(folder: Path) -> dict[str, bytes]:
    found = (folder / "cache" / "trainings").glob("*/predictions.csv")
    return {path.parent.name: path.read_bytes() for path in found}


@pytest.fixture
def two_nodes():
    """Address of a cluster of two nodes on this machine, and what kills one of them."""
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    memory = {"object_store_memory": 80_000_000}
    cluster = cluster_utils.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **memory}
    )
    nodes = [cluster.add_node(num_cpus=1, **memory) for _ in range(2)]
    yield cluster.address, lambda: cluster.remove_node(nodes[0], allow_graceful=False)
    cluster.shutdown()
