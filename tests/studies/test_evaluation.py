"""``serkit evaluate``: a model on labelled recordings."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import serkit
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.cli.main import main
from serkit.datasets.corpus import Corpus
from serkit.errors import InputError, LeakError
from serkit.export.exportable_model import ExportableModel, PredictionSettings
from serkit.export.saved_model import export_model
from serkit.metrics.classification import score
from serkit.models.compact import CompactSettings, compact
from serkit.progress import SilentProgress
from serkit.studies.deployment import describe_data
from serkit.studies.evaluation import EvaluationSettings, evaluate
from serkit.studies.evaluation_report import summary, warnings_of

SPEC = SpectrogramSpec(frames=32, bins=32, hop=1536)


def _export(folder, classes, details):
    network = compact(len(classes), SPEC.shape, CompactSettings(pool=(1, 1), channels=(2, 2)), 3)
    # Different logits for different recordings, although the network learned nothing.
    for variable in network.get_layer("logits").weights:
        variable.assign(3 * np.random.default_rng(0).normal(size=variable.shape))
    settings = PredictionSettings(threshold=1.5)
    return export_model(ExportableModel([network], SPEC, classes, settings), folder, details)


@pytest.fixture(scope="module")
def classes(synthetic_corpus):
    return synthetic_corpus.classes("emotion")


@pytest.fixture(scope="module")
def model(tmp_path_factory, classes, synthetic_corpus):
    """A model whose card names two speakers of the built-in corpus as its training set."""
    speakers = sorted(synthetic_corpus.speakers())[:2]
    train = synthetic_corpus.where(lambda clip: clip.speaker in speakers)
    details = {"data": describe_data({"train": train}, classes, "emotion", {})}
    return _export(tmp_path_factory.mktemp("evaluate") / "model", classes, details)


def _evaluate(model, root, out=None, **settings):
    return evaluate(model, EvaluationSettings((str(root),), **settings), out, SilentProgress())


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, model, synthetic_root):
    out = tmp_path_factory.mktemp("evaluation")
    return _evaluate(model, synthetic_root, out, allow_leaks=True), out


def test_scores_are_those_of_the_predictions(evaluated, synthetic_corpus, classes):
    results, out = evaluated
    table = pd.read_csv(out / "predictions.csv", keep_default_na=False)
    assert results["clips"] == len(table) == len(synthetic_corpus)
    assert list(table["truth"]) == synthetic_corpus.labels("emotion")
    truth, predicted = (table[name].map(classes.index) for name in ("truth", "predicted"))
    expected = score(truth.to_numpy(), predicted.to_numpy(), len(classes))
    assert results["uar"]["value"] == pytest.approx(expected.uar)
    assert results["accuracy"]["value"] == pytest.approx(expected.accuracy)
    assert results["uar"]["low"] <= results["uar"]["value"] <= results["uar"]["high"]
    assert np.sum(results["confusion"]) == len(table)
    answered = table[table["abstain"].astype(str) == "False"]
    assert results["abstention"]["coverage"] == pytest.approx(len(answered) / len(table))
    probabilities = table[[f"p_{label}" for label in classes]].to_numpy(float)
    nll = -np.mean(np.log(probabilities[np.arange(len(table)), truth]))
    assert results["calibration"]["nll"] == pytest.approx(nll, rel=1e-4)


def test_results_are_written_whole(evaluated):
    results, out = evaluated
    assert json.loads((out / "evaluation.json").read_text("utf-8")) == results
    page = (out / "report.html").read_text("utf-8")
    assert "LEAKY" in page
    assert f"Of {results['clips']} clips of {results['speakers']} speakers, the model" in page
    wrong = sum(map(sum, results["confusion"])) - np.trace(results["confusion"])
    assert page.count("<audio") == min(6, wrong)
    assert 'href="predictions.csv"' in page
    assert page.count("model-card.md</a>") == 1
    assert (out / "figures" / "confusion.png").exists()


@pytest.mark.parametrize("name", ["settings.json", "audit.json"])
def test_the_folder_of_another_command_is_refused_before_any_work(tmp_path, name):
    (tmp_path / name).touch()
    (tmp_path / "predictions.csv").write_text("of the run")
    with pytest.raises(InputError, match=rf"`out` must not be the folder of another.*with {name}"):
        _evaluate("no model", tmp_path, tmp_path)
    assert (tmp_path / "predictions.csv").read_text() == "of the run"


def test_training_speakers_are_refused_by_name(model, synthetic_root, synthetic_corpus):
    with pytest.raises(LeakError, match=sorted(synthetic_corpus.speakers())[0]):
        _evaluate(model, synthetic_root)


def test_other_speakers_are_not_leaky(model, tmp_path, synthetic_corpus):
    known = set(sorted(synthetic_corpus.speakers())[:2])
    others = synthetic_corpus.where(lambda clip: clip.speaker not in known)
    others.write(tmp_path / "manifest.csv")
    results = _evaluate(model, tmp_path / "manifest.csv")
    assert results["leaky"] is False
    assert results["speakers"] == len(synthetic_corpus.speakers()) - 2


def test_labels_that_the_model_does_not_know_are_counted(tmp_path, synthetic_root, classes):
    fewer = tuple(label for label in classes if label != "sad")
    results = _evaluate(_export(tmp_path / "model", fewer, {}), synthetic_root)
    assert set(results["left_out"]) == {"sad"}
    assert results["leaky"] is None
    with pytest.raises(InputError, match="`roots`"):
        _evaluate(_export(tmp_path / "other", ("bored", "calm"), {}), synthetic_root)


def test_classes_without_clips_and_missing_intervals_are_said(tmp_path, synthetic_corpus, classes):
    speakers = sorted(synthetic_corpus.speakers())
    synthetic_corpus.where(lambda clip: clip.speaker in speakers[:2]).write(tmp_path / "two.csv")
    model = _export(tmp_path / "model", (*classes, "gloomy"), {})
    results = _evaluate(model, tmp_path / "two.csv", tmp_path / "out")
    assert results["recalls"]["gloomy"] is None
    warnings = warnings_of(results)
    with_clips = [label for label, recall in results["recalls"].items() if recall is not None]
    fraction = f"{len(with_clips)} of {len(classes) + 1}"
    assert any("gloomy" in warning and fraction in warning for warning in warnings)
    assert "2 speakers are too few for an interval." in warnings
    assert set(warnings) <= set(summary(results).splitlines())
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "gloomy" in page
    assert "too few for an interval" in page


def test_a_refusal_for_clips_alone_lists_no_speakers(tmp_path, classes, synthetic_corpus):
    data = describe_data({"train": synthetic_corpus}, classes, "emotion", {})
    data["digests"]["speakers"] = []
    model = _export(tmp_path / "model", classes, {"data": data})
    synthetic_corpus.write(tmp_path / "all.csv")
    with pytest.raises(LeakError, match=r"trained on \d+ clips of these recordings;"):
        _evaluate(model, tmp_path / "all.csv")


def test_gender_emotion_models_are_compared_with_such_labels(tmp_path, synthetic_root):
    labels = ("female_angry", "male_angry")
    results = _evaluate(_export(tmp_path / "model", labels, {}), synthetic_root)
    assert set(results["recalls"]) == set(labels)
    assert "male_sad" in results["left_out"]


def test_classes_with_a_gender_in_their_names_may_be_emotions_of_the_users_own(
    tmp_path, synthetic_corpus
):
    """As where the folders of a data set are named after gender and emotion."""
    labels = ("female_angry", "male_angry")
    clips = [
        replace(clip, emotion=clip.gender_emotion, gender="") for clip in synthetic_corpus.clips
    ]
    Corpus(tuple(clips), synthetic_corpus.roots).write(tmp_path / "manifest.csv")
    results = _evaluate(_export(tmp_path / "model", labels, {}), tmp_path / "manifest.csv")
    assert set(results["recalls"]) == set(labels)


def test_recordings_without_genders_are_refused_for_a_model_of_genders(tmp_path, synthetic_corpus):
    clips = tuple(replace(clip, gender="") for clip in synthetic_corpus.clips)
    Corpus(clips, synthetic_corpus.roots).write(tmp_path / "manifest.csv")
    model = _export(tmp_path / "model", ("female_angry", "male_angry"), {})
    with pytest.raises(InputError, match="gender_emotion because the gender"):
        _evaluate(model, tmp_path / "manifest.csv")


def test_corrupted_recordings_get_other_predictions(model, evaluated, synthetic_root):
    clean, _ = evaluated
    noisy = _evaluate(model, synthetic_root, allow_leaks=True, corruptions=(("noise", -20.0),))
    assert noisy["corruptions"] == [["noise", -20.0]]
    assert noisy["calibration"]["nll"] != clean["calibration"]["nll"]
    assert noisy["clips"] == clean["clips"]


def test_a_file_that_vanishes_is_a_problem_of_one_clip(model, tmp_path, synthetic_root):
    root = tmp_path / "copy"
    shutil.copytree(synthetic_root, root)
    corpus = serkit.audit([root]).corpus
    corpus.write(tmp_path / "manifest.csv")
    corpus.file(corpus.clips[0]).unlink()
    results = _evaluate(model, tmp_path / "manifest.csv", allow_leaks=True)
    assert (results["problems"], results["clips"]) == (1, len(corpus) - 1)


def test_the_command_prints_json_alone(model, synthetic_root, capsys):
    assert main(["evaluate", str(model), str(synthetic_root), "--allow-leaks", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["uar"]["value"] >= 0


def test_a_served_model_is_evaluated_alike(contract_model, rest_server, synthetic_root):
    served = _evaluate(rest_server.address, synthetic_root)
    exported = _evaluate(contract_model, synthetic_root)
    assert served["leaky"] is None
    assert served["model"] == rest_server.address
    assert served["uar"] == exported["uar"]
    assert set(served["left_out"]) == {"disgust", "fear", "neutral", "surprise"}
