"""Train the GANs of a fold, and generate and store their samples."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from serkit.augmentation.sample_filter import FilteredSamples, SampleFilter, sample_filtered
from serkit.augmentation.synthetic_set import Origin, read_synthetic_set, write_synthetic_set
from serkit.datasets.corpus import Corpus
from serkit.errors import SerkitError
from serkit.files import alone_in, write_json
from serkit.gans.base import GANSettings
from serkit.gans.dcgan import DCGANSettings, limit_batch
from serkit.gans.fitting import fit_gan
from serkit.gans.sampling import GeneratorCard, StoredGenerator, load_generator, store_generator
from serkit.gans.small_data import tune_norms_alone
from serkit.seeds import derive_seed
from serkit.serialization import content_key
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.folds import Fold, clips_key
from serkit.studies.gan_kinds import KINDS, NORMS
from serkit.tasks.graph import failure_at
from serkit.training.examples import Examples


@dataclass(frozen=True, eq=False)
class GANRun:
    """Task: the training run of a GAN on clips of a fold.

    Attributes:
        kind: key of :data:`serkit.studies.gan_kinds.KINDS`.
        name: name of the class that the GAN is trained on; ``all`` for all training clips, or
            ``rare`` for the clips of all rare classes. Used in folder names and messages.
        clips: clips that the GAN is trained on.
        settings: settings of the GAN.
        fold: fold that the clips belong to.
        seed: seed of the comparison.
        spec: settings of the spectrograms, as JSON values.
        pretrained_gan: task of the GAN whose weights this GAN starts from; None starts from random
            weights.
        norms_alone: whether only the generator's batch normalisation is trained.
        gans_folder: folder of all GANs.
    """

    kind: str
    name: str
    clips: Corpus
    settings: GANSettings
    fold: Fold
    seed: int
    spec: dict[str, Any]
    pretrained_gan: "GANRun | None"
    norms_alone: bool
    gans_folder: Path

    @cached_property
    def key(self) -> str:
        """Hash of all inputs that the trained generator depends on."""
        # These inputs were added later. They are left out where they do not apply, so that the keys
        # of GANs that were trained before stay valid.
        added_inputs: dict[str, Any] = {"norms_alone": True} if self.norms_alone else {}
        if self.settings.classes:
            added_inputs["classes"] = self.fold.classes
        return content_key(
            **added_inputs,
            kind=self.kind,
            name=self.name,
            clips=clips_key(self.clips.clips, self.fold.label_set),
            settings=asdict(self.settings),
            seed=self.seed,
            spec=self.spec,
            before=self.pretrained_gan.key if self.pretrained_gan else None,
        )

    @property
    def folder(self) -> Path:
        """Folder of this task."""
        return self.gans_folder / f"{self.kind}-{self.name}-{self.key}"

    @property
    def title(self) -> str:
        """Name of the task in messages."""
        return f"{self.kind}-{self.name}-{self.fold.protocol}-{self.fold.number}"

    @property
    def needs(self) -> tuple[Path, ...]:
        """Folders of the spectrograms and of the GAN whose weights this GAN starts from."""
        spectrograms = self.fold.inputs.task_folders([1.0])
        return (*spectrograms, self.pretrained_gan.folder) if self.pretrained_gan else spectrograms

    @property
    def is_done(self) -> bool:
        return (self.folder / "generator.json").exists()

    @property
    def failure(self) -> str | None:
        """Why this GAN or the pretrained GAN failed to train; None if neither failed."""
        return (self.pretrained_gan and self.pretrained_gan.failure) or failure_at(self.folder)

    @property
    def speakers(self) -> frozenset[str]:
        """Speakers that the generator was trained on, including those of the pretrained GAN."""
        speakers = frozenset(self.clips.speakers())
        return speakers | self.pretrained_gan.speakers if self.pretrained_gan else speakers

    def run(self, verbose: int) -> None:
        """Train the GAN, or resume its training run, and store the generator.

        Raises:
            LeakError: if a clip may not be used for fitting.
        """
        partitions = self.fold.partitions
        real = partitions.to_fit(self.clips)
        seed = derive_seed(self.seed, "gan", self.kind, self.name)
        gan = KINDS[self.kind].build(self.settings, seed)
        if self.norms_alone:
            tune_norms_alone(gan.generator)
        fit_gan(
            gan,
            real,
            self.fold.split.speakers,
            seed,
            self.folder,
            init_from=self.pretrained_gan.folder if self.pretrained_gan else None,
            verbose=verbose,
        )
        labels = partitions.classes if self.settings.classes else (self.name,)
        speakers = tuple(sorted(self.speakers))
        card = GeneratorCard(labels, speakers, len(self.clips), gan.name, self.spec)
        store_generator(gan.sampler, card, self.folder)
        # Without this, the graphs of hundreds of networks would accumulate in one process.
        keras.utils.clear_session()

    def load(self) -> StoredGenerator:
        """The trained generator."""
        return load_generator(self.folder)


def gan_runs(
    kind: str, fold: Fold, settings: ComparisonSettings, gans_folder: Path
) -> dict[str, GANRun]:
    """Return the task of the GAN that generates each class of a fold's plan, by class.

    Args:
        kind: key of :data:`serkit.studies.gan_kinds.KINDS`. For a conditional GAN, all classes have
            the same task.
        fold: a fold of the comparison.
        settings: settings of the comparison.
        gans_folder: folder of all GANs.
    """
    gan_kind, labels, train = settings.gan_kind(kind), list(fold.plan), fold.split.train

    def gan_run(
        name: str, clips: Corpus, rare_count: int, pretrained_gan: GANRun | None = None
    ) -> GANRun:
        gan_settings = gan_kind.settings(settings.gans, rare_count, len(fold.classes))
        if gan_kind.limits_batch_size and isinstance(gan_settings, DCGANSettings):
            gan_settings = limit_batch(gan_settings, len(clips))
        return GANRun(
            kind,
            name,
            clips,
            settings=gan_settings,
            fold=fold,
            seed=settings.seed,
            spec=asdict(settings.spec),
            pretrained_gan=pretrained_gan,
            norms_alone=pretrained_gan is not None and settings.gans.tuned == NORMS,
            gans_folder=gans_folder,
        )

    if not labels:
        return {}
    has_pretraining = gan_kind.pretrained and settings.gans.pretraining
    pretrained_gan = gan_run("all", train, 0) if has_pretraining else None
    if gan_kind.conditional:
        clips = train.where(lambda clip: clip.label(fold.label_set) in labels)
        return dict.fromkeys(labels, gan_run("rare", clips, len(labels), pretrained_gan))
    return {
        label: gan_run(label, fold.training_clips(label), 1, pretrained_gan) for label in labels
    }


def in_training_order(gans: Mapping[str, GANRun]) -> list[GANRun]:
    """Return the tasks of :func:`gan_runs`, each once and after its pretrained GAN."""
    pairs = [(gan.pretrained_gan, gan) for gan in gans.values()]
    return list(dict.fromkeys(gan for pair in pairs for gan in pair if gan is not None))


@dataclass(frozen=True, eq=False)
class TrainedFilter:
    """Sample filter that uses the features of a classifier trained on real clips only.

    Attributes:
        fold: fold whose training clips fit the filter.
        key: key of the classifier's training run.
        model_file: file of the trained classifier, which exists once its training run is done.
    """

    fold: Fold
    key: str
    model_file: Path

    @property
    def folder(self) -> Path:
        """Folder of the classifier's training run."""
        return self.model_file.parent

    @cached_property
    def sample_filter(self) -> SampleFilter:
        """The sample filter. Fitting takes about a second, so the filter is not stored on disk.

        Raises:
            LeakError: if a clip may not be used for fitting.
        """
        train, partitions = self.fold.split.train, self.fold.partitions
        return SampleFilter.fit(
            keras.models.load_model(self.model_file),
            partitions.to_fit(train),
            [clip.speaker for clip in train.clips],
            partitions.classes,
            self.fold.split.speakers,
        )


# This file is written if the sample filter accepted no sample, so that sampling is not repeated.
_NO_SAMPLES_FILE = "nothing.json"


@dataclass(frozen=True)
class GeneratedSamples:
    """Generated samples of one class, stored in the folder of their GAN.

    Attributes:
        gan: finished task of the GAN.
        label: name of the class.
        count: requested number of samples.
        seed: seed of the noise.
        trained_filter: the sample filter; None accepts every sample. With a filter there may be
            fewer samples than requested, or none.
    """

    gan: GANRun
    label: str
    count: int
    seed: int
    trained_filter: TrainedFilter | None = None

    @property
    def folder(self) -> Path:
        """Folder of the samples."""
        # With a sample filter, the samples depend on the filter and on the requested number.
        # Without one, the first samples of a larger set can be used.
        suffix = f"-{self.trained_filter.key}-{self.count}" if self.trained_filter else ""
        return self.gan.folder / "samples" / f"{self.label}-{self.seed}{suffix}"

    def examples(self, class_number: int) -> Examples:
        """Return the samples as labelled examples; generate them if they are not stored yet.

        The examples' speakers are those that the GAN was trained on.

        Args:
            class_number: class number that the samples are labelled with.

        Raises:
            SerkitError: if the generator cannot be read.
        """
        # If several training runs need the same samples, only one process generates them.
        with alone_in(self.folder):
            stored = self._read()
            if stored is None and not (self.folder / _NO_SAMPLES_FILE).exists():
                self._generate_and_store()
                stored = self._read()
        if stored is None:
            # The sample filter accepted no sample.
            shape = (0, *self.gan.fold.partitions.shape)
            return Examples(np.zeros(shape, np.float32), self.gan.speakers, np.zeros(0, int))
        spectrograms, origin = stored
        labels = np.full(len(spectrograms), class_number)
        return Examples(spectrograms, frozenset(origin.speakers), labels)

    def _read(self) -> tuple[npt.NDArray[Any], Origin] | None:
        try:
            spectrograms, origin = read_synthetic_set(self.folder)
        except SerkitError:
            return None
        # Without a sample filter, fewer samples than requested are those of an earlier, smaller
        # request. With a filter they are a valid result.
        if len(spectrograms) < self.count and self.trained_filter is None:
            return None
        return spectrograms[: self.count], origin

    def _generate_and_store(self) -> None:
        generator = self.gan.load()
        sample_filter = self.trained_filter.sample_filter if self.trained_filter else None
        samples = sample_filtered(
            generator.network,
            self.count,
            self.seed,
            self.label,
            sample_filter,
            class_number=generator.class_number(self.label),
            strict=False,
            say=print,
        )
        if len(samples.sample_indices):
            origin = self._origin(generator.card, samples)
            sample_indices = samples.sample_indices.tolist()
            write_synthetic_set(self.folder, samples.spectrograms, sample_indices, origin)
        else:
            write_json(self.folder / _NO_SAMPLES_FILE, {"tried": samples.tried})

    def _origin(self, card: GeneratorCard, samples: FilteredSamples) -> Origin:
        return Origin(
            label=self.label,
            seed=self.seed,
            generator=card.sha256,
            speakers=card.speakers,
            gated=self.trained_filter is not None,
            tried=samples.tried,
            copies=samples.copies,
            refused=samples.refused,
        )
