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

_UNSURE, _WORSE = "#7a828a", "#b0413e"


def forest(differences: Mapping[str, Mapping[str, Any]], measured: str) -> Figure:
    """Draw a forest plot of the arms' differences to the baseline ``none``, with intervals.

    An interval above 0 is blue, an interval below 0 is red, and an interval that contains 0 is
    grey.

    Args:
        differences: by arm, ``value``, ``low`` and ``high``, as fractions; the ends may be None.
        measured: name of the measure, for the axis.
    """
    text = f"points of {measured} more or less than with none, 95 % interval"
    figure, axes = _beside_zero(list(differences), text)
    for row, found in enumerate(differences.values()):
        value = found["value"]
        low, high = (value if found[end] is None else found[end] for end in ("low", "high"))
        colour = REAL if low > 0 else _WORSE if high < 0 else _UNSURE
        axes.plot([100 * low, 100 * high], [row, row], color=colour, linewidth=2)
        axes.plot(100 * value, row, "o", color=colour, markersize=6)
        axes.annotate(
            percentage_points(value).replace("-", "\N{MINUS SIGN}"),
            xy=(100 * value, row),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=colour,
        )
    return figure


def speaker_differences(differences: Mapping[str, Mapping[str, float]], measured: str) -> Figure:
    """Draw each arm's difference to the baseline ``none`` on each speaker, one dot per speaker.

    Args:
        differences: by arm and speaker, as fractions.
        measured: name of the measure, for the axis.
    """
    text = f"points of {measured} to none; a dot is a speaker, the bar their mean"
    figure, axes = _beside_zero(list(differences), text)
    for row, speakers in enumerate(differences.values()):
        values = 100 * np.array(list(speakers.values()))
        # Dots with similar values are drawn side by side, in a deterministic order.
        order = np.argsort(np.argsort(values, kind="stable"))
        offsets = 0.22 * ((order % 3) - 1)
        axes.plot(values, row + offsets, "o", color=REAL, markersize=4, alpha=0.6, mew=0)
        axes.plot([values.mean()] * 2, [row - 0.36, row + 0.36], color=GENERATED, linewidth=2)
    return figure


def recalls(arms: Mapping[str, Mapping[str, float]], rare: Sequence[str]) -> Figure:
    """Draw the recall of every class in every arm, as a heat map with numbers.

    Args:
        arms: by arm and class, as fractions.
        rare: classes with few training clips; their names are marked.
    """
    classes = list(next(iter(arms.values())))
    fractions = np.array(
        [[found.get(label, np.nan) for label in classes] for found in arms.values()]
    )
    figure, axes = one_panel(1.6 + 0.75 * len(classes), 0.9 + 0.3 * len(arms))
    texts = [["" if np.isnan(one) else f"{100 * one:.0f}" for one in row] for row in fractions]
    heat_map(axes, fractions, np.array(texts), fontsize=8)
    axes.set_aspect("auto")
    names = [f"{label}\n(rare)" if label in rare else label for label in classes]
    names = [name.replace("$", r"\$") for name in names]
    axes.set_xticks(range(len(classes)), names, fontsize=8)
    axes.set_yticks(range(len(arms)), list(arms), fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    return figure


def calibration(arms: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw a reliability diagram: the accuracy of each arm by its confidence.

    Args:
        arms: by name, ``confidence``, ``accuracy`` and ``ece`` as in
            :class:`serkit.metrics.calibration.Reliability`.
    """
    figure, axes = one_panel(5.2, 4.4)
    axes.plot([0, 100], [0, 100], color="#222222", linewidth=0.8, linestyle=":")
    for number, (name, found) in enumerate(arms.items()):
        pairs = zip(found["confidence"], found["accuracy"], strict=True)
        known = 100 * np.array([pair for pair in pairs if pair[0] is not None])
        axes.plot(
            *known.T,
            "o-",
            color=colour(number),
            markersize=3.5,
            linewidth=1.2,
            label=f"{name} (ECE {100 * found['ece']:.1f})",
        )
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    axes.set_xlabel("highest probability, per cent")
    axes.set_ylabel("clips that were right, per cent")
    legend(figure, axes)
    tidy(axes)
    return figure


def mean_curves(histories: Mapping[str, Sequence[Sequence[Mapping[str, float]]]]) -> Figure:
    """Draw loss and UAR over the epochs, as means over an arm's training runs; training is dashed.

    Args:
        histories: by arm, for each training run one row per epoch with ``loss``, ``val_loss``,
            ``uar`` and ``val_uar``.
    """
    figure = Figure(figsize=(7.8, 3.4), layout="constrained")
    panels = figure.subplots(1, 2)
    for number, (arm, trainings) in enumerate(histories.items()):
        for axes, name in zip(panels, ("loss", "uar"), strict=True):
            _curve(axes, trainings, name, colour(number), dashed=True)
            _curve(axes, trainings, f"val_{name}", colour(number), label=arm)
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


def _beside_zero(names: Sequence[str], text: str) -> tuple[Figure, Axes]:
    """Return an empty figure with a row for each name and a vertical line at 0."""
    figure, axes = one_panel(7.5, 1.1 + 0.4 * len(names))
    axes.axvline(0, color="#222222", linewidth=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.8)
    axes.set_xlabel(text)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    tidy(axes)
    return figure, axes


def _curve(
    axes: Axes,
    trainings: Sequence[Sequence[Mapping[str, float]]],
    name: str,
    colour: str,
    *,
    dashed: bool = False,
    label: str | None = None,
) -> None:
    epochs = min(len(rows) for rows in trainings)
    means = [np.mean([rows[epoch][name] for rows in trainings]) for epoch in range(epochs)]
    line, width = ("--", 0.8) if dashed else ("-", 1.3)
    axes.plot(
        range(1, epochs + 1), means, color=colour, label=label, linestyle=line, linewidth=width
    )


def risk_coverage_curves(methods: Mapping[str, RiskCoverage]) -> Figure:
    """Draw the error rate among the answered clips, by the fraction of clips that are answered.

    The clips with the highest confidence are answered first.

    Args:
        methods: risk and coverage by the method's name.
    """
    figure, axes = one_panel(5.2, 4.4)
    for number, (name, found) in enumerate(methods.items()):
        # The error rate among the first few clips varies too much to be shown.
        shown = found.coverage >= min(0.05, found.coverage[-1])
        axes.plot(
            100 * found.coverage[shown],
            100 * found.risk[shown],
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
