"""A whole comparison of linear classifiers: page, other weights in the same folder, and export."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

import serkit
from serkit.cli.main import main
from serkit.datasets.audit import audit
from serkit.errors import InputError
from serkit.export.versions import DETAILS_FILE
from serkit.files import read_json, write_json
from serkit.progress import SilentProgress
from serkit.studies import comparison, head_runs
from serkit.studies.comparison import compare, verdicts
from serkit.studies.deployment import export_classifier
from serkit.studies.finished_comparison import open_classifier_to_export, read_finished

_ENCODER = "whisper-tiny.en"


@pytest.fixture(scope="module")
def compared(
    synthetic_root, settings_of, encoder_of, use_small_encoders, tmp_path_factory
) -> tuple[Path, dict]:
    """Run folder and results of an encoder's features, and of the same as the user's own."""
    root, folder = synthetic_root / "RAVDESS", tmp_path_factory.mktemp("compared")
    features = serkit.SpeechFeatures(encoder_of(0))
    rows = serkit.compute_speech_features(audit([root]).corpus, features, cache=folder / "rows")
    np.save(folder / "rows.npy", np.asarray(rows))
    settings = settings_of(
        root,
        classifiers=(_ENCODER, "features"),
        arms=("none", "class-weights", "speed", "mixup"),
        seeds=(0, 1),
        first_folds=1,
        features=str(folder / "rows.npy"),
    )
    with pytest.MonkeyPatch.context() as patch:
        use_small_encoders(patch)
        return folder / "run", compare(settings, folder / "run", progress=SilentProgress())


@pytest.fixture
def copied(compared, small_encoders, tmp_path) -> tuple[Path, dict]:
    """A copy of the run folder that a test may change, and the results."""
    shutil.copytree(compared[0], tmp_path / "run")
    return tmp_path / "run", compared[1]


@pytest.fixture
def page(compared) -> str:
    return (compared[0] / "report.html").read_text("utf-8")


def _arms(results: dict, classifier: str) -> dict:
    return results["protocols"]["k-fold"]["classifiers"][classifier]["arms"]


def test_the_same_features_give_the_same_results_wherever_they_come_from(compared):
    _, results = compared
    encoder, own = (_arms(results, name) for name in (_ENCODER, "features"))
    assert (list(encoder), list(own)) == (["none", "class-weights", "speed"], list(encoder)[:2])
    assert own["none"] == encoder["none"]
    # p-values are corrected for the number of arms.
    same = [name for name in own["class-weights"] if name != "difference"]
    assert all(own["class-weights"][name] == encoder["class-weights"][name] for name in same)
    assert (
        own["class-weights"]["difference"]["uar"] == encoder["class-weights"]["difference"]["uar"]
    )
    assert encoder["speed"]["confusion"] != encoder["none"]["confusion"]


def test_all_speeds_are_training_examples(compared, small_encoders):
    out, _ = compared
    settings = read_finished(out)[0]
    made = comparison.Comparison(settings, out, progress=SilentProgress())
    by_arm = {arm.name: arm for arm in made.arms}
    counts = {
        name: made.classifier_run(made.folds[0], _ENCODER, by_arm[name], 0).record()["examples"]
        for name in ("none", "speed")
    }
    assert counts["speed"] == 3 * counts["none"] == 3 * len(made.folds[0].split.train)


def test_the_page_has_a_section_of_each_kind_but_no_learning_curves(compared, page):
    heads = re.findall(r"<h2>(.*?)</h2>", page)
    for classifier in (_ENCODER, "features"):
        for section in ("what helps", "where they are right and wrong", "speaker by speaker"):
            assert f"{classifier}, k-fold: {section}" in heads
    assert not any("how they learned" in head for head in heads)
    assert not list((compared[0] / "figures").glob("learning-*"))
    # Each section has text, a table or a figure.
    for section in re.split(r"<h2>.*?</h2>", page)[1:]:
        assert re.search(r"<p|<table|<img", section)


def test_equal_classifiers_do_not_differ(compared, page):
    out, results = compared
    rows = results["protocols"]["k-fold"]["between_classifiers"]
    assert [row["arm"] for row in rows] == ["none", "class-weights"]
    for row in rows:
        assert row["uar"]["estimate"]["value"] == 0
        assert row["p_holm"] == 1
        assert row["conclusion"] in ("no effect shown", "too few speakers")
    sentences = [line.split(":")[0] for line in verdicts(results)]
    assert sentences[:2] == [
        f"k-fold, features minus {_ENCODER}, {arm}" for arm in ("none", "class-weights")
    ]
    assert "k-fold: which classifier is better" in page
    assert (out / "tables" / "k-fold.md").is_file()


def test_settings_of_networks_are_not_on_the_page(page):
    assert re.search("<td[^>]*>filled_to<", page)
    assert not re.search("<td[^>]*>(spec|fit|gans|precision)[.<]", page)


def test_the_page_says_which_arms_are_left_out_and_how_the_others_are_fitted(compared, page):
    out, results = compared
    first, second = results["left_out"].split("; ")
    assert first.startswith(f"{_ENCODER} is not trained with mixup: ")
    assert second.startswith("features is not trained with speed, mixup: ")
    assert f"{results['left_out']}." in page
    assert "closed form" in page
    assert "optimiser steps" not in page
    for classifier in (_ENCODER, "features"):
        for name, arm in _arms(results, classifier).items():
            assert name == "none" or arm["difference"]["verdict"] in page
    assert read_json(out / "comparison.json") == results


def test_one_seed_is_no_limitation_of_a_linear_classifier(copied, monkeypatch):
    out, _ = copied
    shown = []
    monkeypatch.setattr(
        "serkit.studies.comparison_page.write_report", lambda *given: shown.append(given[3])
    )
    settings = replace(read_finished(out)[0], seeds=(0,), arms=("none",))
    compare(settings, out, progress=SilentProgress())
    (warnings,) = shown
    assert warnings
    assert not any(line.startswith("Arms of one seed") for line in warnings)


def test_other_weights_in_the_same_folder_are_other_fits(copied, monkeypatch):
    out, results = copied
    monkeypatch.setattr(comparison, "write_comparison_report", lambda *given, **named: None)
    fit, calls = head_runs.fit_linear_head, []
    monkeypatch.setattr(
        head_runs, "fit_linear_head", lambda *given: calls.append(given) or fit(*given)
    )
    settings = read_finished(out)[0]
    others = compare(
        replace(settings, weights="other-1", arms=("none",)), out, progress=SilentProgress()
    )
    # The user's own features are the same as before.
    assert len(calls) == 1
    assert others["settings"]["weights"] == "other-1"
    assert _arms(others, _ENCODER)["none"] != _arms(results, _ENCODER)["none"]
    assert _arms(others, "features")["none"] == _arms(results, "features")["none"]
    assert read_finished(out)[0].weights == "other-1"
    before = (out / "settings.json").read_bytes()
    assert compare(settings, out, progress=SilentProgress()) == results
    assert len(calls) == 1
    assert (out / "settings.json").read_bytes() == before


def test_the_run_folder_of_an_earlier_version_has_weights(copied, monkeypatch):
    """They were not to be changed then."""
    out, results = copied
    monkeypatch.setattr(comparison, "write_comparison_report", lambda *given, **named: None)
    recorded = read_json(out / "settings.json")
    write_json(out / "settings.json", recorded | {"weights": "imagenet"})
    settings = read_finished(out)[0]
    assert settings.weights == results["settings"]["weights"] == "none"
    assert compare(settings, out, progress=SilentProgress()) == results


@pytest.fixture(scope="module")
def exported(compared, use_small_encoders, tmp_path_factory):
    """The classifier that was exported, and the version."""
    with pytest.MonkeyPatch.context() as patch:
        use_small_encoders(patch)
        given = open_classifier_to_export(compared[0], "class-weights", _ENCODER)
        return given, export_classifier(given, tmp_path_factory.mktemp("models") / "mine")


def test_an_exported_classifier_predicts_recordings_as_it_was_compared(compared, exported):
    _, results = compared
    given, version = exported
    # Both seeds give the same classifier.
    assert len(given.files) == 1
    details = read_json(version / DETAILS_FILE)
    assert details["answers"]["networks"] == 1
    assert details["comparison"]["classifier"] == _ENCODER
    assert details["comparison"]["uar"] == _arms(results, _ENCODER)["class-weights"]["uar"]
    table = pd.read_csv(given.files[0].parent / "predictions.csv")
    corpus = given.partitions.corpus
    files = {clip.path: str(corpus.file(clip)) for clip in corpus.clips}
    found = list(serkit.load_model(version).predict([files[path] for path in table["path"]]))
    assert not any(prediction.problem for prediction in found)
    classes = given.partitions.classes
    logits = table[[f"logit_{label}" for label in classes]].to_numpy()
    expected = softmax(logits / details["answers"]["temperature"], axis=1)
    probabilities = [[prediction.probabilities[label] for label in classes] for prediction in found]
    # The cache rounds features to 16 bits.
    np.testing.assert_allclose(probabilities, expected, atol=0.01)


def test_the_exported_classifier_is_fitted_on_training_speakers_alone(exported):
    given, _ = exported
    head, split = keras.models.load_model(given.files[0]), given.partitions.split
    train = given.partitions.to_fit(split.train)
    settings = serkit.LinearHeadSettings(class_weights="balanced")
    by_hand = serkit.fit_linear_head(train, split.speakers, len(given.partitions.classes), settings)
    for found, expected in zip(head.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_own_features_are_not_exported(compared, small_encoders, tmp_path, monkeypatch, capsys):
    out, _ = compared
    monkeypatch.setattr(head_runs, "fit_linear_head", None)
    with pytest.raises(InputError, match="`classifier` must be another than features"):
        open_classifier_to_export(out, "none", "features")
    arguments = ["export", str(out), "--classifier", "features", "--out", str(tmp_path / "model")]
    assert main(arguments) == 2
    assert "`--classifier` must be another than features" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_the_command_line_compares_own_features(
    synthetic_root, own_features, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(comparison, "write_comparison_report", lambda *given, **named: None)
    monkeypatch.chdir(own_features.parent)
    options = ["--classifier", "features", "--features", own_features.name, "--short"]
    options += ["--arms", "none", "class-weights", "mixup", "--out", str(tmp_path / "run")]
    assert main(["compare", str(synthetic_root / "RAVDESS"), *options]) == 0
    said = capsys.readouterr().out
    assert "! features is not trained with mixup: its features are computed once" in said
    assert "! A short run shows only that everything works: 3 folds" in said
    results = read_json(tmp_path / "run" / "comparison.json")
    assert results["settings"]["features"] == str(own_features)
    assert list(_arms(results, "features")) == ["none", "class-weights"]
