"""Training sets: real clips, and the copies, noise or generated samples that an arm adds."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from serkit.augmentation.arms import COPIES, GANS, NOISE_SPECTROGRAMS, Arm
from serkit.seeds import derive_seed
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.folds import Fold
from serkit.studies.generators import GANRun, GeneratedSamples, TrainedFilter
from serkit.studies.partitions import Partitions
from serkit.training.examples import Examples
from serkit.training.live import LiveSpectrograms, select_spectrograms
from serkit.training.shards import Rows


@dataclass(frozen=True)
class AddedExamples:
    """Examples that are added to the training partition.

    Attributes:
        examples: sets of examples, with labels and speakers.
        generated: number of examples from a GAN or of noise, by class. All other examples are
            copies.
    """

    examples: list[Examples]
    generated: dict[str, int]


@dataclass(frozen=True)
class TrainingSet:
    """Training examples of one arm on one fold: training clips, and examples of rare classes.

    Attributes:
        arm: an arm of the comparison.
        fold: a fold of the comparison; its plan gives the number of examples to add by class.
        settings: settings of the comparison.
        gans: GANs of the arm's kind, by class; empty for an arm without GANs.
        trained_filter: filter of generated samples; None accepts all samples. If the filter rejects
            so many samples that some are missing, copies replace them.
    """

    arm: Arm
    fold: Fold
    settings: ComparisonSettings
    gans: Mapping[str, GANRun]
    trained_filter: TrainedFilter | None = None

    @property
    def key(self) -> Any:
        """JSON values of all inputs of the added examples; None if the arm adds no examples."""
        if not self.arm.fill:
            return None
        inputs = {"seed": self.settings.seed, "plan": self.fold.plan, "fill": self.arm.fill}
        if self.arm.fill == COPIES:
            return inputs
        inputs["share"] = self.settings.generated_share
        if self.arm.fill in GANS:
            inputs["gans"] = [gan.key for gan in self.gans.values()]
            inputs["gate"] = self.trained_filter.key if self.trained_filter else None
        return inputs

    @property
    def needs(self) -> tuple[Path, ...]:
        """Folders of the tasks that must run before: GANs, and the sample filter's classifier."""
        folders = [gan.folder for gan in self.gans.values()]
        if self.trained_filter:
            folders.append(self.trained_filter.folder)
        return tuple(dict.fromkeys(folders))

    @property
    def failure(self) -> str | None:
        """Why a GAN of this arm failed; None if none failed."""
        return next(filter(None, (gan.failure for gan in self.gans.values())), None)

    @cached_property
    def partitions(self) -> tuple[Partitions, ...]:
        """Spectrograms and labels of the fold's partitions at each speed of the arm, 1 first.

        If the arm augments waveforms, there is only one item, whose training batches are computed
        from waveforms.
        """
        augmentation = self.settings.wave_augmentation_of(self.arm)
        if augmentation is not None:
            return (self.fold.live(augmentation),)
        return tuple(self.fold.at_speed(speed) for speed in self.settings.speeds_of(self.arm))

    def added(self) -> AddedExamples:
        """Return the examples to add to each class of the plan, with their speakers."""
        added: list[Examples] = []
        generated_counts: dict[str, int] = {}
        plan = self.fold.plan if self.arm.fill else {}
        for label, count in plan.items():
            generated, copies = self._added_to_class(label, count)
            if generated:
                generated_counts[label] = len(generated)
                added.append(generated)
            if copies:
                added.append(copies)
        return AddedExamples(added, generated_counts)

    def samples_of(self, label: str, count: int) -> GeneratedSamples:
        """Return the samples of the arm's GAN that are added to a class.

        Args:
            label: a class of the fold's plan.
            count: requested number of samples.
        """
        seed = derive_seed(self.settings.seed, "filling", label)
        return GeneratedSamples(self.gans[label], label, count, seed, self.trained_filter)

    def _added_to_class(self, label: str, count: int) -> tuple[Examples | None, Examples]:
        """Return the generated examples and the copies that are added to one class.

        The generated examples are None if the arm generates none. Either set may be empty.
        """
        partitions, seed = self.partitions[0], derive_seed(self.settings.seed, "filling", label)
        class_number = partitions.classes.index(label)
        real = partitions.to_fit(partitions.training_clips(label))
        requested = 0 if self.arm.fill == COPIES else round(self.settings.generated_share * count)
        generated = None
        if requested and self.arm.fill == NOISE_SPECTROGRAMS:
            training = partitions.to_fit(self.fold.split.train)
            generated = noise_like(training, requested, class_number, seed)
        elif requested:
            generated = self.samples_of(label, requested).examples(class_number)
        copy_count = count - (len(generated) if generated else 0)
        return generated, copies_of(real, copy_count, seed)


def copies_of(real: Examples, count: int, seed: int) -> Examples:
    """Return copies of examples; each example is copied the same number of times, give or take one.

    Args:
        real: examples of one class.
        count: number of copies in all.
        seed: seed of the choice of examples that are copied once more than the others.
    """
    rng = np.random.default_rng(derive_seed(seed, "copies"))
    positions = np.resize(rng.permutation(len(real)), count)
    copies = select_spectrograms(real.spectrograms, positions)
    labels = None if real.labels is None else real.labels[positions]
    return Examples(copies, real.speakers, labels)


def noise_like(real: Examples, count: int, class_number: int, seed: int) -> Examples:
    """Return normal noise with the mean and deviation of real spectrograms, clipped to [-1, 1].

    The noise is a control: it has no information about class, speaker or the position of speech.

    Args:
        real: training examples. The mean and the standard deviation are taken over all their
            values. Since the noise depends on these clips, it gets their speakers.
        count: number of noise examples.
        class_number: class number that the noise examples are labelled with.
        seed: seed of the noise.
    """
    spectrograms = real.spectrograms
    mean, deviation = _mean_and_deviation(spectrograms)
    rng = np.random.default_rng(derive_seed(seed, "noise"))
    noise = rng.standard_normal((count, *spectrograms.shape[1:]), dtype=np.float32)
    noise = np.clip(np.float32(mean) + np.float32(deviation) * noise, -1, 1)
    return Examples(noise, real.speakers, np.full(count, class_number))


def _mean_and_deviation(
    spectrograms: npt.NDArray[Any] | Rows | LiveSpectrograms,
) -> tuple[float, float]:
    """Return mean and standard deviation over all values of all spectrograms.

    One spectrogram is read at a time, because 12,000 spectrograms take gigabytes.
    """
    positions = range(len(spectrograms))
    mean = np.mean([spectrograms[i].mean(dtype=np.float64) for i in positions])
    variances = [np.square(spectrograms[i] - mean).mean(dtype=np.float64) for i in positions]
    return float(mean), float(np.sqrt(np.mean(variances)))
