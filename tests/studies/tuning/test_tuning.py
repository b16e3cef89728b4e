from dataclasses import replace

import keras_tuner
import pandas as pd
import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.errors import InputError, ResumeError
from serkit.files import read_json
from serkit.studies.tuning import classifier_objective
from serkit.studies.tuning.classifier_objective import ClassifierObjective, ClassifierSearch
from serkit.studies.tuning.gan_objective import GanSearch
from serkit.studies.tuning.inner import inner_folds
from serkit.studies.tuning.records import SearchSettings, TrialFailedError
from serkit.studies.tuning.tuning import SPACES, make_objective, tune


@pytest.mark.parametrize("kind", SPACES)
def test_every_kind_has_a_baseline_of_its_own_type(tmp_path, kind):
    is_gan = kind in ("dcgan", "wgan-gp")
    search = GanSearch(("x",), kind=kind) if is_gan else ClassifierSearch(("x",))
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
