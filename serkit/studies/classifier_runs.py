"""Train one classifier on one arm of one fold, and predict its test partition."""

import functools
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from serkit.audio.spec_augment import mask
from serkit.augmentation.sample_filter import SampleFilter
from serkit.files import file_digest, read_json, replacing, write_json
from serkit.metrics.classification import score
from serkit.models.fitting import FitSettings, fit_classifier
from serkit.models.frozen_features import prepare
from serkit.models.pretrained import PLAIN, scaling_of, speakers_of
from serkit.seeds import derive_seed
from serkit.serialization import content_key, recorded
from serkit.studies.comparison_settings import CompareSettings
from serkit.studies.filling import Filling
from serkit.studies.folds import clips_key
from serkit.studies.parts import predict_part
from serkit.tasks.graph import failure_at
from serkit.training.batches import batches_in_order
from serkit.training.examples import Examples

_STATE = ("state.npz", "best.weights.h5")
# Classes that are called 1 and 2 are no numbers.
_WORDS = dict.fromkeys(("root", "path", "corpus", "speaker", "gender", "truth", "predicted"), str)


@dataclass(frozen=True, eq=False)
class Training:
    """A classifier to be trained.

    Attributes:
        classifier: key of :data:`serkit.studies.comparison_settings.CLASSIFIERS`.
        filling: the arm, the fold, and what is added.
        seed: of weights, dropout, order and augmentation.
        settings: of the comparison.
        folder: that all trainings are kept in; networks' features are kept there, too.
        keep_model: whether the trained network is kept.
    """

    classifier: str
    filling: Filling
    seed: int
    settings: CompareSettings
    folder: Path
    keep_model: bool = False

    @cached_property
    def key(self) -> str:
        """Changes with everything that the predictions depend on."""
        arm, fold = self.filling.arm, self.filling.fold
        contender = self.settings.contender(self.classifier)
        parts = fold.split.parts().items()
        return content_key(
            classifier=self.classifier,
            network=asdict(contender.network),
            weights=weights_key(self.settings.weights) if contender.pretrained else None,
            fit=asdict(self.fit),
            masks=asdict(self.settings.masks) if arm.masks else None,
            speeds=self.settings.speeds_of(arm)[1:],
            filling=self.filling.key,
            clips={name: clips_key(part.clips, fold.label_set) for name, part in parts},
            classes=fold.classes,
            spec=asdict(self.settings.spec),
            seed=self._seed,
            **self._live,
        )

    @property
    def title(self) -> str:
        """For people."""
        fold = self.filling.fold
        what = f"{self.classifier}-{self.filling.arm.name}"
        return f"{what}-{fold.protocol}-{fold.number}-seed-{self.seed}"

    @property
    def place(self) -> Path:
        """Its own folder: what two arms would do alike, one does for both."""
        return self.folder / "trainings" / f"{self.classifier}-{self.key}"

    @property
    def model_file(self) -> Path:
        """The trained network, where it is kept."""
        return self.place / "model.keras"

    @property
    def needs(self) -> tuple[Path, ...]:
        """Where the spectrograms are, GANs that it gets samples of, and their sample filter."""
        speeds = self.settings.speeds_of(self.filling.arm)
        return (*self.filling.fold.views.needs(speeds), *self.filling.needs)

    @property
    def is_done(self) -> bool:
        there = (self.place / "record.json").exists()
        return there and (self.model_file.exists() or not self.keep_model)

    @property
    def failure(self) -> str | None:
        """Why it, or a GAN that it needs, cannot be trained."""
        return self.filling.failure or failure_at(self.place)

    @cached_property
    def fit(self) -> FitSettings:
        """How it is trained: as many steps in every arm, whatever it adds."""
        arm, fold = self.filling.arm, self.filling.fold
        settings = self.settings.fit_of(self.classifier)
        filled = len(fold.split.train) + sum(fold.plan.values())
        return replace(
            settings,
            steps_per_epoch=settings.steps(filled),
            class_weights=arm.class_weights,
            mixup=arm.mixup,
        )

    def run(self, verbose: int) -> None:
        """Train, or go on training, and predict the validation and test parts.

        Raises:
            LeakError: if anything that is trained on, or the weights that the network begins with,
                has a voice of another part in it.
        """
        split, parts = self.filling.fold.split, self.filling.fold.parts
        contender = self.settings.contender(self.classifier)
        if contender.pretrained:
            split.speakers.require_training(speakers_of(self.settings.weights))
        model = contender.build(len(parts.classes), parts.shape, self.settings.weights, self._seed)
        masks = functools.partial(mask, settings=self.settings.masks)
        train, generated = self._train()
        fit_classifier(
            *(model, train, parts.examples(split.validation), split.speakers),
            *(self.fit, self._seed, self.place),
            augment=masks if self.filling.arm.masks else None,
            features=self.folder / "features",
            verbose=verbose,
        )
        counts = {"examples": len(train), "generated": generated}
        self._keep(model, {**counts, "train_accuracy": self._accuracy(model, train)})

    def predictions(self) -> pd.DataFrame:
        """Of the test part; see :func:`serkit.studies.parts.predict_part`."""
        split = self.filling.fold.split
        found = pd.read_csv(self.place / "predictions.csv", keep_default_na=False, dtype=_WORDS)
        # As the manifest has them now: what is known of a clip may have been mended since.
        for name in ("root", "path", "corpus", "speaker", "gender"):
            found[name] = [getattr(clip, name) for clip in split.test.clips]
        return found

    def history(self) -> list[dict[str, float]]:
        """A row per epoch."""
        return pd.read_csv(self.place / "history.csv").to_dict("records")

    def kept_epoch(self) -> dict[str, float]:
        """The row of :meth:`history` whose weights were kept."""
        rows = self.history()
        return rows[-1] if self.fit.keep == "last" else max(rows, key=lambda row: row["val_uar"])

    def record(self) -> dict:
        """UAR on the validation part, and how many examples it was trained on.

        ``generated`` are those that a GAN or the noise made; ``train_accuracy`` is of all examples,
        by the weights that were kept, without dropout and augmentation. Trainings of earlier
        versions do not have it.
        """
        return read_json(self.place / "record.json")

    @property
    def _seed(self) -> int:
        fold = self.filling.fold
        # Without the arm: all of them begin with the same weights.
        return derive_seed(self.seed, fold.protocol, fold.number, self.classifier)

    @property
    def _live(self) -> dict[str, Any]:
        waves = self.settings.waves_of(self.filling.arm)
        if waves is None:
            return {}
        # What is off is left out: more may be known to a later version.
        return {"waves": recorded(waves, [one.name for one in fields(waves)])}

    def _train(self) -> tuple[Examples, int]:
        fold = self.filling.fold
        real = [view.to_fit(fold.split.train) for view in self.filling.parts]
        added = self.filling.added()
        return Examples.joined([*real, *added.examples]), sum(added.generated.values())

    def _accuracy(self, model: keras.Model, train: Examples) -> float:
        # Of a frozen part the outputs lie there already.
        known = prepare(
            model, train, train, None, 0, self._seed, self.folder / "features", lambda line: None
        )
        batches = batches_in_order((known.inputs,), 64)
        found = known.network.predict(batches, verbose=0).argmax(axis=1)
        return float(np.mean(found == train.labels))

    def _keep(self, model: keras.Model, counts: dict[str, int]) -> None:
        split, parts = self.filling.fold.split, self.filling.fold.parts
        if self.keep_model:
            with replacing(self.model_file) as partial:
                model.save(partial)
        logits = model.predict(parts.of(split.validation), batch_size=64, verbose=0)
        found = score(parts.labels(split.validation), logits.argmax(axis=1), len(parts.classes))
        with replacing(self.place / "predictions.csv") as partial:
            clips = predict_part(model, parts, split.test)
            clips.to_csv(partial, index=False, lineterminator="\n")
        # Last: where it is, the training is done.
        write_json(self.place / "record.json", {"validation_uar": found.uar, **counts})
        for name in _STATE:
            (self.place / name).unlink(missing_ok=True)
        # Of hundreds of networks in one process the graphs add up.
        keras.utils.clear_session()


def weights_key(weights: str) -> str:
    """What is known of weights: ``imagenet``, ``none``, or a file's content and scaling."""
    if Path(weights).is_file():
        # Without a card a file was always taken for one of ImageNet's scaling.
        plain = ", plain" if scaling_of(weights) == PLAIN else ""
        return file_digest(weights) + plain
    # What random ones are was changed once.
    return "none, He" if weights == "none" else weights


@dataclass(frozen=True, eq=False)
class TrainedFilter:
    """A sample filter by the features of the classifier that was trained on real clips alone.

    Attributes:
        training: of that classifier; it is done, and its model kept.
    """

    training: Training

    @property
    def key(self) -> str:
        """Changes with the sample filter."""
        return self.training.key

    @property
    def place(self) -> Path:
        """Folder of the classifier."""
        return self.training.place

    def sample_filter(self) -> SampleFilter:
        """The sample filter; made again, since that takes a second, rather than kept.

        Raises:
            LeakError: if a clip is not one that may be fitted on.
        """
        return self._sample_filter

    @cached_property
    def _sample_filter(self) -> SampleFilter:
        fold = self.training.filling.fold
        train, parts = fold.split.train, fold.parts
        return SampleFilter.fit(
            keras.models.load_model(self.training.model_file),
            parts.to_fit(train),
            [clip.speaker for clip in train.clips],
            parts.classes,
            fold.split.speakers,
        )
