"""Figures of what an audit found."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from serkit.reporting.style import CORPORA, tidy

_LONGEST_QUANTILE = 0.995


def clips_by_class(clips: pd.DataFrame) -> Figure:
    """Clips per class, stacked by corpus, the smallest class at the top (report, figure 13).

    Args:
        clips: a row per clip, with the columns corpus, emotion and gender_emotion; a class is
            gender and emotion, or the emotion where the gender is not known.
    """
    clips = _drawable(clips)
    classes = clips["gender_emotion"].where(clips["gender_emotion"] != "", clips["emotion"])
    counts = pd.crosstab(classes, clips["corpus"])
    counts = counts.loc[counts.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    figure = Figure(figsize=(7.5, 1.2 + 0.3 * len(counts)), layout="constrained")
    axes = figure.subplots()
    left = np.zeros(len(counts))
    for number, corpus in enumerate(counts):
        colour = CORPORA[number % len(CORPORA)]
        axes.barh(counts.index, counts[corpus], left=left, color=colour, label=corpus)
        left += counts[corpus].to_numpy()
    for row, total in enumerate(left):
        axes.annotate(
            f"{total:.0f}",
            (total, row),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes.set_xlim(0, left.max() * 1.1)
    axes.set_xlabel("clips")
    axes.legend(
        frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=counts.shape[1], fontsize=8
    )
    tidy(axes)
    return figure


def durations(clips: pd.DataFrame) -> Figure:
    """How long the clips of each corpus are, a panel per corpus on one scale.

    The longest half per cent is drawn at the end of the scale; the title says how long it is.

    Args:
        clips: a row per clip, with the columns corpus and duration (seconds).
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


def _drawable(clips: pd.DataFrame) -> pd.DataFrame:
    """The same with text that matplotlib does not take for formulas."""
    words = [name for name in clips if not pd.api.types.is_numeric_dtype(clips[name])]
    escaped = {name: clips[name].str.replace("$", r"\$", regex=False) for name in words}
    return clips.assign(**escaped).reset_index(drop=True)
