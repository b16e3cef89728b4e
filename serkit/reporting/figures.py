"""Figures of clips and classifiers: balance, waveforms, confusion matrices."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

REAL, GENERATED = "#2563a8", "#d97706"
CORPORA = ("#2563a8", "#d97706", "#4d8c57", "#8a5a9e", "#b0413e", "#5f6b76")
"""Colours of corpora; further corpora start again at the first colour."""
_CURVE_COLOURS = (*CORPORA, "#2f9aa0", "#c26ba0", "#8c7a2b", "#222222")
# A legend with more entries is placed beside the axes; the figure then gets wider (inches).
_MAX_ENTRIES_INSIDE, _LEGEND_WIDTH = 4, 2.6
_FRAME_COLOUR = "#444444"


def colour(index: int) -> str:
    """Return the colour of a curve by its index; after ten curves the colours repeat."""
    return _CURVE_COLOURS[index % len(_CURVE_COLOURS)]


def one_panel(width: float, height: float) -> tuple[Figure, Axes]:
    """Return an empty figure with one panel; width and height are in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def label_bars(axes: Axes, ends: Iterable[float], texts: Iterable[str]) -> None:
    """Write a text to the right of each horizontal bar, which ends at ``ends``."""
    for row, (end, text) in enumerate(zip(ends, texts, strict=True)):
        style = {"textcoords": "offset points", "va": "center", "fontsize": 8}
        axes.annotate(text, (end, row), (4, 0), **style)


def heat_map(
    axes: Axes, fractions: npt.NDArray[Any], texts: npt.NDArray[Any], fontsize: int
) -> None:
    """Draw fractions as shades of blue, with a text in each cell.

    Args:
        axes: axes to draw on.
        fractions: ``(rows, columns)``, 0 to 1; NaN is left white.
        texts: strings of the same shape.
        fontsize: of the texts, in points.
    """
    axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    for (row, column), text in np.ndenumerate(texts):
        if text:
            text_colour = "white" if fractions[row, column] > 0.55 else "#222222"
            axes.text(
                column, row, text, ha="center", va="center", fontsize=fontsize, color=text_colour
            )
    axes.spines[:].set_visible(False)


def legend(figure: Figure, axes: Axes) -> None:
    """Add a legend in the upper left corner, or to the right of the axes if it has many entries."""
    style = {"frameon": False, "fontsize": 8, "loc": "upper left"}
    if len(axes.get_legend_handles_labels()[1]) <= _MAX_ENTRIES_INSIDE:
        axes.legend(**style)
        return
    figure.set_figwidth(figure.get_figwidth() + _LEGEND_WIDTH)
    axes.legend(bbox_to_anchor=(1.02, 1.0), borderaxespad=0.0, **style)


def tidy(axes: Axes) -> None:
    """Remove the upper and right side of the frame, and draw the other sides and ticks in grey."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_FRAME_COLOUR)
    axes.tick_params(colors=_FRAME_COLOUR, labelsize=8)


def balance(real: Mapping[str, int], generated: Mapping[str, int] | None = None) -> Figure:
    """Draw clips per class, generated clips stacked on real ones (2021 report, figures 13, 18)."""
    generated = generated or {}
    classes = sorted(real, key=lambda label: real[label])
    figure, axes = one_panel(7.5, 1.0 + 0.3 * len(classes))
    real_counts = [real[label] for label in classes]
    generated_counts = [generated.get(label, 0) for label in classes]
    axes.barh(classes, real_counts, color=REAL, label="real")
    if any(generated_counts):
        axes.barh(classes, generated_counts, left=real_counts, color=GENERATED, label="generated")
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    totals, texts = [], []
    for n_real, n_generated in zip(real_counts, generated_counts, strict=True):
        totals.append(n_real + n_generated)
        texts.append(f"{n_real} + {n_generated}" if n_generated else str(n_real))
    label_bars(axes, totals, texts)
    axes.set_xlim(0, max(totals) * 1.15)
    axes.set_xlabel("clips")
    tidy(axes)
    return figure


def waveform_and_spectrogram(
    waveform: npt.NDArray[Any],
    sample_rate: int,
    spectrogram: npt.NDArray[Any],
    seconds: float,
    frequencies: npt.NDArray[Any],
    title: str,
    scale: str,
) -> Figure:
    """Draw a clip's waveform and its greyscale spectrogram (2021 report, figures 14 and 15).

    Args:
        waveform: ``(samples,)``, 1.0 being full scale.
        sample_rate: Hz.
        spectrogram: ``(frames, bins)`` in [-1, 1].
        seconds: duration of the spectrogram.
        frequencies: Hz of each bin, ascending.
        title: name of the clip.
        scale: name of the frequency scale, such as ``mel``.
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
    lower.set_ylabel(f"Hz ({scale} scale)")
    lower.set_xlabel("seconds")
    bar = figure.colorbar(image, ax=lower, pad=0.01)
    bar.set_label("1: loudest, -1: cut off", fontsize=8)
    upper.set_xlim(0, seconds)
    return figure


def confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str], title: str) -> Figure:
    """Draw clips by true and predicted class; the shade is the fraction of the true class."""
    counts = np.asarray(matrix)
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 1.8 + 0.36 * len(classes)
    figure, axes = one_panel(side, side)
    heat_map(axes, fractions, np.where(counts, counts.astype(str), ""), fontsize=7)
    axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=8)
    axes.set_yticks(range(len(classes)), classes, fontsize=8)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title, fontsize=10)
    return figure


def _frequency_axis(axes: Axes, frequencies: npt.NDArray[Any]) -> None:
    ticks = [f for f in (100, 250, 500, 1000, 2000, 4000, 8000) if f <= frequencies[-1] * 1.02]
    positions = np.interp(ticks, frequencies, np.arange(len(frequencies)) + 0.5)
    axes.set_yticks(positions, [f"{tick:,}" for tick in ticks])
