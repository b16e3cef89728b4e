"""Claim: VGG16 can learn emotions from nothing, on a few hundred recordings of training speakers.

    python experiments/pretrain_vgg16.py ../shared/data/ravdess --seeds 0 --first-folds 1
    python experiments/train_vgg16_half_freeze.py ../shared/data/ravdess --seeds 0 \\
        --first-folds 1 --weights runs/pretrain-vgg16/seed-0/fold-1/vgg16.weights.h5

All of VGG16 is trained, with batch normalisation that is folded into its weights at the end: on
spectrograms averaged to 56 x 56 first, which is a sixteenth of the work, then on larger and on
whole ones. He's kernels, AdamW with a warm-up and a cosine, SpecAugment, recordings at three
speeds, gradients clipped, dropout. A step at 224 x 224 is 93 GFLOP a spectrogram. Killed, and
started again, it resumes after the last finished epoch.

The file that ``--weights`` takes has a card beside it: no fold is trained from it that has one of
its speakers in another part. The last epoch is kept, so validation speakers choose nothing.

On RAVDESS actors 1 to 20 guessing gives a UAR of 14.3 %; there is no table of it here yet.
"""

import argparse
import time
from functools import partial
from pathlib import Path

from serkit.cli.running import run_experiment

import keras

from serkit.audio.spec_augment import MaskSettings, mask
from serkit.cli.experiments import cross_validation, cross_validation_parser
from serkit.files import replacing
from serkit.metrics.classification import score
from serkit.models.fitting import FitSettings
from serkit.models.pretrained import PLAIN, VGG16, WeightsCard, plain_base, vgg16_from_scratch
from serkit.studies.cross_validation import FoldRun
from serkit.studies.partitions import remove_checkpoint

SPEEDS = (0.9, 1.1)
_WEIGHTS = "vgg16.weights.h5"


class Clipped(FitSettings):
    """The same with gradients of a norm of at most 1, all of them together."""

    def build_optimizer(self, steps_per_epoch: int) -> keras.optimizers.Optimizer:
        optimizer = super().build_optimizer(steps_per_epoch)
        optimizer.global_clipnorm = 1.0
        return optimizer


class Speed(keras.callbacks.Callback):
    """Prints the images per second of each epoch's steps but the first, which compiles."""

    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self._batch_size = batch_size

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._times: list[float] = []

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._times.append(time.perf_counter())

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if (steps := len(self._times) - 1) > 0:
            seconds = self._times[-1] - self._times[0]
            print(f"{steps * self._batch_size / seconds:.2f} images/s", flush=True)


def pretrained(
    fold: FoldRun, classes: int, sides: list[int], stages: list[FitSettings]
) -> keras.Model:
    """A network that went through all stages, each with its own folder in that of the fold."""
    model = None
    for number, (side, settings) in enumerate(zip(sides, stages, strict=True), 1):
        folder = fold.folder / f"stage-{number}"
        kept = folder / "trained.weights.h5"
        following = vgg16_from_scratch(classes, side, seed=fold.network_seed)
        if model is not None:
            following.set_weights(model.get_weights())
        model = following
        if kept.exists():
            model.load_weights(kept)
            continue
        print(f"stage {number}: {settings.epochs} epochs at {side} x {side}", flush=True)
        fold.fit(
            model,
            settings,
            augment=partial(mask, settings=MaskSettings()),
            callbacks=(Speed(settings.batch_size),),
            folder=folder,
        )
        with replacing(kept) as partial_file:
            model.save_weights(partial_file)
        remove_checkpoint(folder)
    return model


def keep(fold: FoldRun, model: keras.Model) -> None:
    """Predict the test part; keep the convolutions with their card, then the fold as done."""
    split, parts = fold.partitions.split, fold.partitions
    logits = model.predict(parts.of(split.test), batch_size=16, verbose=0)
    uar = score(parts.labels(split.test), logits.argmax(axis=1), len(parts.classes)).uar
    speakers = tuple(sorted(split.train.speakers()))
    card = WeightsCard(VGG16.name, speakers, PLAIN, fold.seed, fold.number, uar)
    # The card first: weights without one would be taken for some that heard nobody.
    card.write(fold.folder / _WEIGHTS)
    with replacing(fold.folder / _WEIGHTS) as partial_file:
        plain_base(model).save_weights(partial_file)
    fold.test(model)
    print(f"written: {Path(fold.folder, _WEIGHTS)}", flush=True)


def parse() -> argparse.Namespace:
    parser = cross_validation_parser(__doc__.splitlines()[0], "runs/pretrain-vgg16")
    lists = {"type": int, "nargs": "+", "help": "of each stage; default: %(default)s"}
    parser.add_argument("--sides", default=[56, 112, 224], **lists)
    parser.add_argument("--epochs", default=[20, 5, 2], **lists)
    rates = lists | {"type": float}
    parser.add_argument("--learning-rates", default=[5e-4, 3e-4, 1e-4], **rates)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--first-folds", type=int, default=0, help="of all; default: all")
    # One seed is hours of work.
    parser.set_defaults(seeds=[0])
    options = parser.parse_args()
    given = [len(each) for each in (options.sides, options.epochs, options.learning_rates)]
    if len(set(given)) > 1:
        parser.error(
            "`--sides`, `--epochs` and `--learning-rates` must be equally many. Received: "
            + ", ".join(map(str, given))
        )
    return options


def main(options: argparse.Namespace) -> None:
    # Folds may be added to a folder later.
    first_folds = vars(options).pop("first_folds")
    stages = [
        Clipped(
            epochs=epochs,
            steps_per_epoch=None,
            batch_size=options.batch_size,
            learning_rate=rate,
            label_smoothing=0.1,
            keep="last",
            jit_compile=False,
        )
        for epochs, rate in zip(options.epochs, options.learning_rates, strict=True)
    ]
    with cross_validation(options, speeds=SPEEDS) as folds:
        for fold in folds:
            if not first_folds or fold.number <= first_folds:
                keep(fold, pretrained(fold, len(folds.classes), options.sides, stages))


if __name__ == "__main__":
    run_experiment(main, parse())
