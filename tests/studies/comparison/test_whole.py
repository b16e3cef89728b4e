import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from serkit.datasets.corpus import Corpus
from serkit.errors import InputError, RecordingError, ResumeError
from serkit.files import read_json
from serkit.models.compact import CompactSettings
from serkit.models.fitting import FitSettings
from serkit.studies.comparison import compare, task_factory_of, verdicts
from serkit.studies.comparison_settings import CompareSettings
from serkit.studies.engine import Comparison
from serkit.studies.search_spaces import CompactRecipe
from serkit.tasks.ray import RayEngine, RaySettings

pytestmark = pytest.mark.filterwarnings("ignore:a GAN is trained on")


def test_everything_is_written_and_arms_may_be_added(
    synthetic_root, settings_of, pretend, tmp_path
):
    out = tmp_path / "run"
    settings = settings_of(synthetic_root, classifiers=("compact",), arms=("none",))
    first = compare(settings, out)
    assert verdicts(first) == []
    more = settings_of(synthetic_root, classifiers=("compact",), arms=("none", "oversampling"))
    found = compare(more, out)
    assert read_json(out / "comparison.json") == found
    assert [line.split(":")[0] for line in verdicts(found)] == ["oversampling"]
    for name in (
        *("report.html", "tables/arms.csv", "figures/forest-k-fold-compact.svg", "manifest.csv"),
        *("splits/k-fold-1.csv", "settings.json", "versions.json"),
    ):
        assert (out / name).is_file(), name
    with pytest.raises(ResumeError, match="folds was 3, now 4"):
        compare(settings_of(synthetic_root, folds=4), out)


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


def _start(root: Path, folder: Path) -> subprocess.Popen:
    with open(folder.with_suffix(".log"), "a") as log:
        return subprocess.Popen(
            [sys.executable, __file__, str(root), str(folder)],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            start_new_session=True,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _done(folder: Path) -> int:
    cache = folder / "cache"
    return len([*cache.rglob("record.json"), *cache.rglob("generator.json")])


@pytest.mark.slow
def test_killed_at_three_random_points(synthetic_root, settings_of, small, tmp_path):
    """Three arms: the same JSON as a run that was never killed; and a second classifier."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    # Two of three folds: enough to be killed in.
    compare(settings_of(synthetic_root, classifiers=("compact",), first_folds=2), whole)
    # Of what is in the cache only the other classifier is missing; one fold shows that it runs.
    both = settings_of(synthetic_root, arms=("none", "oversampling"), first_folds=1)
    compare(both, whole / "both", whole / "cache")
    total = 3 * 2 + 2 * 2
    assert _done(whole) == total + 2
    points = random.Random(7)
    for tasks in sorted(points.sample(range(total), 3)):
        process = _start(synthetic_root, parts)
        while _done(parts) < tasks:
            assert process.poll() is None, parts.with_suffix(".log").read_text()
            time.sleep(0.02)
        # Somewhere in the middle of what comes next.
        time.sleep(points.uniform(0, 2))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    process = _start(synthetic_root, parts)
    assert process.wait() == 0, parts.with_suffix(".log").read_text()
    assert (parts / "comparison.json").read_bytes() == (whole / "comparison.json").read_bytes()
    two = read_json(whole / "both" / "comparison.json")["protocols"]["k-fold"]["classifiers"]
    assert list(two) == ["compact", "resnet50-head"]
    assert list(two["resnet50-head"]["arms"]) == ["none", "oversampling"]


@pytest.mark.slow
def test_on_a_cluster_that_loses_a_node_it_is_the_same_bit_for_bit(
    synthetic_root, settings_of, tmp_path, two_nodes
):
    # What is small has to be said by the settings: elsewhere nothing is patched.
    recipe = CompactRecipe(
        CompactSettings(pool=(8, 8), channels=(4, 8)),
        FitSettings(epochs=2, steps_per_epoch=2, batch_size=8),
    )
    settings = settings_of(
        *(synthetic_root,),
        arms=("none", "dcgan"),
        classifiers=("compact",),
        first_folds=1,
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
        _require_name_of_bad_file(synthetic_root, few, tmp_path / "bad", engine)
    local, apart = (_predictions(tmp_path / name) for name in ("local", "apart"))
    assert apart
    assert apart.items() <= local.items()
    # The spectrograms, too, were computed there: from recordings that were sent.
    assert not (tmp_path / "apart" / "cache" / "spectrograms").exists()
    assert list(tmp_path.glob("share/cache/audio/speed-1-*/spectrograms-*.npy"))
    assert len(list(tmp_path.glob("share/out/recordings/*"))) > 100


def _require_name_of_bad_file(
    root: Path, settings: CompareSettings, folder: Path, engine: RayEngine
) -> None:
    """What is wrong elsewhere ends the run here, and names the file here."""
    shutil.copytree(root, folder / "root")
    # Another speed, so that nothing is there yet.
    settings = replace(settings, roots=(str(folder / "root"),), arms=("none", "speed"))
    comparison = Comparison(settings, folder / "run", folder / "cache")
    bad = comparison.corpus.files()[100]
    Path(bad).write_bytes(b"RIFF")
    with pytest.raises(RecordingError, match=rf"^{bad}: not a WAV file[^\n]*$"):
        comparison.run(engine, task_factory_of(comparison))


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


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    from conftest import SMALL_CONTENDERS, small_settings

    from serkit.studies.comparison_settings import CLASSIFIERS

    CLASSIFIERS.update(SMALL_CONTENDERS)
    root, out = map(Path, sys.argv[1:])
    compare(small_settings(root, classifiers=("compact",), first_folds=2), out)
