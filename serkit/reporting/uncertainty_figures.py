"""Figures of how sure classifiers are."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from serkit.evaluation.selective import RiskCoverage
from serkit.reporting.style import colour, legend, tidy


def risk_coverage_curves(methods: Mapping[str, RiskCoverage]) -> Figure:
    """Errors among the clips that are answered, the surest first.

    Args:
        methods: by name.
    """
    figure = Figure(figsize=(5.2, 4.4), layout="constrained")
    axes = figure.subplots()
    for number, (name, found) in enumerate(methods.items()):
        # Of the first few clips the share of errors jumps about.
        shown = found.coverage >= min(0.05, found.coverage[-1])
        axes.plot(
            *(100 * found.coverage[shown], 100 * found.risk[shown]),
            color=colour(number),
            linewidth=1.3,
            label=f"{name} (area {found.area:.3f})",
        )
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 1.3 * max(1.0, 100 * np.max([each.risk[-1] for each in methods.values()])))
    axes.set_xlabel("clips that are answered, per cent")
    axes.set_ylabel("wrong answers among them, per cent")
    legend(figure, axes)
    tidy(axes)
    return figure
