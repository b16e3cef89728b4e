"""Figures of GANs: their losses, and what they make beside what is real."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from serkit.reporting.style import GENERATED, REAL, tidy

_MAP = "magma"
_LOSSES = ("d_loss", "g_loss")
_CURVES = tuple(zip(_LOSSES, (REAL, GENERATED), ("discriminator", "generator"), strict=True))
_IN_POINTS = {"textcoords": "offset points"}
_CRITIC_CURVES = {
    "distance": "distance of generated from real, as the critic sees it",
    "penalty": "gradient penalty, without its weight",
}


def gan_losses(histories: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """Losses of generator and discriminator, a panel per class (report, figure 16)."""
    columns = min(3, len(histories))
    rows = -(-len(histories) // columns)
    figure = Figure(figsize=(3.6 * columns + 0.4, 2.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes, (name, history) in zip(panels, histories.items(), strict=False):
        epochs = [row["epoch"] for row in history]
        # A line of one epoch would not be seen.
        marker = "o" if len(history) == 1 else None
        for name_of, colour, label in _CURVES:
            values = [row[name_of] for row in history]
            axes.plot(epochs, values, color=colour, label=label, marker=marker)
        axes.axhline(2 * np.log(2), color=REAL, linewidth=0.6, linestyle=":")
        axes.axhline(np.log(2), color=GENERATED, linewidth=0.6, linestyle=":")
        for epoch in _changes(history):
            axes.axvline(epoch, color="#666666", linewidth=0.8)
            axes.annotate("next discriminator", (epoch, 0), (3, 3), fontsize=6, **_IN_POINTS)
        axes.set_title(name, fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        tidy(axes)
    highest = max(row[n] for rows in histories.values() for row in rows for n in _LOSSES)
    panels[0].set_ylim(0, 1.05 * highest)
    panels[0].set_xlim(0.5, max(row["epoch"] for rows in histories.values() for row in rows) + 0.5)
    for axes in panels[len(histories) :]:
        axes.set_visible(False)
    panels[0].legend(frameon=False, fontsize=8)
    figure.supxlabel("epoch", fontsize=9)
    figure.supylabel("binary cross entropy", fontsize=9)
    return figure


def _changes(history: Sequence[Mapping[str, float]]) -> list[float]:
    """Where another discriminator took over, between two epochs."""
    pairs = itertools.pairwise(history)
    return [
        after["epoch"] - 0.5 for before, after in pairs if before.get("stage") != after.get("stage")
    ]


def critic_curves(histories: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """What a WGAN-GP's critic makes of each epoch, a line per run: its distance and its penalty.

    Args:
        histories: per run, a row an epoch with ``epoch``, ``distance`` and ``penalty``.
    """
    figure = Figure(figsize=(7.6, 2.8), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True)
    for axes, (name, title) in zip(panels, _CRITIC_CURVES.items(), strict=True):
        for run, history in histories.items():
            marker = "o" if len(history) == 1 else None
            epochs, values = ([row[key] for row in history] for key in ("epoch", name))
            axes.plot(epochs, values, label=run, marker=marker)
        axes.set_title(title, fontsize=9)
        axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        tidy(axes)
    panels[0].legend(frameon=False, fontsize=8)
    figure.supxlabel("epoch", fontsize=9)
    return figure


def real_beside_generated(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Real spectrograms to the left, generated ones to the right (report, figure 17).

    Args:
        pairs: per class, ``(real, generated)``, each ``(n, frames, bins)`` in [-1, 1].
    """
    columns = max(max(len(real), len(made)) for real, made in pairs.values())
    figure = Figure(figsize=(1.15 * 2 * columns + 0.6, 1.25 * len(pairs) + 0.5))
    grid = figure.add_gridspec(
        *(len(pairs), 2 * columns + 1),
        width_ratios=[1] * columns + [0.25] + [1] * columns,
        **{"left": 0.09, "right": 0.995, "top": 1 - 0.3 / figure.get_figheight(), "bottom": 0.01},
        **{"wspace": 0.05, "hspace": 0.08},
    )
    for row, (name, sides) in enumerate(pairs.items()):
        for side, pictures in enumerate(sides):
            for column, picture in enumerate(pictures):
                axes = figure.add_subplot(grid[row, side * (columns + 1) + column])
                axes.imshow(picture.T, cmap=_MAP, vmin=-1, vmax=1, origin="lower", aspect="auto")
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set_color(REAL if side == 0 else GENERATED)
                if row == 0 and column == 0:
                    text, colour = (("real", REAL), ("generated", GENERATED))[side]
                    axes.set_title(text, fontsize=9, color=colour, loc="left")
                if side == 0 and column == 0:
                    label = name.replace("_", "\n")
                    axes.set_ylabel(label, fontsize=8, rotation=0, ha="right", va="center")
    return figure


def grid(pictures: np.ndarray, columns: int = 8) -> Figure:
    """Spectrograms ``(n, frames, bins)`` in [-1, 1] side by side, ``n`` at least 1."""
    rows = -(-len(pictures) // columns)
    figure = Figure(figsize=(1.1 * columns, 1.1 * rows))
    figure.subplots_adjust(0.005, 0.005, 0.995, 0.995, 0.04, 0.04)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    for axes, picture in zip(panels, pictures, strict=False):
        axes.imshow(picture.T, cmap=_MAP, vmin=-1, vmax=1, origin="lower", aspect="auto")
    return figure
