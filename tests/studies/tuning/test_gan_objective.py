from dataclasses import replace

import numpy as np
import pytest

from serkit.errors import InputError
from serkit.models.fitting import FitSettings
from serkit.studies.tuning.gan_objective import GanObjective, GanSearch
from serkit.studies.tuning.records import TrialFailedError

# It has few clips.
pytestmark = pytest.mark.filterwarnings("ignore:a GAN is trained on")
LABEL = "female_neutral"
FIT = FitSettings(epochs=1, steps_per_epoch=2, batch_size=8)


def _search(root, **changes):
    given = {"label": LABEL, "width": 0.0625, "examples": (16, 16), "judged": 8, "fit": FIT}
    return GanSearch((str(root),), **(given | changes))


@pytest.fixture(scope="module")
def objective(synthetic_root, tmp_path_factory):
    return GanObjective(_search(synthetic_root), tmp_path_factory.mktemp("search"))


@pytest.mark.slow
def test_a_gan_is_measured_by_speakers_whom_nothing_has_heard(
    objective, tmp_path, monkeypatch, deterministic
):
    found = objective.score(objective.base, 1.0, tmp_path)
    assert len(found.folds) == 2
    assert set(found.details) == {"kid_error", "copies", "refused"}
    held_out = [
        fold.parts.split.speakers.validation | fold.parts.split.speakers.test
        for fold in objective.folds
    ]
    for fold, out in zip(objective.folds, held_out, strict=True):
        assert not out & (fold.real[LABEL].speakers | fold.training.speakers)
    assert not held_out[0] & held_out[1]
    # What a killed training would go on from is of no use any more.
    assert not list(tmp_path.rglob("state.npz"))
    assert len(list(tmp_path.rglob("generator.keras"))) == 2
    # Other settings, another number.
    other = replace(objective.base, critic_rate=1e-4)
    changed = objective.measured(objective.folds[0], other, 1.0, tmp_path / "other", 0)
    assert changed["score"] != found.folds[0]
    monkeypatch.setitem(objective.__dict__, "folds", objective.folds[:1])
    rows = objective.check({"base": tmp_path})
    assert [row["set"] for row in rows] == ["real clips", "base"]
    assert all(0 <= row["uar"] <= 1 for row in rows)


@pytest.mark.slow
def test_a_gan_that_diverges_fails_its_trial(objective, tmp_path):
    wild = replace(objective.base, generator_rate=1.0, critic_rate=1.0, penalty=1e30)
    with pytest.raises(TrialFailedError, match="fold 1: "):
        objective.score(wild, 1.0, tmp_path)


def test_a_class_of_which_too_few_are_held_out_is_refused(synthetic_root, tmp_path):
    with pytest.raises(InputError, match=r"\d clips? of female_surprise held out in fold 1; valid"):
        GanObjective(_search(synthetic_root, label="female_surprise"), tmp_path).prepare()


@pytest.mark.parametrize(
    "changes",
    [{"kind": "conditional"}, {"folds": 1}, {"judged": 2}, {"examples": (0, 1)}],
)
def test_what_is_not_valid_is_refused(changes):
    with pytest.raises(InputError, match=next(iter(changes))):
        _search("x", **changes)


def test_what_is_to_beat_is_what_a_comparison_has():
    from serkit.studies.gan_kinds import KINDS

    base = GanObjective(GanSearch(("x",), width=0.5), None).base
    assert base == replace(KINDS["wgan-gp"].of_rare, width=0.5)
    assert np.isclose(base.width, 0.5)
