"""Comparisons whose features lack the mean of each speaker: marked everywhere, never exported."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from serkit.cli.main import main
from serkit.cli.runs import _describe_comparison
from serkit.datasets.audit import audit
from serkit.datasets.feature_table import FeatureTable
from serkit.errors import InputError
from serkit.files import read_json
from serkit.progress import SilentProgress
from serkit.studies.comparison import compare, verdicts
from serkit.studies.comparison_inputs import InputsBySpeed
from serkit.studies.finished_comparison import open_classifier_to_export


@pytest.fixture(scope="module")
def compared(synthetic_root, settings_of, own_features, tmp_path_factory):
    """Settings, run folder and results."""
    out = tmp_path_factory.mktemp("transductive") / "run"
    settings = settings_of(
        synthetic_root / "RAVDESS",
        classifiers=("features",),
        arms=("none", "class-weights"),
        features=str(own_features),
        speaker_normalization=True,
    )
    return settings, out, compare(settings, out, progress=SilentProgress())


def test_the_mean_of_each_speaker_is_taken_off(synthetic_root, own_features, tmp_path):
    corpus = audit([synthetic_root / "RAVDESS"]).corpus
    table = FeatureTable(own_features)
    plain = InputsBySpeed(corpus, table, [1.0], tmp_path)
    centred = InputsBySpeed(corpus, table, [1.0], tmp_path, speaker_normalization=True)
    speakers = np.array([clip.speaker for clip in corpus.clips])
    frame = pd.DataFrame(np.asarray(plain[1.0], np.float64))
    expected = frame - frame.groupby(speakers).transform("mean")
    np.testing.assert_allclose(centred[1.0], expected, atol=1e-5)
    # A clip of another speaker changes two means, and so all fits.
    moved = replace(corpus.clips[0], speaker=corpus.clips[-1].speaker)
    other = replace(corpus, clips=(moved, *corpus.clips[1:]))
    keys = [InputsBySpeed(each, table, [1.0], tmp_path, True).key for each in (corpus, other)]
    assert keys[0] != keys[1]
    assert plain.key != centred.key


def test_results_of_the_same_cache_are_others(compared, tmp_path):
    settings, out, results = compared
    ordinary = replace(settings, speaker_normalization=False)
    other = compare(ordinary, tmp_path / "run", out / "cache", progress=SilentProgress())
    arms = [
        found["protocols"]["k-fold"]["classifiers"]["features"]["arms"]
        for found in (results, other)
    ]
    assert arms[0]["none"]["confusion"] != arms[1]["none"]["confusion"]
    assert "transductive" not in other["protocols"]["k-fold"]
    assert "speaker_normalization" not in other["settings"]


def test_every_result_is_marked(compared):
    _, out, results = compared
    assert results["protocols"]["k-fold"]["transductive"] is True
    assert all(sentence.startswith("TRANSDUCTIVE, ") for sentence in verdicts(results))
    assert "features (k-fold, TRANSDUCTIVE), UAR: " in _describe_comparison(results)
    page = (out / "report.html").read_text("utf-8")
    assert "<h1>TRANSDUCTIVE: Does the augmentation help?" in page
    assert "TRANSDUCTIVE: the mean of all clips of a test speaker is taken off" in page
    titles = re.findall(r"<h2[^>]*>([^<]*features, k-fold[^<]*)", page)
    assert titles
    assert all(title.startswith("TRANSDUCTIVE, ") for title in titles)
    tables = out / "tables"
    assert (tables / "k-fold-features.md").read_text().startswith("| arm, TRANSDUCTIVE |")
    assert "caption{TRANSDUCTIVE. k-fold}" in (tables / "k-fold-features.tex").read_text()
    assert pd.read_csv(tables / "arms.csv")["transductive"].all()


def test_it_is_not_exported(compared, tmp_path, capsys):
    _, out, _ = compared
    with pytest.raises(InputError, match="`speaker_normalization` must be false for an export"):
        open_classifier_to_export(out)
    assert main(["export", str(out), "--out", str(tmp_path / "model")]) == 2
    assert "must be false for an export" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_networks_have_no_features_to_normalise(compared):
    settings, _, _ = compared
    with pytest.raises(InputError, match="is for linear classifiers of features only"):
        replace(settings, classifiers=("features", "compact"))


def test_the_command_says_so(synthetic_root, own_features, tmp_path, capsys):
    words = ["compare", str(synthetic_root / "RAVDESS"), "--classifier", "features", "--short"]
    words += ["--features", str(own_features), "--arms", "none", "class-weights"]
    words += ["--speaker-normalization", "--out", str(tmp_path / "run")]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "TRANSDUCTIVE, class-weights: " in said
    assert "serkit export" not in said
    assert read_json(tmp_path / "run" / "comparison.json")["settings"]["speaker_normalization"]
