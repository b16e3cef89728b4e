"""``serkit train``: from recordings to a tested and exported model."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy.special import softmax

import serkit
from serkit.cli import train as command
from serkit.cli.main import main
from serkit.errors import DownloadError, InputError
from serkit.metrics.selective import threshold_for_coverage
from serkit.models import whisper_weights
from serkit.models.compact import CompactSettings
from serkit.models.fitting import FitSettings
from serkit.models.linear_head import LinearHeadSettings
from serkit.models.whisper import whisper_encoder
from serkit.models.whisper_weights import PRESETS, local_weights
from serkit.studies import train_recipes
from serkit.studies.classifier_kinds import CLASSIFIERS, NETWORKS, NetworkKind
from serkit.studies.tested_predictions import TestedPredictions
from serkit.studies.train import TrainSettings, train
from serkit.uncertainty.temperature import best_temperature

TINY = "whisper-tiny.en"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random weights of an encoder of the size of tiny.en."""
    import keras

    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.weights.h5"
    whisper_encoder(PRESETS[TINY].settings).save_weights(path)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory, synthetic_root, weights):
    """Run folder and exported version of a whole run from the command line."""
    folder = tmp_path_factory.mktemp("train")
    run, model = folder / "run", folder / "model"
    options = ["--weights", str(weights), "--out", str(run), "--export", str(model)]
    assert main(["train", str(synthetic_root), *options]) == 0
    return run, model / "1"


def test_every_clip_is_tested_once(trained, synthetic_corpus):
    run, _ = trained
    predictions = pd.read_csv(run / "predictions.csv", keep_default_na=False)
    assert sorted(predictions["path"]) == sorted(clip.path for clip in synthetic_corpus.clips)
    by_fold = predictions.groupby("fold")["speaker"].unique()
    speakers = [speaker for of_fold in by_fold for speaker in of_fold]
    assert len(speakers) == len(set(speakers)) == len(synthetic_corpus.speakers())


def test_metrics_are_those_of_the_predictions(trained):
    run, version = trained
    metrics = json.loads((run / "metrics.json").read_text("utf-8"))
    predictions = pd.read_csv(run / "predictions.csv", keep_default_na=False)
    everyone = metrics["test"]["groups"][0]
    is_correct = predictions["truth"] == predictions["predicted"]
    assert everyone["clips"] == len(predictions)
    assert everyone["measures"]["accuracy"]["value"] == pytest.approx(is_correct.mean())
    assert metrics["abstention"]["accuracy_of_all"] == pytest.approx(is_correct.mean())
    details = serkit.load_model(version).details
    assert metrics["prediction"] == {
        name: pytest.approx(details["answers"][name]) for name in ("temperature", "threshold")
    }
    assert "prediction" not in details
    card = (version / "assets.extra" / "model-card.md").read_text("utf-8")
    assert "was not tested" in card
    assert TINY in card


def test_the_exported_model_answers_as_it_was_fitted(trained, synthetic_corpus, weights):
    _, version = trained
    files = synthetic_corpus.files()[:5]
    model = serkit.load_model(version)
    together = list(model.predict(files))
    alone = [next(model.predict([file])) for file in files]
    assert together == alone
    assert not any(prediction.problem for prediction in together)
    features = serkit.SpeechFeatures(serkit.whisper_from_preset(TINY, weights))
    rows = serkit.compute_speech_features(
        synthetic_corpus, features, cache=version.parents[1] / "features"
    )
    classes = synthetic_corpus.classes("emotion")
    train_set = serkit.Examples(
        np.asarray(rows),
        frozenset(synthetic_corpus.speakers()),
        np.array([classes.index(label) for label in synthetic_corpus.labels("emotion")]),
    )
    everyone = serkit.Speakers(train_set.speakers, frozenset(), frozenset())
    head = serkit.fit_linear_head(train_set, everyone, len(classes))
    temperature = model.details["answers"]["temperature"]
    expected = softmax(head.predict(np.asarray(rows)[:5], verbose=0) / temperature, axis=1)
    found = [list(prediction.probabilities.values()) for prediction in together]
    # The cache rounds features to 16 bits.
    np.testing.assert_allclose(found, expected, atol=0.02)
    content = np.array([Path(file).read_bytes() for file in files], object)
    served = tf.saved_model.load(str(version)).signatures["features"](
        wav_bytes=tf.constant(content)
    )
    np.testing.assert_allclose(served["features"], np.asarray(rows)[:5], rtol=1e-3, atol=1e-3)
    assert not any(served["status"].numpy())


def test_other_weights_in_the_same_file_are_not_mixed_with_those_of_before(
    trained, tmp_path, synthetic_root, weights, kill_at
):
    run, _ = trained
    file, encoder = tmp_path / "mine.weights.h5", whisper_encoder(PRESETS[TINY].settings)
    encoder.save_weights(file)
    calls = kill_at(train_recipes, "fit_linear_head", 3)
    settings = TrainSettings((str(synthetic_root),), weights=str(file))
    with pytest.raises(KeyboardInterrupt):
        train(settings, tmp_path / "run", tmp_path / "model")
    other = train(settings, tmp_path / "run", tmp_path / "model")
    shutil.copy(weights, file)
    again = train(settings, tmp_path / "run", tmp_path / "model")
    assert len(calls) == 3 + 4 + 6
    assert other.name == "1"
    assert again.name == "2"
    for name in ("metrics.json", "predictions.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (run / name).read_bytes()


def test_a_killed_run_resumes_with_the_same_result(
    trained, tmp_path, synthetic_root, weights, kill_at
):
    run, version = trained
    calls = kill_at(train_recipes, "fit_linear_head", 3)
    settings = TrainSettings((str(synthetic_root),), weights=str(weights))
    with pytest.raises(KeyboardInterrupt):
        train(settings, tmp_path / "run", tmp_path / "model")
    assert not (tmp_path / "model").exists()
    again = train(settings, tmp_path / "run", tmp_path / "model")
    # A finished run is not exported again, unless its model is removed.
    assert train(settings, tmp_path / "run", tmp_path / "model") == again
    # Two folds were done, the third to the fifth and the last fit were not.
    assert len(calls) == 3 + 4
    for name in ("metrics.json", "predictions.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (run / name).read_bytes()
    file = next(synthetic_root.rglob("*.wav"))
    first, second = (next(serkit.load_model(path).predict([file])) for path in (version, again))
    assert first == second


def test_without_weights_the_way_out_is_named(tmp_path, synthetic_root, monkeypatch):
    monkeypatch.setattr(whisper_weights, "_ADDRESS", "http://127.0.0.1:9/models")
    monkeypatch.setattr(whisper_weights, "_PACKAGES", {})
    monkeypatch.setattr(whisper_weights, "_default_cache", lambda: tmp_path / "cache")
    monkeypatch.setattr("serkit.datasets.http._ATTEMPTS", 1)
    settings = TrainSettings((str(synthetic_root),))
    with pytest.raises(DownloadError, match=r"with `weights`\. The classifier compact"):
        train(settings, tmp_path / "run", tmp_path / "model")


def test_calibration_of_a_fold_comes_from_the_other_folds(rng):
    classes, clips = ("angry", "sad"), 60
    truth = rng.integers(0, 2, clips)
    logits = 6 * rng.normal(size=(clips, 2)) + 4 * np.eye(2)[truth]
    table = pd.DataFrame(
        {
            "seed": 0,
            "fold": np.repeat([1, 2, 3], clips // 3),
            **{"corpus": "mine", "speaker": np.repeat(list("abcdef"), clips // 6), "gender": ""},
            "truth": np.array(classes)[truth],
            "predicted": np.array(classes)[logits.argmax(axis=1)],
            **{f"logit_{label}": logits[:, i] for i, label in enumerate(classes)},
        }
    )
    tested = TestedPredictions(table, classes, coverage=0.5)
    covered = []
    for fold in (1, 2, 3):
        is_test = (table["fold"] == fold).to_numpy()
        temperature = best_temperature(logits[np.newaxis, ~is_test], truth[~is_test])
        entropies = [
            -np.sum(p * np.log(p), axis=1)
            for p in (softmax(logits[rows] / temperature, axis=1) for rows in (~is_test, is_test))
        ]
        covered += list(entropies[1] <= threshold_for_coverage(entropies[0], 0.5))
    assert tested.to_json()["abstention"]["coverage"] == pytest.approx(np.mean(covered))
    settings = tested.prediction_settings(seed=4)
    assert settings.temperature == pytest.approx(best_temperature(logits[np.newaxis], truth))
    assert settings.seed == 4


@pytest.mark.parametrize(
    "values",
    [
        {"model": "whisper-huge"},
        {"folds": 2},
        {"coverage": 0.0},
        {"epochs": 0},
        {"epochs": 3},
        {"label_set": "mood"},
        {"weights": "nowhere.pt"},
        {"roots": ()},
    ],
    ids=str,
)
def test_invalid_settings_are_named(values):
    (name,) = values
    with pytest.raises(InputError, match=f"`{name}`"):
        TrainSettings(**{"roots": ("recordings",), **values})


def test_the_command_offers_every_model():
    assert sorted(command.CLASSIFIERS) == sorted(CLASSIFIERS)


def test_a_network_that_is_added_to_the_kinds_is_built_and_fitted_as_they_say(monkeypatch):
    def build(*arguments):
        return arguments

    kind = NetworkKind(build, CompactSettings(), FitSettings(epochs=7))
    monkeypatch.setitem(NETWORKS, "new", kind)
    fitted = []
    fold = SimpleNamespace(
        partitions=SimpleNamespace(classes=("angry", "sad", "happy")),
        network_seed=4,
        fit=lambda model, settings, **_: fitted.append((model, settings)),
    )
    model = train_recipes.NetworkRecipe("new", "none", None).fit(fold)
    assert model == (3, (224, 224, 1), "none", 4)
    assert fitted == [(model, FitSettings(epochs=7, keep="last"))]


@pytest.mark.slow
def test_a_network_of_spectrograms_is_trained_and_exported(tmp_path, synthetic_root):
    settings = TrainSettings((str(synthetic_root),), model="compact", folds=3, epochs=1)
    version = train(settings, tmp_path / "run", tmp_path / "model")
    file = next(synthetic_root.rglob("*.wav"))
    assert next(serkit.load_model(version).predict([file])).label
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text("utf-8"))
    assert metrics["test"]["groups"][0]["measures"]["uar"]["value"] > 0


@pytest.mark.slow
@pytest.mark.recordings
def test_on_real_recordings_and_weights_it_beats_every_network_from_scratch(tmp_path, recordings):
    if local_weights(TINY) is None:
        pytest.skip("no weights of whisper-tiny.en; scripts/test.sh --weights installs them")
    settings = TrainSettings((str(recordings),), head=LinearHeadSettings("lda"))
    train(settings, tmp_path / "run", tmp_path / "model")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text("utf-8"))
    uar = metrics["test"]["groups"][0]["measures"]["uar"]
    assert uar["value"] > 0.72
    assert uar["low"] > 0.6
    scores = metrics["enrollment"]
    assert scores["uar"]["value"] > scores["unknown_speaker_uar"]["value"]
    details = serkit.load_model(tmp_path / "model").details
    assert details["answers"]["enrollment"]["temperature"] > 0
    assert details["enrollment"] == scores
