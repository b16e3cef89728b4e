"""Question: do samples of a conditional GAN help rare classes, and how should they be used?

    python experiments/generated_data.py ../shared/data/ravdess --seeds 0 1 2

On each fold, a conditional GAN of small spectrograms (160 by 80) is trained on all training clips,
in batches with equally many clips of every class. `compact` is then trained with each arm from the
same weights, for the same number of steps, with SpecAugment and class weights, and tested on real
clips of unseen speakers. The bar has no generated clips. The arms differ in what they add (noise
with the clips' mean and deviation, copies, or samples of the GAN), to which classes (the rare ones,
or as many to every class, so that being generated says nothing about the class), and in how
generated clips are used:

routed       in training, batch normalisation has statistics of their own for generated clips, and
             the moving averages are those of real clips
weight 0.3   generated clips count less in the loss
first        generated clips alone in the first half of the steps, real clips alone in the second

`samples alone` is trained on samples without any real clip: its UAR says whether the GAN tells the
classes apart. An interrupted call resumes.

Source: Miyato & Koyama (2018), arXiv:1802.05637, projection discriminator; Miyato et al. (2018),
arXiv:1802.05957, spectral normalisation; de Vries et al. (2017), arXiv:1707.00683, conditional
batch normalisation; Zada et al. (2022), arXiv:2112.08810, batch normalisation of noise images.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from serkit.cli.running import run_experiment

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers

from serkit.audio.spec_augment import MaskSettings, mask
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.cli.arguments import naming_of, recordings_of, spec_of
from serkit.cli.experiments import experiment_parser
from serkit.files import write_text
from serkit.gans.dcgan import DCGAN, DCGANSettings
from serkit.gans.fitting import fit_gan
from serkit.gans.sampling import sample
from serkit.gans.small_data import DiffAugmentSettings
from serkit.layers.dropout import layers_of
from serkit.models.compact import CompactSettings, compact
from serkit.models.fitting import FitSettings
from serkit.models.losses import class_weights, cross_entropy
from serkit.progress import Progress
from serkit.reporting.gan_figures import grid
from serkit.reporting.page import write_png
from serkit.seeds import derive_seed
from serkit.studies.answers import compare_answers, results_table
from serkit.studies.comparison import open_comparison, open_run_folder
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.folds import Fold
from serkit.studies.training_sets import copies_of, noise_like
from serkit.training.batches import training_batches
from serkit.training.examples import Examples

SPEC = SpectrogramSpec(frames=160, bins=80, window=512, trim_db=30.0)
NETWORK = CompactSettings(pool=(1, 1), stride=(1, 2))
FIT = FitSettings(label_smoothing=0.1)
BAR = "bar"
LATENT, START, CHANNELS = 32, (10, 5), (192, 96, 48, 24)


@dataclass(frozen=True)
class Arm:
    """What is added to the training clips, and how it is used.

    Attributes:
        fill: ``noise``, ``copies``, ``gan``, or an empty string for nothing.
        every_class: whether as many are added to every class; otherwise rare classes are filled up.
        routed: whether generated clips have statistics of their own in batch normalisation.
        weight: weight of generated clips in the loss.
        first: whether generated clips come alone in the first half of the steps, and real ones in
            the second.
        alone: whether there are no real clips.
    """

    fill: str = ""
    every_class: bool = False
    routed: bool = False
    weight: float = 1.0
    first: bool = False
    alone: bool = False


ARMS = {
    BAR: Arm(),
    "copies": Arm("copies"),
    "noise": Arm("noise"),
    "noise, routed": Arm("noise", routed=True),
    "noise, every class": Arm("noise", every_class=True),
    "samples": Arm("gan"),
    "samples, routed": Arm("gan", routed=True),
    "samples, every class": Arm("gan", every_class=True),
    "samples, every class, routed": Arm("gan", every_class=True, routed=True),
    "samples, weight 0.3": Arm("gan", weight=0.3),
    "samples, first": Arm("gan", every_class=True, first=True),
    "samples alone": Arm("gan", every_class=True, alone=True),
}


def parse() -> argparse.Namespace:
    parser = experiment_parser(__doc__.splitlines()[0], "runs/generated-data")
    add = parser.add_argument
    add("--class", dest="rare", nargs="+", default=["disgust", "surprise"], help="rare classes")
    add("--clips", type=float, default=14, help="training clips of each rare class")
    add("--seeds", type=int, nargs="+", default=[0])
    add("--first-folds", type=int, default=0)
    add("--arms", nargs="+", choices=ARMS, default=list(ARMS), metavar="ARM")
    add("--gan-steps", type=int, default=3000)
    add("--steps", type=int, default=FIT.steps(0) * FIT.epochs, help="of each classifier")
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    tables = []
    for seed in options.seeds:
        settings = ComparisonSettings(
            roots=recordings_of(options),
            arms=("none",),
            seed=seed,
            rarify=tuple((label, options.clips) for label in options.rare),
            filled_to=0.667,
            first_folds=options.first_folds,
            spec=spec_of(options, SPEC),
            naming=naming_of(options),
        )
        with open_run_folder(options.out / f"seed-{seed}", settings) as run:
            comparison = open_comparison(run, settings, options.out / "cache", Progress())
            for fold in comparison.folds:
                folder = run.folder / f"fold-{fold.number}"
                tables += [
                    answers(fold, name, folder, seed, options)
                    for name in dict.fromkeys([BAR, *options.arms])
                ]
    classes = sorted(tables[0]["truth"].unique())
    text = results_table(compare_answers(pd.concat(tables), classes, BAR, options.rare), BAR)
    write_text(options.out / "generated-data.md", text)
    print(f"{text}written: {options.out / 'generated-data.md'}")


def answers(
    fold: Fold, name: str, folder: Path, seed: int, options: argparse.Namespace
) -> pd.DataFrame:
    """Return the predictions of an arm for the test clips of a fold; train what is not done."""
    path = folder / f"{name.replace(', ', '-').replace(' ', '-')}.csv"
    if not path.exists():
        model = train_arm(fold, ARMS[name], folder, derive_seed(seed, fold.number), options)
        partitions, clips = fold.partitions, fold.split.test
        logits = model.predict(partitions.spectrograms(clips), verbose=0)
        table = pd.DataFrame(
            {
                "arm": name,
                "seed": seed,
                "speaker": [clip.speaker for clip in clips.clips],
                "truth": clips.labels(fold.label_set),
                "predicted": [partitions.classes[number] for number in logits.argmax(axis=1)],
            }
        )
        write_text(path, table.to_csv(index=False))
        print(f"seed {seed}, fold {fold.number}: {name} is done", flush=True)
    return pd.read_csv(path)


def train_arm(
    fold: Fold, arm: Arm, folder: Path, seed: int, options: argparse.Namespace
) -> keras.Model:
    """Train ``compact`` on the training clips of a fold, and on what the arm adds."""
    partitions = fold.partitions
    real = partitions.to_fit(fold.split.train).in_memory()
    added = added_examples(fold, arm, folder, seed, options.gan_steps)
    fold.split.speakers.require_training(added.speakers)
    model = compact(len(fold.classes), partitions.shape, NETWORK, seed)
    trainer = Trainer(model, arm.routed)
    trainer.compile(FIT.build_optimizer(options.steps // FIT.epochs))
    both = Examples.joined([real, added]) if len(added) else real
    stages = [(both, options.steps)]
    if arm.alone:
        stages = [(added, options.steps)]
    if arm.first:
        stages = [(added, options.steps // 2), (real, options.steps - options.steps // 2)]
    for number, (examples, steps) in enumerate(stages):
        labels = np.asarray(examples.labels)
        is_generated = np.zeros(len(labels), np.float32)
        if examples is not real:
            is_generated[-len(added) :] = bool(len(added))
        by_class = class_weights(labels, len(fold.classes), "balanced")
        weights = np.array([by_class[label] for label in labels], np.float32)
        weights *= np.where(is_generated == 1, np.float32(arm.weight), np.float32(1))
        arrays = (examples.spectrograms, labels, weights, is_generated)
        masked = partial(mask, settings=MaskSettings())
        batches = training_batches(
            arrays, FIT.batch_size, derive_seed(seed, "stage", number), augment=masked
        )
        trainer.fit(batches, steps_per_epoch=steps, epochs=1, shuffle=False, verbose=0)
    return model


class Trainer(keras.Model):
    """Train a network on batches of spectrograms, labels, weights and a flag of generated clips.

    Args:
        network: the network; its layers are changed if ``routed``.
        routed: whether generated clips have statistics of their own in batch normalisation.
    """

    def __init__(self, network: keras.Model, routed: bool) -> None:
        super().__init__()
        self.built = True
        self.network = network
        self._routing = Routing()
        if routed:
            self._routing.replace_calls(network)

    def train_step(self, data: tuple[tf.Tensor, ...]) -> dict[str, tf.Tensor]:
        spectrograms, labels, weights, is_generated = data
        self._routing.is_generated = is_generated
        variables = self.network.trainable_variables
        with tf.GradientTape() as tape:
            logits = self.network(spectrograms, training=True)
            losses = cross_entropy(labels, logits, FIT.label_smoothing)
            loss = tf.reduce_mean(weights * losses)
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return {"loss": loss}


class Routing:
    """Batch normalisation with separate statistics of real and generated clips.

    Attributes:
        is_generated: float32 ``(batch,)``, 1 for generated clips; set before each step.
    """

    def __init__(self) -> None:
        self.is_generated: tf.Tensor | None = None

    def replace_calls(self, network: keras.Model) -> None:
        """Let the batch normalisations of a network separate both kinds in training."""
        for layer in layers_of(network):
            if isinstance(layer, layers.BatchNormalization):
                layer.call = partial(self._call, layer)

    def _call(
        self, layer: layers.BatchNormalization, inputs: tf.Tensor, training: bool = False, **_
    ) -> tf.Tensor:
        if not training:
            return type(layer).call(layer, inputs, training=False)
        flag = tf.cast(self.is_generated, inputs.dtype)[:, tf.newaxis, tf.newaxis, tf.newaxis]
        mean, variance = _moments(inputs, 1.0 - flag)
        for moving, value in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
            moving.assign(moving * layer.momentum + value * (1.0 - layer.momentum))
        generated_mean, generated_variance = _moments(inputs, flag)
        mean = flag * generated_mean + (1.0 - flag) * mean
        variance = flag * generated_variance + (1.0 - flag) * variance
        normalised = (inputs - mean) * tf.math.rsqrt(variance + layer.epsilon)
        return normalised * layer.gamma + layer.beta


def _moments(inputs: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return mean and variance ``(channels,)`` of the clips with weight 1; 0 if there are none."""
    positions = tf.cast(tf.shape(inputs)[1] * tf.shape(inputs)[2], inputs.dtype)
    count = tf.maximum(tf.reduce_sum(weights) * positions, 1.0)
    mean = tf.reduce_sum(weights * inputs, axis=(0, 1, 2)) / count
    return mean, tf.reduce_sum(weights * (inputs - mean) ** 2, axis=(0, 1, 2)) / count


def added_examples(fold: Fold, arm: Arm, folder: Path, seed: int, gan_steps: int) -> Examples:
    """Return what an arm adds to the training clips of a fold."""
    partitions, classes = fold.partitions, fold.classes
    training = partitions.to_fit(fold.split.train).in_memory()
    counts: Mapping[str, int] = fold.plan if arm.fill else {}
    if arm.fill and arm.every_class:
        counts = dict.fromkeys(classes, max(fold.plan.values()))
    sets = []
    for label, count in counts.items():
        number = classes.index(label)
        if arm.fill == "copies":
            sets.append(copies_of(partitions.to_fit(fold.training_clips(label)), count, seed))
        elif arm.fill == "noise":
            sets.append(noise_like(training, count, number, derive_seed(seed, label)))
        else:
            gan = trained_gan(fold, training, folder / "gan", seed, gan_steps)
            spectrograms = sample(gan.sampler, count, derive_seed(seed, label), number)
            sets.append(Examples(spectrograms, training.speakers, np.full(count, number)))
    if not sets:
        empty = np.zeros((0, *partitions.shape), np.float32)
        return Examples(empty, training.speakers, np.zeros(0, int))
    return Examples.joined(sets).in_memory()


def trained_gan(fold: Fold, training: Examples, folder: Path, seed: int, steps: int) -> DCGAN:
    """Return the GAN of a fold; train it if it is not done, and draw samples of every class."""
    settings = DCGANSettings(
        latent=LATENT,
        classes=len(fold.classes),
        batch_size=2 * len(fold.classes),
        steps=steps,
        steps_per_epoch=min(100, steps),
        discriminator_rate=2e-4,
        augment=DiffAugmentSettings(),
        ema=0.99,
    )
    classes = len(fold.classes)
    gan = DCGAN(
        settings,
        seed,
        generator=generator(classes, seed),
        discriminators=[discriminator(fold.partitions.shape, classes, seed)],
    )
    fit_gan(gan, balanced(fold, seed), fold.split.speakers, seed, folder, verbose=0)
    if not (folder / "samples.png").exists():
        number = np.repeat(np.arange(classes), 4)
        drawn = sample(gan.sampler, len(number), 0, number)[..., 0]
        write_png(folder / "samples.png", grid(drawn, 4))
    return gan


def balanced(fold: Fold, seed: int) -> Examples:
    """Return the training clips of a fold, with copies, so that all classes have equally many."""
    sets = [fold.partitions.to_fit(fold.training_clips(label)) for label in fold.classes]
    largest = max(map(len, sets))
    copies = [copies_of(each, largest - len(each), seed) for each in sets if len(each) < largest]
    return Examples.joined([*sets, *copies]).in_memory()


def generator(classes: int, seed: int) -> keras.Model:
    """Build a generator with conditional batch normalisation: scale and offset are of the class."""
    keras.utils.set_random_seed(derive_seed(seed, "generator") % 2**31)
    noise = keras.Input((LATENT,))
    number = keras.Input((), dtype="int32")
    vector = layers.Embedding(classes, LATENT, name="class_vector")(number)
    x = layers.Dense(START[0] * START[1] * CHANNELS[0])(noise)
    x = layers.Reshape((*START, CHANNELS[0]))(x)
    for channels in (*CHANNELS[1:], 1):
        x = layers.BatchNormalization(momentum=0.9, center=False, scale=False)(x)
        scale = layers.Dense(x.shape[-1], bias_initializer="ones")(vector)
        offset = layers.Dense(x.shape[-1])(vector)
        x = x * layers.Reshape((1, 1, -1))(scale) + layers.Reshape((1, 1, -1))(offset)
        x = layers.ReLU()(x)
        x = layers.Conv2DTranspose(channels, 4, 2, padding="same")(x)
    return keras.Model([noise, number], layers.Activation("tanh")(x))


def discriminator(shape: tuple[int, int, int], classes: int, seed: int) -> keras.Model:
    """Build a projection discriminator with spectral normalisation."""
    keras.utils.set_random_seed(derive_seed(seed, "discriminator") % 2**31)
    spectrogram = keras.Input(shape)
    number = keras.Input((), dtype="int32")
    x = spectrogram
    for channels in reversed(CHANNELS):
        convolution = layers.Conv2D(channels, 4, 2, padding="same")
        x = layers.LeakyReLU(negative_slope=0.2)(layers.SpectralNormalization(convolution)(x))
    x = layers.GlobalAveragePooling2D()(x)
    projected = layers.Dot(1)([layers.Embedding(classes, CHANNELS[0])(number), x])
    logit = layers.SpectralNormalization(layers.Dense(1))(x)
    return keras.Model([spectrogram, number], layers.Add()([logit, projected]))


if __name__ == "__main__":
    run_experiment(main, parse())
