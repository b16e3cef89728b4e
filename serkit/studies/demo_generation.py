"""The demo's GANs: train one per rare class, sample it, keep the samples."""

import functools
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from serkit.augmentation.sample_filter import SampleFilter, sample_filtered
from serkit.augmentation.synthetic_set import Origin, read_synthetic_set, write_synthetic_set
from serkit.datasets.imbalance import balance_plan, nothing_rare
from serkit.formatting import counted, time_left
from serkit.gans.dcgan import DCGAN, REPORT, DCGANSettings, limit_batch
from serkit.gans.fitting import fit_gan
from serkit.gans.sampling import GeneratorCard, load_generator, store_generator
from serkit.progress import Progress
from serkit.seeds import derive_seed
from serkit.studies.demo_settings import DemoSettings
from serkit.studies.parts import Parts
from serkit.studies.run_folder import Run

_OF_ALL = "gan-of-all"


def generate(
    settings: DemoSettings, parts: Parts, sample_filter: SampleFilter, run: Run, progress: Progress
) -> dict[str, np.ndarray]:
    """Train a GAN for each rare class and generate samples; each class is a stage of the run.

    Args:
        settings: settings of the run.
        parts: the clips and their spectrograms.
        sample_filter: rejects near-copies and samples that the reference classifier assigns to
            another class; used only if ``settings.gated`` is set.
        run: the run folder.
        progress: reports progress to the user.

    Returns:
        Generated spectrograms by class, float32 ``(n, frames, bins, 1)``. A class without accepted
        samples is left out.
    """
    counts = parts.split.train.counts(settings.label_set)
    plan = balance_plan(counts, settings.rare_below)
    if settings.most_rare:
        plan = dict(list(plan.items())[: settings.most_rare])
    if not plan:
        progress.say(
            f"   {nothing_rare(counts, settings.rare_below)}: there is nothing to fill, and both "
            "classifiers will be the same; --rare-below makes more classes count as rare"
        )
    elif settings.pretraining_steps:
        if not run.is_done(_OF_ALL):
            progress.say("   first one on all training clips, for the others to begin with")
        run.stage(_OF_ALL, lambda: _pretrain(settings, parts, run.folder, progress))
    used_filter = sample_filter if settings.gated else None
    began, trained = time.monotonic(), 0
    for number, (label, count) in enumerate(plan.items()):
        name = f"gan-{label}"
        if not run.is_done(name):
            left = ""
            if trained:
                seconds = (time.monotonic() - began) / trained * (len(plan) - number)
                left = f"; {time_left(seconds)} for this stage"
            progress.say(
                f"   {label} ({number + 1} of {len(plan)}): {counted(counts[label], 'clip')}, "
                f"{count} to generate{left}"
            )
            trained += 1
        work = functools.partial(_train_and_sample, settings, parts, used_filter, label, count)
        run.stage(name, functools.partial(work, run.folder, progress))
    places = {label: _place(run.folder, label) for label in plan}
    return {
        label: read_synthetic_set(place)[0] for label, place in places.items() if place.is_dir()
    }


def _pretrain(
    settings: DemoSettings, parts: Parts, out: Path, progress: Progress
) -> dict[str, int]:
    """Train a DCGAN on all training clips; the GANs of the rare classes start from its weights.

    Args:
        settings: settings of the run.
        parts: the clips and their spectrograms.
        out: the run folder; ``gan-of-all`` is written.
        progress: gives the verbosity.

    Returns:
        Number of training clips, for the run's records.
    """
    real, seed = parts.to_fit(parts.split.train), derive_seed(settings.seed, "gan-of-all")
    gan_settings = _of_all(settings)
    gan = DCGAN(gan_settings, seed)
    speakers, folder = parts.split.speakers, out / _OF_ALL
    fit_gan(gan, real, speakers, gan_settings, seed, folder, verbose=progress.verbose)
    return {"clips": len(real)}


def _of_all(settings: DemoSettings) -> DCGANSettings:
    per_epoch = min(settings.gan.steps_per_epoch, settings.pretraining_steps)
    return replace(settings.gan, steps=settings.pretraining_steps, steps_per_epoch=per_epoch)


def _train_and_sample(
    settings: DemoSettings,
    parts: Parts,
    sample_filter: SampleFilter | None,
    label: str,
    count: int,
    out: Path,
    progress: Progress,
) -> dict[str, int]:
    """Train a DCGAN on the training clips of one class and generate samples.

    With pretraining, the DCGAN starts from the weights of the pretrained DCGAN.

    Args:
        settings: settings of the run.
        parts: the clips and their spectrograms.
        sample_filter: rejects near-copies and samples that the reference classifier assigns to
            another class; None rejects no samples.
        label: the class.
        count: requested number of samples. If the sample filter rejects too many, fewer samples are
            written, or none: a classifier should not be trained on samples of a GAN that has
            learned too little.
        out: the run folder; ``gans/<class>`` and ``generated/<class>`` are written.
        progress: reports the counts to the user.

    Returns:
        Numbers of training clips and of generated spectrograms, for the run's records.

    Raises:
        LeakError: if a clip may not be used for fitting.
    """
    clips = parts.rare(label)
    real, speakers = parts.to_fit(clips), parts.split.speakers
    seed = derive_seed(settings.seed, "gan", label)
    of_class = settings.gan
    if settings.gan_recipe == REPORT:
        of_class = limit_batch(of_class, len(real))
    gan, folder = DCGAN(of_class, seed), out / "gans" / label
    fit_gan(
        *(gan, real, speakers, of_class, seed, folder),
        init_from=out / _OF_ALL if settings.pretraining_steps else None,
        verbose=progress.verbose,
    )
    # A pretrained GAN was trained on the clips of all training speakers.
    heard = parts.split.train.speakers() if settings.pretraining_steps else real.speakers
    voices = tuple(sorted(heard))
    card = GeneratorCard((label,), voices, len(clips), gan.name, asdict(settings.spec))
    store_generator(gan.sampler, card, folder)
    samples = sample_filtered(
        gan.sampler,
        count,
        seed,
        label,
        sample_filter,
        strict=False,
        say=lambda text: progress.say(f"   {text}"),
    )
    origin = Origin(
        label=label,
        seed=seed,
        generator=load_generator(folder).card.sha256,
        speakers=voices,
        gated=sample_filter is not None,
        tried=samples.tried,
        copies=samples.copies,
        refused=samples.refused,
    )
    if len(samples.numbers):
        write_synthetic_set(_place(out, label), samples.spectrograms, samples.numbers, origin)
    return {"clips": len(clips), "generated": len(samples.numbers)}


def _place(out: Path, label: str) -> Path:
    return out / "generated" / label
