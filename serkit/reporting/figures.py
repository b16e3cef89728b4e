"""Figures of clips and classifiers: balance, waveforms, confusion matrices."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

REAL, GENERATED = "#2563a8", "#d97706"
CORPORA = ("#2563a8", "#d97706", "#4d8c57", "#8a5a9e", "#b0413e", "#5f6b76")
"""Colours of corpora; further corpora start again at the first colour."""
_MORE = (*CORPORA, "#2f9aa0", "#c26ba0", "#8c7a2b", "#222222")
_MOST_INSIDE, _BESIDE = 4, 2.6
_INK = "#444444"


def colour(number: int) -> str:
    """Return the colour of a curve by its number; there are ten colours, used in turn."""
    return _MORE[number % len(_MORE)]


def legend(figure: Figure, axes: Axes) -> None:
    """Add a legend in the upper left corner, or to the right of the axes if it has many entries."""
    style = {"frameon": False, "fontsize": 8, "loc": "upper left"}
    if len(axes.get_legend_handles_labels()[1]) <= _MOST_INSIDE:
        axes.legend(**style)
        return
    figure.set_figwidth(figure.get_figwidth() + _BESIDE)
    axes.legend(bbox_to_anchor=(1.02, 1.0), borderaxespad=0.0, **style)


def tidy(axes: Axes) -> None:
    """Remove the upper and right side of the frame, and draw the other sides and ticks in grey."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_INK)
    axes.tick_params(colors=_INK, labelsize=8)


def balance(real: Mapping[str, int], generated: Mapping[str, int] | None = None) -> Figure:
    """Draw clips per class, generated clips stacked on real ones (2021 report, figures 13, 18)."""
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
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            ink = "white" if fractions[row, column] > 0.55 else "#222222"
            axes.text(column, row, count, ha="center", va="center", fontsize=7, color=ink)
    axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=8)
    axes.set_yticks(range(len(classes)), classes, fontsize=8)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title, fontsize=10)
    axes.spines[:].set_visible(False)
    return figure


def _frequency_axis(axes: Axes, frequencies: npt.NDArray[Any]) -> None:
    marks = [f for f in (100, 250, 500, 1000, 2000, 4000, 8000) if f <= frequencies[-1] * 1.02]
    places = np.interp(marks, frequencies, np.arange(len(frequencies)) + 0.5)
    axes.set_yticks(places, [f"{mark:,}" for mark in marks])
