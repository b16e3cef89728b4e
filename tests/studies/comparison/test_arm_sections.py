import pytest

from serkit.studies.comparison_page import ArmSections


@pytest.fixture
def sections(pretended):
    """Sections by their titles."""
    found = ArmSections(*pretended, "k-fold", "compact").sections()
    return {section.title.removeprefix("compact, k-fold: "): section for section in found}


def test_every_arm_has_its_verdict_and_its_row(sections, pretended):
    arms = pretended[1]["protocols"]["k-fold"]["classifiers"]["compact"]["arms"]
    section = sections["what helps"]
    assert list(section.text) == [
        arms[name]["difference"]["verdict"] + "." for name in ("oversampling", "dcgan")
    ]
    table, beside = section.tables
    assert [row[0] for row in table.rows] == list(arms)
    assert [row[0] for row in beside.rows] == ["dcgan"]
    assert "forest-k-fold-compact" in section.figures


def test_the_minimum_detectable_effect_and_how_many_speakers_it_takes(sections, pretended):
    arms = pretended[1]["protocols"]["k-fold"]["classifiers"]["compact"]["arms"]
    first, second = sections["minimum detectable effect"].tables[0].rows
    assert first[0] == "oversampling"
    assert first[3] != second[3] == ""
    assert second[-3:] == [
        str(arms["dcgan"]["difference"]["speakers_needed"][points]) for points in ("1", "2", "5")
    ]


def test_speakers_corpora_and_curves(sections):
    rows = sections["speaker by speaker"].tables[0].rows
    assert len(rows) == len({row[0] for row in rows}) > 10
    groups = [row[0] for row in sections["where they are right and wrong"].tables[0].rows]
    assert {"crema-d", "all but tess", "female"} <= set(groups)
    names = set(sections["where they are right and wrong"].figures)
    assert {"recalls-k-fold-compact", "calibration-k-fold-compact"} <= names
    assert "confusion-k-fold-compact-none" in names
    assert "learning-k-fold-compact" in sections["how they learned"].figures


def test_a_classifier_that_is_not_trained_in_epochs_has_no_learning_curves(sections, pretended):
    comparison, results = pretended
    found = results["protocols"]["k-fold"]["classifiers"]
    known = {"k-fold": {"leaky": False, "classifiers": {"features": found["compact"]}}}
    shown = ArmSections(comparison, results | {"protocols": known}, "k-fold", "features").sections()
    assert len(shown) == len(sections) - 1
    assert not any("learning" in name for section in shown for name in section.figures)


def test_what_leaks_says_so_in_its_figures(pretended):
    found = ArmSections(*pretended, "random", "compact")
    axes = found.sections()[0].figures["forest-random-compact"][0].axes[0]
    assert "LEAKY" in axes.get_xlabel()
    assert all(section.title.startswith("LEAKY, ") for section in found.sections())
    figures = [figure for s in found.sections() for figure, _ in s.figures.values()]
    assert all(any("LEAKY" in text.get_text() for text in figure.texts) for figure in figures)
