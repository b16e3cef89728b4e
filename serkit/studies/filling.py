"""The examples that an arm adds to rare classes: copies, noise, or generated samples."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from serkit.augmentation.arms import COPIES, NOISE, Arm
from serkit.seeds import derive_seed
from serkit.studies.comparison_settings import CompareSettings
from serkit.studies.folds import Fold
from serkit.studies.generators import FilterTask, Generators, Samples
from serkit.studies.parts import Parts
from serkit.training.examples import Examples
from serkit.training.shards import Rows


@dataclass(frozen=True)
class Added:
    """What joins the training part.

    Attributes:
        examples: with labels and the voices that are in them.
        generated: how many of them were made, by a GAN or as noise, by class; the others are
            copies.
    """

    examples: list[Examples]
    generated: dict[str, int]


@dataclass(frozen=True)
class Filling:
    """What one arm adds to the training part of one fold.

    Attributes:
        arm: of the comparison.
        fold: of the comparison; its plan says how many are added.
        settings: of the comparison.
        generators: by kind of GAN, at least the arm's.
        filter_task: what generated samples have to pass; what is missing then is made up for with
            copies.
    """

    arm: Arm
    fold: Fold
    settings: CompareSettings
    generators: dict[str, Generators]
    filter_task: FilterTask | None = None

    @property
    def key(self) -> Any:
        """JSON values that change with everything that is added."""
        if not self.arm.fill:
            return None
        found = {"seed": self.settings.seed, "plan": self.fold.plan, "fill": self.arm.fill}
        if self.arm.fill == COPIES:
            return found
        found["share"] = self.settings.generated_share
        if self.arm.fill in self.generators:
            generators = self.generators[self.arm.fill]
            found["gans"] = [generators.of(label).key for label in self.fold.plan]
            found["gate"] = self.filter_task.key if self.filter_task else None
        return found

    @property
    def needs(self) -> tuple[Path, ...]:
        """Folders of what is trained before: the GANs, and the classifier of the sample filter."""
        if self.arm.fill not in self.generators:
            return ()
        generators = self.generators[self.arm.fill]
        gans = [generators.of(label).place for label in self.fold.plan]
        filter_task = [self.filter_task.place] if self.filter_task else []
        return tuple(dict.fromkeys([*gans, *filter_task]))

    @property
    def failure(self) -> str | None:
        """Why it cannot be made: a GAN of it has diverged."""
        generators = self.generators.get(self.arm.fill)
        gans = (generators.of(label) for label in self.fold.plan) if generators else ()
        return next(filter(None, (gan.failure for gan in gans)), None)

    @cached_property
    def parts(self) -> tuple[Parts, ...]:
        """Of the fold, the arm's training clips at each speed, or their waveforms; 1 first."""
        waves = self.settings.waves_of(self.arm)
        if waves is not None:
            return (self.fold.live(waves),)
        return tuple(self.fold.at(speed) for speed in self.settings.speeds_of(self.arm))

    def added(self) -> Added:
        """For each class of the plan, what is added, with the voices that are in it."""
        found: list[Examples] = []
        generated: dict[str, int] = {}
        for label, count in self.fold.plan.items() if self.arm.fill else ():
            made, copied = self._of_class(label, count)
            if made:
                generated[label] = len(made)
            found += [part for part in (made, copied) if part]
        return Added(found, generated)

    def _of_class(self, label: str, count: int) -> tuple[Examples | None, Examples]:
        """What was generated, if anything, and copies; either may be empty."""
        parts, seed = self.parts[0], derive_seed(self.settings.seed, "filling", label)
        number = parts.classes.index(label)
        real = parts.to_fit(parts.rare(label))
        made = None
        wanted = 0 if self.arm.fill == COPIES else round(self.settings.generated_share * count)
        if wanted and self.arm.fill == NOISE:
            made = noise_like(parts.to_fit(self.fold.split.train), wanted, number, seed)
        elif wanted:
            training = self.generators[self.arm.fill].of(label)
            made = Samples(training, label, wanted, seed, self.filter_task).examples(number)
        missing = count - (len(made) if made else 0)
        return made, copies_of(real, missing, seed)


def copies_of(real: Examples, count: int, seed: int) -> Examples:
    """Some examples again, each as often as any other, give or take one.

    Args:
        real: of one class.
        count: how many copies.
        seed: decides which ones come once more.
    """
    rng = np.random.default_rng(derive_seed(seed, "copies"))
    chosen = np.resize(rng.permutation(len(real)), count)
    spectrograms = real.spectrograms
    some = spectrograms.select(chosen) if hasattr(spectrograms, "select") else spectrograms[chosen]
    return Examples(some, real.speakers, real.labels[chosen])


def noise_like(real: Examples, count: int, label: int, seed: int) -> Examples:
    """Noise with the mean and deviation of all pixels of some spectrograms, cut to [-1, 1].

    Nothing in it tells a class, a speaker or where speech is: a control.

    Args:
        real: training examples; the two numbers are theirs, and so the noise belongs where they do.
        count: how many.
        label: the class number that they get.
        seed: of the noise.
    """
    spectrograms = real.spectrograms
    mean, deviation = _mean_and_deviation(spectrograms)
    rng = np.random.default_rng(derive_seed(seed, "noise"))
    noise = rng.standard_normal((count, *spectrograms.shape[1:]), dtype=np.float32)
    noise = np.clip(np.float32(mean) + np.float32(deviation) * noise, -1, 1)
    return Examples(noise, real.speakers, np.full(count, label))


def _mean_and_deviation(spectrograms: np.ndarray | Rows) -> tuple[float, float]:
    """Of all pixels, a spectrogram at a time: twelve thousand of them are gigabytes."""
    places = range(len(spectrograms))
    mean = np.mean([spectrograms[place].mean(dtype=np.float64) for place in places])
    squares = [np.square(spectrograms[place] - mean).mean(dtype=np.float64) for place in places]
    return float(mean), float(np.sqrt(np.mean(squares)))
