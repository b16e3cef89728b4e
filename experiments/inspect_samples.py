"""Question: when samples of GANs do not help a classifier, what is wrong with them?

    python experiments/inspect_samples.py ../shared/data/ravdess --cache CACHE --first-folds 3
    python experiments/inspect_samples.py ../shared/data/ravdess --gan-tuned norms

Classes are made rare as by `serkit compare --rarify`. A classifier that was trained on all clips of
these classes shows which samples can be recognised. Distances between spectrograms show how varied
the samples are. With the `--cache` of a comparison, the GANs of this comparison are used.
docs/augmentation.md has the results.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from serkit.cli.running import run_experiment

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial.distance import pdist

from serkit.audio.spec_augment import MaskSettings, mask
from serkit.augmentation.reference_classifier import Embedding, penultimate
from serkit.cli.arguments import naming_of, spec_of
from serkit.cli.experiments import experiment_parser
from serkit.datasets.corpus import Clip, Corpus
from serkit.files import replacing
from serkit.formatting import markdown_table
from serkit.gans.dcgan import DCGAN_RECIPES, SMALL_DATA
from serkit.metrics.neighbours import block_means, nearest_distances, prdc
from serkit.models.compact import compact
from serkit.models.fitting import FitSettings
from serkit.seeds import derive_seed
from serkit.studies.comparison import open_comparison
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.engine import Comparison
from serkit.studies.folds import Fold
from serkit.studies.gan_kinds import TUNED, GanSizes
from serkit.studies.generators import in_training_order
from serkit.studies.run_folder import RunFolder


def parse() -> argparse.Namespace:
    parser = experiment_parser(__doc__.splitlines()[0], "runs/inspect-samples")
    parser.add_argument("--rare", nargs="+", default=["disgust", "surprise"], help="classes")
    parser.add_argument(
        "--left", type=float, default=0.15, help="keep this fraction of their clips"
    )
    parser.add_argument(
        "--filled-to",
        type=float,
        default=0.667,
        help="fill up to this fraction of the largest class",
    )
    parser.add_argument("--arms", nargs="+", default=["dcgan", "wgan-gp"])
    parser.add_argument("--gan-recipe", choices=DCGAN_RECIPES, default=SMALL_DATA)
    parser.add_argument("--gan-tuned", choices=TUNED, default="all")
    parser.add_argument("--gan-width", type=float, default=0.25)
    parser.add_argument("--pretraining-steps", type=int, default=800)
    parser.add_argument("--gan-steps", type=int, default=400)
    parser.add_argument("--first-folds", type=int, default=5)
    parser.add_argument(
        "--epochs", type=int, default=30, help="epochs of the classifier of all clips"
    )
    parser.add_argument("--cache", type=Path, help="cache folder of a comparison")
    return parser.parse_args()


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
    def full_training_partition(self) -> Corpus:
        """The training partition before classes were made rare."""
        split = self.fold.split
        return Corpus((*split.train.clips, *split.left_out), split.train.roots)

    @cached_property
    def model(self) -> keras.Model:
        """Network, trained at the first use or loaded from the folder."""
        model_file = self._folder / "listener.keras"
        if model_file.exists():
            return keras.models.load_model(model_file)
        full_split = replace(self.fold.split, train=self.full_training_partition, left_out=())
        partitions = self.fold.partitions.split_by(full_split)
        model = compact(len(partitions.classes), partitions.shape, None, self._seed)
        masks = partial(mask, settings=MaskSettings())
        partitions.fit(model, self._fit, self._seed, self._folder, augment=masks, verbose=2)
        with replacing(model_file) as partial_file:
            model.save(partial_file)
        return model

    @cached_property
    def embedding(self) -> Embedding:
        """Embedding by the input of the last layer, with mean 0 and standard deviation 1.

        Mean and standard deviation are those of the training clips.
        """
        real = self.fold.partitions.examples(self.full_training_partition)
        return Embedding.fit(penultimate(self.model), real, self.fold.split.speakers)

    def recognised(self, spectrograms: npt.NDArray[Any], label: str) -> float:
        """Return the fraction of spectrograms that are classified as ``label``."""
        logits = self.model.predict(spectrograms, batch_size=64, verbose=0)
        return float((logits.argmax(axis=1) == self.fold.partitions.classes.index(label)).mean())


def inspect(
    comparison: Comparison, listener: Listener, arms: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Compare sets of examples of each class that was made rare in a fold.

    The sets are:

    - ``clips``: the remaining training clips, which all arms start from.
    - ``taken away``: the clips that were removed to make the class rare. Their speakers are
      training speakers.
    - ``unseen speakers``: clips of validation and test speakers. They are used only to compute
      these measures.
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
        - ``coverage``: fraction of ``unseen speakers`` with an example of the set in their
          neighbourhood, in the classifier's embedding. Each set is cut to the size of ``clips``.
          None for ``unseen speakers``.
    """
    fold = listener.fold
    made_rare = {clip.label(fold.label_set) for clip in fold.split.left_out}
    for label in fold.plan:
        if label not in made_rare:
            continue
        sets = _sets(comparison, fold, label, arms)
        coarse_clips, coarse_removed = block_means(sets["clips"]), block_means(sets["taken away"])
        reference_spread = pdist(coarse_removed).mean()
        reference_distance = np.median(nearest_distances(coarse_removed, coarse_clips))
        held_out_features = listener.embedding(sets["unseen speakers"])
        for name, spectrograms in sets.items():
            coarse_set, subset = block_means(spectrograms), spectrograms[: len(coarse_clips)]
            neighbours = min(_NEIGHBOURS, len(held_out_features) - 1, len(subset) - 1)
            subset_prdc = prdc(held_out_features, listener.embedding(subset), neighbours)
            yield {
                "fold": fold.number,
                "label": label,
                "set": name,
                "count": len(spectrograms),
                "recognised": listener.recognised(spectrograms, label),
                "spread": float(pdist(coarse_set).mean() / reference_spread),
                "distance": None
                if name == "clips"
                else float(
                    np.median(nearest_distances(coarse_set, coarse_clips)) / reference_distance
                ),
                "coverage": None if name == "unseen speakers" else subset_prdc.coverage,
            }


def _sets(
    comparison: Comparison, fold: Fold, label: str, arms: Sequence[str]
) -> dict[str, npt.NDArray[Any]]:
    partitions, split = fold.partitions, fold.split
    class_number = partitions.classes.index(label)
    held_out = (*split.validation.clips, *split.test.clips)
    sets = {
        "clips": partitions.spectrograms(partitions.training_clips(label)),
        "taken away": _spectrograms_of_class(fold, split.left_out, label),
        "unseen speakers": _spectrograms_of_class(fold, held_out, label),
    }
    for arm in comparison.arms:
        if arm.name not in arms:
            continue
        run = comparison.classifier_run(fold, comparison.settings.classifiers[0], arm, 0)
        spectrograms = [
            examples.spectrograms[:]
            for examples in run.data.added().examples
            if (examples.labels == class_number).all()
        ]
        sets[arm.name] = np.concatenate(spectrograms)
    return sets


def _spectrograms_of_class(fold: Fold, clips: Sequence[Clip], label: str) -> npt.NDArray[Any]:
    selected = tuple(clip for clip in clips if clip.label(fold.label_set) == label)
    return fold.partitions.spectrograms(Corpus(selected, fold.corpus.roots))


def main(options: argparse.Namespace) -> None:
    settings = ComparisonSettings(
        roots=tuple(map(str, options.roots)),
        arms=("noise-images", *options.arms),
        rarify=tuple((label, options.left) for label in options.rare),
        filled_to=options.filled_to,
        first_folds=options.first_folds,
        spec=spec_of(options),
        gans=GanSizes(
            options.gan_width, options.pretraining_steps, options.gan_steps, options.gan_tuned
        ),
        gan_recipe=options.gan_recipe,
        naming=naming_of(options),
    )
    rows = []
    with RunFolder(options.out, {"epochs": options.epochs, **settings.to_json()}) as run:
        comparison = open_comparison(run, settings, options.cache)
        for fold in comparison.folds:
            for kind in options.arms:
                for gan in in_training_order(comparison.gans(kind, fold)):
                    if not gan.is_done:
                        gan.run(verbose=2)
            fit = FitSettings(epochs=options.epochs)
            listener = Listener(fold, options.out / f"listener-{fold.number}", fit)
            rows += inspect(comparison, listener, settings.arms)
        table = pd.DataFrame(rows)
        with replacing(options.out / "samples.csv") as partial:
            table.to_csv(partial, index=False, lineterminator="\n")
        measures = ["recognised", "spread", "distance", "coverage"]
        means = table.groupby("set", sort=False)[measures].mean()
        cells = means.map(lambda value: "" if pd.isna(value) else f"{value:.2f}")
        print(markdown_table(["", *measures], [[name, *row] for name, row in cells.iterrows()]))


if __name__ == "__main__":
    run_experiment(main, parse())
