"""The report's figures, as matplotlib figures without global state."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from serkit.reporting.style import GENERATED, REAL, tidy

_MAP = "magma"
_LOSSES = ("d_loss", "g_loss")


def balance(real: Mapping[str, int], generated: Mapping[str, int] | None = None) -> Figure:
    """Clips per class, with generated ones stacked on the real (report, figures 13 and 18)."""
    generated = generated or {}
    names = sorted(real, key=lambda name: real[name])
    figure = Figure(figsize=(7.5, 1.0 + 0.3 * len(names)), layout="constrained")
    axes = figure.subplots()
    counts = [real[name] for name in names]
    added = [generated.get(name, 0) for name in names]
    axes.barh(names, counts, color=REAL, label="real")
    if any(added):
        axes.barh(names, added, left=counts, color=GENERATED, label="generated")
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    totals = [a + b for a, b in zip(counts, added, strict=True)]
    for row, (count, extra, total) in enumerate(zip(counts, added, totals, strict=True)):
        text = f"{count} + {extra}" if extra else str(count)
        axes.annotate(
            text, (total, row), (4, 0), textcoords="offset points", va="center", fontsize=8
        )
    axes.set_xlim(0, max(totals) * 1.15)
    axes.set_xlabel("clips")
    tidy(axes)
    return figure


def waveform_and_spectrogram(
    waveform: np.ndarray,
    sample_rate: int,
    spectrogram: np.ndarray,
    seconds: float,
    frequencies: np.ndarray,
    title: str,
) -> Figure:
    """One clip over time and as a greyscale spectrogram (report, figures 14 and 15).

    Args:
        waveform: ``(samples,)``, 1.0 being full scale.
        sample_rate: Hz.
        spectrogram: ``(frames, bins)`` in [-1, 1].
        seconds: that the spectrogram spans.
        frequencies: Hz of each bin, ascending.
        title: names the clip.
    """
    figure = Figure(figsize=(7.5, 5.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1, 1.7])
    upper.plot(np.arange(len(waveform)) / sample_rate, waveform, color=REAL, linewidth=0.4)
    upper.set_ylabel("amplitude")
    upper.set_title(title, fontsize=10)
    tidy(upper)
    image = lower.imshow(
        spectrogram.T,
        cmap="gray_r",
        vmin=-1,
        vmax=1,
        origin="lower",
        aspect="auto",
        extent=(0, seconds, 0, len(frequencies)),
    )
    _frequency_axis(lower, frequencies)
    lower.set_xlabel("seconds")
    bar = figure.colorbar(image, ax=lower, pad=0.01)
    bar.set_label("1: loudest, -1: cut off", fontsize=8)
    upper.set_xlim(0, seconds)
    return figure


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
        axes.plot(epochs, [row["d_loss"] for row in history], color=REAL, label="discriminator")
        axes.plot(epochs, [row["g_loss"] for row in history], color=GENERATED, label="generator")
        axes.axhline(2 * np.log(2), color=REAL, linewidth=0.6, linestyle=":")
        axes.axhline(np.log(2), color=GENERATED, linewidth=0.6, linestyle=":")
        axes.set_title(name, fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        tidy(axes)
    highest = max(row[n] for rows in histories.values() for row in rows for n in _LOSSES)
    panels[0].set_ylim(0, 1.05 * highest)
    for axes in panels[len(histories) :]:
        axes.set_visible(False)
    panels[0].legend(frameon=False, fontsize=8)
    figure.supxlabel("epoch", fontsize=9)
    figure.supylabel("binary cross entropy", fontsize=9)
    return figure


def critic_curves(histories: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """What a WGAN-GP's critic makes of each epoch, a line per run: its distance and its penalty.

    Args:
        histories: per run, a row an epoch with ``epoch``, ``distance`` and ``penalty``.
    """
    figure = Figure(figsize=(7.6, 2.8), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True)
    for axes, (name, title) in zip(panels, _CRITIC_CURVES.items(), strict=True):
        for run, history in histories.items():
            axes.plot([row["epoch"] for row in history], [row[name] for row in history], label=run)
        axes.set_title(title, fontsize=9)
        axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
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


def arms(scores: Mapping[str, Mapping[str, float]], tested: str) -> Figure:
    """Accuracy, UAR and macro F1 in per cent, a bar per arm (report, figure 19).

    Args:
        scores: shares from 0 to 1 by arm and name.
        tested: what they were measured on.
    """
    names = {"accuracy": "accuracy", "uar": "unweighted\naverage recall", "macro_f1": "macro F1"}
    figure = Figure(figsize=(6.5, 3.2), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(scores)
    for number, (arm, values) in enumerate(scores.items()):
        heights = [100 * values[name] for name in names]
        places = np.arange(len(names)) + (number - (len(scores) - 1) / 2) * width
        bars = axes.bar(places, heights, width * 0.94, label=arm, color=_arm_colour(number))
        axes.bar_label(bars, fmt="%.1f", fontsize=8, padding=2)
    axes.set_xticks(range(len(names)), names.values())
    axes.set_ylabel(f"per cent, {tested}", fontsize=9)
    axes.set_ylim(0, 1.15 * max(100 * values[n] for values in scores.values() for n in names) + 1)
    axes.legend(frameon=False, fontsize=8, ncols=len(scores), loc="upper right")
    tidy(axes)
    return figure


def learning_curves(histories: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """Training and validation UAR of every arm over its epochs."""
    figure = Figure(figsize=(6.5, 3.0), layout="constrained")
    axes = figure.subplots()
    for number, (arm, history) in enumerate(histories.items()):
        epochs = [row["epoch"] for row in history]
        colour = _arm_colour(number)
        training = [100 * row["uar"] for row in history]
        validation = [100 * row["val_uar"] for row in history]
        axes.plot(epochs, training, color=colour, linewidth=0.9, linestyle="--")
        axes.plot(epochs, validation, color=colour, label=f"{arm}")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_ylabel("UAR, per cent")
    axes.set_title("solid: validation part, dashed: training batches", fontsize=9)
    axes.set_ylim(0, 100)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    tidy(axes)
    return figure


def confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str], title: str) -> Figure:
    """Clips by true and predicted class; the shade is the share of the true class."""
    counts = np.asarray(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 1.8 + 0.36 * len(classes)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            ink = "white" if shares[row, column] > 0.55 else "#222222"
            axes.text(column, row, count, ha="center", va="center", fontsize=7, color=ink)
    axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=8)
    axes.set_yticks(range(len(classes)), classes, fontsize=8)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title, fontsize=10)
    axes.spines[:].set_visible(False)
    return figure


def _arm_colour(number: int) -> str:
    return (REAL, GENERATED)[number % 2]


def _frequency_axis(axes: Axes, frequencies: np.ndarray) -> None:
    marks = [f for f in (100, 250, 500, 1000, 2000, 4000, 8000) if f <= frequencies[-1] * 1.02]
    places = np.interp(marks, frequencies, np.arange(len(frequencies)) + 0.5)
    axes.set_yticks(places, [f"{mark:,}" for mark in marks])
    axes.set_ylabel("Hz (mel scale)")
