"""Inspect generated examples of a comparison, beside real ones and by a classifier of all clips."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf
from scipy.spatial.distance import pdist

from serkit.audio.inversion import griffin_lim
from serkit.audio.spec_augment import MaskSettings, mask
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.augmentation.arms import GANS, WGAN_GP, Arm
from serkit.augmentation.reference_classifier import Embedding, penultimate
from serkit.datasets.corpus import Corpus
from serkit.files import replacing
from serkit.gans.sampling import sample
from serkit.metrics.neighbours import coarse, nearest_distances, overlap
from serkit.models.compact import compact
from serkit.models.fitting import FitSettings, fit_classifier
from serkit.reporting import gan_figures
from serkit.reporting.gan_figures import mp3, what_is_flat
from serkit.reporting.page import Section, Sound
from serkit.seeds import derive_seed
from serkit.studies.engine import Comparison
from serkit.studies.folds import Fold
from serkit.studies.generators import GANRun

_PICTURES, _SOUNDS, _CLASSES = 5, 3, 4


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


def _made(training: GANRun, label: str, seed: int) -> npt.NDArray[Any]:
    stored = training.load()
    number = stored.class_number(label)
    numbers = None if number is None else np.array([number])
    return sample(stored.network, _PICTURES, seed, numbers)


def _heard(spectrograms: npt.NDArray[Any], spec: SpectrogramSpec, kind: str) -> list[Sound]:
    waves = griffin_lim(tf.constant(spectrograms[:_SOUNDS]), spec).numpy()
    return [
        Sound(f"{kind} {number}", mp3(wave, spec.sample_rate))
        for number, wave in enumerate(waves, 1)
    ]


def _history(training: GANRun) -> list[dict[str, float]]:
    return pd.read_csv(training.place / "history.csv").to_dict("records")


_NEIGHBOURS = 3


class Listener:
    """Classifier trained on the full training partition, before classes were made rare.

    No classifier can learn a class from examples that this classifier does not recognise.
    Recognised examples may still be too different from the real clips, or too similar to them.

    Args:
        fold: a fold of a comparison.
        folder: folder of the training run.
        fit: settings of the training run.
        seed: seed of weights, order and masks.
    """

    def __init__(self, fold: Fold, folder: Path, fit: FitSettings, seed: int = 0) -> None:
        self.fold: Fold = fold
        self._folder = folder
        self._fit = fit
        self._seed = derive_seed(seed, "listener", fold.number)

    @cached_property
    def whole(self) -> Corpus:
        """The training partition before classes were made rare."""
        split = self.fold.split
        return Corpus((*split.train.clips, *split.left_out), split.train.roots)

    @cached_property
    def model(self) -> keras.Model:
        """Trained, or read from the folder."""
        kept = self._folder / "listener.keras"
        if kept.exists():
            return keras.models.load_model(kept)
        parts, split = self.fold.parts, self.fold.split
        unthinned = replace(split, train=self.whole, left_out=())
        unthinned.require_training(self.whole.clips)
        model = compact(len(parts.classes), parts.shape, None, self._seed)
        fit_classifier(
            model,
            parts.examples(self.whole),
            parts.examples(split.validation),
            unthinned.speakers,
            self._fit,
            self._seed,
            self._folder,
            augment=partial(mask, settings=MaskSettings()),
            verbose=2,
        )
        with replacing(kept) as partial_file:
            model.save(partial_file)
        return model

    @cached_property
    def embedding(self) -> Embedding:
        """Embedding by the input of the last layer, with mean 0 and standard deviation 1.

        Mean and standard deviation are those of the training clips.
        """
        real = self.fold.parts.examples(self.whole)
        return Embedding.fit(penultimate(self.model), real, self.fold.split.speakers)

    def hear(self, spectrograms: npt.NDArray[Any], label: str) -> float:
        """Return the fraction of spectrograms that are classified as ``label``."""
        logits = self.model.predict(spectrograms, batch_size=64, verbose=0)
        return float((logits.argmax(axis=1) == self.fold.parts.classes.index(label)).mean())


def inspect(
    comparison: Comparison, listener: Listener, arms: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Compare sets of examples of each class that was made rare in a fold.

    The sets are:

    - ``clips``: the remaining training clips, which all arms start from.
    - ``taken away``: the clips that were removed to make the class rare. Their speakers are
      training speakers.
    - ``strangers``: clips of validation and test speakers. They are used only to compute these
      measures.
    - one set per arm, named after the arm: the samples that the arm adds.

    Args:
        comparison: comparison whose GANs are trained.
        listener: classifier of one of the comparison's folds.
        arms: names of arms that fill up classes.

    Returns:
        Iterator over dictionaries, one for each class and set, with these entries:

        - ``fold``, ``label``, ``set``, ``count``.
        - ``recognised``: fraction of the set that the listener classifies as the label.
        - ``spread``: mean distance between two spectrograms of the set, divided by the same value
          of ``taken away``.
        - ``distance``: median distance to the nearest spectrogram of ``clips``, divided by the same
          value of ``taken away``; None for ``clips``.
        - ``coverage``: fraction of ``strangers`` with an example of the set in their neighbourhood,
          in the listener's embedding. Each set is cut to the size of ``clips``. None for
          ``strangers``.
    """
    fold = listener.fold
    taken = {clip.label(fold.label_set) for clip in fold.split.left_out}
    for label in filter(taken.__contains__, fold.plan):
        sets = _sets(comparison, fold, label, arms)
        clips, away = (coarse(sets[name]) for name in ("clips", "taken away"))
        spread = pdist(away).mean()
        distance = np.median(nearest_distances(away, clips))
        held_out = listener.embedding(sets["strangers"])
        for name, spectrograms in sets.items():
            flat, some = coarse(spectrograms), spectrograms[: len(clips)]
            near = min(_NEIGHBOURS, len(held_out) - 1, len(some) - 1)
            found = overlap(held_out, listener.embedding(some), near)
            yield {
                "fold": fold.number,
                "label": label,
                "set": name,
                "count": len(spectrograms),
                "recognised": listener.hear(spectrograms, label),
                "spread": float(pdist(flat).mean() / spread),
                "distance": None
                if name == "clips"
                else float(np.median(nearest_distances(flat, clips)) / distance),
                "coverage": None if name == "strangers" else found.coverage,
            }


def _sets(
    comparison: Comparison, fold: Fold, label: str, arms: Sequence[str]
) -> dict[str, npt.NDArray[Any]]:
    parts, split = fold.parts, fold.split
    number = parts.classes.index(label)
    held_out = (*split.validation.clips, *split.test.clips)
    sets = {
        "clips": parts.of(parts.rare(label)),
        "taken away": _of(fold, split.left_out, label),
        "strangers": _of(fold, held_out, label),
    }
    for arm in comparison.arms:
        if arm.name not in arms:
            continue
        training = comparison.training(fold, comparison.settings.classifiers[0], arm, 0)
        added = training.filling.added().examples
        mine = [each.spectrograms[:] for each in added if (each.labels == number).all()]
        sets[arm.name] = np.concatenate(mine)
    return sets


def _of(fold: Fold, clips: Sequence, label: str) -> npt.NDArray[Any]:
    mine = tuple(clip for clip in clips if clip.label(fold.label_set) == label)
    return fold.parts.of(Corpus(mine, fold.corpus.roots))
