"""Figures of comparisons and of uncertainty."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from serkit.formatting import percentage_points
from serkit.metrics.selective import RiskCoverage
from serkit.reporting.figures import (
    GENERATED,
    REAL,
    colour,
    heat_map,
    legend,
    one_panel,
    tidy,
)

_NO_EFFECT_COLOUR, _WORSE_COLOUR = "#7a828a", "#b0413e"


def forest(differences: Mapping[str, Mapping[str, Any]], measure_name: str) -> Figure:
    """Draw a forest plot of the arms' differences to the baseline ``none``, with intervals.

    An interval above 0 is blue, an interval below 0 is red, and an interval that contains 0 is
    grey.

    Args:
        differences: by arm, ``value``, ``low`` and ``high``, as fractions. Without an interval
            ``low`` and ``high`` are None.
        measure_name: name of the measure, for the axis.
    """
    axis_label = f"points of {measure_name} more or less than with none, 95 % interval"
    figure, axes = _figure_with_zero_line(list(differences), axis_label)
    for row, difference in enumerate(differences.values()):
        value = difference["value"]
        low = value if difference["low"] is None else difference["low"]
        high = value if difference["high"] is None else difference["high"]
        interval_colour = REAL if low > 0 else _WORSE_COLOUR if high < 0 else _NO_EFFECT_COLOUR
        axes.plot([100 * low, 100 * high], [row, row], color=interval_colour, linewidth=2)
        axes.plot(100 * value, row, "o", color=interval_colour, markersize=6)
        axes.annotate(
            percentage_points(value).replace("-", "\N{MINUS SIGN}"),
            xy=(100 * value, row),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=interval_colour,
            # The line at 0 would make +0.2 look like -0.2.
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )
    return figure


def speaker_differences(
    differences: Mapping[str, Mapping[str, float]], measure_name: str
) -> Figure:
    """Draw each arm's difference to the baseline ``none`` on each speaker, one dot per speaker.

    Args:
        differences: by arm and speaker, as fractions.
        measure_name: name of the measure, for the axis.
    """
    axis_label = f"points of {measure_name} to none; a dot is a speaker, the bar their mean"
    figure, axes = _figure_with_zero_line(list(differences), axis_label)
    for row, difference_by_speaker in enumerate(differences.values()):
        values = 100 * np.array(list(difference_by_speaker.values()))
        # Speakers with neighbouring ranks get different offsets, so that their dots do not overlap.
        ranks = np.argsort(np.argsort(values, kind="stable"))
        offsets = 0.22 * ((ranks % 3) - 1)
        axes.plot(values, row + offsets, "o", color=REAL, markersize=4, alpha=0.6, mew=0)
        axes.plot([values.mean()] * 2, [row - 0.36, row + 0.36], color=GENERATED, linewidth=2)
    return figure


def recalls(recalls_by_arm: Mapping[str, Mapping[str, float]], rare: Sequence[str]) -> Figure:
    """Draw the recall of every class in every arm, as a heat map with numbers.

    Args:
        recalls_by_arm: by arm and class, as fractions.
        rare: classes with few training clips; their names are marked.
    """
    classes = list(next(iter(recalls_by_arm.values())))
    fractions = np.array(
        [
            [recall_by_class.get(label, np.nan) for label in classes]
            for recall_by_class in recalls_by_arm.values()
        ]
    )
    # The parts of a name such as female_sad are below each other.
    tick_labels = [
        label.replace("_", "\n") + ("\n(rare)" if label in rare else "") for label in classes
    ]
    longest = max(len(line) for text in tick_labels for line in text.splitlines())
    cell = max(0.5, 0.08 + 0.06 * longest)
    figure, axes = one_panel(1.6 + cell * len(classes), 1.1 + 0.3 * len(recalls_by_arm))
    texts = [
        ["" if np.isnan(recall) else f"{100 * recall:.0f}" for recall in row] for row in fractions
    ]
    heat_map(axes, fractions, np.array(texts), fontsize=8)
    axes.set_aspect("auto")
    # A class name may have a dollar sign, where matplotlib would start a formula.
    tick_labels = [text.replace("$", r"\$") for text in tick_labels]
    axes.set_xticks(range(len(classes)), tick_labels, fontsize=8)
    axes.set_yticks(range(len(recalls_by_arm)), list(recalls_by_arm), fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    return figure


def calibration(reliabilities: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw a reliability diagram: the accuracy of each arm or predictor by its confidence.

    Args:
        reliabilities: by name of the arm or predictor, ``confidence``, ``accuracy`` and ``ece`` as
            in :class:`serkit.metrics.calibration.Reliability`.
    """
    figure, axes = one_panel(5.2, 4.4)
    axes.plot([0, 100], [0, 100], color="#222222", linewidth=0.8, linestyle=":")
    for index, (name, reliability) in enumerate(reliabilities.items()):
        bins = zip(reliability["confidence"], reliability["accuracy"], strict=True)
        # The confidence of an empty bin is None.
        known_bins = [b for b in bins if b[0] is not None]
        confidence, accuracy = 100 * np.array(known_bins).reshape(-1, 2).T
        axes.plot(
            confidence,
            accuracy,
            "o-",
            color=colour(index),
            markersize=3.5,
            linewidth=1.2,
            label=f"{name} (ECE {100 * reliability['ece']:.1f})",
        )
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    axes.set_xlabel("highest probability, per cent")
    axes.set_ylabel("clips that were right, per cent")
    legend(figure, axes)
    tidy(axes)
    return figure


def mean_curves(histories: Mapping[str, Sequence[Sequence[Mapping[str, float]]]]) -> Figure:
    """Draw loss and UAR over the epochs, as means over an arm's training runs.

    Dashed lines are of the training partition, solid lines of the validation partition.

    Args:
        histories: by arm, for each training run one row per epoch with ``loss``, ``val_loss``,
            ``uar`` and ``val_uar``.
    """
    figure = Figure(figsize=(7.8, 3.4), layout="constrained")
    panels = figure.subplots(1, 2)
    for index, (arm, training_runs) in enumerate(histories.items()):
        for axes, column in zip(panels, ("loss", "uar"), strict=True):
            _draw_mean(axes, training_runs, column, colour(index), dashed=True)
            _draw_mean(axes, training_runs, f"val_{column}", colour(index), label=arm)
    panels[0].set_ylabel("loss")
    panels[1].set_ylabel("UAR")
    panels[1].set_ylim(0, 1)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=8, ncols=4, loc="outside lower center")
    for axes in panels:
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        tidy(axes)
    return figure


def _figure_with_zero_line(row_names: Sequence[str], axis_label: str) -> tuple[Figure, Axes]:
    """Return an empty figure with a row for each name and a vertical line at 0."""
    figure, axes = one_panel(7.5, 1.1 + 0.4 * len(row_names))
    axes.axvline(0, color="#222222", linewidth=0.8)
    axes.set_yticks(range(len(row_names)), row_names)
    axes.set_ylim(len(row_names) - 0.4, -0.8)
    axes.set_xlabel(axis_label)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    tidy(axes)
    return figure, axes


def _draw_mean(
    axes: Axes,
    training_runs: Sequence[Sequence[Mapping[str, float]]],
    column: str,
    line_colour: str,
    *,
    dashed: bool = False,
    label: str | None = None,
) -> None:
    """Draw the mean of a column over the training runs, up to the end of the shortest run."""
    epochs = min(len(rows) for rows in training_runs)
    means = [np.mean([rows[epoch][column] for rows in training_runs]) for epoch in range(epochs)]
    axes.plot(
        range(1, epochs + 1),
        means,
        color=line_colour,
        label=label,
        linestyle="--" if dashed else "-",
        linewidth=0.8 if dashed else 1.3,
    )


def risk_coverage_curves(curves: Mapping[str, RiskCoverage]) -> Figure:
    """Draw the error rate among the answered clips, by the fraction of clips that are answered.

    The clips with the highest confidence are answered first.

    Args:
        curves: risk and coverage, by the name of the predictor.
    """
    figure, axes = one_panel(5.2, 4.4)
    for index, (name, curve) in enumerate(curves.items()):
        # The error rate among the first few clips varies too much to be shown.
        is_shown = curve.coverage >= min(0.05, curve.coverage[-1])
        axes.plot(
            100 * curve.coverage[is_shown],
            100 * curve.risk[is_shown],
            color=colour(index),
            linewidth=1.3,
            label=f"{name} (area {curve.area:.3f})",
        )
    highest_error_rate = 100 * np.max([curve.risk[-1] for curve in curves.values()])
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 1.3 * max(1.0, highest_error_rate))
    axes.set_xlabel("clips that are answered, per cent")
    axes.set_ylabel("wrong answers among them, per cent")
    legend(figure, axes)
    tidy(axes)
    return figure
