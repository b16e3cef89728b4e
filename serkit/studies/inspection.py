"""Sections of a comparison's report page about its GANs: generated examples beside real ones."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf

from serkit.audio.inversion import griffin_lim
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.augmentation.arms import GANS, WGAN_GP, Arm
from serkit.gans.sampling import sample
from serkit.reporting import gan_figures
from serkit.reporting.gan_figures import mp3, what_is_flat
from serkit.reporting.page import Section, Sound
from serkit.seeds import derive_seed
from serkit.studies.engine import Comparison
from serkit.studies.folds import Fold
from serkit.studies.generators import GANRun, in_order

_SPECTROGRAMS, _SOUNDS, _CLASSES = 5, 3, 4


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
    histories = {
        gan.name: _history(gan) for gan in in_order(gans) if gan.name in ("all", "rare", *labels)
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


def _made(gan: GANRun, label: str, seed: int) -> npt.NDArray[Any]:
    stored = gan.load()
    number = stored.number(label)
    numbers = None if number is None else np.array([number])
    return sample(stored.network, _SPECTROGRAMS, seed, numbers)


def _heard(spectrograms: npt.NDArray[Any], spec: SpectrogramSpec, kind: str) -> list[Sound]:
    waves = griffin_lim(tf.constant(spectrograms[:_SOUNDS]), spec).numpy()
    return [
        Sound(f"{kind} {number}", mp3(wave, spec.sample_rate))
        for number, wave in enumerate(waves, 1)
    ]


def _history(gan: GANRun) -> list[dict[str, float]]:
    return pd.read_csv(gan.place / "history.csv").to_dict("records")
