"""The demo's report page."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from serkit.audio.spectrogram import band_centres
from serkit.datasets.corpus import Clip, Corpus
from serkit.datasets.corpus_info import synthetic_clips
from serkit.files import read_json
from serkit.formatting import counted
from serkit.reporting import figures, gan_figures
from serkit.reporting.gan_figures import what_is_flat
from serkit.reporting.page import Section, Table, write_report
from serkit.reporting.verdicts import LEAKY, clips_tested, measured_on, summary, warnings
from serkit.studies.demo_settings import DemoSettings
from serkit.studies.parts import Parts


@dataclass(frozen=True)
class Story:
    """Data that the report page shows.

    Attributes:
        settings: settings of the run.
        parts: the clips, their split and their spectrograms.
        generated: generated spectrograms ``(n, frames, bins, 1)`` by rare class.
        metrics: content of ``metrics.json``.
        folder: the run folder.
        seconds: duration of each stage, in seconds.
    """

    settings: DemoSettings
    parts: Parts
    generated: Mapping[str, np.ndarray]
    metrics: Mapping
    folder: Path
    seconds: Mapping[str, float]


def write_story(path: Path, story: Story) -> None:
    """Write the report page and its figures."""
    corpora = sorted({clip.corpus for clip in story.parts.corpus.clips})
    source = "made-up voices" if not story.settings.roots else ", ".join(corpora)
    leaky = "LEAKY SPLIT: " if story.metrics["leaky"] else ""
    sections = [_answer(story), _balance(story), _recording(story)]
    if story.generated:
        sections.append(_gans(story))
    sections += [_errors(story), _method(story)]
    write_report(
        path,
        f"{leaky}Does filling rare classes with generated spectrograms help? ({source})",
        summary(story.metrics),
        warnings(story.metrics, built_in=bool(synthetic_clips(story.parts.corpus))),
        sections,
    )


def _answer(story: Story) -> Section:
    arms = story.metrics["arms"]
    rows = [
        [
            f"{arm}, {part}",
            *(_per_cent(arms[arm][part][name]) for name in ("accuracy", "uar", "macro_f1")),
        ]
        for arm in arms
        for part in ("train", "validation", "test")
    ]
    scores = {arm: values["test"] for arm, values in arms.items()}
    histories = {arm: _history(story.folder / "classifiers" / arm) for arm in arms}
    tested = measured_on(story.metrics)
    return Section(
        "Without and with generated spectrograms",
        [
            "Both classifiers are the same network with the same initial weights, the same number "
            "of optimiser steps and the same light masking of training spectrograms. Each keeps "
            "the weights of its best epoch on the validation part. Generated spectrograms "
            "join the training part only; all rows below are real clips."
        ],
        [Table(["per cent", "accuracy", "UAR", "macro F1"], rows)],
        {
            "arms": (
                figures.arms(scores, tested),
                f"The same {tested} for both arms (report, figure 19).",
            ),
            "learning": (
                figures.learning_curves(histories),
                "Unweighted average recall while training.",
            ),
        },
    )


def _balance(story: Story) -> Section:
    corpus = story.parts.corpus
    whole = corpus.counts(story.settings.label_set)
    train, generated = story.metrics["training_clips"], story.metrics["generated"]
    rejected = pd.read_csv(story.folder / "rejected.csv")
    text = [
        f"{counted(len(corpus), 'usable clip')} of {counted(len(corpus.speakers()), 'speaker')}; "
        f"files rejected: {rejected['files'].sum()}"
        + (f", the first because: {rejected['reason'][0]}." if len(rejected) else "."),
    ]
    drawn = {
        "balance-corpus": (
            figures.balance(whole),
            "All clips by class (report, figure 13).",
        ),
        "balance-training": (
            figures.balance(train, generated),
            "The training part with what was generated (report, figure 18).",
        ),
    }
    rows = [
        [name, ", ".join(sorted(part.speakers())), str(len(part))]
        for name, part in story.parts.split.parts().items()
    ]
    return Section(
        "What is in the recordings",
        text,
        [Table(["part", "speakers", "clips"], rows, words=True)],
        drawn,
    )


def _recording(story: Story) -> Section:
    spec, clip = story.settings.spec, _example(story)
    seconds = spec.samples / spec.sample_rate
    samples, rate = soundfile.read(story.parts.corpus.file(clip), dtype="float32", always_2d=True)
    figure = figures.waveform_and_spectrogram(
        _fit(samples.mean(axis=1), round(seconds * rate)),
        rate,
        story.parts.of(Corpus((clip,)))[0, :, :, 0],
        seconds,
        band_centres(spec),
        f"{clip.path} ({clip.label(story.settings.label_set)})",
        spec.kind,
    )
    text = (
        f"Recordings become {spec.frames} x {spec.bins} spectrograms by construction: "
        f"{spec.sample_rate} Hz, Hann window of {spec.window} samples, one frame every {spec.hop}, "
        f"FFT of {spec.fft}, decibels in bands on a {spec.kind} scale from {spec.low_hz:.0f} to "
        f"{spec.high_hz:.0f} Hz. Longer ones lose their ends, shorter ones get silence; no picture "
        "is resized."
    )
    caption = "A training clip over time and as a spectrogram (report, figures 14 and 15)."
    return Section("From recording to spectrogram", [text], [], {"recording": (figure, caption)})


def _example(story: Story) -> Clip:
    """Return a training clip of the rarest class."""
    counts = story.metrics["training_clips"]
    return story.parts.rare(min(counts, key=counts.get)).clips[0]


def _fit(samples: np.ndarray, length: int) -> np.ndarray:
    """Crop or pad as serkit.audio.loading.fit_length does, at the file's own sample rate."""
    start = max(len(samples) - length, 0) // 2
    samples = samples[start : start + length]
    before = (length - len(samples)) // 2
    return np.pad(samples, (before, length - len(samples) - before))


def _gans(story: Story) -> Section:
    gan = story.settings.gan
    histories = {label: _history(story.folder / "gans" / label) for label in story.generated}
    pairs = {
        label: (story.parts.some(label, 4)[..., 0], made[:4, :, :, 0])
        for label, made in story.generated.items()
    }
    counts = story.metrics["training_clips"]
    rows = [[label, str(counts[label]), str(n)] for label, n in story.metrics["generated"].items()]
    return Section(
        "The GANs",
        [
            f"One DCGAN per rare class (report, section 6.1), trained on that class' training "
            f"clips: {gan.steps} steps of {gan.batch_size} clips at {gan.width:g} of "
            "the report's channel counts. Dotted lines: the losses when the discriminator cannot "
            "tell real from generated."
        ],
        [Table(["class", "training clips", "generated"], rows)],
        {
            "gan-losses": (
                gan_figures.gan_losses(histories),
                "Losses of generator and discriminator (report, figure 16).",
            ),
            "gan-grid": (
                gan_figures.real_beside_generated(pairs),
                "Real training clips beside generated ones (report, figure 17). Contrast is the "
                f"deviation of the values in a spectrogram. {' '.join(what_is_flat(pairs))}",
            ),
        },
    )


def _errors(story: Story) -> Section:
    classes, arms = story.metrics["classes"], story.metrics["arms"]
    tested = clips_tested(story.metrics)
    rows = [
        [label, str(tested[label])]
        + [_per_cent(arms[arm]["test"]["recalls"][number]) for arm in arms]
        for number, label in enumerate(classes)
    ]
    drawn = {
        f"confusion-{arm}": (
            figures.confusion(
                values["test"]["confusion"], classes, f"{arm}, {measured_on(story.metrics)}"
            ),
            f"Test clips by true and predicted class, {arm}.",
        )
        for arm, values in arms.items()
    }
    table = Table(["recall, per cent", "test clips", *arms], rows)
    return Section("Where they are right and wrong", [], [table], drawn)


def _method(story: Story) -> Section:
    versions = read_json(story.folder / "versions.json")
    settings = read_json(story.folder / "settings.json")
    flat = pd.json_normalize(settings, sep=".").iloc[0]
    tables = [
        Table(["setting", "value"], [[name, str(value)] for name, value in flat.items()], True),
        Table(["version of", ""], [[name, value] for name, value in versions.items()], True),
        Table(["stage", "seconds"], [[n, f"{value:.1f}"] for n, value in story.seconds.items()]),
    ]
    apart = LEAKY if story.metrics["leaky"] else "No speaker is in two parts."
    text = f"Split: {story.metrics['protocol']}. {apart}"
    return Section("How this was made", [text], tables)


def _history(folder: Path) -> list[dict[str, float]]:
    return pd.read_csv(folder / "history.csv").to_dict("records")


def _per_cent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"
