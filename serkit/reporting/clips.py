"""Clips to hear on a report page: their sound and spectrogram, and the surest wrong predictions."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from serkit.datasets.findings import UnusableError
from serkit.datasets.probing import read_waveform
from serkit.reporting.gan_figures import mp3
from serkit.reporting.page import HeardClip, Sound, png

MAX_CLIPS = 6
"""Number of clips to hear on a page."""
# 10 s at 16 kHz are 60 KB as MP3.
_SAMPLE_RATE, _MAX_SECONDS = 16_000, 10
_WINDOW, _HOP, _RANGE_DB = 512, 128, 80
_SHOWN_CLASSES = 4


def clip_to_hear(
    file: Path, caption: str, probabilities: Mapping[str, float] | None = None
) -> HeardClip | None:
    """Return the first ten seconds of a recording as sound and spectrogram.

    The sound is resampled to 16 kHz. A quiet one is not made louder.

    Args:
        file: the recording.
        caption: description of the clip.
        probabilities: probability by class; None if nothing was predicted.

    Returns:
        The clip; None if the file cannot be read any more.
    """
    try:
        waveform, rate = read_waveform(file)
    except UnusableError:
        return None
    waveform = waveform[: _MAX_SECONDS * rate]
    if rate != _SAMPLE_RATE:
        import soxr

        waveform = soxr.resample(waveform, rate, _SAMPLE_RATE)
    figure = Figure(figsize=(4.0, 2.2), layout="constrained")
    axes = figure.subplots()
    if len(waveform) >= _WINDOW:
        # Below any clip's noise, so that digital silence has a level, too.
        noise = 1e-6 * np.random.default_rng(0).standard_normal(len(waveform))
        levels = axes.specgram(
            waveform + noise, NFFT=_WINDOW, Fs=_SAMPLE_RATE, noverlap=_WINDOW - _HOP, cmap="magma"
        )
        highest = 10 * np.log10(levels[0].max())
        levels[3].set_clim(highest - _RANGE_DB, highest)
    axes.set_xlabel("seconds", fontsize=8)
    axes.set_yticks([0, 2000, 4000, 6000, 8000], ["0", "2", "4", "6", "8 kHz"])
    axes.tick_params(labelsize=8)
    return HeardClip(
        Sound(caption, mp3(waveform, _SAMPLE_RATE)), png(figure, 100), probabilities or {}
    )


def surest_mistakes(
    predictions: pd.DataFrame, classes: Sequence[str], roots: Mapping[str, Path]
) -> Iterator[HeardClip]:
    """Yield the wrongly predicted clips with the highest probability of the predicted class.

    Args:
        predictions: a row per clip with ``root``, ``path``, ``speaker``, ``truth`` and the
            probability ``p_<class>`` of each class.
        classes: names of all classes.
        roots: folder of each root name.

    Yields:
        At most :data:`MAX_CLIPS` clips, the surest first. The probabilities are those of the most
        probable classes and of the true class.
    """
    probabilities = predictions[[f"p_{label}" for label in classes]].set_axis(list(classes), axis=1)
    predicted, confidence = probabilities.idxmax(axis=1), probabilities.max(axis=1)
    is_wrong = predicted != predictions["truth"]
    order = confidence[is_wrong].sort_values(ascending=False, kind="stable").index
    for index in order[:MAX_CLIPS]:
        row, truth = predictions.loc[index], predictions["truth"][index]
        ranked = probabilities.loc[index].sort_values(ascending=False, kind="stable")
        shown = ranked[:_SHOWN_CLASSES]
        if truth not in shown:
            shown = pd.concat([shown[:-1], ranked[[truth]]])
        caption = (
            f"{truth}, predicted as {predicted[index]}. {row['path']}, speaker {row['speaker']}"
        )
        file = Path(roots[row["root"]], row["path"])
        chances = {str(label): float(value) for label, value in shown.items()}
        if (clip := clip_to_hear(file, caption, chances)) is not None:
            yield clip
