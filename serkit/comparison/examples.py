"""Real beside generated: pictures, sound and losses of the first fold's GANs."""

from typing import Any

import numpy as np
import pandas as pd

from serkit.audio.inversion import to_waveform
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.comparison.arms import GANS, WGAN_GP, Arm
from serkit.comparison.engine import Comparison
from serkit.comparison.folds import Fold
from serkit.comparison.generators import GanTraining
from serkit.gans.sampling import sample
from serkit.reporting import gan_figures
from serkit.reporting.flat_samples import what_is_flat
from serkit.reporting.page import Section, Sound
from serkit.reporting.sounds import mp3
from serkit.seeds import derive_seed

_PICTURES, _SOUNDS, _CLASSES = 5, 3, 4


def gan_section(comparison: Comparison) -> list[Section]:
    """A section of each kind of GAN of which an arm is; none if the first fold needs no GAN.

    Args:
        comparison: which was run.
    """
    fold = comparison.folds[0]
    arms = [arm for arm in comparison.arms if arm.fill in GANS] if fold.plan else []
    return [_of_kind(comparison, fold, arm) for arm in arms]


def _of_kind(comparison: Comparison, fold: Fold, arm: Arm) -> Section:
    generators = comparison.generators(arm.fill, fold)
    labels = list(fold.plan)[:_CLASSES]
    seed = derive_seed(comparison.settings.seed, "examples")
    pairs, sounds = {}, {}
    for label in labels:
        real = fold.parts.some(label, _PICTURES)
        made = _made(generators.of(label), label, seed)
        pairs[label] = real[..., 0], made[..., 0]
        spec = comparison.settings.spec
        sounds[f"{label}: real, then generated"] = [
            *_heard(real, spec, "real"),
            *_heard(made, spec, "generated"),
        ]
    histories = {
        training.name: _history(training)
        for training in generators.trainings()
        if training.name in ("all", "rare", *labels)
    }
    draw = gan_figures.critic_curves if arm.fill == WGAN_GP else gan_figures.gan_losses
    figures: dict[str, Any] = {
        f"real-and-{arm.name}": (
            gan_figures.real_beside_generated(pairs),
            "Training clips to the left, samples to the right; first fold. Contrast is the "
            f"deviation of the values in a spectrogram. {' '.join(what_is_flat(pairs))}",
        ),
        f"losses-{arm.name}": (draw(histories), "Losses of the first fold's GANs."),
    }
    text = (
        "Both kinds of sound were made from spectrograms, so that they differ in these alone. "
        "Samples are the first ones of their generator, not chosen."
    )
    return Section(f"What the GANs of {arm.name} make", [text], [], figures, sounds)


def _made(training: GanTraining, label: str, seed: int) -> np.ndarray:
    stored = training.load()
    number = stored.number(label)
    numbers = None if number is None else np.array([number])
    return sample(stored.network, _PICTURES, seed, numbers)


def _heard(pictures: np.ndarray, spec: SpectrogramSpec, kind: str) -> list[Sound]:
    waves = to_waveform(pictures[:_SOUNDS], spec).numpy()
    return [
        Sound(f"{kind} {number}", mp3(wave, spec.sample_rate))
        for number, wave in enumerate(waves, 1)
    ]


def _history(training: GanTraining) -> list[dict[str, float]]:
    return pd.read_csv(training.place / "history.csv").to_dict("records")
