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
from serkit.studies.tuning.inner import MeanOverFolds, inner_parts

# Smallest number of clips for which KID has a standard error.
_FEWEST = 3


@dataclass(frozen=True)
class GanSearch:
    """Data and training settings for a search over GANs.

    Attributes:
        roots: folders of recordings.
        kind: key of :data:`serkit.studies.gan_kinds.KINDS`; a GAN that is not conditional.
        label: class to generate, of the label set ``gender_emotion``.
        clips: number of training clips that remain of the class; 0 keeps all.
        folds: number of groups of speakers in the training partition, at least 2; each group is
            held out once.
        width: factor on the channel counts of the networks.
        examples: ``(all classes, class)``, the numbers of real examples that the critic or
            discriminator sees in the two stages of a full training run. Settings with larger
            batches or more critic steps get fewer generator steps, so that all settings cost about
            the same.
        judged: number of samples that are measured.
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
        one_class = [name for name, kind in KINDS.items() if not kind.conditional]
        check_choice("kind", self.kind, one_class)
        check_range("folds", self.folds, 2)
        check_range("judged", self.judged, 8)
        for number in self.examples:
            check_range("examples", number, 1)


class GanObjective(MeanOverFolds):
    """KID between a GAN's samples and clips of held-out training speakers.

    All clips are of the training partition that ``hold_out`` gives. Its validation and test
    speakers do not influence the search. Arguments are of the base class. The folder also gets the
    sample filter of each fold.
    """

    name: str = "KID"
    goal: str = "min"
    search: GanSearch

    @property
    def base(self) -> GANSettings:
        """Settings of :data:`serkit.studies.gan_kinds.KINDS` for a rare class, the baseline."""
        return replace(KINDS[self.search.kind].rare_settings, width=self.search.width)

    def prepare(self) -> None:
        """Compute the spectrograms, and fit the sample filter of each fold."""
        for fold in self.folds:
            _ = fold.sample_filter

    @cached_property
    def folds(self) -> list[RareClasses]:
        """Folds; GANs are trained on the training partition, other speakers held out."""
        search = self.search
        settings = RareClassesSettings(
            labels=(search.label,),
            clips=search.clips,
            judged=search.judged,
            seed=search.seed,
            spec=search.spec,
            fit=search.fit,
        )
        # Both the test and the validation partition of a fold are held out here. So every other one
        # of twice as many folds is used, and each speaker is held out once.
        every = inner_parts(
            search.roots,
            LABEL_SET,
            search.spec,
            folds=2 * search.folds,
            seed=search.seed,
            folder=self.folder,
            naming=search.naming,
        )
        found = []
        for number, parts in enumerate(every[::2], 1):
            held_out = (*parts.split.validation.clips, *parts.split.test.clips)
            count = sum(clip.label(LABEL_SET) == search.label for clip in held_out)
            if count < _FEWEST:
                raise InputError(
                    f"`label` must be a class with {_FEWEST} or more held-out clips in each fold. "
                    f"Received: {search.label}, with {counted(count, 'clip')} in fold {number}. "
                    "Choose another class or fewer folds, or give more recordings."
                )
            found.append(RareClasses(parts, settings, self.folder / f"fold-{number}"))
        return found

    def measured(
        self, fold: RareClasses, settings: GANSettings, share: float, folder: Path, verbose: int
    ) -> dict[str, float]:
        """Train a GAN on all training clips of a fold, then on the class, and measure its samples.

        Arguments and errors are as for :meth:`MeanOverFolds.measured`.

        Returns:
            ``score``, the KID; ``kid_error``, its standard error; ``copies`` and ``refused``, the
            fractions of samples that the sample filter rejects as near-copies and as another class.
        """
        label = self.search.label
        spectrograms = self._samples(self._trained(fold, settings, share, folder, verbose))
        embedding = fold.sample_filter.embedding
        distance, error = kid(embedding(fold.held_out[label]), embedding(spectrograms))
        return {"score": distance, "kid_error": error, **fold.rejected(label, spectrograms)}

    def check(self, places: Mapping[str, Path]) -> list[dict[str, Any]]:
        """Score classifiers that learn the class from the samples of trials.

        All other classes are learned from real clips. KID does not show whether a classifier can
        learn from the samples. This method does, but it takes as long as several trials.

        Args:
            places: folders of finished trials, by name.

        Returns:
            One dictionary per trial: ``set``, ``recall`` of the class and ``uar``, both on held-out
            training speakers, as means over folds. The first dictionary is for real clips.

        Source: Ravuri & Vinyals (2019), arXiv:1905.10887.
        """
        rows = []
        for name, place in {"real clips": None, **places}.items():
            scores = [
                fold.accuracy_score(name, self._made(place, fold, number))
                for number, fold in enumerate(self.folds, 1)
            ]
            own = self.folds[0].parts.classes.index(self.search.label)
            # None, as NaN, for a fold without clips of the class.
            recalls = np.array([found.recalls[own] for found in scores], float)
            recall = float(np.nanmean(recalls))
            rows.append({"set": name, "recall": recall, "uar": np.mean([s.uar for s in scores])})
        return rows

    def _made(
        self, place: Path | None, fold: RareClasses, number: int
    ) -> dict[str, npt.NDArray[Any]]:
        if place is None:
            return {}
        network = keras.models.load_model(place / f"fold-{number}" / "generator.keras")
        # At most as many samples as real clips, to keep the class proportions.
        return {self.search.label: self._samples(network)[: len(fold.real[self.search.label])]}

    def _samples(self, network: keras.Model) -> npt.NDArray[Any]:
        return sample(network, self.search.judged, derive_seed(self.search.seed, "judged"))

    def _trained(
        self, fold: RareClasses, settings: GANSettings, share: float, folder: Path, verbose: int
    ) -> keras.Model:
        kept, kind = folder / "generator.keras", KINDS[self.search.kind]
        stages = (
            ("all", replace(settings, augment=kind.pretraining_settings.augment), fold.training),
            ("class", settings, fold.real[self.search.label]),
        )
        before = None
        for (name, one, examples), shown in zip(stages, self.search.examples, strict=True):
            if kept.exists():
                break
            steps = max(1, round(share * shown / one.examples_per_step))
            one = replace(one, steps=steps, steps_per_epoch=min(steps, one.steps_per_epoch))
            seed = derive_seed(self.search.seed, "gan", name)
            gan = kind.build(one, seed)
            fit_gan(
                gan,
                examples,
                fold.parts.split.speakers,
                seed,
                folder / name,
                init_from=before,
                verbose=verbose,
            )
            before = folder / name
            if name == "class":
                with replacing(kept) as partial:
                    gan.sampler.save(partial)
        for name, *_ in stages:
            (folder / name / "state.npz").unlink(missing_ok=True)
        return keras.models.load_model(kept)
