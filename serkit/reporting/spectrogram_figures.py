"""Draw one spectrogram or waveform."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, MultipleLocator

from serkit.reporting.figures import REAL, colour, legend, one_panel, tidy

_TICKS = (20, 50, 100, 200, 500, 1000, 2000, 4000, 8000, 16_000)
# Smallest distance of two tick labels, as a fraction of the axis; closer labels would touch.
_MIN_TICK_DISTANCE = 0.04
_MAX_TITLE_LENGTH = 48


def spectrogram_figure(
    spectrogram: npt.NDArray[Any],
    seconds: tuple[float, float],
    frequencies: npt.NDArray[Any],
    range_db: float,
    title: str,
    scale: str = "",
) -> Figure:
    """Draw a spectrogram over seconds and Hz, with a colour bar in dB below its maximum.

    Args:
        spectrogram: ``(frames, bins)`` in [-1, 1]: 1 is 0 dB, -1 is ``-range_db``.
        seconds: start of the first frame and end of the last frame, for the axis.
        frequencies: Hz at the centre of each bin, ``(bins,)``, ascending.
        range_db: above 0.
        title: name of the clip; a long name is shortened in the middle.
        scale: name of the frequency scale, such as ``mel``.

    Source: the 2021 report, figure 15, drawn by :func:`librosa.display.specshow`.
    """
    # librosa.display is slow to import and needed for figures of clips only.
    import librosa.display

    frames, bins = spectrogram.shape
    figure, axes = one_panel(7.5, 4.2)
    image = librosa.display.specshow(
        (spectrogram.T - 1.0) / 2.0 * range_db,
        x_coords=np.linspace(*seconds, frames + 1),
        y_coords=np.arange(bins + 1),
        x_axis="s",
        ax=axes,
        cmap="magma",
        vmin=-range_db,
        vmax=0.0,
    )
    # A file's name may have a dollar sign, where matplotlib would start a formula.
    axes.set_title(_shortened(title), fontsize=10, parse_math=False)
    axes.set_xlabel("seconds")
    axes.set_ylabel(f"Hz ({scale} scale)" if scale else "Hz")
    _set_frequency_ticks(axes, frequencies)
    tidy(axes)
    colour_bar = figure.colorbar(image, ax=axes, pad=0.01)
    colour_bar.set_label("dB below the maximum", fontsize=9)
    colour_bar.ax.tick_params(labelsize=8)
    colour_bar.ax.yaxis.set_major_locator(MultipleLocator(10 if range_db <= 90 else 20))
    return figure


def waveform_figure(waveform: npt.NDArray[Any], sample_rate: int, title: str) -> Figure:
    """Draw a waveform over time with :func:`librosa.display.waveshow`.

    Args:
        waveform: ``(samples,)``; 1 is full scale.
        sample_rate: Hz.
        title: name of the clip; a long name is shortened in the middle.

    Source: the 2021 report, figure 14.
    """
    # librosa.display is slow to import and needed for figures of clips only.
    import librosa.display

    figure, axes = one_panel(7.5, 2.8)
    librosa.display.waveshow(waveform, sr=sample_rate, ax=axes, axis="s", color=REAL)
    axes.set_title(_shortened(title), fontsize=10, parse_math=False)
    axes.set_xlabel("seconds")
    axes.set_ylabel("amplitude (1 is full scale)")
    tidy(axes)
    return figure


def timeline_figure(moments: Sequence[Any], title: str) -> Figure:
    """Draw the probability of each class over time, one above the other.

    Args:
        moments: windows of :func:`serkit.serving.timeline.timeline`, in order.
        title: name of the recording.

    Returns:
        A figure in which the windows where the model abstains are hatched below the axis.
    """
    figure, axes = one_panel(9.0, 3.6)
    centres = np.array([(moment.start + moment.end) / 2 for moment in moments])
    # From the start of the first window to the end of the last one.
    edges = [moments[0].start, *((centres[1:] + centres[:-1]) / 2), moments[-1].end]
    bottom = np.zeros(len(moments))
    for number, label in enumerate(moments[0].probabilities):
        heights = np.array([moment.probabilities[label] for moment in moments])
        axes.stairs(
            bottom + heights, edges, baseline=bottom, fill=True, color=colour(number), label=label
        )
        bottom += heights
    for index, moment in enumerate(moments):
        if moment.abstain:
            # Hatched: no class is, and it is seen without colour.
            axes.axvspan(
                edges[index],
                edges[index + 1],
                -0.06,
                0,
                facecolor="white",
                edgecolor="black",
                hatch="////",
                linewidth=0,
                clip_on=False,
            )
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, 1)
    axes.set_title(_shortened(title), fontsize=10, parse_math=False)
    axes.set_xlabel("middle of the window, in seconds (hatched: the model abstains)", labelpad=8)
    axes.set_ylabel("probability")
    axes.tick_params(axis="x", pad=15)
    tidy(axes)
    legend(figure, axes)
    return figure


def grey_levels(spectrogram: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Convert a spectrogram to a greyscale image: time to the right, low frequencies at the bottom.

    Args:
        spectrogram: ``(frames, bins)`` in [-1, 1].

    Returns:
        uint8 ``(bins, frames)``, the top row first; 255 (white) is the loudest value, 0 the lowest.

    Source: 2021 report, section 4.3, whose spectrograms are greyscale.
    """
    levels = np.clip((spectrogram.T[::-1] + 1.0) * 127.5, 0.0, 255.0)
    return np.rint(levels).astype(np.uint8)


def _shortened(title: str) -> str:
    if len(title) <= _MAX_TITLE_LENGTH:
        return title
    return f"{title[: _MAX_TITLE_LENGTH // 2]}…{title[-_MAX_TITLE_LENGTH // 2 :]}"


def _set_frequency_ticks(axes: Axes, frequencies: npt.NDArray[Any]) -> None:
    bins = len(frequencies)
    steps = np.diff(frequencies)
    # Each bin is one step wide. So the outer edges lie half a step beyond the outermost centres.
    low_edge, high_edge = frequencies[0] - steps[0] / 2, frequencies[-1] + steps[-1] / 2
    hz_of_positions = [low_edge, *frequencies, high_edge]
    positions_on_axis = [0.0, *(np.arange(bins) + 0.5), float(bins)]
    ticks: list[float] = []
    positions: list[float] = []
    for tick in _candidate_ticks(frequencies, steps):
        position = float(np.interp(tick, hz_of_positions, positions_on_axis))
        is_inside = low_edge - steps[0] <= tick <= high_edge + steps[-1]
        if is_inside and (not ticks or position - positions[-1] >= _MIN_TICK_DISTANCE * bins):
            ticks.append(tick)
            positions.append(position)
    axes.set_yticks(positions, [f"{tick:,.0f}" for tick in ticks])


def _candidate_ticks(frequencies: npt.NDArray[Any], steps: npt.NDArray[Any]) -> Sequence[float]:
    if np.allclose(steps, steps[0], rtol=1e-3):
        return MaxNLocator(9).tick_values(frequencies[0], frequencies[-1])
    return _TICKS
