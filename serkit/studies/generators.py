"""The GANs of a fold, and their samples on disk."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import keras
import numpy as np

from serkit.augmentation.sample_filter import FilteredSamples, SampleFilter, sample_filtered
from serkit.augmentation.synthetic_set import Origin, read_synthetic_set, write_synthetic_set
from serkit.datasets.corpus import Corpus
from serkit.errors import SerkitError
from serkit.files import alone_in, write_json
from serkit.gans.base import GANSettings
from serkit.gans.dcgan import limit_batch
from serkit.gans.fitting import fit_gan
from serkit.gans.sampling import GeneratorCard, StoredGenerator, load_generator, store_generator
from serkit.gans.small_data import tune_norms_alone
from serkit.seeds import derive_seed
from serkit.serialization import content_key
from serkit.studies.comparison_settings import CompareSettings
from serkit.studies.folds import Fold, clips_key
from serkit.studies.gan_kinds import KINDS, NORMS
from serkit.tasks.graph import failure_at
from serkit.training.examples import Examples


@dataclass(frozen=True, eq=False)
class GanTraining:
    """A GAN to be trained on clips of a fold.

    Attributes:
        kind: key of :data:`serkit.studies.gan_kinds.KINDS`.
        name: of the class, ``all`` or ``rare``, for folders and messages.
        clips: that it is trained on.
        settings: of the GAN.
        fold: that it belongs to.
        seed: of the comparison.
        spec: of the spectrograms, as JSON values.
        before: whose weights it begins with.
        norms_alone: only the generator's norms are trained.
        folder: that all GANs are kept in.
    """

    kind: str
    name: str
    clips: Corpus
    settings: GANSettings
    fold: Fold
    seed: int
    spec: dict
    before: "GanTraining | None"
    norms_alone: bool
    folder: Path

    @cached_property
    def key(self) -> str:
        """Changes with everything that the trained generator depends on."""
        # Only where it says something, so that other keys stay what they were.
        more: dict = {"norms_alone": True} if self.norms_alone else {}
        if self.settings.classes:
            more["classes"] = self.fold.classes
        return content_key(
            **more,
            kind=self.kind,
            name=self.name,
            clips=clips_key(self.clips.clips, self.fold.label_set),
            settings=asdict(self.settings),
            seed=self.seed,
            spec=self.spec,
            before=self.before.key if self.before else None,
        )

    @property
    def place(self) -> Path:
        """Its own folder."""
        return self.folder / f"{self.kind}-{self.name}-{self.key}"

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.kind}-{self.name}-{self.fold.protocol}-{self.fold.number}"

    @property
    def needs(self) -> tuple[Path, ...]:
        """Where the spectrograms are, and the GAN that it begins with."""
        before = (self.before.place,) if self.before else ()
        return (*self.fold.views.needs([1.0]), *before)

    @property
    def is_done(self) -> bool:
        return (self.place / "generator.json").exists()

    @property
    def failure(self) -> str | None:
        """Why it, or what it begins with, cannot be trained."""
        return (self.before and self.before.failure) or failure_at(self.place)

    @property
    def voices(self) -> frozenset[str]:
        """Everybody whom the generator has heard, in what it began with, too."""
        own = frozenset(self.clips.speakers())
        return own | self.before.voices if self.before else own

    def run(self, verbose: int) -> None:
        """Train, or go on training, and store the generator.

        Raises:
            LeakError: if a clip is not one that may be fitted on.
        """
        parts = self.fold.parts
        real = parts.to_fit(self.clips)
        seed = derive_seed(self.seed, "gan", self.kind, self.name)
        gan = KINDS[self.kind].build(self.settings, seed)
        if self.norms_alone:
            tune_norms_alone(gan.generator)
        fit_gan(
            *(gan, real, self.fold.split.speakers, self.settings, seed, self.place),
            init_from=self.before.place if self.before else None,
            verbose=verbose,
        )
        labels = parts.classes if self.settings.classes else (self.name,)
        voices = tuple(sorted(self.voices))
        card = GeneratorCard(labels, voices, len(self.clips), gan.name, self.spec)
        store_generator(gan.sampler, card, self.place)
        # Of hundreds of networks in one process the graphs add up.
        keras.utils.clear_session()

    def load(self) -> StoredGenerator:
        """The trained generator."""
        return load_generator(self.place)


class Generators:
    """All GANs of one kind that a fold's plan needs.

    Args:
        kind: key of :data:`serkit.studies.gan_kinds.KINDS`.
        fold: of the comparison.
        settings: of the comparison.
        folder: that all GANs are kept in.
    """

    def __init__(self, kind: str, fold: Fold, settings: CompareSettings, folder: Path) -> None:
        self._kind, self._fold, self._settings, self._folder = kind, fold, settings, folder

    def trainings(self) -> Iterator[GanTraining]:
        """In the order in which they have to be run."""
        if not self._fold.plan:
            return
        if self._of_all:
            yield self._of_all
        yield from dict.fromkeys(map(self.of, self._fold.plan))

    def of(self, label: str) -> GanTraining:
        """The GAN that makes a class, which the plan has."""
        return self._rare[label]

    @cached_property
    def _of_all(self) -> GanTraining | None:
        pretrained = self._settings.gan_kind(self._kind).pretrained
        if not (pretrained and self._settings.gans.pretraining):
            return None
        return self._training("all", self._fold.split.train, 0, None)

    @cached_property
    def _rare(self) -> dict[str, GanTraining]:
        labels, label_set = list(self._fold.plan), self._fold.label_set
        if KINDS[self._kind].conditional:
            clips = self._fold.split.train.where(lambda clip: clip.label(label_set) in labels)
            together = self._training("rare", clips, len(labels), self._of_all)
            return dict.fromkeys(labels, together)
        rare = self._fold.rare
        return {label: self._training(label, rare(label), 1, self._of_all) for label in labels}

    def _training(
        self, name: str, clips: Corpus, rare: int, before: GanTraining | None
    ) -> GanTraining:
        settings, classes = self._settings, len(self._fold.classes)
        kind = settings.gan_kind(self._kind)
        own = kind.settings(settings.gans, rare, classes)
        if kind.whole_class:
            own = limit_batch(own, len(clips))
        norms = before is not None and settings.gans.tuned == NORMS
        return GanTraining(
            *(self._kind, name, clips, own, self._fold, settings.seed, asdict(settings.spec)),
            *(before, norms, self._folder),
        )


# Written where a sample filter let nothing through, so that it is not tried again.
_NOTHING = "nothing.json"


class FilterTask(Protocol):
    """What samples have to pass."""

    key: str
    """Changes with the sample filter."""
    place: Path
    """Where its classifier is."""

    def sample_filter(self) -> SampleFilter:
        """The sample filter."""


@dataclass(frozen=True)
class Samples:
    """Samples of one class.

    Attributes:
        training: of the GAN, which is done.
        label: the class.
        count: how many are wanted.
        seed: of the noise.
        filter_task: whose sample filter rejects some, if given; then there may be fewer, or none.
    """

    training: GanTraining
    label: str
    count: int
    seed: int
    filter_task: FilterTask | None = None

    @property
    def place(self) -> Path:
        """Folder that they are kept in."""
        # Of a sample filter the number wanted decides how many are tried.
        gated = f"-{self.filter_task.key}-{self.count}" if self.filter_task else ""
        return self.training.place / "samples" / f"{self.label}-{self.seed}{gated}"

    def examples(self, number: int) -> Examples:
        """The samples, as labelled examples with the voices that their GAN has heard.

        Args:
            number: of the class.

        Raises:
            SerkitError: if the generator cannot be read.
        """
        # Of several trainings that need them one makes them.
        with alone_in(self.place):
            found = self._kept()
            if found is None and not (self.place / _NOTHING).exists():
                self._sample()
                found = self._kept()
        if found is None:
            # Nothing passed the sample filter.
            shape = (0, *self.training.fold.parts.shape)
            return Examples(np.zeros(shape, np.float32), self.training.voices, np.zeros(0, int))
        spectrograms, origin = found
        labels = np.full(len(spectrograms), number)
        return Examples(spectrograms, frozenset(origin.speakers), labels)

    def _kept(self) -> tuple[np.ndarray, Origin] | None:
        try:
            spectrograms, origin = read_synthetic_set(self.place)
        except SerkitError:
            return None
        # A sample filter may leave fewer than are wanted.
        if len(spectrograms) < self.count and self.filter_task is None:
            return None
        return spectrograms[: self.count], origin

    def _sample(self) -> None:
        stored = self.training.load()
        sample_filter = self.filter_task.sample_filter() if self.filter_task else None
        samples = sample_filtered(
            *(stored.network, self.count, self.seed, self.label, sample_filter),
            number=stored.number(self.label),
            strict=False,
            say=print if self.filter_task else None,
        )
        if len(samples.numbers):
            origin = self._origin(stored.card, samples)
            write_synthetic_set(self.place, samples.spectrograms, samples.numbers, origin)
        else:
            write_json(self.place / _NOTHING, {"tried": samples.tried})

    def _origin(self, card: GeneratorCard, samples: FilteredSamples) -> Origin:
        return Origin(
            label=self.label,
            seed=self.seed,
            generator=card.sha256,
            speakers=card.speakers,
            gated=self.filter_task is not None,
            tried=samples.tried,
            copies=samples.copies,
            refused=samples.refused,
        )
