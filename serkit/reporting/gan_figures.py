"""Figures of GANs, and samples as MP3."""

import io
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from serkit.errors import InputError
from serkit.reporting.figures import GENERATED, REAL, tidy

_FLAT_BELOW, _ALIKE_BELOW = 0.5, 0.25
_COLOUR_MAP = "magma"
_LOSSES = ("d_loss", "g_loss")
_CURVES = tuple(zip(_LOSSES, (REAL, GENERATED), ("discriminator", "generator"), strict=True))
_CRITIC_PANELS = {
    "distance": "distance of generated from real, as the critic sees it",
    "penalty": "gradient penalty, without its weight",
}


def contrast(spectrograms: npt.NDArray[Any]) -> float:
    """Compute the standard deviation within each spectrogram, and return the mean over all.

    Args:
        spectrograms: ``(n, frames, bins)`` in [-1, 1], ``n`` at least 1.

    Returns:
        0 to 1; 0 if each spectrogram is constant.
    """
    return float(np.asarray(spectrograms, np.float64).std(axis=(1, 2)).mean())


def variety(spectrograms: npt.NDArray[Any]) -> float:
    """Compute the standard deviation over spectrograms, and return the mean over frames and bins.

    Args:
        spectrograms: as for :func:`contrast`.

    Returns:
        0 to 1; 0 if all spectrograms are the same.
    """
    return float(np.asarray(spectrograms, np.float64).std(axis=0).mean())


def contrast_sentences(pairs: Mapping[str, tuple[npt.NDArray[Any], npt.NDArray[Any]]]) -> list[str]:
    """Return a sentence per class on its contrast, with the note of :func:`note_on_samples`.

    Args:
        pairs: by class, real and generated spectrograms, ``(n, frames, bins)`` in [-1, 1] each.
    """
    return [_sentence(label, real, generated) for label, (real, generated) in pairs.items()]


def _sentence(label: str, real: npt.NDArray[Any], generated: npt.NDArray[Any]) -> str:
    real_contrast, generated_contrast = contrast(real), contrast(generated)
    text = f"{label}: contrast {generated_contrast:.2f}, that of clips {real_contrast:.2f}."
    note = note_on_samples(real, generated)
    return f"{text} These samples are {note}." if note else text


def note_on_samples(real: npt.NDArray[Any], generated: npt.NDArray[Any]) -> str:
    """Return whether samples are nearly flat or nearly all alike; empty if they are neither.

    Samples are flat if their contrast is below half of the real clips' contrast. They are alike if
    their variety is below a quarter of the real clips' variety.

    Args:
        real: real spectrograms ``(n, frames, bins)`` in [-1, 1].
        generated: generated spectrograms of the same class.
    """
    if contrast(generated) < _FLAT_BELOW * contrast(real):
        return "nearly flat: the generator has learned little"
    has_variety = min(len(real), len(generated)) > 1
    if has_variety and variety(generated) < _ALIKE_BELOW * variety(real):
        return "nearly all alike"
    return ""


def gan_losses(histories: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """Draw generator and discriminator losses, a panel per class (2021 report, figure 16)."""
    columns = min(3, len(histories))
    rows = -(-len(histories) // columns)
    figure = Figure(figsize=(3.0 * columns + 0.4, 2.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes, (name, history) in zip(panels, histories.items(), strict=False):
        epochs = [row["epoch"] for row in history]
        # A line with one point is invisible without a marker.
        marker = "o" if len(history) == 1 else None
        for loss, colour, label in _CURVES:
            values = [row[loss] for row in history]
            axes.plot(epochs, values, color=colour, label=label, marker=marker)
        # The losses of both networks where the discriminator answers 1/2 for every spectrogram.
        axes.axhline(2 * np.log(2), color=REAL, linewidth=0.6, linestyle=":")
        axes.axhline(np.log(2), color=GENERATED, linewidth=0.6, linestyle=":")
        for epoch in _discriminator_changes(history):
            axes.axvline(epoch, color="#666666", linewidth=0.8)
            axes.annotate(
                "next discriminator",
                xy=(epoch, 0),
                xytext=(3, 3),
                textcoords="offset points",
                fontsize=6,
            )
        axes.set_title(name, fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        tidy(axes)
    all_rows = [row for history in histories.values() for row in history]
    highest_loss = max(row[loss] for row in all_rows for loss in _LOSSES)
    panels[0].set_ylim(0, 1.05 * highest_loss)
    panels[0].set_xlim(0.5, max(row["epoch"] for row in all_rows) + 0.5)
    for axes in panels[len(histories) :]:
        axes.set_visible(False)
    panels[0].legend(frameon=False, fontsize=8)
    figure.supxlabel("epoch", fontsize=9)
    figure.supylabel("binary cross entropy", fontsize=9)
    return figure


def _discriminator_changes(history: Sequence[Mapping[str, float]]) -> list[float]:
    """Return the positions, between two epochs, at which the discriminator changed."""
    return [
        row["epoch"] - 0.5
        for previous, row in itertools.pairwise(history)
        if previous.get("stage") != row.get("stage")
    ]


def critic_curves(histories: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """Draw the distance and the gradient penalty of WGAN-GP critics, a line per training run.

    Args:
        histories: by training run, one row per epoch with ``epoch``, ``distance`` and ``penalty``.
    """
    figure = Figure(figsize=(7.6, 2.8), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True)
    for axes, (column, title) in zip(panels, _CRITIC_PANELS.items(), strict=True):
        for run_name, history in histories.items():
            # A line with one point is invisible without a marker.
            marker = "o" if len(history) == 1 else None
            epochs = [row["epoch"] for row in history]
            values = [row[column] for row in history]
            axes.plot(epochs, values, label=run_name, marker=marker)
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
    columns = max(max(len(real), len(generated)) for real, generated in pairs.values())
    figure = Figure(figsize=(0.9 * 2 * columns + 0.6, len(pairs) + 0.5))
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
    for row, (name, (real, generated)) in enumerate(pairs.items()):
        for source, spectrograms, colour, first_column in (
            ("real", real, REAL, 0),
            ("generated", generated, GENERATED, columns + 1),
        ):
            for column, spectrogram in enumerate(spectrograms):
                axes = figure.add_subplot(grid[row, first_column + column])
                _draw_spectrogram(axes, spectrogram)
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set_color(colour)
                if row == 0 and column == 0:
                    axes.set_title(source, fontsize=9, color=colour, loc="left")
                if source == "real" and column == 0:
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
    for axes, spectrogram in zip(panels, spectrograms, strict=False):
        _draw_spectrogram(axes, spectrogram)
    return figure


def _draw_spectrogram(axes: Axes, spectrogram: npt.NDArray[Any]) -> None:
    axes.imshow(spectrogram.T, cmap=_COLOUR_MAP, vmin=-1, vmax=1, origin="lower", aspect="auto")


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
    peak = np.abs(samples).max()
    buffer = io.BytesIO()
    try:
        soundfile.write(buffer, samples / max(1.0, peak), sample_rate, format="MP3")
    except soundfile.LibsndfileError as error:
        raise InputError(
            f"`sample_rate` must be one that MP3 supports. Received: {sample_rate} ({error})."
        ) from error
    return buffer.getvalue()
