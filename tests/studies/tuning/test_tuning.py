from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import keras_tuner
import pandas as pd
import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.errors import InputError, ResumeError
from serkit.files import read_json
from serkit.progress import SilentProgress
from serkit.studies.tuning import classifier_objective, tuning
from serkit.studies.tuning.classifier_objective import ClassifierObjective, ClassifierSearch
from serkit.studies.tuning.gan_objective import GanSearch
from serkit.studies.tuning.head_objective import HeadSearch
from serkit.studies.tuning.inner import inner_folds
from serkit.studies.tuning.records import SearchSettings, TrialFailedError
from serkit.studies.tuning.tuning import SPACES, make_objective, print_estimate, tune


@pytest.mark.parametrize("kind", SPACES)
def test_every_kind_has_a_baseline_of_its_own_type(tmp_path, kind):
    is_gan = kind in ("dcgan", "wgan-gp")
    search = GanSearch(("x",), kind=kind) if is_gan else ClassifierSearch(("x",))
    search = HeadSearch(("x",)) if kind == "head" else search
    objective = make_objective(kind, search, tmp_path)
    hp = keras_tuner.HyperParameters()
    found = SPACES[kind](hp, objective.baseline)
    assert type(found) is type(objective.baseline)
    assert len(hp.space) >= 4


@pytest.mark.parametrize(
    ("kind", "search"),
    [("classifier", GanSearch(("x",))), ("dcgan", GanSearch(("x",), kind="wgan-gp"))],
)
def test_a_search_of_another_kind_is_refused(tmp_path, kind, search):
    with pytest.raises(InputError, match=f"`search`.* {kind}"):
        make_objective(kind, search, tmp_path)


@pytest.mark.slow
def test_a_search_for_a_classifier(synthetic_root, tmp_path, monkeypatch):
    # One fold is enough to see.
    monkeypatch.setattr(
        classifier_objective, "inner_folds", lambda *a, **b: inner_folds(*a, **b)[:1]
    )
    search = ClassifierSearch(
        (str(synthetic_root),),
        epochs=2,
        steps_per_epoch=2,
        spec=SpectrogramSpec(frames=64, bins=32),
    )
    out = tmp_path / "out"
    found = tune("classifier", search, SearchSettings(trials=1), out)
    assert found == read_json(out / "best.json")
    assert set(found["settings"]) == {"network", "fit"}
    rows = pd.read_csv(out / "trials.csv", float_precision="round_trip").to_dict("records")
    assert len(rows) == 2
    assert 0 <= rows[0]["score"] <= 1
    assert {name for name in rows[0] if "detail" in name} == {"detail accuracy", "detail nll"}
    assert (out / "versions.json").exists()
    # A second call repeats nothing.
    before = (out / "trials.csv").read_bytes()
    assert tune("classifier", search, SearchSettings(trials=1), out) == found
    assert (out / "trials.csv").read_bytes() == before
    with pytest.raises(ResumeError, match=r"how\.trials was 1, now 2"):
        tune("classifier", search, SearchSettings(trials=2), out)
    # Scored elsewhere, the same settings have the same score; checkpoints are removed.
    objective = ClassifierObjective(search, out)
    base = objective.baseline
    assert base.fit.epochs == base.fit.steps_per_epoch == 2
    again = objective.score(base, 1.0, tmp_path / "again")
    assert again.score == found["score"]["as it was"]
    assert (again.details["nll"], again.details["accuracy"]) == (
        rows[0]["detail nll"],
        rows[0]["detail accuracy"],
    )
    assert not list(tmp_path.rglob("state.npz"))
    wild = replace(base, fit=replace(base.fit, learning_rate=10.0))
    with pytest.raises(TrialFailedError, match=r"not finite|nan"):
        objective.score(wild, 0.5, tmp_path / "wild")


def test_an_estimate_adds_up_parts_of_a_training_run(monkeypatch):
    clock = iter([0.0, 5.0, 5.0, 12.0])
    monkeypatch.setattr(tuning, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(ClassifierObjective, "prepare", lambda self: None)
    monkeypatch.setattr(ClassifierObjective, "folds", [None])
    fractions = []
    monkeypatch.setattr(
        ClassifierObjective,
        "measure_fold",
        lambda self, fold, settings, fraction, folder, verbose: fractions.append(fraction),
    )
    said, progress = [], SilentProgress()
    monkeypatch.setattr(progress, "say", said.append)
    monkeypatch.setattr(progress, "stage", lambda title: nullcontext())
    search = ClassifierSearch(("x",), epochs=10)
    print_estimate("classifier", search, SearchSettings(trials=3), progress)
    assert fractions == [0.1, 0.2]
    # The first epoch takes 5 s, each other 7 - 5: 23 s on each of 3 folds, for 3 + 1 trials.
    assert "4 full training runs on each of 3 folds, 5 minutes" in said[-1]


def test_hyperband_s_trials_are_counted_in_full_runs():
    # 9 of a ninth, 3 of a third, 1; 5 of a third, 5 / 3; 3.
    assert SearchSettings("hyperband").full_runs == pytest.approx(3 + 10 / 3 + 3)
