"""Sections of a comparison's report page about the recordings and the GANs."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import soundfile
import tensorflow as tf

from serkit.audio.inversion import griffin_lim
from serkit.audio.spectrogram import SpectrogramSpec, band_centres
from serkit.augmentation.arms import GANS, NONE, WGAN_GP, Arm
from serkit.datasets.corpus import Corpus
from serkit.formatting import counted
from serkit.gans.sampling import sample
from serkit.reporting import figures, gan_figures
from serkit.reporting.gan_figures import contrast_sentences, mp3
from serkit.reporting.page import Section, Sound, Table
from serkit.seeds import derive_seed
from serkit.studies.engine import Comparison
from serkit.studies.exports import per_cent, signed_interval
from serkit.studies.folds import Fold
from serkit.studies.generators import GANRun, in_order

_SPECTROGRAMS, _SOUNDS, _CLASSES = 5, 3, 4


def recording_sections(comparison: Comparison, results: Mapping[str, Any]) -> Iterator[Section]:
    """Yield the sections about clips, classes, spectrograms and corpora.

    Args:
        comparison: the finished comparison.
        results: from :func:`serkit.studies.results.make_results`.
    """
    yield _balance(comparison, results)
    yield _spectrogram(comparison)
    if gap := results.get("gap"):
        rows = [
            [f"{classifier}, {arm}", signed_interval({"value": value, "low": None, "high": None})]
            for classifier, arms in gap.items()
            for arm, value in arms.items()
        ]
        text = "How much higher the UAR is if test speakers are also training speakers."
        yield Section("Leaky beside honest", [text], [Table(["", "points"], rows)])
    if (probe := results.get("corpora")) and "uar" in probe:
        rows = [[name, per_cent(recall)] for name, recall in probe["recalls"].items()]
        text = (
            f"A linear classifier predicts the corpus of unseen speakers from means and deviations "
            f"of the spectrogram's bands: UAR {per_cent(probe['uar'])} %, where guessing gives "
            f"{per_cent(probe['chance'])} %. If corpora are this easy to recognise, a classifier "
            "may learn the corpus instead of the emotion."
        )
        yield Section("Which corpus is it?", [text], [Table(["recall, per cent", ""], rows)])
    for corpus, known in results.get("listeners", {}).items():
        yield _beside_listeners(results, corpus, known)


def _balance(comparison: Comparison, results: Mapping[str, Any]) -> Section:
    corpus, label_set = comparison.corpus, comparison.settings.label_set
    rejected = pd.read_csv(comparison.out / "rejected.csv")
    first = f", the first because: {rejected['reason'][0]}" if len(rejected) else ""
    text = (
        f"{counted(len(corpus), 'usable clip')} of {counted(len(corpus.speakers()), 'speaker')}; "
        f"files rejected: {rejected['files'].sum()}{first}."
    )
    fold = next(iter(results["protocols"].values()))["folds"][0]
    drawing = {
        "balance-corpus": (
            figures.balance(corpus.counts(label_set)),
            "All clips by class (2021 report, figure 13).",
        ),
        "balance": (
            figures.balance(fold["training_clips"], fold["added"]),
            "Training clips of the first fold, and what arms that fill classes add (2021 report, "
            "figure 18).",
        ),
    }
    rows = [
        [f"{protocol}, {one['detail'] or 'one split'}"]
        + [f"{part['clips']} of {part['speakers']}" for part in one["parts"].values()]
        + [str(sum(one["added"].values()))]
        for protocol, found in results["protocols"].items()
        for one in found["folds"]
    ]
    table = Table(["fold", "training clips, speakers", "validation", "test", "added"], rows)
    return Section("What is in the recordings", [text], [table], drawing)


def _spectrogram(comparison: Comparison) -> Section:
    """Show a training clip of the rarest class of the first fold."""
    spec, fold = comparison.settings.spec, comparison.folds[0]
    counts = fold.split.train.counts(fold.label_set)
    clip = fold.rare(min(counts, key=counts.__getitem__)).clips[0]
    seconds = spec.samples / spec.sample_rate
    samples, rate = soundfile.read(fold.corpus.file(clip), dtype="float32", always_2d=True)
    figure = figures.waveform_and_spectrogram(
        cropped(samples.mean(axis=1), round(seconds * rate)),
        rate,
        fold.parts.of(Corpus((clip,)))[0, :, :, 0],
        seconds,
        band_centres(spec),
        f"{clip.path} ({clip.label(fold.label_set)})",
        spec.kind,
    )
    text = (
        f"Recordings become {spec.frames} x {spec.bins} spectrograms by construction: "
        f"{spec.sample_rate} Hz, Hann window of {spec.window} samples, one frame every {spec.hop}, "
        f"FFT of {spec.fft}, decibels in bands on a {spec.kind} scale from {spec.low_hz:.0f} to "
        f"{spec.high_hz:.0f} Hz. Longer recordings are cropped, shorter ones are padded with "
        "silence; no image is resized."
    )
    caption = "A training clip over time and as a spectrogram (2021 report, figures 14 and 15)."
    return Section("From recording to spectrogram", [text], [], {"recording": (figure, caption)})


def cropped(samples: npt.NDArray[Any], length: int) -> npt.NDArray[Any]:
    """Crop or pad as :func:`serkit.audio.loading.fit_length` does, at the file's own sample rate.

    Args:
        samples: waveform ``(samples,)``.
        length: number of samples to return.
    """
    start = max(len(samples) - length, 0) // 2
    samples = samples[start : start + length]
    before = (length - len(samples)) // 2
    return np.pad(samples, (before, length - len(samples) - before))


def _beside_listeners(results: Mapping[str, Any], corpus: str, known: Mapping[str, Any]) -> Section:
    arms = next(iter(next(iter(results["protocols"].values()))["classifiers"].values()))["arms"]
    found = arms[NONE]["recalls"]
    rows = [
        [label, per_cent(recall), per_cent(found[label]["value"]) if label in found else ""]
        for label, recall in known["recalls"].items()
    ]
    text = (
        f"{known['source']}: {per_cent(known['accuracy'])} % of clips. The model's recalls are of "
        "all corpora together, so that this is a reference, not a contest."
    )
    return Section(
        f"What listeners make of {corpus}",
        [text],
        [Table(["recall, per cent", "listeners", "model, none"], rows)],
    )


def gan_section(comparison: Comparison) -> list[Section]:
    """Return a section of the report page for each arm that uses a GAN.

    The sections show the GANs of the first fold. There are none if that fold needs no GAN.

    Args:
        comparison: a finished comparison.
    """
    fold = comparison.folds[0]
    arms = [arm for arm in comparison.arms if arm.fill in GANS] if fold.plan else []
    return [_of_kind(comparison, fold, arm) for arm in arms]


def _of_kind(comparison: Comparison, fold: Fold, arm: Arm) -> Section:
    gans = comparison.gans(arm.fill, fold)
    labels = list(fold.plan)[:_CLASSES]
    seed = derive_seed(comparison.settings.seed, "examples")
    pairs, sounds = {}, {}
    for label in labels:
        real = fold.parts.some(label, _SPECTROGRAMS)
        made = _made(gans[label], label, seed)
        pairs[label] = real[..., 0], made[..., 0]
        spec = comparison.settings.spec
        sounds[f"{label}: real, then generated"] = [
            *_heard(real, spec, "real"),
            *_heard(made, spec, "generated"),
        ]
    shown = [gan for gan in in_order(gans) if gan.name in ("all", "rare", *labels)]
    histories = {
        gan.name: pd.read_csv(gan.place / "history.csv").to_dict("records") for gan in shown
    }
    draw = gan_figures.critic_curves if arm.fill == WGAN_GP else gan_figures.gan_losses
    drawing: dict[str, Any] = {
        f"real-and-{arm.name}": (
            gan_figures.real_beside_generated(pairs),
            "Training clips to the left, samples to the right; first fold. Contrast is the "
            f"deviation of the values in a spectrogram. {' '.join(contrast_sentences(pairs))}",
        ),
        f"losses-{arm.name}": (draw(histories), "Losses of the first fold's GANs."),
    }
    text = (
        "Both kinds of sound were made from spectrograms, so that they differ in these alone. "
        "Samples are the first ones of their generator, not chosen."
    )
    return Section(f"What the GANs of {arm.name} make", [text], [], drawing, sounds)


def _made(gan: GANRun, label: str, seed: int) -> npt.NDArray[Any]:
    stored = gan.load()
    number = stored.class_number(label)
    numbers = None if number is None else np.array([number])
    return sample(stored.network, _SPECTROGRAMS, seed, numbers)


def _heard(spectrograms: npt.NDArray[Any], spec: SpectrogramSpec, kind: str) -> list[Sound]:
    waves = griffin_lim(tf.constant(spectrograms[:_SOUNDS]), spec).numpy()
    return [
        Sound(f"{kind} {number}", mp3(wave, spec.sample_rate))
        for number, wave in enumerate(waves, 1)
    ]
