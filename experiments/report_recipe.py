"""Question: do the losses of the 2021 report's GAN settle by the report's own recipe?

    python experiments/report_recipe.py ../shared/data/ravdess --out runs/report-recipe
    python experiments/report_recipe.py ../shared/data/ravdess --gan-width 0.5 --out runs/half

Source: 2021 report, section 6.1, figures 16 and 17. The GAN has one class, with all its training
clips in a batch. It is trained against Discriminator1, then for at least 300 steps against
Discriminator2, whatever the losses are. For comparison, a DCGAN is trained on the same clips by the
recipe ``small-data``, with as many multiply-adds.
An interrupted run resumes. The folder gets ``report-recipe.md`` (when the discriminators changed,
where the losses settled, KID of both), ``figure-16.png`` and ``figure-17.png``. Expected by the
2021 report: both losses settle between 1.1 and 1.3. Found on RAVDESS: they do not. Both pass
through this band, then Discriminator2 wins (docs/gans.md).
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

# Fraction of the steps of small-data that use the clips of all classes, as in train_dcgan.py.
PRETRAINING_FRACTION = 800 / 1400
STOPS = {
    "both losses within 1.1 to 1.3": Equilibrium(),
    "the discriminator's accuracy within 0.5 to 0.7": Equilibrium(0.5, 0.7, measure="accuracy"),
}
History = Sequence[Mapping[str, float]]


def main(options: argparse.Namespace) -> None:
    with whole_class_trial(options) as dataset:
        report_gan, report_history = train_by_report(dataset, options)
        cost = multiply_adds(report_gan, report_history)
        small_data_gan, histories = train_by_small_data(dataset, cost, options)
        samples = {
            name: sample(gan.sampler, dataset.settings.judged, options.seed)
            for name, gan in ((REPORT, report_gan), (SMALL_DATA, small_data_gan))
        }
        steps = ", ".join(
            f"{len(history) * small_data_gan.settings.steps_per_epoch:,} steps ({name})"
            for name, history in histories.items()
        )
        text = "\n".join(
            [
                describe(report_history, report_gan.settings),
                f"{cost:.3g} multiply-adds; as many take {steps}\n",
                fidelity_table(dataset.fidelity(options.label, samples)),
                nearest_table(dataset.nearest(options.label, samples)),
            ]
        )
        write_text(options.out / "report-recipe.md", text)
        histories = {REPORT: report_history} | histories
        draw(dataset.real[options.label].spectrograms, samples, histories, options.out)
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
    """Train a DCGAN of the class up to ``--after`` steps in stage 2; return it and its history."""
    examples, folder = dataset.real[options.label], options.out / REPORT
    settings = dcgan_recipe(REPORT, len(examples), width=options.width, stop=None)
    steps_per_epoch = options.steps_per_epoch
    max_steps = settings.staging.epochs * steps_per_epoch + options.after
    settings = replace(settings, steps_per_epoch=steps_per_epoch, steps=max_steps)
    gan = DCGAN(settings, options.seed)
    epochs_in_stage_2 = -(-options.after // steps_per_epoch)
    # This also restores the GAN. A finished run is not continued.
    history = Resume(folder, gan.state).history
    epochs_left = epochs_in_stage_2 - count_stage_2(history)
    if epochs_left <= 0:
        return gan, history
    callbacks = (watch(dataset, folder, options), EndAfterChange(epochs_left))
    speakers, seed = dataset.partitions.split.speakers, options.seed
    return gan, fit_gan(gan, examples, speakers, seed, folder, callbacks=callbacks)


def train_by_small_data(
    dataset: RareClasses, cost: float, options: argparse.Namespace
) -> tuple[DCGAN, dict[str, list[dict[str, float]]]]:
    """Train a DCGAN by ``small-data`` with ``cost`` multiply-adds; return it and its histories."""
    examples, label = dataset.real[options.label], options.label
    settings = dcgan_recipe(SMALL_DATA, len(examples), width=options.width)
    cost_of_step = settings.batch_size * cost_per_example(DCGAN(settings, 0), 0)
    steps = cost / cost_of_step
    fractions = {"all classes": PRETRAINING_FRACTION, label: 1 - PRETRAINING_FRACTION}
    histories, previous_folder = {}, None
    for (name, fraction), clips in zip(
        fractions.items(), (dataset.training, examples), strict=True
    ):
        epochs = max(1, round(fraction * steps / settings.steps_per_epoch))
        stage_steps = epochs * settings.steps_per_epoch
        settings = dcgan_recipe(SMALL_DATA, len(clips), width=options.width, steps=stage_steps)
        folder = options.out / f"{SMALL_DATA}-{name.replace(' ', '-')}"
        gan = DCGAN(settings, options.seed)
        histories[f"{SMALL_DATA}, {name}"] = fit_gan(
            gan,
            clips,
            dataset.partitions.split.speakers,
            options.seed,
            folder,
            init_from=previous_folder,
            callbacks=(watch(dataset, folder, options),),
        )
        previous_folder = folder
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


def count_stage_2(history: History) -> int:
    """Return the number of epochs against the second discriminator."""
    return sum(row[STAGE] == 2 for row in history)


def multiply_adds(gan: DCGAN, history: History) -> float:
    """Return the multiply-adds of a whole training run with the discriminators of its epochs."""
    settings = gan.settings
    examples = settings.steps_per_epoch * settings.batch_size
    return sum(examples * cost_per_example(gan, int(row[STAGE]) - 1) for row in history)


def cost_per_example(gan: DCGAN, stage: int) -> float:
    """Return the multiply-adds of a step per real example, against the discriminator of a stage.

    The generator has three passes: forward, and backward for its variables and for its inputs. The
    discriminator has eight passes: these three for a real and for a generated example, and in the
    generator's step one forward and one backward for its inputs.
    """
    return 3 * cost_of_pass(gan.generator) + 8 * cost_of_pass(gan.discriminators[stage])


def cost_of_pass(network: keras.Model) -> int:
    """Return the multiply-adds of the convolutions in the forward pass of one example."""
    cost = 0
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2DTranspose):
            cost += np.prod(layer.input.shape[1:3]) * np.prod(layer.kernel.shape)
        elif isinstance(layer, keras.layers.Conv2D):
            cost += np.prod(layer.output.shape[1:3]) * np.prod(layer.kernel.shape)
    return int(cost)


def describe(history: History, settings: DCGANSettings) -> str:
    """Describe when the discriminators changed, the last losses, and when each criterion was met.

    The last losses are means over the last third of the epochs against Discriminator2.
    """
    stage_2 = [row for row in history if row[STAGE] == 2]
    last = stage_2[-max(1, len(stage_2) // 3) :]
    cells = []
    for name in ("d_loss", "g_loss", "d_real", "d_fake", "d_accuracy"):
        values = [row[name] for row in last]
        cells.append([name, f"{np.mean(values):.2f}", f"{min(values):.2f}", f"{max(values):.2f}"])
    lines = [
        f"batches of {settings.batch_size}, epochs of {settings.steps_per_epoch} steps; "
        f"{len(history) - len(stage_2)} epochs against Discriminator1, then {len(stage_2)} "
        "against Discriminator2",
        "",
        markdown_table([f"last {len(last)} epochs", "mean", "least", "highest"], cells),
    ]
    for name, stop in STOPS.items():
        epochs = range(1, len(history) + 1)
        first = next((epoch for epoch in epochs if stop.reached(history[:epoch], 2)), None)
        when = f"at epoch {first}" if first else "never"
        lines.append(f"{name} for {stop.epochs} epochs: {when}\n")
    return "\n".join(lines)


def draw(
    real: np.ndarray,
    samples: Mapping[str, np.ndarray],
    histories: Mapping[str, History],
    folder: Path,
) -> None:
    """Draw figures 16 and 17 of the 2021 report for both recipes."""
    pairs = {
        name: (real[:8, :, :, 0], generated[:8, :, :, 0]) for name, generated in samples.items()
    }
    figures = {"figure-16": gan_losses(histories), "figure-17": real_beside_generated(pairs)}
    for name, figure in figures.items():
        write_png(folder / f"{name}.png", figure)


if __name__ == "__main__":
    run_experiment(main, parse())
