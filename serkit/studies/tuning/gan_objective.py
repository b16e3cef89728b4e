"""The score of a GAN's settings on held-out training speakers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.datasets.custom import Naming
from serkit.errors import InputError, check_choice, check_range
from serkit.files import replacing
from serkit.formatting import counted
from serkit.gans.base import GANSettings
from serkit.gans.fitting import fit_gan
from serkit.gans.sampling import sample
from serkit.metrics.fidelity import kid
from serkit.models.fitting import FitSettings
from serkit.seeds import derive_seed
from serkit.studies.gan_kinds import KINDS
from serkit.studies.rare_classes import LABEL_SET, RareClasses, RareClassesSettings
from serkit.studies.tuning.inner import MeanOverFolds, inner_folds

# The smallest number of held-out clips for which KID has a standard error.
_MIN_HELD_OUT_CLIPS = 3


@dataclass(frozen=True)
class GanSearch:
    """Data and training settings for a search over GANs.

    Attributes:
        roots: folders of recordings.
        kind: key of :data:`serkit.studies.gan_kinds.KINDS`; a GAN that is not conditional.
        label: class to generate, of the label set ``gender_emotion``.
        clips: number of training clips that remain of the class; 0 keeps all.
        folds: number of groups into which the speakers of the training partition are divided, at
            least 2. Each group is held out in one fold.
        width: factor on the channel counts of the networks.
        examples: ``(all classes, class)``, the numbers of real examples that the critic or
            discriminator sees in the two stages of a full training run: with the clips of all
            classes, then with those of ``label``. Settings with larger batches or more critic steps
            get fewer generator steps, so that all settings cost about the same.
        judged: number of generated samples that are measured.
        seed: seed of the split, the folds, the sample filters, the GANs and their samples.
        spec: settings of the spectrograms.
        fit: settings of the training runs of the sample filters' classifiers.
        naming: naming scheme of the user's own recordings.

    Raises:
        InputError: if a value is out of range.
    """

    roots: tuple[str, ...]
    kind: str = "wgan-gp"
    label: str = "female_surprise"
    clips: int = 0
    folds: int = 2
    width: float = 0.25
    examples: tuple[int, int] = (2400, 800)
    judged: int = 128
    seed: int = 0
    spec: SpectrogramSpec = field(default_factory=SpectrogramSpec)
    fit: FitSettings = field(default_factory=FitSettings)
    naming: Naming = field(default_factory=Naming)

    def __post_init__(self) -> None:
        kinds_of_one_class = [name for name, kind in KINDS.items() if not kind.conditional]
        check_choice("kind", self.kind, kinds_of_one_class)
        check_range("folds", self.folds, 2)
        check_range("judged", self.judged, 8)
        for example_count in self.examples:
            check_range("examples", example_count, 1)


class GanObjective(MeanOverFolds):
    """KID between a GAN's samples and clips of held-out training speakers.

    All clips are from the training partition of a hold-out split. The validation and test speakers
    of this split do not influence the search. Arguments are as for
    :class:`serkit.studies.tuning.inner.MeanOverFolds`. The sample filter of each fold is written to
    ``folder``, too.
    """

    name: str = "KID"
    goal: str = "min"
    search: GanSearch

    @property
    def baseline(self) -> GANSettings:
        """Settings of :data:`serkit.studies.gan_kinds.KINDS` for a rare class, the baseline."""
        return replace(KINDS[self.search.kind].rare_settings, width=self.search.width)

    def prepare(self) -> None:
        """Compute the spectrograms, and fit the sample filter of each fold."""
        for fold in self.folds:
            _ = fold.sample_filter

    @cached_property
    def folds(self) -> list[RareClasses]:
        """Folds: GANs are trained on the training partition, all other speakers are held out."""
        search = self.search
        settings = RareClassesSettings(
            labels=(search.label,),
            clips=search.clips,
            judged=search.judged,
            seed=search.seed,
            spec=search.spec,
            fit=search.fit,
        )
        all_folds = inner_folds(
            search.roots,
            LABEL_SET,
            search.spec,
            folds=search.folds,
            seed=search.seed,
            folder=self.folder,
            naming=search.naming,
            label=search.label,
            halves=True,
        )
        folds = []
        for number, partitions in enumerate(all_folds, 1):
            split = partitions.split
            held_out = (*split.validation.clips, *split.test.clips)
            clip_count = sum(clip.label(LABEL_SET) == search.label for clip in held_out)
            if clip_count < _MIN_HELD_OUT_CLIPS:
                raise InputError(
                    f"`label` must be a class with {_MIN_HELD_OUT_CLIPS} or more held-out clips in "
                    f"each fold. Received: {search.label}, with {counted(clip_count, 'clip')} in "
                    f"fold {number}. "
                    "Choose another class or fewer folds, or give more recordings."
                )
            folds.append(RareClasses(partitions, settings, self.folder / f"fold-{number}"))
        return folds

    def measure_fold(
        self, fold: RareClasses, settings: GANSettings, fraction: float, folder: Path, verbose: int
    ) -> dict[str, float]:
        """Train a GAN on all training clips of a fold, then on the class, and measure its samples.

        Arguments and errors are as for :meth:`MeanOverFolds.measure_fold`.

        Returns:
            ``score``, the KID; ``kid_error``, its standard error; ``copies`` and ``refused``, the
            fractions of samples that the sample filter rejects as near-copies and as another class.
        """
        label = self.search.label
        generator = self._train_generator(fold, settings, fraction, folder, verbose)
        spectrograms = self._sample(generator)
        embedding = fold.sample_filter.embedding
        distance, error = kid(embedding(fold.held_out[label]), embedding(spectrograms))
        return {"score": distance, "kid_error": error, **fold.rejected(label, spectrograms)}

    def score_classifiers(self, trial_folders: Mapping[str, Path]) -> list[dict[str, Any]]:
        """Score classifiers that learn the class from the samples of trials.

        The classifiers learn all other classes from real clips. KID does not show whether a
        classifier can learn from the samples; these scores do, but they take as long as several
        trials.

        Args:
            trial_folders: folders of finished trials, by name.

        Returns:
            One dictionary per trial: ``set``, the name of the trial; ``recall`` of the class and
            ``uar``, both on held-out training speakers, as means over folds. The first dictionary
            is for a classifier that learns the class from real clips.

        Source: Ravuri & Vinyals (2019), arXiv:1905.10887.
        """
        class_number = self.folds[0].partitions.classes.index(self.search.label)
        rows = []
        for name, trial_folder in {"real clips": None, **trial_folders}.items():
            scores = [
                fold.accuracy_score(name, self._generated_clips(trial_folder, fold, number))
                for number, fold in enumerate(self.folds, 1)
            ]
            # The recall is None for a fold without clips of the class; as a float this is NaN.
            recalls = np.array([fold_scores.recalls[class_number] for fold_scores in scores], float)
            uar = np.mean([fold_scores.uar for fold_scores in scores])
            rows.append({"set": name, "recall": float(np.nanmean(recalls)), "uar": uar})
        return rows

    def _generated_clips(
        self, trial_folder: Path | None, fold: RareClasses, number: int
    ) -> dict[str, npt.NDArray[Any]]:
        """Return what replaces real clips, by class: samples of a trial; nothing if it is None."""
        if trial_folder is None:
            return {}
        generator = keras.models.load_model(trial_folder / f"fold-{number}" / "generator.keras")
        # At most as many samples as real clips, to keep the class proportions.
        return {self.search.label: self._sample(generator)[: len(fold.real[self.search.label])]}

    def _sample(self, generator: keras.Model) -> npt.NDArray[Any]:
        return sample(generator, self.search.judged, derive_seed(self.search.seed, "judged"))

    def _train_generator(
        self, fold: RareClasses, settings: GANSettings, fraction: float, folder: Path, verbose: int
    ) -> keras.Model:
        """Train a GAN in two stages, or load its generator if it was trained already."""
        generator_file, kind = folder / "generator.keras", KINDS[self.search.kind]
        stages = (
            ("all", replace(settings, augment=kind.pretraining_settings.augment), fold.training),
            ("class", settings, fold.real[self.search.label]),
        )
        previous_folder = None
        for stage, example_count in zip(stages, self.search.examples, strict=True):
            if generator_file.exists():
                break
            name, stage_settings, examples = stage
            steps = max(1, round(fraction * example_count / stage_settings.examples_per_step))
            steps_per_epoch = min(steps, stage_settings.steps_per_epoch)
            stage_settings = replace(stage_settings, steps=steps, steps_per_epoch=steps_per_epoch)
            seed = derive_seed(self.search.seed, "gan", name)
            gan = kind.build(stage_settings, seed)
            fit_gan(
                gan,
                examples,
                fold.partitions.split.speakers,
                seed,
                folder / name,
                init_from=previous_folder,
                verbose=verbose,
            )
            previous_folder = folder / name
            if name == "class":
                with replacing(generator_file) as partial:
                    gan.sampler.save(partial)
        for name in ("all", "class"):
            (folder / name / "state.npz").unlink(missing_ok=True)
        return keras.models.load_model(generator_file)
