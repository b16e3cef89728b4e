"""The score of a GAN's settings on held-out training speakers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import keras
import numpy as np

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
from serkit.studies.tuning.inner import OverFolds, inner_parts

# With fewer KID has no error.
_FEWEST = 3


@dataclass(frozen=True)
class GanSearch:
    """What GANs are trained on and measured by.

    Attributes:
        roots: folders of recordings.
        kind: key of :data:`serkit.studies.gan_kinds.KINDS`, of one class.
        label: the class, of ``gender_emotion``.
        clips: training clips that are left of it; 0 leaves all.
        folds: 2 for halves of the training part's speakers, 3 for thirds, …: each is held out once.
        width: of the networks.
        examples: of all classes, then of the class, that the critic or discriminator is shown in a
            whole training. Settings with larger batches or more steps of the critic get fewer steps
            for it: about as much work.
        judged: samples that are measured.
        seed: of the split, the folds, the sample filters, the GANs and their samples.
        spec: spectrograms.
        fit: training of the sample filters' classifiers.
        naming: how recordings of the user's own are named.

    Raises:
        InputError: for a value out of range.
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


class GanObjective(OverFolds):
    """KID between a GAN's samples and clips of held-out training speakers.

    All of them are training speakers: those of validation and test have no say in the search.

    Args:
        search: what is trained on what.
        folder: gets spectrograms, and the sample filter of each fold.

    Raises:
        InputError: if there are no such clips, or too few speakers.
    """

    name, goal = "KID", "min"

    def __init__(self, search: GanSearch, folder: Path) -> None:
        self.search, self._folder = search, folder

    @property
    def base(self) -> GANSettings:
        """What :data:`serkit.studies.gan_kinds.KINDS` has on a rare class: what is to beat."""
        return replace(KINDS[self.search.kind].of_rare, width=self.search.width)

    @cached_property
    def folds(self) -> list[RareClasses]:
        """Of each a part is trained on; the others' speakers are held out."""
        search = self.search
        settings = RareClassesSettings(
            *((search.label,), search.clips, search.judged, search.seed, search.spec, search.fit)
        )
        # Of each, both test and validation are held out here: every other one, and each speaker
        # is held out once.
        every = inner_parts(
            *(search.roots, LABEL_SET, search.spec, 2 * search.folds, search.seed, self._folder),
            naming=search.naming,
        )
        found = []
        for number, parts in enumerate(every[::2], 1):
            held_out = (*parts.split.validation.clips, *parts.split.test.clips)
            count = sum(clip.label(LABEL_SET) == search.label for clip in held_out)
            if count < _FEWEST:
                raise InputError(
                    f"{counted(count, 'clip')} of {search.label} held out in fold {number}; valid "
                    f"is {_FEWEST} or more: another class, fewer folds, or more recordings"
                )
            found.append(RareClasses(parts, settings, self._folder / f"fold-{number}"))
        return found

    def measured(
        self, fold: RareClasses, settings: GANSettings, share: float, folder: Path, verbose: int
    ) -> dict[str, float]:
        """Train a GAN on all clips of a fold, then on the class, and measure its samples.

        Arguments and errors as for :meth:`serkit.studies.tuning.inner.OverFolds.measured`.

        Returns:
            ``score``, KID, with ``kid_error``, and the shares of samples that are near-``copies``
            or that the sample filter ``refused`` as another class.
        """
        label = self.search.label
        spectrograms = self._samples(self._trained(fold, settings, share, folder, verbose))
        held_out = fold.sample_filter.embedding(fold.held_out[label])
        distance, error = kid(held_out, fold.sample_filter.embedding(spectrograms))
        verdicts = fold.sample_filter.verdicts(spectrograms, label)
        shares = {"copies": verdicts.copies.mean(), "refused": verdicts.refused.mean()}
        return {"score": distance, "kid_error": error, **shares}

    def check(self, places: Mapping[str, Path]) -> list[dict]:
        """What a classifier learns of the class from trials' samples, where others were real.

        KID does not say whether samples teach a classifier; this does, but takes as long as
        several trials.

        Args:
            places: of trials that are done, by name.

        Returns:
            Rows as dictionaries with ``set``, ``recall`` of the class and ``uar``, both of training
            speakers who were held out, means over folds. First what real clips give.

        Source: Ravuri & Vinyals (2019), arXiv:1905.10887.
        """
        rows = []
        for name, place in {"real clips": None, **places}.items():
            scores = [
                fold.accuracy_score(name, self._made(place, fold, number))
                for number, fold in enumerate(self.folds, 1)
            ]
            own = self.folds[0].parts.classes.index(self.search.label)
            recall = float(np.nanmean([found.recalls[own] for found in scores]))
            rows.append({"set": name, "recall": recall, "uar": np.mean([s.uar for s in scores])})
        return rows

    def _made(self, place: Path | None, fold: RareClasses, number: int) -> dict[str, np.ndarray]:
        if place is None:
            return {}
        network = keras.models.load_model(place / f"fold-{number}" / "generator.keras")
        # As many as there are real ones, so that classes keep their shares.
        return {self.search.label: self._samples(network)[: len(fold.real[self.search.label])]}

    def _samples(self, network: keras.Model) -> np.ndarray:
        return sample(network, self.search.judged, derive_seed(self.search.seed, "judged"))

    def _trained(
        self, fold: RareClasses, settings: GANSettings, share: float, folder: Path, verbose: int
    ) -> keras.Model:
        kept, kind = folder / "generator.keras", KINDS[self.search.kind]
        stages = (
            ("all", replace(settings, augment=kind.of_all.augment), fold.training),
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
                *(gan, examples, fold.parts.split.speakers, one, seed, folder / name),
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
