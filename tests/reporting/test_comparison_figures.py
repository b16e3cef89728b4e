import numpy as np
import pytest

from serkit.reporting import comparison_figures as drawn
from serkit.reporting.page import png

APART = {
    "better": {"value": 0.03, "low": 0.01, "high": 0.05},
    "worse": {"value": -0.03, "low": -0.05, "high": -0.01},
    "unsure": {"value": 0.01, "low": -0.01, "high": 0.03},
    "alone": {"value": 0.01, "low": None, "high": None},
}


def test_forest_has_a_line_per_arm_with_the_colour_of_its_conclusion():
    axes = drawn.forest(APART, "UAR").axes[0]
    lines = [line for line in axes.get_lines() if len(line.get_xdata()) == 2][1:]
    assert [list(line.get_xdata()) for line in lines[:2]] == [[1, 5], [-5, -1]]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(APART)
    colours = [line.get_color() for line in lines]
    assert len({colours[0], colours[1], colours[2]}) == 3
    assert [text.get_text() for text in axes.texts] == ["+3.0", "−3.0", "+1.0", "+1.0"]


def test_every_speaker_is_a_dot():
    figure = drawn.speaker_differences({"a": {"x": 0.1, "y": -0.3}, "b": {"x": 0.0}}, "UAR")
    dots = [line for line in figure.axes[0].get_lines() if line.get_marker() == "o"]
    assert [sorted(np.round(line.get_xdata(), 6)) for line in dots] == [[-30, 10], [0]]


def test_recalls_are_written_into_the_heat_map():
    axes = drawn.recalls({"none": {"sad": 0.51, "angry": 0.2}}, ["angry"]).axes[0]
    assert [text.get_text() for text in axes.texts] == ["51", "20"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["sad", "angry\n(rare)"]


def test_empty_bins_of_calibration_are_left_out():
    arm = {"confidence": (None, 0.6, 0.9), "accuracy": (None, 0.5, 0.95), "ece": 0.081}
    axes = drawn.calibration({"none": arm}).axes[0]
    assert axes.get_lines()[1].get_xdata() == pytest.approx([60, 90])
    assert axes.get_legend().get_texts()[0].get_text() == "none (ECE 8.1)"


def test_curves_are_means_over_training_runs():
    row = {"loss": 1.0, "val_loss": 2.0, "uar": 0.5, "val_uar": 0.4}
    other = {name: value + 0.2 for name, value in row.items()}
    figure = drawn.mean_curves({"none": [[row, row], [other, other]]})
    training, validation = figure.axes[1].get_lines()
    assert training.get_ydata() == pytest.approx([0.6, 0.6])
    assert validation.get_ydata() == pytest.approx([0.5, 0.5])
    assert validation.get_label() == "none"


def test_equal_figures_are_equal_files():
    assert png(drawn.forest(APART, "UAR")) == png(drawn.forest(APART, "UAR"))
