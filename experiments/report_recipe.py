"""Claim: the losses of the 2021 report's GAN, trained by its own recipe, settle; and at what cost.

    python experiments/report_recipe.py ../shared/data/ravdess --out runs/report-recipe
    python experiments/report_recipe.py ../shared/data/ravdess --width 0.5 --out runs/report-half

Source: 2021 report, section 6.1, figures 16 and 17. One class, all of its training clips in a
batch; Discriminator1, then at least 300 steps against Discriminator2, whatever the losses are.
For comparison a DCGAN by the recipe ``small-data`` with as many multiply-adds, on the same clips.
An interrupted run resumes. The folder gets ``report-recipe.md`` (when the discriminators changed,
where the losses settled, KID of both), ``figure-16.png`` and ``figure-17.png``. Expected by the
2021 report: both losses settle between 1.1 and 1.3; docs/gans.md has the measured results.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from serkit.cli.running import run_experiment

import keras
import numpy as np

from serkit.cli.experiments import whole_class_parser, whole_class_trial
from serkit.files import write_text
from serkit.formatting import markdown_table
from serkit.gans.dcgan import DCGAN, REPORT, SMALL_DATA, DCGANSettings, dcgan_recipe
from serkit.gans.fitting import Watch, fit_gan
from serkit.gans.sampling import sample
from serkit.gans.staging import STAGE, Equilibrium
from serkit.reporting.gan_figures import gan_losses, grid, real_beside_generated
from serkit.reporting.page import png, write_png
from serkit.reporting.tables import fidelity_table, nearest_table
from serkit.studies.rare_classes import RareClasses
from serkit.training.callbacks import Resume

# Of small-data's steps, those on all training clips, as in train_dcgan.py: 800 of 1,400.
PRETRAINING = 800 / 1400
STOPS = {
    "both losses within 1.1 to 1.3": Equilibrium(),
    "the discriminator's accuracy within 0.5 to 0.7": Equilibrium(0.5, 0.7, measure="accuracy"),
}
Rows = Sequence[Mapping[str, float]]


def main(options: argparse.Namespace) -> None:
    with whole_class_trial(options) as dataset:
        by_report, rows = train_by_report(dataset, options)
        products = multiply_adds(by_report, rows)
        by_small_data, histories = train_by_small_data(dataset, products, options)
        made = {
            name: sample(gan.sampler, dataset.settings.judged, options.seed)
            for name, gan in ((REPORT, by_report), (SMALL_DATA, by_small_data))
        }
        steps = {
            name: len(found) * by_small_data.settings.steps_per_epoch
            for name, found in histories.items()
        }
        text = "\n".join(
            [
                describe(rows, by_report.settings),
                f"{products:.3g} multiply-adds; {SMALL_DATA} of as many: {steps}\n",
                fidelity_table(dataset.fidelity(options.label, made)),
                nearest_table(dataset.nearest(options.label, made)),
            ]
        )
        write_text(options.out / "report-recipe.md", text)
        draw(
            dataset.real[options.label].spectrograms, made, {REPORT: rows} | histories, options.out
        )
        print(f"{text}\nwritten: {options.out}")


def parse() -> argparse.Namespace:
    parser = whole_class_parser(__doc__.splitlines()[0], "runs/report-recipe")
    parser.add_argument(
        "--after", type=int, default=300, help="steps against Discriminator2; default: %(default)s"
    )
    parser.add_argument("--steps-per-epoch", type=int, default=20, help="default: %(default)s")
    return parser.parse_args()


def train_by_report(
    dataset: RareClasses, options: argparse.Namespace
) -> tuple[DCGAN, list[dict[str, float]]]:
    """Train a DCGAN of the class; return it and its history, up to ``--after`` steps in stage 2."""
    examples, folder = dataset.real[options.label], options.out / REPORT
    settings = dcgan_recipe(REPORT, len(examples), width=options.width, stop=None)
    each = options.steps_per_epoch
    latest = settings.staging.epochs * each
    settings = replace(settings, steps_per_epoch=each, steps=latest + options.after)
    gan = DCGAN(settings, options.seed)
    epochs = -(-options.after // each)
    # This also restores the GAN. A finished run is not continued.
    known = Resume(folder, gan.state).history
    if against_second(known) >= epochs:
        return gan, known
    watched = watch(dataset, folder, options)
    end = EndAfterChange(epochs - against_second(known))
    speakers, seed = dataset.partitions.split.speakers, options.seed
    return gan, fit_gan(gan, examples, speakers, seed, folder, callbacks=(watched, end))


def train_by_small_data(
    dataset: RareClasses, products: float, options: argparse.Namespace
) -> tuple[DCGAN, dict[str, list[dict[str, float]]]]:
    """Train a DCGAN by ``small-data`` with as many multiply-adds; return its histories by name."""
    examples, label = dataset.real[options.label], options.label
    settings = dcgan_recipe(SMALL_DATA, len(examples), width=options.width)
    a_step = settings.batch_size * per_example(DCGAN(settings, 0), 0)
    steps = products / a_step
    fractions = {"all classes": PRETRAINING, label: 1 - PRETRAINING}
    histories, before = {}, None
    for (name, fraction), clips in zip(
        fractions.items(), (dataset.training, examples), strict=True
    ):
        epochs = max(1, round(fraction * steps / settings.steps_per_epoch))
        size = {"width": options.width, "steps": epochs * settings.steps_per_epoch}
        settings = dcgan_recipe(SMALL_DATA, len(clips), **size)
        folder = options.out / f"{SMALL_DATA}-{name.replace(' ', '-')}"
        gan = DCGAN(settings, options.seed)
        histories[f"{SMALL_DATA}, {name}"] = fit_gan(
            gan,
            clips,
            dataset.partitions.split.speakers,
            options.seed,
            folder,
            init_from=before,
            callbacks=(watch(dataset, folder, options),),
        )
        before = folder
    return gan, histories


def watch(dataset: RareClasses, folder: Path, options: argparse.Namespace) -> Watch:
    measure = dataset.sample_filter.kid_of(options.label)
    return Watch(folder, measure=measure, draw=lambda x: png(grid(x[..., 0])))


class EndAfterChange(keras.callbacks.Callback):
    """End ``fit`` after this number of further epochs against the second discriminator."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self._left = epochs

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._left -= logs[STAGE] == 2
        if self._left <= 0:
            self.model.stop_training = True


def against_second(history: Rows) -> int:
    """Return the number of epochs against the second discriminator."""
    return sum(row[STAGE] == 2 for row in history)


def multiply_adds(gan: DCGAN, history: Rows) -> float:
    """Return the multiply-adds of a whole training run, by the discriminator of each epoch."""
    settings = gan.settings
    examples = settings.steps_per_epoch * settings.batch_size
    return sum(examples * per_example(gan, int(row[STAGE]) - 1) for row in history)


def per_example(gan: DCGAN, stage: int) -> float:
    """Return the multiply-adds of a step per real example, against this discriminator.

    The generator has three passes: forward, and backward for its variables and for its inputs. The
    discriminator has eight: these three for a real and for a generated example, and two in the
    generator's step, forward and backward for its inputs.
    """
    return 3 * of_pass(gan.generator) + 8 * of_pass(gan.discriminators[stage])


def of_pass(network: keras.Model) -> int:
    """Return the multiply-adds of the convolutions in the forward pass of one example."""
    found = 0
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2DTranspose):
            found += np.prod(layer.input.shape[1:3]) * np.prod(layer.kernel.shape)
        elif isinstance(layer, keras.layers.Conv2D):
            found += np.prod(layer.output.shape[1:3]) * np.prod(layer.kernel.shape)
    return int(found)


def describe(history: Rows, settings: DCGANSettings) -> str:
    """Describe when the discriminators changed, the last losses, and when each criterion was met.

    The last means are over a third of the epochs against Discriminator2.
    """
    second = [row for row in history if row[STAGE] == 2]
    last = second[-max(1, len(second) // 3) :]
    names = "d_loss", "g_loss", "d_real", "d_fake", "d_accuracy"
    cells = [
        [name, f"{np.mean(values):.2f}", f"{min(values):.2f}", f"{max(values):.2f}"]
        for name in names
        for values in [[row[name] for row in last]]
    ]
    lines = [
        f"batches of {settings.batch_size}, epochs of {settings.steps_per_epoch} steps; "
        f"{len(history) - len(second)} epochs against Discriminator1, then {len(second)} "
        "against Discriminator2",
        "",
        markdown_table([f"last {len(last)} epochs", "mean", "least", "highest"], cells),
    ]
    for name, stop in STOPS.items():
        ends = range(1, len(history) + 1)
        reached = next((end for end in ends if stop.reached(history[:end], 2)), None)
        said = f"at epoch {reached}" if reached else "never"
        lines.append(f"{name} for {stop.epochs} epochs: {said}\n")
    return "\n".join(lines)


def draw(
    real: np.ndarray, made: Mapping[str, np.ndarray], histories: Mapping[str, Rows], folder: Path
) -> None:
    """Draw figures 16 and 17 of the 2021 report for both recipes."""
    pairs = {name: (real[:8, :, :, 0], some[:8, :, :, 0]) for name, some in made.items()}
    figures = {"figure-16": gan_losses(histories), "figure-17": real_beside_generated(pairs)}
    for name, figure in figures.items():
        write_png(folder / f"{name}.png", figure)


if __name__ == "__main__":
    run_experiment(main, parse())
