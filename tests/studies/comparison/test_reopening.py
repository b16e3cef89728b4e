import os
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.errors import InputError
from serkit.studies.comparison_inputs import InputTask
from serkit.studies.engine import Comparison, recreate_task
from serkit.studies.generators import GANRun
from serkit.studies.network_runs import NetworkRun
from serkit.tasks.share import Share
from serkit.training.spectrograms import compute_spectrograms


def test_every_piece_is_found_again_by_its_name(pretended):
    comparison, _ = pretended
    task_factory = comparison.task_factory()
    tasks = [task for _, task in comparison._tasks_of(comparison.arms, (0, 1))]
    assert {type(task) for task in tasks} == {InputTask, NetworkRun, GANRun}
    for task in (tasks[0], tasks[len(tasks) // 2], tasks[-1]):
        name = task.folder.relative_to(task_factory.cache).as_posix()
        found = task_factory.reopen(task_factory.out, task_factory.cache, name)
        assert found is not task
        assert (found.key, found.title, found.needs) == (task.key, task.title, task.needs)
    for folder, inner in task_factory.inputs:
        assert (getattr(task_factory, folder) / inner).exists()


_ELSEWHERE = """
import pickle, sys
from serkit.tasks.ray import run_remotely
sys.exit(run_remotely(*pickle.load(sys.stdin.buffer)))
"""


def test_spectrograms_are_computed_where_there_is_nothing(synthetic_root, settings_of, tmp_path):
    """On a machine with a disk of its own, which can read the recordings."""
    pytest.importorskip("fsspec")
    settings = replace(
        settings_of(synthetic_root / "SAVEE", arms=("none", "mixup")),
        spec=SpectrogramSpec(frames=32, bins=16),
    )
    comparison = Comparison(settings, tmp_path / "out")
    task_factory = comparison.task_factory()
    (part,) = comparison.spectrograms.tasks([1.0])
    address = f"file://{tmp_path}/share"
    share = Share(address)
    for folder, inner in task_factory.inputs:
        share.put(getattr(task_factory, folder) / inner, f"{folder}/{inner}")
    (tmp_path / "node").mkdir()
    name = task_factory.name_of(part.folder)
    subprocess.run(
        [sys.executable, "-c", _ELSEWHERE],
        input=pickle.dumps(("kind", task_factory, name, [], address)),
        env={**os.environ, "TMPDIR": str(tmp_path / "node"), "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=True,
    )
    assert not comparison.cache.exists()
    assert list(tmp_path.glob("node/serkit-*/out/manifest.csv"))
    share.get(f"cache/{name}", part.folder)
    assert part.is_done
    expected = compute_spectrograms(comparison.corpus, settings.spec, cache=tmp_path / "here")
    np.testing.assert_array_equal(comparison.spectrograms[1.0][:], expected[:])


def test_what_a_piece_needs_comes_before_it(pretended):
    comparison, _ = pretended
    seen = set()
    for _, task in comparison._tasks_of(comparison.arms, (0,)):
        assert set(task.needs) <= seen
        seen.add(task.folder)
    assert any(task.needs for _, task in comparison._tasks_of(comparison.arms, (0,)))


def test_a_name_of_something_else_is_refused(pretended):
    comparison: Comparison = pretended[0]
    with pytest.raises(InputError, match=r"`name`.*trainings/x"):
        recreate_task(comparison.settings, comparison.out, comparison.cache, "trainings/x")
    with pytest.raises(InputError, match=r"`name`.*speed-1-x"):
        recreate_task(comparison.settings, comparison.out, comparison.cache, "audio/speed-1-x")
