import numpy as np

from serkit.metrics.selective import risk_coverage
from serkit.reporting.comparison_figures import risk_coverage_curves
from serkit.reporting.page import png


def test_each_curve_ends_at_its_error_rate(rng):
    right = rng.random(200) < 0.7
    methods = {
        "knows": risk_coverage(np.where(right, 0.0, 1.0) + rng.random(200) / 10, right),
        "guesses": risk_coverage(rng.random(200), right),
    }
    figure = risk_coverage_curves(methods)
    (axes,) = figure.axes
    assert len(axes.lines) == 2
    for line, (name, found) in zip(axes.lines, methods.items(), strict=True):
        assert line.get_label() == f"{name} (area {found.area:.3f})"
        coverage, risk = line.get_data()
        assert (coverage[-1], risk[-1]) == (100, 100 * (1 - right.mean()))
        assert coverage[0] >= 5
        assert risk.max() <= axes.get_ylim()[1]
    knows, guesses = (line.get_ydata()[0] for line in axes.lines)
    assert knows == 0 < guesses
    assert png(figure).startswith(b"\x89PNG")


def test_a_single_clip_can_be_drawn():
    figure = risk_coverage_curves({"one": risk_coverage(np.zeros(1), np.ones(1, bool))})
    assert list(figure.axes[0].lines[0].get_xdata()) == [100]
