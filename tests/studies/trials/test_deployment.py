from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from serkit.errors import InputError, SerkitError
from serkit.export.versions import DETAILS_FILE
from serkit.files import read_json
from serkit.studies import deployment
from serkit.studies.deployment import AbstentionSettings, check_exported_model, export_classifier
from serkit.studies.finished_comparison import open_classifier_to_export
from serkit.uncertainty import abstention
from serkit.uncertainty.temperature import best_temperature


def _deliver(run: Path, out: Path, **settings) -> Path:
    given = open_classifier_to_export(run)
    return export_classifier(
        replace(given, metadata={**given.metadata, "leaky": True}),
        out,
        AbstentionSettings(**settings),
    )


@pytest.fixture(scope="module")
def delivered(finished_run, tmp_path_factory) -> Path:
    return _deliver(finished_run, tmp_path_factory.mktemp("models") / "mine", coverage=0.5)


def test_the_model_has_its_metadata(delivered):
    details = read_json(delivered / DETAILS_FILE)
    assert details["leaky"] is True
    assert (details["run"], details["arm"]) == ("mine", "noise-images")
    assert list(details["data"]["generated"]) == ["surprise"]
    assert set(details["data"]["licences"]) == {"built-in corpus"}
    assert details["data"]["synthetic"] is True
    card = (delivered / "assets.extra" / "model-card.md").read_text("utf-8")
    assert "**The same speakers are in training and test.**" in card
    assert "built-in corpus: made by serkit" in card
    assert "CC BY-NC-SA" not in card


def test_it_is_calibrated_and_abstains_as_chosen_on_validation_speakers(delivered, finished_run):
    given = open_classifier_to_export(finished_run)
    partitions = given.partitions
    validation = partitions.split.validation
    model = keras.models.load_model(given.files[0])
    logits = model.predict(partitions.spectrograms(validation), verbose=0)[None]
    details = read_json(delivered / DETAILS_FILE)
    expected = best_temperature(logits, partitions.labels(validation))
    assert details["answers"]["temperature"] == pytest.approx(expected)
    serve = tf.saved_model.load(str(delivered)).signatures["spectrogram"]
    for part, coverage in (
        (validation, details["abstention"]["validation_coverage"]),
        (partitions.split.test, details["abstention"]["coverage"]),
    ):
        spectrograms = partitions.spectrograms(part)[:].astype("float32")
        answered = ~serve(spectrogram=tf.constant(spectrograms))["abstain"].numpy()
        # One clip is at the threshold, within rounding.
        assert abs(answered.sum() - coverage * len(part)) <= 1
    assert details["abstention"]["validation_coverage"] == pytest.approx(0.5, abs=0.02)


def test_abstaining_from_all_clips(finished_run, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(deployment, "export_model", lambda *given: seen.append(given))
    # A user cannot ask for this, but a threshold may be below the entropy of all test clips.
    for module in (abstention, deployment):
        monkeypatch.setattr(module, "check_one_target", lambda *given: None)
    _deliver(finished_run, tmp_path / "none", coverage=0.0)
    ((answering, _, details),) = seen
    assert details["abstention"] == {
        **{"validation_coverage": 0.0, "coverage": 0.0, "accuracy": None},
        "accuracy_of_all": details["test"]["groups"][0]["measures"]["accuracy"]["value"],
    }
    assert np.isfinite(answering.settings.threshold)


def test_exactly_one_of_coverage_and_accuracy():
    with pytest.raises(InputError, match="`coverage` and `accuracy`"):
        AbstentionSettings(coverage=0.5, accuracy=0.5)
    with pytest.raises(InputError, match="`coverage` and `accuracy`"):
        AbstentionSettings(coverage=None)


@pytest.mark.parametrize(
    "settings", [{"coverage": 3.0}, {"coverage": 0.0}, {"samples": 0}, {"samples": 1001}]
)
def test_settings_out_of_range_are_refused_before_any_work(settings):
    with pytest.raises(InputError, match=f"`{next(iter(settings))}` must be between"):
        AbstentionSettings(**settings)


def test_the_exported_model_predicts_in_another_process(delivered, synthetic_corpus, capfd):
    file = Path(synthetic_corpus.files()[0])
    assert check_exported_model(delivered, file).startswith(f"{file}: ")
    assert capfd.readouterr().out == ""
    with pytest.raises(SerkitError, match="does not predict"):
        check_exported_model(delivered, file.with_name("gone.wav"))
