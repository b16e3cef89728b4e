"""Figures of an audit."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from serkit.reporting.figures import CORPORA, colour, label_bars, one_panel, tidy

_LONGEST_QUANTILE = 0.995
_PROSODY = {
    "f0_hz": "fundamental frequency, Hz",
    "level_db": "level, dB of full scale",
    "voiced_fraction": "voiced fraction",
    "syllables_per_second": "syllables per second",
}
_MARKERS = "osD^v"


def clips_by_class(clips: pd.DataFrame) -> Figure:
    """Draw clips per class, stacked by corpus, smallest class at the top (2021 report, figure 13).

    Args:
        clips: one row per clip, with the columns corpus, emotion and gender_emotion. A class is
            gender and emotion, or the emotion where the gender is not known.
    """
    clips = _drawable(clips)
    classes = clips["gender_emotion"].where(clips["gender_emotion"] != "", clips["emotion"])
    counts = pd.crosstab(classes, clips["corpus"])
    counts = counts.loc[counts.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    figure, axes = one_panel(7.5, 1.2 + 0.3 * len(counts))
    left = np.zeros(len(counts))
    for number, corpus in enumerate(counts):
        colour = CORPORA[number % len(CORPORA)]
        axes.barh(counts.index, counts[corpus], left=left, color=colour, label=corpus)
        left += counts[corpus].to_numpy()
    label_bars(axes, left, [f"{total:.0f}" for total in left])
    axes.set_xlim(0, left.max() * 1.1)
    axes.set_xlabel("clips")
    axes.legend(
        frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=counts.shape[1], fontsize=8
    )
    tidy(axes)
    return figure


def durations(clips: pd.DataFrame) -> Figure:
    """Draw histograms of the clips' durations, a panel per corpus, all with the same scale.

    The longest 0.5 % of the clips are drawn at the end of the scale; the titles state the largest
    duration.

    Args:
        clips: one row per clip, with the columns corpus and duration (seconds).
    """
    clips = _drawable(clips)
    names = sorted(clips["corpus"].unique())
    end = clips["duration"].quantile(_LONGEST_QUANTILE) * 1.02
    bins = np.linspace(0, end, 61)
    figure = Figure(figsize=(7.5, 0.9 + 1.25 * len(names)), layout="constrained")
    panels = figure.subplots(len(names), 1, squeeze=False, sharex=True)[:, 0]
    for number, (axes, name) in enumerate(zip(panels, names, strict=True)):
        seconds = clips.loc[clips["corpus"] == name, "duration"].to_numpy()
        axes.hist(seconds.clip(max=end), bins=bins, color=CORPORA[number % len(CORPORA)])
        axes.axvline(np.median(seconds), color="#222222", linewidth=0.8, linestyle="--")
        axes.set_title(
            f"{name}: {len(seconds)} clips, {seconds.min():.1f} to {seconds.max():.1f} s, "
            f"median {np.median(seconds):.1f} s (dashed)",
            fontsize=9,
            loc="left",
        )
        axes.set_ylabel("clips", fontsize=8)
        tidy(axes)
    panels[-1].set_xlabel("seconds")
    panels[-1].set_xlim(0, end)
    return figure


def prosody_by_class(clips: pd.DataFrame, emotions: Sequence[str]) -> Figure:
    """Draw medians and quartiles of prosody by class and gender, a row of panels per corpus.

    Args:
        clips: one row per clip, with the columns corpus, gender, emotion, f0_hz, level_db,
            voiced_fraction and syllables_per_second; NaN is ignored.
        emotions: classes from top to bottom.
    """
    clips = _drawable(clips)
    # The name of a user's class may have a dollar sign, where matplotlib would start a formula.
    emotions = [emotion.replace("$", r"\$") for emotion in emotions]
    names, genders = sorted(clips["corpus"].unique()), sorted(clips["gender"].unique())
    spacing = 0.2 + 0.08 * len(genders)
    height = 0.7 + len(names) * (0.7 + len(emotions) * spacing)
    figure = Figure(figsize=(10, height), layout="constrained")
    panels = figure.subplots(len(names), len(_PROSODY), squeeze=False, sharex="col", sharey=True)
    for row, name in zip(panels, names, strict=True):
        own = clips[clips["corpus"] == name]
        row[0].set_title(f"{name}: {len(own)} clips", fontsize=9, loc="left")
        for axes, measure in zip(row, _PROSODY, strict=True):
            for number, gender in enumerate(genders):
                spread = _quartiles(own[own["gender"] == gender], measure, emotions)
                offset = 0.5 * ((number + 0.5) / len(genders) - 0.5)
                _draw_spread(axes, spread, offset, number, gender or "gender not known")
            axes.grid(axis="y", color="#e5e5e5", linewidth=0.6)
            tidy(axes)
    panels[0, 0].set_yticks(range(len(emotions)), emotions)
    panels[0, 0].set_ylim(len(emotions) - 0.5, -0.5)
    for axes, label in zip(panels[-1], _PROSODY.values(), strict=True):
        axes.set_xlabel(label, fontsize=9)
    handles = panels[0, 0].get_legend_handles_labels()
    figure.legend(
        *handles, loc="outside upper right", ncols=len(genders), frameon=False, fontsize=8
    )
    return figure


def _quartiles(clips: pd.DataFrame, measure: str, emotions: Sequence[str]) -> npt.NDArray[Any]:
    """Lower quartile, median and upper quartile of each class, ``(classes, 3)``.

    A class without values has NaN.
    """
    found = clips.groupby("emotion")[measure].quantile([0.25, 0.5, 0.75]).unstack()
    return found.reindex(index=emotions, columns=[0.25, 0.5, 0.75]).to_numpy(float)


def _draw_spread(
    axes: Axes, spread: npt.NDArray[Any], offset: float, number: int, label: str
) -> None:
    low, median, high = spread.T
    axes.errorbar(
        median,
        np.arange(len(median)) + offset,
        xerr=np.stack([median - low, high - median]),
        fmt=_MARKERS[number % len(_MARKERS)],
        color=colour(number),
        markersize=4,
        linewidth=1.2,
        label=label,
    )


def _drawable(clips: pd.DataFrame) -> pd.DataFrame:
    """Escape the dollar signs in all text columns, since matplotlib would start a formula there."""
    words = [name for name in clips if not pd.api.types.is_numeric_dtype(clips[name])]
    escaped = {name: clips[name].str.replace("$", r"\$", regex=False) for name in words}
    return clips.assign(**escaped).reset_index(drop=True)
