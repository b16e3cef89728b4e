from dataclasses import replace

import numpy as np
import pytest

from serkit.errors import DivergedError, InputError
from serkit.models.fitting import FitSettings
from serkit.studies.gan_kinds import KINDS
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


def test_each_training_speaker_is_held_out_once(objective):
    held_out = [
        fold.partitions.split.speakers.validation | fold.partitions.split.speakers.test
        for fold in objective.folds
    ]
    assert len(held_out) == 2
    for fold, out in zip(objective.folds, held_out, strict=True):
        assert not out & (fold.real[LABEL].speakers | fold.training.speakers)
    assert not held_out[0] & held_out[1]


@pytest.mark.slow
def test_a_gan_is_scored_on_held_out_speakers(objective, tmp_path, monkeypatch, deterministic):
    # One fold is enough to see.
    monkeypatch.setitem(objective.__dict__, "folds", objective.folds[:1])
    objective.prepare()
    found = objective.score(objective.baseline, 1.0, tmp_path)
    assert set(found.details) == {"kid_error", "copies", "refused"}
    # The checkpoint of a finished training run is removed.
    assert not list(tmp_path.rglob("state.npz"))
    assert len(list(tmp_path.rglob("generator.keras"))) == 1
    # Settings reach the GAN.
    seen = []

    def diverge(gan, *_, **__):
        seen.append(gan.settings)
        raise DivergedError("a loss is nan")

    wild = replace(objective.baseline, generator_rate=1.0, penalty=1e30)
    with monkeypatch.context() as instead:
        instead.setattr("serkit.studies.tuning.gan_objective.fit_gan", diverge)
        with pytest.raises(TrialFailedError, match="fold 1: a loss is nan"):
            objective.score(wild, 1.0, tmp_path / "wild")
    assert (seen[0].generator_rate, seen[0].penalty) == (1.0, 1e30)
    # Whether classifiers learn is tested elsewhere.
    counts = []
    monkeypatch.setattr(
        "serkit.augmentation.reference_classifier.fit_classifier",
        lambda model, train, *_, **__: counts.append(np.bincount(train.labels)),
    )
    rows = objective.score_classifiers({"base": tmp_path})
    assert [row["set"] for row in rows] == ["real clips", "base"]
    assert all(0 <= row["uar"] <= 1 for row in rows)
    own = objective.folds[0].partitions.classes.index(LABEL)
    assert counts[1][own] == min(8, counts[0][own])
    assert np.delete(counts[1], own).tolist() == np.delete(counts[0], own).tolist()


def test_too_few_held_out_clips_of_a_class_are_refused(synthetic_root, tmp_path):
    with pytest.raises(InputError, match=r"`label`.*female_surprise.*\d clips? in fold 1"):
        GanObjective(_search(synthetic_root, label="female_surprise"), tmp_path).prepare()


@pytest.mark.parametrize(
    "changes",
    [{"kind": "conditional"}, {"folds": 1}, {"judged": 2}, {"examples": (0, 1)}],
)
def test_invalid_settings_are_refused(changes):
    with pytest.raises(InputError, match=next(iter(changes))):
        _search("x", **changes)


def test_the_baseline_has_the_settings_of_a_comparison(tmp_path):
    base = GanObjective(GanSearch(("x",), width=0.5), tmp_path).baseline
    assert base == replace(KINDS["wgan-gp"].rare_settings, width=0.5)
    assert np.isclose(base.width, 0.5)
