"""Question: do image transforms help a classifier of spectrograms, as they do one of photographs?

    python experiments/image_transforms.py ../shared/data/ravdess --seeds 0
    python experiments/image_transforms.py ROOT... --transforms flip    # flip and none

Source: 2021 report, abstract and figure 1, which names rotation, cropping, scaling, flipping and
noise as usual methods. For each transform a ``compact`` network is trained as in
``train_compact.py``, in the same folds and from the same weights. The transform of the training
batches replaces SpecAugment's masks, with new random values for each clip at each step.
``transforms.png`` shows the transforms of five clips. An interrupted run resumes. Not measured yet.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from serkit.cli.running import run_experiment

import numpy as np
import pandas as pd
import tensorflow as tf

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.cli.experiments import cross_validation, cross_validation_parser
from serkit.models.compact import CompactSettings, compact
from serkit.models.fitting import FitSettings
from serkit.reporting.gan_figures import grid
from serkit.reporting.page import write_png
from serkit.studies.answers import compare_answers, results_table
from serkit.studies.cross_validation import FoldRun
from serkit.studies.partitions import predict_clips, remove_checkpoint

ANSWERS = "answers.csv"
SPEC = SpectrogramSpec(frames=160, bins=80, window=512, trim_db=30.0)
DEGREES = 10.0
"""Largest rotation to either side, of the spectrogram as a square image."""
SMALLEST_CROP = 0.8
"""Smallest fraction of each side that a crop keeps; a crop is stretched to the whole size."""
SCALES = 0.8, 1.25
"""Smallest and largest scale; a spectrogram that becomes smaller is padded with silence."""
LARGEST_NOISE = 0.1
"""Largest standard deviation of the noise; spectrograms are from -1 (silence) to 1 (loudest)."""


def main(options: argparse.Namespace) -> None:
    network = CompactSettings(pool=(1, 1), stride=(1, 2))
    settings = FitSettings(epochs=options.epochs, label_smoothing=0.1, keep="last")
    names = ["none", *(name for name in options.transforms if name != "none")]
    with cross_validation(options, SPEC, options.speeds, ANSWERS, report) as folds:
        for fold in folds:
            draw(fold, names, folds.folder / "transforms.png")
            tables = []
            for name in names:
                model = compact(len(folds.classes), folds.spec.shape, network, fold.network_seed)
                fold.fit(model, settings, augment=TRANSFORMS[name], folder=fold.folder / name)
                found = predict_clips(model, fold.partitions, fold.partitions.split.test)
                tables.append(found.assign(arm=name))
            fold.write_table(pd.concat(tables), ANSWERS)
            for name in names:
                remove_checkpoint(fold.folder / name)


def parse() -> argparse.Namespace:
    parser = cross_validation_parser(__doc__.splitlines()[0], "runs/image-transforms")
    parser.add_argument("--transforms", nargs="+", choices=TRANSFORMS, default=list(TRANSFORMS))
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument(
        "--speeds", type=float, nargs="*", default=[0.9, 1.1], help="also train at these speeds"
    )
    return parser.parse_args()


def draw(fold: FoldRun, names: Sequence[str], path: Path) -> None:
    """Draw five training clips, one per row, with a column for each transform."""
    clips = fold.partitions.to_fit(fold.partitions.split.train).spectrograms[:5]
    seed = tf.constant([fold.seed, 0], tf.int64)
    columns = [clips if name == "none" else TRANSFORMS[name](clips, seed) for name in names]
    spectrograms = np.stack(columns, axis=1).reshape(-1, *clips.shape[1:3])
    write_png(path, grid(spectrograms, len(names)))


def report(predictions: pd.DataFrame, classes: Sequence[str]) -> str:
    """Return a table of each transform's UAR and its difference to ``none``."""
    return results_table(compare_answers(predictions, classes, "none"), "none")


def rotate(spectrograms: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Rotate each clip by a uniform random angle of at most :data:`DEGREES` to either side."""
    angle = _uniform(spectrograms, seed, -DEGREES, DEGREES) * np.pi / 180
    return _transform(spectrograms, [tf.cos(angle), -tf.sin(angle), tf.sin(angle), tf.cos(angle)])


def crop(spectrograms: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Cut out a random part of each clip, and stretch the part to the whole size.

    The fraction of the frames and that of the bands that are kept are equal.
    """
    seeds = tf.random.experimental.stateless_split(seed, 3)
    fraction = _uniform(spectrograms, seeds[0], SMALLEST_CROP, 1.0)
    offsets = [
        (1.0 - fraction) * _uniform(spectrograms, seed_of_axis, -1.0, 1.0)
        for seed_of_axis in tf.unstack(seeds[1:])
    ]
    return _transform(spectrograms, [fraction, 0 * fraction, 0 * fraction, fraction], offsets)


def scale(spectrograms: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Scale time and frequency of each clip by one random factor, uniform in its logarithm."""
    low, high = np.log(SCALES)
    inverse = tf.exp(-_uniform(spectrograms, seed, low, high))
    return _transform(spectrograms, [inverse, 0 * inverse, 0 * inverse, inverse])


def flip(spectrograms: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Reverse the time of each clip with probability 0.5."""
    is_reversed = _uniform(spectrograms, seed, 0.0, 1.0) < 0.5
    is_reversed = is_reversed[:, tf.newaxis, tf.newaxis, tf.newaxis]
    return tf.where(is_reversed, spectrograms[:, ::-1], spectrograms)


def noise(spectrograms: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Add Gaussian noise with a uniform random standard deviation; clip the sum to [-1, 1]."""
    seeds = tf.random.experimental.stateless_split(seed, 2)
    deviation = _uniform(spectrograms, seeds[0], 0.0, LARGEST_NOISE)
    normal = tf.random.stateless_normal(tf.shape(spectrograms), seeds[1])
    noisy = spectrograms + deviation[:, tf.newaxis, tf.newaxis, tf.newaxis] * normal
    return tf.clip_by_value(noisy, -1.0, 1.0)


TRANSFORMS: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None] = {
    "none": None,
    "rotate": rotate,
    "crop": crop,
    "scale": scale,
    "flip": flip,
    "noise": noise,
}


def _uniform(spectrograms: tf.Tensor, seed: tf.Tensor, low: float, high: float) -> tf.Tensor:
    """Return one uniform random number per clip, float32 ``(batch,)``."""
    return tf.random.stateless_uniform([tf.shape(spectrograms)[0]], seed, low, high)


def _transform(
    spectrograms: tf.Tensor, matrix: Sequence[tf.Tensor], offset: Sequence[tf.Tensor] = (0.0, 0.0)
) -> tf.Tensor:
    """Apply an affine map to each clip, with linear interpolation and silence outside the clip.

    The map goes from a point of the output to the point of the input that is read there. Time and
    frequency run from -1 to 1.

    Args:
        spectrograms: float32 ``(batch, frames, bins, 1)``.
        matrix: entries of the 2 x 2 matrix of the map, ``(batch,)`` each: input time by output
            time, input time by output frequency, input frequency by output time, input frequency by
            output frequency.
        offset: input time and input frequency that are added, ``(batch,)`` each.
    """
    frames, bins = (tf.cast(size, tf.float32) for size in tf.unstack(tf.shape(spectrograms)[1:3]))
    time_by_time, time_by_frequency, frequency_by_time, frequency_by_frequency = matrix
    time_offset, frequency_offset = offset
    # From units of -1 to 1 to frames and bins.
    time_by_frequency = time_by_frequency * frames / bins
    frequency_by_time = frequency_by_time * bins / frames
    middle_frame, middle_bin = (frames - 1) / 2, (bins - 1) / 2
    first_frame = (
        middle_frame
        + time_offset * frames / 2
        - time_by_time * middle_frame
        - time_by_frequency * middle_bin
    )
    first_bin = (
        middle_bin
        + frequency_offset * bins / 2
        - frequency_by_time * middle_frame
        - frequency_by_frequency * middle_bin
    )
    zero = 0 * time_by_time
    # The x axis of the op is the frequency here, the y axis is the time.
    x_coefficients = [frequency_by_frequency, frequency_by_time, first_bin]
    y_coefficients = [time_by_frequency, time_by_time, first_frame]
    coefficients = [*x_coefficients, *y_coefficients, zero, zero]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=spectrograms,
        transforms=tf.stack(coefficients, axis=1),
        output_shape=tf.shape(spectrograms)[1:3],
        fill_value=-1.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


if __name__ == "__main__":
    run_experiment(main, parse())
