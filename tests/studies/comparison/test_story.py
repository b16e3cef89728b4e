import copy
import re

import numpy as np
import pandas as pd
import pytest

from serkit.augmentation.arms import choose_arms
from serkit.datasets.corpus_info import LISTENERS
from serkit.studies.comparison_page import write_comparison_report
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.page_method import used_settings
from serkit.studies.page_sections import mean_probabilities, mistakes_section


@pytest.fixture(scope="module")
def page(pretended, tmp_path_factory):
    comparison, results = pretended
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_comparison_report(path, comparison, results | {"listeners": LISTENERS, "short": "Short"})
    return path


def test_the_answer_comes_first_and_what_leaks_says_so(page, pretended):
    text = page.read_text()
    assert text.index("unseen speakers, ") < text.index("<table")
    assert "LEAKY: the random split" in text
    assert text.index("Short.") < text.index("<table")
    assert "angry was made rare on purpose: 50% of its training clips are left." in text
    for found in pretended[1]["protocols"].values():
        for classifier in found["classifiers"].values():
            for arm in classifier["arms"].values():
                if "difference" in arm:
                    assert arm["difference"]["verdict"] in text


def test_without_augmentation_the_question_is_which_classifier_is_better(pretended, tmp_path):
    comparison, results = pretended
    results = copy.deepcopy(results)
    for protocol in results["protocols"].values():
        for classifier in protocol["classifiers"].values():
            classifier["arms"] = {"none": classifier["arms"]["none"]}
        protocol["between_classifiers"] = [
            row for row in protocol["between_classifiers"] if row["arm"] == "none"
        ]
    write_comparison_report(tmp_path / "report.html", comparison, results)
    text = (tmp_path / "report.html").read_text()
    assert re.search("<h1>Which classifier is better", text)
    between = results["protocols"]["k-fold"]["between_classifiers"]
    assert text.index(between[0]["verdict"]) < text.index("<table")


def test_every_part_of_the_comparison_is_on_it(page):
    text = page.read_text()
    heads = re.findall(r"<h2>(.*?)</h2>", text)
    for wanted in (
        *("compact, k-fold: what helps", "LEAKY, resnet50-head, random: speaker by speaker"),
        *("compact, k-fold: minimum detectable effect", "What is in the recordings"),
        *("What the GANs of dcgan make", "Leaky beside honest", "Which corpus is it?"),
        *("What listeners make of crema-d", "From recording to spectrogram"),
        "How this was made",
    ):
        assert wanted in heads
    assert "Wrong predictions that the model was surest of" in heads
    # Real and generated sounds of two classes, and six wrong predictions.
    assert text.count("<audio") == 2 * 2 * 3 + 6
    # Nobody's recordings are in it, whatever their names are.
    assert "synthetic voices" in text
    assert "(built-in corpus)" in text
    assert "CC BY-NC-SA" not in text


def test_it_is_one_file_and_figures_lie_beside_it_for_papers(page):
    text = page.read_text()
    assert not re.search(r'src="(?!data:)', text)
    assert not re.search(r'href="(?!#)', text)
    assert page.stat().st_size < 10e6
    names = {path.stem for path in (page.parent / "figures").glob("*.svg")}
    assert {"forest-k-fold-compact", "balance", "real-and-dcgan", "losses-dcgan"} <= names
    assert names == {path.stem for path in (page.parent / "figures").glob("*.png")}
    assert text.count("<img") == len(names) + 6


def test_the_same_results_make_the_same_page(page, pretended, tmp_path):
    comparison, results = pretended
    write_comparison_report(
        tmp_path / "report.html", comparison, results | {"listeners": LISTENERS, "short": "Short"}
    )
    assert (tmp_path / "report.html").read_bytes() == page.read_bytes()


def test_wrong_predictions_are_those_with_the_highest_mean_probability(pretended):
    comparison, results = pretended
    (section,) = mistakes_section(comparison, results)
    assert len(section.clips) == 6
    # The arm that is best on validation speakers.
    assert "compact, k-fold, arm oversampling," in section.text[0]
    arm = comparison.arms[1]
    runs = comparison.finished_runs("k-fold", "compact", arm)
    table = mean_probabilities(pd.concat([run.predictions() for run in runs]), results["classes"])
    columns = [f"p_{label}" for label in results["classes"]]
    assert len(table) == len(comparison.corpus)
    np.testing.assert_allclose(table[columns].sum(axis=1), 1)
    is_wrong = table[columns].idxmax(axis=1) != "p_" + table["truth"]
    highest = table.loc[is_wrong, columns].max(axis=1).nlargest(6)
    shown = [max(clip.probabilities.values()) for clip in section.clips]
    np.testing.assert_allclose(shown, highest)


def test_settings_without_effect_are_left_out():
    names = ("none", "specaugment", "wgan-gp")
    settings = ComparisonSettings(("mine",), names, more_seeds=(1,), best=1)
    used = used_settings(settings.to_json(), choose_arms(names))
    # Seed 0 is a value; a filter that is off is none.
    assert (used["seed"], used["gans.steps"], used["more_seeds"]) == (0, 400, [1])
    assert {"spec.frames", "masks.time", "best", "generated_share", "filled_to"} <= set(used)
    assert not {"gated", "without", "first_folds", "live", "weights", "naming.pattern"} & set(used)
    settings = ComparisonSettings(("mine",), ("none", "speed"), classifiers=("whisper-tiny.en",))
    used = used_settings(settings.to_json(), choose_arms(settings.arms))
    assert "weights" in used
    absent = ("spec", "masks", "gans", "generated_share", "best", "fit")
    assert not [name for name in used if name.split(".")[0] in absent]


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_a_browser_shows_all_of_it(page, layout_of, width):
    found = layout_of(page, width)
    assert found["wide"] == found["broken"] == []
    assert found["scale"] >= 90
    assert all(found["images"])
    assert found["scroll"] <= found["width"]
