"""Figures of an audit."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from serkit.reporting.figures import CORPORA, colour, label_bars, one_panel, tidy

_DURATION_QUANTILE = 0.995
# -120 dB; manifests have six decimals.
_LOWEST_RMS = 1e-6
_AXIS_LABELS = {
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
    clips = _with_escaped_dollars(clips)
    classes = clips["gender_emotion"].where(clips["gender_emotion"] != "", clips["emotion"])
    counts = pd.crosstab(classes, clips["corpus"])
    counts = counts.loc[counts.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    figure, axes = one_panel(7.5, 1.2 + 0.3 * len(counts))
    left = np.zeros(len(counts))
    for index, corpus in enumerate(counts):
        bar_colour = CORPORA[index % len(CORPORA)]
        axes.barh(counts.index, counts[corpus], left=left, color=bar_colour, label=corpus)
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

    The longest 0.5 % of the clips are counted in the last bar; the titles state the largest
    duration.

    Args:
        clips: one row per clip, with the columns corpus and duration (seconds).
    """
    end = clips["duration"].quantile(_DURATION_QUANTILE) * 1.02
    return _histograms(clips, clips["duration"], (0, end), "s", "seconds")


def levels(clips: pd.DataFrame) -> Figure:
    """Draw histograms of the clips' levels, a panel per corpus, all with the same scale.

    Args:
        clips: one row per clip, with the columns corpus and rms (root mean square above 0, 1 is
            full scale).
    """
    level = 20 * np.log10(clips["rms"].clip(lower=_LOWEST_RMS))
    low, high = level.min() - 1, max(level.max() + 1, 0)
    return _histograms(clips, level, (low, high), "dB", "decibels of full scale")


def _histograms(
    clips: pd.DataFrame, values: pd.Series, ends: tuple[float, float], unit: str, label: str
) -> Figure:
    """Draw a histogram for each corpus; values above the upper end are in the last bar."""
    clips = _with_escaped_dollars(clips.assign(value=values))
    corpora = sorted(clips["corpus"].unique())
    bins = np.linspace(*ends, 61)
    figure = Figure(figsize=(7.5, 0.9 + 1.25 * len(corpora)), layout="constrained")
    panels = figure.subplots(len(corpora), 1, squeeze=False, sharex=True)[:, 0]
    for index, (axes, corpus) in enumerate(zip(panels, corpora, strict=True)):
        own = clips.loc[clips["corpus"] == corpus, "value"].to_numpy()
        axes.hist(own.clip(max=ends[1]), bins=bins, color=CORPORA[index % len(CORPORA)])
        axes.axvline(np.median(own), color="#222222", linewidth=0.8, linestyle="--")
        axes.set_title(
            f"{corpus}: {len(own)} clips, {own.min():.1f} to {own.max():.1f} {unit}, "
            f"median {np.median(own):.1f} {unit} (dashed)",
            fontsize=9,
            loc="left",
        )
        axes.set_ylabel("clips", fontsize=8)
        tidy(axes)
    panels[-1].set_xlabel(label)
    panels[-1].set_xlim(ends)
    return figure


def prosody_by_class(clips: pd.DataFrame, emotions: Sequence[str]) -> Figure:
    """Draw medians and quartiles of prosody by class and gender, a row of panels per corpus.

    Args:
        clips: one row per clip, with the columns corpus, gender, emotion, f0_hz, level_db,
            voiced_fraction and syllables_per_second; NaN is ignored.
        emotions: classes from top to bottom.
    """
    clips = _with_escaped_dollars(clips)
    # The name of a user's class may have a dollar sign, where matplotlib would start a formula.
    emotions = [emotion.replace("$", r"\$") for emotion in emotions]
    corpora, genders = sorted(clips["corpus"].unique()), sorted(clips["gender"].unique())
    spacing = 0.2 + 0.08 * len(genders)
    height = 0.7 + len(corpora) * (0.7 + len(emotions) * spacing)
    figure = Figure(figsize=(10, height), layout="constrained")
    panels = figure.subplots(
        len(corpora), len(_AXIS_LABELS), squeeze=False, sharex="col", sharey=True
    )
    for row, corpus in zip(panels, corpora, strict=True):
        corpus_clips = clips[clips["corpus"] == corpus]
        row[0].set_title(f"{corpus}: {len(corpus_clips)} clips", fontsize=9, loc="left")
        for axes, column in zip(row, _AXIS_LABELS, strict=True):
            for index, gender in enumerate(genders):
                gender_clips = corpus_clips[corpus_clips["gender"] == gender]
                quartiles = _quartiles(gender_clips, column, emotions)
                offset = 0.5 * ((index + 0.5) / len(genders) - 0.5)
                _draw_quartiles(axes, quartiles, offset, index, gender or "gender not known")
            axes.grid(axis="y", color="#e5e5e5", linewidth=0.6)
            tidy(axes)
    panels[0, 0].set_yticks(range(len(emotions)), emotions)
    panels[0, 0].set_ylim(len(emotions) - 0.5, -0.5)
    for axes, label in zip(panels[-1], _AXIS_LABELS.values(), strict=True):
        axes.set_xlabel(label, fontsize=9)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside upper right",
        ncols=len(genders),
        frameon=False,
        fontsize=8,
    )
    return figure


def _quartiles(clips: pd.DataFrame, column: str, emotions: Sequence[str]) -> npt.NDArray[Any]:
    """Return lower quartile, median and upper quartile of each class, ``(classes, 3)``.

    The quartiles of a class without values are NaN.
    """
    quartiles = clips.groupby("emotion")[column].quantile([0.25, 0.5, 0.75]).unstack()
    return quartiles.reindex(index=emotions, columns=[0.25, 0.5, 0.75]).to_numpy(float)


def _draw_quartiles(
    axes: Axes, quartiles: npt.NDArray[Any], offset: float, index: int, label: str
) -> None:
    low, median, high = quartiles.T
    axes.errorbar(
        median,
        np.arange(len(median)) + offset,
        xerr=np.stack([median - low, high - median]),
        fmt=_MARKERS[index % len(_MARKERS)],
        color=colour(index),
        markersize=4,
        linewidth=1.2,
        label=label,
    )


def _with_escaped_dollars(clips: pd.DataFrame) -> pd.DataFrame:
    """Escape the dollar signs in all text columns, since matplotlib would start a formula there."""
    text_columns = [name for name in clips if not pd.api.types.is_numeric_dtype(clips[name])]
    escaped = {name: clips[name].str.replace("$", r"\$", regex=False) for name in text_columns}
    return clips.assign(**escaped).reset_index(drop=True)
