"""Sections of a comparison's report page about mistakes, GANs and the recordings."""

from collections.abc import Iterator, Mapping, Sequence
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
from serkit.metrics.calibration import softmax
from serkit.reporting import figures, gan_figures
from serkit.reporting.clips import surest_mistakes
from serkit.reporting.gan_figures import contrast_sentences, mp3
from serkit.reporting.page import Section, Sound, Table
from serkit.seeds import derive_seed
from serkit.studies.engine import Comparison
from serkit.studies.exports import format_per_cent, format_signed_interval
from serkit.studies.folds import Fold
from serkit.studies.generators import GANRun, in_training_order
from serkit.studies.partitions import CLIP_COLUMNS

# Numbers of classes in the figures of GANs, and of spectrograms per class.
_CLASS_COUNT, _SPECTROGRAM_COUNT = 4, 5
# Number of real and of generated sounds per class; of many classes, fewer keep the page small.
_SOUND_COUNT, _SOUND_COUNT_OF_MANY = 3, 2


def recording_sections(comparison: Comparison, results: Mapping[str, Any]) -> Iterator[Section]:
    """Yield the sections about clips, classes, spectrograms and corpora.

    Args:
        comparison: the finished comparison.
        results: from :func:`serkit.studies.results.make_results`.
    """
    yield _class_balance_section(comparison, results)
    yield _spectrogram_section(comparison)
    if gap := results.get("gap"):
        rows = [
            [
                f"{classifier}, {arm}",
                format_signed_interval({"value": value, "low": None, "high": None}),
            ]
            for classifier, arms in gap.items()
            for arm, value in arms.items()
        ]
        text = "How much higher the UAR is if test speakers are also training speakers."
        yield Section("Leaky beside honest", [text], [Table(["", "points"], rows)])
    if (probe := results.get("corpora")) and "uar" in probe:
        rows = [[name, format_per_cent(recall)] for name, recall in probe["recalls"].items()]
        seen = "means and deviations of the spectrogram's bands"
        if name := probe.get("features_of"):
            seen = f"the inputs of the classifier {name}"
        text = (
            f"A linear classifier predicts the corpus of unseen speakers from {seen}: "
            f"UAR {format_per_cent(probe['uar'])} %, where guessing gives "
            f"{format_per_cent(probe['chance'])} %. If corpora are this easy to recognise, a "
            "classifier may learn the corpus instead of the emotion."
        )
        yield Section("Which corpus is it?", [text], [Table(["recall, per cent", ""], rows)])
    for corpus, listeners in results.get("listeners", {}).items():
        yield _listeners_section(results, corpus, listeners)


def _class_balance_section(comparison: Comparison, results: Mapping[str, Any]) -> Section:
    corpus, label_set = comparison.corpus, comparison.settings.label_set
    rejected = pd.read_csv(comparison.out / "rejected.csv")
    reason = f", the first because: {rejected['reason'][0]}" if len(rejected) else ""
    text = (
        f"{counted(len(corpus), 'usable clip')} of {counted(len(corpus.speakers()), 'speaker')}; "
        f"files rejected: {rejected['files'].sum()}{reason}."
    )
    first_fold = next(iter(results["protocols"].values()))["folds"][0]
    section_figures = {
        "balance-corpus": (
            figures.balance(corpus.counts(label_set)),
            "All clips by class (2021 report, figure 13).",
        ),
        "balance": (
            figures.balance(first_fold["training_clips"], first_fold["added"]),
            "Training clips of the first fold, and what arms that fill classes add (2021 report, "
            "figure 18).",
        ),
    }
    rows = [
        [f"{protocol}, {fold['detail'] or 'one split'}"]
        + [f"{part['clips']} of {part['speakers']}" for part in fold["parts"].values()]
        + [str(sum(fold["added"].values()))]
        for protocol, protocol_results in results["protocols"].items()
        for fold in protocol_results["folds"]
    ]
    table = Table(["fold", "training clips, speakers", "validation", "test", "added"], rows)
    return Section("What is in the recordings", [text], [table], section_figures)


def _spectrogram_section(comparison: Comparison) -> Section:
    """Return a section that shows a training clip of the rarest class of the first fold."""
    spec, fold = comparison.settings.spec, comparison.folds[0]
    counts = fold.split.train.counts(fold.label_set)
    rarest_class = min(counts, key=counts.__getitem__)
    clip = fold.training_clips(rarest_class).clips[0]
    seconds = spec.samples / spec.sample_rate
    samples, rate = soundfile.read(fold.corpus.file(clip), dtype="float32", always_2d=True)
    figure = figures.waveform_and_spectrogram(
        cropped(samples.mean(axis=1), round(seconds * rate)),
        rate,
        fold.partitions.spectrograms(Corpus((clip,)))[0, :, :, 0],
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
    """Crop or pad a waveform on both sides to a length.

    :func:`serkit.audio.loading.fit_length` does the same after resampling. This function works at
    the sample rate of the file.

    Args:
        samples: waveform ``(samples,)``.
        length: number of samples to return.
    """
    start = max(len(samples) - length, 0) // 2
    samples = samples[start : start + length]
    padding = length - len(samples)
    return np.pad(samples, (padding // 2, padding - padding // 2))


def _listeners_section(
    results: Mapping[str, Any], corpus: str, listeners: Mapping[str, Any]
) -> Section:
    first_protocol = next(iter(results["protocols"].values()))
    first_classifier = next(iter(first_protocol["classifiers"].values()))
    model_recalls = first_classifier["arms"][NONE]["recalls"]
    rows = [
        [
            label,
            format_per_cent(recall),
            format_per_cent(model_recalls[label]["value"]) if label in model_recalls else "",
        ]
        for label, recall in listeners["recalls"].items()
    ]
    text = (
        f"{listeners['source']}: {format_per_cent(listeners['accuracy'])} % of clips. The model's "
        "recalls are of all corpora together, so that this is a reference, not a contest."
    )
    return Section(
        f"What listeners make of {corpus}",
        [text],
        [Table(["recall, per cent", "listeners", "model, none"], rows)],
    )


def mistakes_section(comparison: Comparison, results: Mapping[str, Any]) -> list[Section]:
    """Return a section with wrongly predicted clips to hear; none if all were predicted correctly.

    They are test clips of the first protocol and classifier, in the arm with the highest UAR on
    the validation speakers.

    Args:
        comparison: the finished comparison.
        results: from :func:`serkit.studies.results.make_results`.
    """
    protocol, protocol_results = next(iter(results["protocols"].items()))
    classifier, classifier_results = next(iter(protocol_results["classifiers"].items()))
    arms, classes = classifier_results["arms"], results["classes"]
    best = max(arms, key=lambda name: arms[name]["validation_uar"])
    arm = next(arm for arm in comparison.arms if arm.name == best)
    runs = comparison.finished_runs(protocol, classifier, arm)
    table = mean_probabilities(pd.concat([run.predictions() for run in runs]), classes)
    clips = list(surest_mistakes(table, classes, comparison.corpus.roots))
    if not clips:
        return []
    seed_count = len(arms[best]["seeds"])
    mean = f" Probabilities are means over {seed_count} seeds." if seed_count > 1 else ""
    mark = "LEAKY, " if protocol_results["leaky"] else ""
    text = (
        f"The {counted(len(clips), 'test clip')} of {classifier}, {protocol}, arm {best}, whose "
        f"wrong class had the highest probability.{mean} At most ten seconds of each; the "
        "spectrogram reaches 80 dB below its loudest value."
    )
    return [Section(f"{mark}Wrong predictions that the model was surest of", [text], clips=clips)]


def mean_probabilities(predictions: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return the mean probabilities of each clip over all predictions of it.

    Args:
        predictions: tables of :func:`serkit.studies.partitions.predict_clips`, joined.
        classes: names of all classes; a class without logits has the probability 0.

    Returns:
        A row per clip: its attributes, ``truth``, and ``p_<class>`` for each class.
    """
    logits = predictions.reindex(columns=[f"logit_{label}" for label in classes])
    columns = [f"p_{label}" for label in classes]
    logits = logits.apply(pd.to_numeric, errors="coerce")
    probabilities = pd.DataFrame(softmax(logits.to_numpy()), predictions.index, columns)
    clips = [*CLIP_COLUMNS, "truth"]
    joined = pd.concat([predictions[clips], probabilities], axis=1)
    return joined.groupby(clips, sort=False, as_index=False)[columns].mean()


def gan_section(comparison: Comparison) -> list[Section]:
    """Return a section of the report page for each kind of GAN.

    The sections show the GANs of the first fold. There are none if that fold needs no GAN.

    Args:
        comparison: a finished comparison.
    """
    fold = comparison.folds[0]
    # Arms that add the samples of the same GANs differ in other methods.
    arms = {arm.fill: arm for arm in reversed(comparison.arms) if arm.fill in GANS and fold.plan}
    return [_arm_gans_section(comparison, fold, arm) for arm in reversed(arms.values())]


def _arm_gans_section(comparison: Comparison, fold: Fold, arm: Arm) -> Section:
    gans = comparison.gans(arm.fill, fold)
    spec, seed = comparison.settings.spec, derive_seed(comparison.settings.seed, "examples")
    sound_count = _SOUND_COUNT if len(fold.plan) <= _CLASS_COUNT else _SOUND_COUNT_OF_MANY
    real_and_generated, sounds = {}, {}
    for label in fold.plan:
        real = fold.partitions.evenly_spaced(label, _SPECTROGRAM_COUNT)
        generated = _generated_samples(gans[label], label, seed)
        real_and_generated[label] = real[..., 0], generated[..., 0]
        note = gan_figures.note_on_samples(*real_and_generated[label])
        heading = f"{label}: real beside generated" + (f" ({note})" if note else "")
        pairs = zip(
            _sounds(real[:sound_count], spec, "real"),
            _sounds(generated[:sound_count], spec, "generated"),
            strict=False,
        )
        sounds[heading] = [sound for pair in pairs for sound in pair]
    labels = list(fold.plan)[:_CLASS_COUNT]
    shown = {label: real_and_generated[label] for label in labels}
    histories = {
        gan.name: pd.read_csv(gan.folder / "history.csv").to_dict("records")
        for gan in in_training_order(gans)
        if gan.name in ("all", "rare", *labels)
    }
    loss_figure = gan_figures.critic_curves if arm.fill == WGAN_GP else gan_figures.gan_losses
    contrasts = " ".join(contrast_sentences(shown))
    section_figures: dict[str, Any] = {
        f"real-and-{arm.name}": (
            gan_figures.real_beside_generated(shown),
            "Training clips to the left, samples to the right; first fold. Contrast is the "
            f"deviation of the values in a spectrogram. {contrasts}",
        ),
        f"losses-{arm.name}": (loss_figure(histories), "Losses of the first fold's GANs."),
    }
    text = (
        "Both kinds of sound were made from spectrograms, so that they differ in these alone. "
        "Samples are the first ones of their generator, not chosen."
    )
    return Section(f"What the GANs of {arm.name} make", [text], [], section_figures, sounds)


def _generated_samples(gan: GANRun, label: str, seed: int) -> npt.NDArray[Any]:
    generator = gan.load()
    class_number = generator.class_number(label)
    class_numbers = None if class_number is None else np.array([class_number])
    return sample(generator.network, _SPECTROGRAM_COUNT, seed, class_numbers)


def _sounds(spectrograms: npt.NDArray[Any], spec: SpectrogramSpec, kind: str) -> list[Sound]:
    waves = griffin_lim(tf.constant(spectrograms), spec).numpy()
    return [
        Sound(f"{kind} {number}", mp3(wave, spec.sample_rate))
        for number, wave in enumerate(waves, 1)
    ]
