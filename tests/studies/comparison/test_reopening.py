import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.errors import InputError
from serkit.studies.classifier_runs import Training
from serkit.studies.comparison import reopened, workshop_of
from serkit.studies.comparison_spectrograms import AudioPart
from serkit.studies.engine import Comparison
from serkit.studies.generators import GanTraining
from serkit.tasks.ray import name_of
from serkit.tasks.share import Share
from serkit.training.spectrograms import compute_spectrograms


def test_every_piece_is_found_again_by_its_name(pretended):
    comparison, _ = pretended
    workshop = workshop_of(comparison)
    pieces = [work for _, work in comparison._pieces(comparison.arms, (0, 1))]
    assert {type(work) for work in pieces} == {AudioPart, Training, GanTraining}
    for work in (pieces[0], pieces[len(pieces) // 2], pieces[-1]):
        name = work.place.relative_to(workshop.cache).as_posix()
        found = workshop.reopen(workshop.out, workshop.cache, name)
        assert found is not work
        assert (found.key, found.title, found.needs) == (work.key, work.title, work.needs)
    for folder, inner in workshop.inputs:
        assert (getattr(workshop, folder) / inner).exists()


_ELSEWHERE = """
import pickle, sys
from serkit.tasks.ray import do_elsewhere
sys.exit(do_elsewhere(*pickle.load(sys.stdin.buffer)))
"""


def test_spectrograms_are_computed_in_a_process_that_has_nothing(
    synthetic_root, settings_of, tmp_path
):
    """On a machine with a disk of its own, where the recordings are not."""
    pytest.importorskip("fsspec")
    root = tmp_path / "root"
    shutil.copytree(synthetic_root / "SAVEE", root / "SAVEE")
    settings = replace(
        settings_of(root, arms=("none", "mixup")), spec=SpectrogramSpec(frames=32, bins=16)
    )
    comparison = Comparison(settings, tmp_path / "out")
    workshop = workshop_of(comparison)
    (part,) = comparison.views.parts([1.0])
    address = f"file://{tmp_path}/share"
    share = Share(address)
    for folder, inner in workshop.inputs:
        share.put(getattr(workshop, folder) / inner, f"{folder}/{inner}")
    sources = workshop.sources(part)
    share.put_files(sources, "out")
    root.rename(tmp_path / "elsewhere")
    (tmp_path / "node").mkdir()
    name = name_of(part, workshop)
    subprocess.run(
        [sys.executable, "-c", _ELSEWHERE],
        input=pickle.dumps(("kind", workshop, name, [], address, list(sources))),
        env={**os.environ, "TMPDIR": str(tmp_path / "node"), "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=True,
    )
    assert not comparison.cache.exists()
    # No folds were made for it.
    assert list(tmp_path.glob("node/serkit-*/out/manifest.csv"))
    assert not list(tmp_path.glob("node/serkit-*/out/splits"))
    share.get(f"cache/{name}", part.place)
    assert part.is_done
    (tmp_path / "elsewhere").rename(root)
    expected = compute_spectrograms(comparison.corpus, settings.spec, cache=tmp_path / "here")
    np.testing.assert_array_equal(comparison.pictures[:], expected[:])


def test_what_a_piece_needs_comes_before_it(pretended):
    comparison, _ = pretended
    seen = set()
    for _, work in comparison._pieces(comparison.arms, (0,)):
        assert set(work.needs) <= seen
        seen.add(work.place)
    assert any(work.needs for _, work in comparison._pieces(comparison.arms, (0,)))


def test_a_name_of_something_else_is_refused(pretended):
    comparison: Comparison = pretended[0]
    with pytest.raises(InputError, match=r"no work of this comparison is at trainings/x"):
        reopened(comparison.settings, comparison.out, comparison.cache, "trainings/x")
    with pytest.raises(InputError, match=r"no spectrograms of this comparison are at speed-1-x"):
        reopened(comparison.settings, comparison.out, comparison.cache, "audio/speed-1-x")
