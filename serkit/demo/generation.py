"""The demo's GANs: one is trained for a rare class, sampled, and what it made is kept."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from serkit.data.synthetic_set import Origin, read_synthetic_set, write_synthetic_set
from serkit.demo.settings import DemoSettings
from serkit.gans.dcgan import build_dcgan
from serkit.gans.fitting import fit_gan
from serkit.gans.storing import GeneratorCard, load_generator, store_generator
from serkit.judging.gated import sample_gated
from serkit.judging.judge import Judge
from serkit.progress import Progress
from serkit.seeds import derive_seed
from serkit.trials.parts import Parts


def train_and_sample(
    settings: DemoSettings,
    parts: Parts,
    judge: Judge | None,
    label: str,
    count: int,
    out: Path,
    progress: Progress,
) -> dict[str, int]:
    """Train a DCGAN on one class' training clips and generate as many as it gives, up to a count.

    Args:
        settings: of the run.
        parts: the clips and their spectrograms.
        judge: rejects copies and what is taken for another class; None rejects nothing.
        label: the class.
        count: how many are wanted. Where the judge rejects too many, there are fewer, or none: a
            GAN that has learned too little should not teach a classifier.
        out: the run folder; ``gans/<class>`` and ``generated/<class>`` are written.
        progress: gets the counts.

    Returns:
        How many clips the GAN saw and how many spectrograms it gave, for the run's records.

    Raises:
        LeakError: if a clip is not one that may be fitted on.
    """
    clips = parts.rare(label)
    real, speakers = parts.to_fit(clips), parts.split.speakers
    seed = derive_seed(settings.seed, "gan", label)
    gan, folder = build_dcgan(settings.gan, seed), out / "gans" / label
    fit_gan(gan, real, speakers, settings.gan, seed, folder, verbose=progress.verbose)
    voices = tuple(sorted(real.speakers))
    card = GeneratorCard((label,), voices, len(clips), gan.name, asdict(settings.spec))
    store_generator(gan.sampler, card, folder)
    samples = sample_gated(
        gan.sampler,
        count,
        seed,
        label,
        judge,
        strict=False,
        say=lambda text: progress.say(f"   {text}"),
    )
    origin = Origin(
        label=label,
        seed=seed,
        generator=load_generator(folder).card.sha256,
        speakers=voices,
        gated=judge is not None,
        tried=samples.tried,
        copies=samples.copies,
        refused=samples.refused,
    )
    if len(samples.numbers):
        write_synthetic_set(_place(out, label), samples.spectrograms, samples.numbers, origin)
    return {"clips": len(clips), "generated": len(samples.numbers)}


def read_generated(out: Path, label: str) -> np.ndarray | None:
    """What was generated of a class, float32 ``(n, frames, bins, 1)``; None if nothing was."""
    folder = _place(out, label)
    return read_synthetic_set(folder)[0] if folder.is_dir() else None


def _place(out: Path, label: str) -> Path:
    return out / "generated" / label
