"""Question: what do the choices that the 2021 report leaves open change about its GAN?

    python experiments/report_choices.py ../shared/data/ravdess --out runs/report-choices

Source: 2021 report, sections 4.1.1 and 6.1. A GAN of one class is trained by the recipe of the 2021
report (``report`` of serkit.gans.dcgan), and with one choice changed at a time: Adam's beta_1 0.9
instead of 0.5; PyTorch's default initial weights instead of DCGAN's; real and generated examples in
one batch of the discriminator instead of two. ``report-choices.md`` has the losses at the end, and
KID to unseen speakers' clips; ``losses.png`` has the curves. An interrupted run resumes.
Expected: in one batch the discriminator's loss falls to 0 and the generator learns nothing, as
batch normalisation tells real and generated examples apart. Not measured yet.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace

from serkit.cli.running import run_experiment

import keras
import numpy as np
import tensorflow as tf

from serkit.cli.experiments import whole_class_parser, whole_class_trial
from serkit.files import write_text
from serkit.formatting import markdown_table
from serkit.gans.dcgan import DCGAN, REPORT, DCGANSettings, dcgan_recipe
from serkit.gans.fitting import fit_gan
from serkit.gans.sampling import sample
from serkit.reporting.gan_figures import gan_losses
from serkit.reporting.page import write_png
from serkit.reporting.tables import fidelity_table
from serkit.seeds import derive_seed

TRACKED = "d_loss", "g_loss", "d_real", "d_fake", "d_accuracy"


def main(options: argparse.Namespace) -> None:
    with whole_class_trial(options) as dataset:
        examples = dataset.real[options.label]
        settings = dcgan_recipe(REPORT, len(examples), width=options.width, stop=None)
        settings = replace(settings, steps=options.steps)
        histories, samples = {}, {}
        for name, build in BUILDERS.items():
            gan = build(settings, options.seed)
            folder = options.out / name.replace(" ", "-")
            speakers, seed = dataset.partitions.split.speakers, options.seed
            histories[name] = fit_gan(gan, examples, speakers, seed, folder)
            samples[name] = sample(gan.sampler, dataset.settings.judged, options.seed)
        rows = [
            [name, *(f"{np.mean([row[key] for row in history[-5:]]):.2f}" for key in TRACKED)]
            for name, history in histories.items()
        ]
        text = markdown_table(["means of the last 5 epochs", *TRACKED], rows)
        text += "\n" + fidelity_table(dataset.fidelity(options.label, samples))
        write_text(options.out / "report-choices.md", text)
        write_png(options.out / "losses.png", gan_losses(histories))
        print(f"{text}\nwritten: {options.out}")


def parse() -> argparse.Namespace:
    parser = whole_class_parser(__doc__.splitlines()[0], "runs/report-choices")
    parser.add_argument(
        "--steps", type=int, default=300, help="steps of each GAN; default: %(default)s"
    )
    return parser.parse_args()


def with_standard_beta_1(settings: DCGANSettings, seed: int) -> DCGAN:
    """Build a DCGAN with Adam's own default of beta_1."""
    return DCGAN(replace(settings, beta_1=0.9), seed)


def with_weights_of_pytorch(settings: DCGANSettings, seed: int) -> DCGAN:
    """Build a DCGAN with PyTorch's default weights.

    Kernels are uniform in +-1 / sqrt(fan-in), and the scales of batch normalisation are 1.

    PyTorch's fan-in of a transposed convolution counts the output channels. These are the
    second-last axis of Keras' kernels, which is that of the input channels in other convolutions.
    """
    gan = DCGAN(settings, seed)
    for network in gan.networks:
        for number, layer in enumerate(network.layers):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.gamma.assign(np.ones(layer.gamma.shape))
            elif isinstance(layer, (keras.layers.Conv2D, keras.layers.Conv2DTranspose)):
                limit = np.prod(layer.kernel.shape[:3]) ** -0.5
                layer_seed = derive_seed(seed, "weights of PyTorch", network.name, number)
                uniform = keras.initializers.RandomUniform(-limit, limit, seed=layer_seed)
                layer.kernel.assign(uniform(layer.kernel.shape))
    return gan


def in_one_batch(settings: DCGANSettings, seed: int) -> DCGAN:
    """Build a DCGAN with real and generated examples in one batch of the discriminator's step."""
    gan = DCGAN(settings, seed)

    def discriminate_both(real, fake, labels):
        logits = gan.discriminate(tf.concat([real, fake], 0), labels)
        return tuple(tf.split(logits, 2))

    gan.discriminate_both = discriminate_both
    return gan


BUILDERS: dict[str, Callable[[DCGANSettings, int], DCGAN]] = {
    "as chosen": DCGAN,
    "beta_1 of 0.9": with_standard_beta_1,
    "weights of PyTorch": with_weights_of_pytorch,
    "one batch": in_one_batch,
}


if __name__ == "__main__":
    run_experiment(main, parse())
