"""Question: what do the choices that the 2021 report leaves open change about its GAN?

    python experiments/report_choices.py ../shared/data/ravdess --out runs/report-choices

Source: 2021 report, sections 4.1.1 and 6.1. Its recipe (``report`` of serkit.gans.dcgan) on one
class, as chosen there, and with one choice changed at a time: Adam's beta_1 0.9 in place of 0.5;
PyTorch's default initial weights in place of DCGAN's; real and generated examples in one batch of
the discriminator in place of two. ``report-choices.md`` has where the losses are at the end, and
KID to unseen speakers' clips; ``losses.png`` the way there. Killed and called again it goes on.
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

from serkit.cli.arguments import naming_of, spec_of
from serkit.cli.experiments import experiment_parser, run_of
from serkit.files import replacing, write_text
from serkit.formatting import markdown_table
from serkit.gans.dcgan import DCGAN, REPORT, DCGANSettings, build_dcgan, dcgan_recipe
from serkit.gans.fitting import fit_gan
from serkit.gans.sampling import sample
from serkit.reporting.gan_figures import gan_losses
from serkit.reporting.page import png
from serkit.reporting.tables import fidelity_table
from serkit.seeds import derive_seed
from serkit.studies.rare_classes import RareClasses, RareClassesSettings

TRACKED = "d_loss", "g_loss", "d_real", "d_fake", "d_accuracy"


def main(options: argparse.Namespace) -> None:
    with run_of(options) as run:
        spec = spec_of(options)
        settings = RareClassesSettings((options.label,), clips=0, spec=spec, label_set="emotion")
        given = options.roots, settings, options.out, naming_of(options)
        trial = RareClasses.of_recordings(*given)
        run.begin_work()
        examples = trial.real[options.label]
        chosen = dcgan_recipe(REPORT, len(examples), width=options.width, stop=None)
        chosen = replace(chosen, steps=options.steps)
        histories, made = {}, {}
        for name, build in BUILDERS.items():
            gan = build(chosen, options.seed)
            folder = options.out / name.replace(" ", "-")
            histories[name] = fit_gan(
                *(gan, examples, trial.parts.split.speakers, gan.settings, options.seed, folder)
            )
            made[name] = sample(gan.sampler, trial.settings.judged, options.seed)
        rows = [
            [name, *(f"{np.mean([row[key] for row in history[-5:]]):.2f}" for key in TRACKED)]
            for name, history in histories.items()
        ]
        text = markdown_table(["means of the last 5 epochs", *TRACKED], rows)
        text += "\n" + fidelity_table(trial.fidelity(options.label, made))
        write_text(options.out / "report-choices.md", text)
        with replacing(options.out / "losses.png") as partial:
            partial.write_bytes(png(gan_losses(histories)))
        print(f"{text}\nwritten: {options.out}")


def parse() -> argparse.Namespace:
    parser = experiment_parser(__doc__.splitlines()[0], "runs/report-choices")
    parser.add_argument("--label", default="surprise", help="emotion; default: %(default)s")
    parser.add_argument("--width", type=float, default=0.25, help="1 is the 2021 report's networks")
    parser.add_argument("--steps", type=int, default=300, help="of each; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def with_standard_beta_1(settings: DCGANSettings, seed: int) -> DCGAN:
    """Adam's own default, "standard" in a strict sense."""
    return build_dcgan(replace(settings, beta_1=0.9), seed)


def with_weights_of_pytorch(settings: DCGANSettings, seed: int) -> DCGAN:
    """As PyTorch begins if nothing is said: kernels uniform in +-1 / sqrt(fan-in), scales 1.

    PyTorch's fan-in of a transposed convolution counts its output channels; they are the last axis
    but one of Keras' kernels, as the input channels are of other convolutions.
    """
    gan = build_dcgan(settings, seed)
    for network in gan.networks:
        for number, layer in enumerate(network.layers):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.gamma.assign(np.ones(layer.gamma.shape))
            elif isinstance(layer, (keras.layers.Conv2D, keras.layers.Conv2DTranspose)):
                limit = np.prod(layer.kernel.shape[:3]) ** -0.5
                own = derive_seed(seed, "weights of PyTorch", network.name, number)
                uniform = keras.initializers.RandomUniform(-limit, limit, seed=own)
                layer.kernel.assign(uniform(layer.kernel.shape))
    return gan


def in_one_batch(settings: DCGANSettings, seed: int) -> DCGAN:
    """Real and generated examples go through the discriminator together when it is taught."""
    gan = build_dcgan(settings, seed)
    gan.discriminate_both = lambda real, fake, labels: tuple(
        tf.split(gan.discriminate(tf.concat([real, fake], 0), labels), 2)
    )
    return gan


BUILDERS: dict[str, Callable[[DCGANSettings, int], DCGAN]] = {
    "as chosen": build_dcgan,
    "beta_1 of 0.9": with_standard_beta_1,
    "weights of PyTorch": with_weights_of_pytorch,
    "one batch": in_one_batch,
}


if __name__ == "__main__":
    run_experiment(main, parse())
