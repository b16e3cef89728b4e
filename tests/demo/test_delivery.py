from pathlib import Path

import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.classifiers.compact import CompactSettings, compact
from serkit.demo.delivery import export_better, try_out
from serkit.errors import SerkitError
from serkit.files import read_json
from serkit.serving.export import DETAILS


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("delivery")
    spec = SpectrogramSpec()
    compact(2, spec.shape, CompactSettings(channels=(4, 8))).save(folder / "model.keras")
    metrics = {
        "label_set": "emotion",
        "protocol": "random, one split, one seed",
        "leaky": True,
        "classes": ["angry", "sad"],
        "better": "augmented",
        "arms": {"original": {"test": {"uar": 0.1}}, "augmented": {"test": {"uar": 0.2}}},
    }
    return export_better(folder / "model.keras", spec, metrics, folder / "models" / "run")


def test_the_model_says_where_its_numbers_come_from(model):
    details = read_json(model / DETAILS)
    assert details["leaky"] is True
    assert (details["run"], details["protocol"]) == ("run", "random, one split, one seed")
    assert details["test"] == {"uar": 0.2}
    assert details["classes"] == ["angry", "sad"]


def test_it_predicts_in_a_process_of_its_own(model, synthetic_corpus, capfd):
    file = Path(synthetic_corpus.files()[0])
    try_out(model, file)
    assert capfd.readouterr().out.startswith(f"{file}: ")
    with pytest.raises(SerkitError, match="does not predict"):
        try_out(model, file.with_name("gone.wav"))
