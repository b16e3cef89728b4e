"""``serkit train --features``: a tested classifier of features that another program computed."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

import serkit
from serkit.cli.main import main
from serkit.datasets.audit import audit
from serkit.errors import InputError, LeakError
from serkit.metrics.selective import threshold_for_coverage
from serkit.models.whisper import WhisperSettings, whisper_encoder
from serkit.progress import SilentProgress
from serkit.studies import classifier_kinds, train_recipes
from serkit.studies.cross_validation import FoldRun
from serkit.studies.train import TrainSettings, train
from serkit.uncertainty.temperature import best_temperature


@pytest.fixture(scope="module")
def root(synthetic_root) -> Path:
    return synthetic_root / "RAVDESS"


@pytest.fixture(scope="module")
def corpus(root) -> serkit.Corpus:
    return audit([root]).corpus


@pytest.fixture(scope="module")
def trained(tmp_path_factory, root, own_features) -> Path:
    """Run folder of a whole run from the command line."""
    folder = tmp_path_factory.mktemp("train")
    options = ["--classifier", "features", "--features", str(own_features), "--folds", "3"]
    options += ["--out", str(folder / "run")]
    assert main(["train", str(root), *options]) == 0
    assert not (folder / "model").exists()
    return folder / "run"


@pytest.fixture
def train_in(root, own_features, tmp_path):
    """Trains as ``trained`` in a folder of its own, and returns what is returned."""

    def call(features: Path = own_features) -> Path:
        settings = TrainSettings((str(root),), "features", folds=3, features=str(features))
        return train(settings, tmp_path / "run", tmp_path / "model", SilentProgress())

    return call


def _predictions(run: Path) -> pd.DataFrame:
    return pd.read_csv(run / "predictions.csv", keep_default_na=False)


def _head(rows: np.ndarray, clips, classes) -> keras.Model:
    """A head that is fitted by hand on some clips."""
    heard = frozenset(clip.speaker for clip in clips)
    labels = np.array([classes.index(clip.emotion) for clip in clips])
    everyone = serkit.Speakers(heard, frozenset(), frozenset())
    return serkit.fit_linear_head(serkit.Examples(rows, heard, labels), everyone, len(classes))


def test_scores_of_normalised_speakers_are_marked_and_nothing_is_exported(
    root, corpus, own_features, tmp_path, capsys
):
    options = ["--classifier", "features", "--features", str(own_features), "--folds", "3"]
    options += ["--speaker-normalization", "--out", str(tmp_path / "run")]
    assert main(["train", str(root), *options]) == 0
    assert "! TRANSDUCTIVE: the mean of all clips of a test speaker" in capsys.readouterr().out
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["transductive"] is True
    assert main(["runs", str(tmp_path / "run")]) == 0
    assert "TRANSDUCTIVE, UAR" in capsys.readouterr().out
    # The last fit is on all features, less the mean of each speaker.
    frame = pd.DataFrame(np.load(own_features).astype("float32"))
    speakers = [clip.speaker for clip in corpus.clips]
    centred = (frame - frame.groupby(speakers).transform("mean")).to_numpy("float32")
    expected = _head(centred, corpus.clips, corpus.classes("emotion"))
    found = keras.models.load_model(tmp_path / "run" / "model.keras")
    np.testing.assert_allclose(found(centred), expected(centred), rtol=1e-3, atol=1e-3)
    assert main(["train", str(root), *options, "--export", str(tmp_path / "model")]) == 2
    assert "must not be given with --speaker-normalization" in capsys.readouterr().err
    with pytest.raises(InputError, match="is for linear classifiers of features only"):
        TrainSettings((str(root),), "compact", speaker_normalization=True)


def test_an_encoder_whose_speakers_are_normalised_is_not_exported(root, tmp_path, monkeypatch):
    encoder = whisper_encoder(WhisperSettings(depth=1, width=64), "whisper-tiny.en")
    monkeypatch.setattr(classifier_kinds, "whisper_from_preset", lambda *given: encoder)
    monkeypatch.setattr(classifier_kinds, "find_weights", lambda name, track: Path("found"))
    settings = TrainSettings((str(root),), folds=3, speaker_normalization=True)
    found = train(settings, tmp_path / "run", tmp_path / "model", SilentProgress())
    assert found == tmp_path / "run" / "model.keras"
    assert not (tmp_path / "model").exists()
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["transductive"] is True
    assert "enrollment" not in metrics


def test_predictions_are_those_of_fits_on_all_other_folds(trained, corpus, own_features):
    table, classes = _predictions(trained), corpus.classes("emotion")
    assert sorted(table["path"]) == sorted(clip.path for clip in corpus.clips)
    rows = np.load(own_features).astype("float32")
    positions = {clip.path: position for position, clip in enumerate(corpus.clips)}
    for _, of_fold in table.groupby("fold"):
        speakers = set(of_fold["speaker"])
        others = [i for i, clip in enumerate(corpus.clips) if clip.speaker not in speakers]
        assert len(others) + len(of_fold) == len(corpus)
        head = _head(rows[others], [corpus.clips[i] for i in others], classes)
        tested = [positions[path] for path in of_fold["path"]]
        logits = of_fold[[f"logit_{label}" for label in classes]]
        np.testing.assert_allclose(logits, head(rows[tested]).numpy(), atol=1e-3)


def test_the_model_is_fitted_on_all_clips_and_takes_features(trained, corpus, own_features):
    rows, classes = np.load(own_features).astype("float32"), corpus.classes("emotion")
    model = keras.models.load_model(trained / "model.keras")
    assert model.input_shape == (None, rows.shape[1])
    expected = _head(rows, corpus.clips, classes)(rows).numpy()
    np.testing.assert_allclose(model.predict(rows, verbose=0), expected, atol=1e-3)


def test_metrics_have_the_temperature_and_the_threshold_of_all_predictions(trained):
    metrics = json.loads((trained / "metrics.json").read_text("utf-8"))
    table, classes = _predictions(trained), metrics["classes"]
    logits = table[[f"logit_{label}" for label in classes]].to_numpy()
    truth = table["truth"].map(classes.index).to_numpy()
    temperature = best_temperature(logits[np.newaxis], truth)
    assert set(metrics["prediction"]) == {"temperature", "threshold"}
    assert metrics["prediction"]["temperature"] == pytest.approx(temperature)
    probabilities = softmax(logits / temperature, axis=1)
    entropies = -np.sum(probabilities * np.log(probabilities), axis=1)
    threshold = threshold_for_coverage(entropies, 0.9)
    assert metrics["prediction"]["threshold"] == pytest.approx(threshold)
    assert metrics["abstention"]["validation_coverage"] == 0.9
    everyone = metrics["test"]["groups"][0]
    assert everyone["clips"] == len(table)
    assert everyone["measures"]["accuracy"]["value"] == pytest.approx(
        np.mean(table["truth"] == table["predicted"])
    )
    # The features tell classes apart.
    assert everyone["measures"]["uar"]["value"] > 0.5


def test_the_command_says_where_the_model_is_and_promises_no_export(trained, root, own_features,
                                                                    capsys):  # fmt: skip
    options = ["--classifier", "features", "--features", str(own_features), "--folds", "3"]
    assert main(["train", str(root), *options, "--out", str(trained)]) == 0
    said = capsys.readouterr().out
    assert f"model: {trained / 'model.keras'}" in said
    assert "serkit serve" not in said


def test_a_killed_run_resumes_with_the_same_result(trained, tmp_path, train_in, kill_at):
    calls = kill_at(train_recipes, "fit_linear_head", 3)
    with pytest.raises(KeyboardInterrupt):
        train_in()
    assert not (tmp_path / "run" / "model.keras").exists()
    version = train_in()
    assert version == tmp_path / "run" / "model.keras"
    # Two folds were done, the third and the last fit were not.
    assert len(calls) == 3 + 2
    for name in ("metrics.json", "predictions.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (trained / name).read_bytes()
    models = [keras.models.load_model(path / "model.keras") for path in (trained, version.parent)]
    for first, second in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(first, second)


def test_other_features_in_the_same_file_are_not_taken_for_those_of_before(
    trained, tmp_path, train_in, own_features, monkeypatch
):
    """Nor are both mixed, after a killed run."""
    file, other = tmp_path / "mine.npy", np.load(own_features)[:, ::-1] * 2 + 1
    np.save(file, other)
    real, tested = FoldRun.test, []

    def killed(fold, model):
        if tested:
            raise KeyboardInterrupt
        tested.append(fold.number)
        return real(fold, model)

    monkeypatch.setattr(FoldRun, "test", killed)
    with pytest.raises(KeyboardInterrupt):
        train_in(file)
    monkeypatch.undo()
    shutil.copy(own_features, file)
    train_in(file)
    for name in ("metrics.json", "predictions.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (trained / name).read_bytes()


def test_a_file_that_does_not_fit_is_refused_before_any_work(
    trained, tmp_path, train_in, own_features
):
    rows = np.load(own_features)
    np.save(tmp_path / "few.npy", rows[:-1])
    np.save(tmp_path / "nan.npy", np.where(rows == rows[5, 5], np.nan, rows))
    with pytest.raises(InputError, match=r"few\.npy must have a row for each of 64 clips"):
        train_in(tmp_path / "few.npy")
    with pytest.raises(InputError, match=r"nan\.npy must have finite numbers"):
        train_in(tmp_path / "nan.npy")
    with pytest.raises(InputError, match=r"`features` must be a file.*gone\.npy"):
        train_in(tmp_path / "gone.npy")
    # The folder may be used for others.
    assert not (tmp_path / "run" / "settings.json").exists()


def test_a_fit_on_test_speakers_is_refused(train_in, monkeypatch):
    def leaking(recipe, fold):
        split = fold.partitions.split
        train_set = fold.partitions.examples(split.test)
        classes = len(fold.partitions.classes)
        return train_recipes.fit_linear_head(train_set, split.speakers, classes, recipe.head)

    monkeypatch.setattr(train_recipes.HeadRecipe, "fit", leaking)
    with pytest.raises(LeakError, match="not training speakers"):
        train_in()


@pytest.mark.parametrize(
    "values",
    [
        {"model": "features"},
        {"features": "mine.npy"},
        {"model": "compact", "features": "mine.npy"},
    ],
    ids=str,
)
def test_a_file_of_features_is_given_with_its_model_alone(values):
    with pytest.raises(
        InputError, match=r"`features` (must be|is) a file for the classifier features"
    ):
        TrainSettings(("recordings",), **values)
