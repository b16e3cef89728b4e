"""Question: do image transforms of spectrograms help a classifier, as they do one of photographs?

    python experiments/image_transforms.py ../shared/data/ravdess --seeds 0
    python experiments/image_transforms.py ROOT... --transforms flip    # beside none

Source: 2021 report, abstract and figure 1, which names rotation, cropping, scaling, flipping and
noise as what is usually done. ``compact`` as in ``train_compact.py``, in the same folds and from
the same weights, with one transform of the training batches in the place of SpecAugment's masks,
drawn anew for each clip at each step. ``transforms.png`` has what each makes of five clips. Killed
and called again it goes on. Not measured yet.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from serkit.cli.running import run_experiment

import numpy as np
import pandas as pd
import tensorflow as tf

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.cli.experiments import cross_validation, cross_validation_parser
from serkit.formatting import markdown_table
from serkit.metrics.bootstrap import estimate
from serkit.metrics.classification import (
    ConfusionBySpeaker,
    accuracy,
    average_recall,
    confusion_by_speaker,
    macro_f1,
)
from serkit.metrics.paired import difference, holm
from serkit.models.compact import CompactSettings, compact
from serkit.models.fitting import FitSettings
from serkit.reporting.gan_figures import grid
from serkit.reporting.page import write_png
from serkit.studies.cross_validation import FoldRun
from serkit.studies.exports import interval, per_cent, signed_interval
from serkit.studies.partitions import predict_partition, remove_checkpoint

ANSWERS = "answers.csv"
OWN = SpectrogramSpec(frames=160, bins=80, window=512, trim_db=30.0)
DEGREES = 10.0
"""Largest rotation to either side, of the spectrogram as a square picture."""
SMALLEST_CROP = 0.8
"""Least fraction of each side that a crop keeps; it is stretched to the whole size."""
SCALES = 0.8, 1.25
"""Least and largest scale; silence lies around what becomes smaller."""
LARGEST_NOISE = 0.1
"""Largest standard deviation of the noise, where silence is -1 and the loudest is 1."""


def main(options: argparse.Namespace) -> None:
    network = CompactSettings(pool=(1, 1), stride=(1, 2))
    settings = FitSettings(epochs=options.epochs, label_smoothing=0.1, keep="last")
    chosen = ["none", *(name for name in options.transforms if name != "none")]
    with cross_validation(options, OWN, options.speeds, ANSWERS, report) as trial:
        for fold in trial:
            draw(fold, chosen, trial.folder / "transforms.png")
            tables = []
            for name in chosen:
                model = compact(len(trial.classes), trial.spec.shape, network, fold.network_seed)
                fold.fit(model, settings, augment=TRANSFORMS[name], folder=fold.folder / name)
                found = predict_partition(model, fold.partitions, fold.partitions.split.test)
                tables.append(found.assign(transform=name))
            fold.write_table(pd.concat(tables), ANSWERS)
            for name in chosen:
                remove_checkpoint(fold.folder / name)


def parse() -> argparse.Namespace:
    parser = cross_validation_parser(__doc__.splitlines()[0], "runs/image-transforms")
    parser.add_argument("--transforms", nargs="+", choices=TRANSFORMS, default=list(TRANSFORMS))
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--speeds", type=float, nargs="*", default=[0.9, 1.1], help="also heard at")
    return parser.parse_args()


def draw(fold: FoldRun, chosen: Sequence[str], path: Path) -> None:
    """Five training clips, one below the other; a column for each transform, in their order."""
    clips = fold.partitions.to_fit(fold.partitions.split.train).spectrograms[:5]
    seed = tf.constant([fold.seed, 0], tf.int64)
    columns = [clips if name == "none" else TRANSFORMS[name](clips, seed) for name in chosen]
    pictures = np.stack(columns, axis=1).reshape(-1, *clips.shape[1:3])
    write_png(path, grid(pictures, len(chosen)))


def report(found: pd.DataFrame, classes: Sequence[str]) -> str:
    """Measures of each transform with intervals over speakers, and how much more than of none."""
    cells = {name: cells_of(clips, classes) for name, clips in found.groupby("transform")}
    none = cells["none"]
    names = [name for name in TRANSFORMS if name in cells]
    apart = {name: difference(none, cells[name], average_recall, seed=0) for name in names[1:]}
    corrected = dict(zip(apart, holm([each.p for each in apart.values()]), strict=True))
    rows = []
    for name in names:
        uar, *others = (
            asdict(estimate(cells[name], measure, seed=0))
            for measure in (average_recall, macro_f1, accuracy)
        )
        compared = ["", ""]
        if name in apart:
            compared = [signed_interval(asdict(apart[name].estimate)), f"{corrected[name]:.3f}"]
        shown = (per_cent(each["value"]) for each in others)
        rows.append([name, interval(uar), *compared, *shown])
    head = ["transform", "UAR", "difference to none", "p, Holm", "macro F1", "accuracy"]
    return markdown_table(head, rows)


def cells_of(clips: pd.DataFrame, classes: Sequence[str]) -> ConfusionBySpeaker:
    """All predictions of a speaker together, as folds of several seeds are different ones."""
    truth, called = (clips[name].map(list(classes).index) for name in ("truth", "predicted"))
    same = np.zeros(len(clips))
    return confusion_by_speaker(truth, called, same, same, clips["speaker"], len(classes))


def rotate(spectrograms: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """By an angle that is uniform up to :data:`DEGREES` to either side."""
    angle = _draw(spectrograms, seed, -DEGREES, DEGREES) * np.pi / 180
    return _read(spectrograms, [tf.cos(angle), -tf.sin(angle), tf.sin(angle), tf.cos(angle)])


def crop(spectrograms: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """The same fraction of the frames and of the bands, anywhere, stretched to the whole size."""
    seeds = tf.random.experimental.stateless_split(seed, 3)
    kept = _draw(spectrograms, seeds[0], SMALLEST_CROP, 1.0)
    moved = [(1.0 - kept) * _draw(spectrograms, each, -1.0, 1.0) for each in tf.unstack(seeds[1:])]
    return _read(spectrograms, [kept, 0 * kept, 0 * kept, kept], moved)


def scale(spectrograms: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Time and frequency by one factor about the middle, uniform in its logarithm."""
    low, high = np.log(SCALES)
    inverse = tf.exp(-_draw(spectrograms, seed, low, high))
    return _read(spectrograms, [inverse, 0 * inverse, 0 * inverse, inverse])


def flip(spectrograms: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """About half of the clips run backwards: left and right of the picture are exchanged."""
    backwards = _draw(spectrograms, seed, 0.0, 1.0) < 0.5
    backwards = backwards[:, tf.newaxis, tf.newaxis, tf.newaxis]
    return tf.where(backwards, spectrograms[:, ::-1], spectrograms)


def noise(spectrograms: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Gaussian, whose deviation is uniform up to :data:`LARGEST_NOISE`; [-1, 1] is kept."""
    seeds = tf.random.experimental.stateless_split(seed, 2)
    deviation = _draw(spectrograms, seeds[0], 0.0, LARGEST_NOISE)
    drawn = tf.random.stateless_normal(tf.shape(spectrograms), seeds[1])
    noisy = spectrograms + deviation[:, tf.newaxis, tf.newaxis, tf.newaxis] * drawn
    return tf.clip_by_value(noisy, -1.0, 1.0)


TRANSFORMS: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None] = {
    "none": None,
    "rotate": rotate,
    "crop": crop,
    "scale": scale,
    "flip": flip,
    "noise": noise,
}


def _draw(spectrograms: tf.Tensor, seed: tf.Tensor, low: float, high: float) -> tf.Tensor:
    """Uniform float32 ``(batch,)``."""
    return tf.random.stateless_uniform([tf.shape(spectrograms)[0]], seed, low, high)


def _read(
    spectrograms: tf.Tensor, matrix: Sequence[tf.Tensor], moved: Sequence[tf.Tensor] = (0.0, 0.0)
) -> tf.Tensor:
    """Each clip read off at other places, linearly between them; silence lies around it.

    Args:
        spectrograms: float32 ``(batch, frames, bins, 1)``.
        matrix: of what comes out to where it is read, ``(batch,)`` each: time by time, time by
            frequency, frequency by time, frequency by frequency. Both run from -1 to 1.
        moved: added to time and frequency, ``(batch,)`` each.
    """
    frames, bins = (tf.cast(size, tf.float32) for size in tf.unstack(tf.shape(spectrograms)[1:3]))
    (tt, tf_, ft, ff), (time, frequency) = matrix, moved
    tf_, ft = tf_ * frames / bins, ft * bins / frames
    middle, centre = (frames - 1) / 2, (bins - 1) / 2
    first = middle + time * frames / 2 - tt * middle - tf_ * centre
    lowest = centre + frequency * bins / 2 - ft * middle - ff * centre
    # The op's x is the frequency here, its y the time.
    rows = [ff, ft, lowest, tf_, tt, first, 0 * tt, 0 * tt]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=spectrograms,
        transforms=tf.stack(rows, axis=1),
        output_shape=tf.shape(spectrograms)[1:3],
        fill_value=-1.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


if __name__ == "__main__":
    run_experiment(main, parse())
