"""Figures of GANs, and samples as MP3."""

import io
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from serkit.errors import InputError
from serkit.reporting.figures import GENERATED, REAL, tidy

FLAT, ALIKE = 0.5, 0.25
"""Thresholds as fractions of the real clips' contrast (flat samples) and variety (alike ones)."""


def contrast(spectrograms: npt.NDArray[Any]) -> float:
    """Mean over spectrograms of the standard deviation of the values within a spectrogram.

    Args:
        spectrograms: ``(n, frames, bins)`` in [-1, 1], ``n`` at least 1.

    Returns:
        0 to 1; 0 if each spectrogram is constant.
    """
    return float(np.asarray(spectrograms, np.float64).std(axis=(1, 2)).mean())


def variety(spectrograms: npt.NDArray[Any]) -> float:
    """Mean over frames and bins of the standard deviation over spectrograms.

    Args:
        spectrograms: as for :func:`contrast`.

    Returns:
        0 to 1; 0 if all spectrograms are the same.
    """
    return float(np.asarray(spectrograms, np.float64).std(axis=0).mean())


def what_is_flat(pairs: Mapping[str, tuple[npt.NDArray[Any], npt.NDArray[Any]]]) -> list[str]:
    """Return a sentence per class on its contrast, with a note if samples are flat or alike.

    Args:
        pairs: by class, real and generated spectrograms, ``(n, frames, bins)`` in [-1, 1] each.
    """
    return [_sentence(label, *pair) for label, pair in pairs.items()]


def _sentence(label: str, real: npt.NDArray[Any], made: npt.NDArray[Any]) -> str:
    of_real, of_made = contrast(real), contrast(made)
    text = f"{label}: contrast {of_made:.2f}, that of clips {of_real:.2f}"
    if of_made < FLAT * of_real:
        return f"{text}. These samples are nearly flat: the generator has learned little."
    if min(len(real), len(made)) > 1 and variety(made) < ALIKE * variety(real):
        return f"{text}. These samples are nearly all alike."
    return f"{text}."


_MAP = "magma"
_LOSSES = ("d_loss", "g_loss")
_CURVES = tuple(zip(_LOSSES, (REAL, GENERATED), ("discriminator", "generator"), strict=True))
_IN_POINTS = {"textcoords": "offset points"}
_CRITIC_CURVES = {
    "distance": "distance of generated from real, as the critic sees it",
    "penalty": "gradient penalty, without its weight",
}


def gan_losses(histories: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """Draw generator and discriminator losses, a panel per class (2021 report, figure 16)."""
    columns = min(3, len(histories))
    rows = -(-len(histories) // columns)
    figure = Figure(figsize=(3.6 * columns + 0.4, 2.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes, (name, history) in zip(panels, histories.items(), strict=False):
        epochs = [row["epoch"] for row in history]
        # A line with one point is invisible without a marker.
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
    """Return the positions, between two epochs, at which the discriminator changed."""
    pairs = itertools.pairwise(history)
    return [
        after["epoch"] - 0.5 for before, after in pairs if before.get("stage") != after.get("stage")
    ]


def critic_curves(histories: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """Draw the distance and the gradient penalty of WGAN-GP critics, a line per training run.

    Args:
        histories: by training run, one row per epoch with ``epoch``, ``distance`` and ``penalty``.
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


def real_beside_generated(pairs: Mapping[str, tuple[npt.NDArray[Any], npt.NDArray[Any]]]) -> Figure:
    """Draw real spectrograms on the left, generated ones on the right (2021 report, figure 17).

    Args:
        pairs: by class, ``(real, generated)``, each ``(n, frames, bins)`` in [-1, 1].
    """
    columns = max(max(len(real), len(made)) for real, made in pairs.values())
    figure = Figure(figsize=(1.15 * 2 * columns + 0.6, 1.25 * len(pairs) + 0.5))
    grid = figure.add_gridspec(
        nrows=len(pairs),
        ncols=2 * columns + 1,
        width_ratios=[1] * columns + [0.25] + [1] * columns,
        left=0.09,
        right=0.995,
        top=1 - 0.3 / figure.get_figheight(),
        bottom=0.01,
        wspace=0.05,
        hspace=0.08,
    )
    for row, (name, sides) in enumerate(pairs.items()):
        for side, spectrograms in enumerate(sides):
            for column, values in enumerate(spectrograms):
                axes = figure.add_subplot(grid[row, side * (columns + 1) + column])
                axes.imshow(values.T, cmap=_MAP, vmin=-1, vmax=1, origin="lower", aspect="auto")
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set_color(REAL if side == 0 else GENERATED)
                if row == 0 and column == 0:
                    text, colour = (("real", REAL), ("generated", GENERATED))[side]
                    axes.set_title(text, fontsize=9, color=colour, loc="left")
                if side == 0 and column == 0:
                    label = name.replace("_", "\n")
                    axes.set_ylabel(label, fontsize=8, rotation=0, ha="right", va="center")
    return figure


def grid(spectrograms: npt.NDArray[Any], columns: int = 8) -> Figure:
    """Draw spectrograms ``(n, frames, bins)`` in [-1, 1] in a grid, ``n`` at least 1."""
    rows = -(-len(spectrograms) // columns)
    figure = Figure(figsize=(1.1 * columns, 1.1 * rows))
    figure.subplots_adjust(0.005, 0.005, 0.995, 0.995, 0.04, 0.04)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    for axes, values in zip(panels, spectrograms, strict=False):
        axes.imshow(values.T, cmap=_MAP, vmin=-1, vmax=1, origin="lower", aspect="auto")
    return figure


def mp3(samples: npt.NDArray[Any], sample_rate: int) -> bytes:
    """Encode mono sound as MP3.

    Args:
        samples: floats ``(n,)``, at least one. If a sample exceeds 1 in magnitude, all samples are
            scaled down to a peak of 1.
        sample_rate: a sample rate in Hz that MPEG supports: 8,000 to 48,000.

    Returns:
        At most about 6 KB per second.

    Raises:
        InputError: if there are no samples, or MP3 does not support the sample rate.
    """
    samples = np.asarray(samples, np.float32)
    if samples.ndim != 1 or not len(samples):
        raise InputError(
            f"`samples` must have the shape (n,), n 1 or more. Received: {samples.shape}."
        )
    loudest = np.abs(samples).max()
    buffer = io.BytesIO()
    try:
        soundfile.write(buffer, samples / max(1.0, loudest), sample_rate, format="MP3")
    except soundfile.LibsndfileError as error:
        raise InputError(
            f"`sample_rate` must be one that MP3 supports. Received: {sample_rate} ({error})."
        ) from error
    return buffer.getvalue()
