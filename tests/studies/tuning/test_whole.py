import pandas as pd
import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.errors import ResumeError
from serkit.files import read_json
from serkit.studies.tuning import classifier_objective
from serkit.studies.tuning.classifier_objective import ClassifierSearch
from serkit.studies.tuning.inner import inner_parts
from serkit.studies.tuning.records import SearchSettings
from serkit.studies.tuning.tuning import tune


@pytest.mark.slow
def test_a_search_has_a_folder_of_its_own(synthetic_root, tmp_path, monkeypatch):
    # One fold is enough to see.
    monkeypatch.setattr(
        classifier_objective, "inner_parts", lambda *a, **b: inner_parts(*a, **b)[:1]
    )
    search = ClassifierSearch(
        (str(synthetic_root),),
        epochs=1,
        steps_per_epoch=1,
        spec=SpectrogramSpec(frames=64, bins=32),
    )
    found = tune("classifier", search, SearchSettings(trials=1), tmp_path)
    assert found == read_json(tmp_path / "best.json")
    assert set(found["settings"]) == {"network", "fit"}
    assert len(pd.read_csv(tmp_path / "trials.csv")) == 2
    assert (tmp_path / "versions.json").exists()
    before = (tmp_path / "trials.csv").read_bytes()
    assert tune("classifier", search, SearchSettings(trials=1), tmp_path) == found
    assert (tmp_path / "trials.csv").read_bytes() == before
    with pytest.raises(ResumeError, match="how was"):
        tune("classifier", search, SearchSettings(trials=2), tmp_path)
