"""Question: one GAN of several rare classes, or one for each, with the same number of steps?

    python experiments/conditional_dcgan.py ../shared/data/ravdess

Source: Mirza & Osindero (2014), arXiv:1411.1784; Miyato & Koyama (2018), arXiv:1802.05637. Both
kinds of GAN are trained on all training clips first, the conditional GAN with their classes. Then
the conditional GAN is trained on the clips of all rare classes, and each other GAN on the clips of
its class; the conditional GAN gets as many steps as the others together. Expected in half an hour
of one core: one GAN for each class is better, with KID 1.2 against 3.4 for female_surprise and 1.7
against 2.3 for male_surprise, coverage 0.69 against 0.15 and 0.47 against 0.28. A classifier that
learns all 14 classes from samples of the conditional GAN alone stays at chance. docs/gans.md has
the tables.
"""

import argparse
from dataclasses import replace

from serkit.cli.running import run_experiment

import numpy as np

from serkit.cli.experiments import rare_classes_parser, rare_classes_trial
from serkit.files import write_text
from serkit.formatting import markdown_table
from serkit.gans.dcgan import DCGAN, DCGAN_RECIPES, SMALL_DATA
from serkit.gans.fitting import fit_gan
from serkit.gans.sampling import sample
from serkit.reporting.tables import fidelity_table
from serkit.training.examples import Examples


def parse() -> argparse.Namespace:
    labels = "female_surprise", "male_surprise"
    parser = rare_classes_parser(__doc__.splitlines()[0], "runs/conditional-dcgan", labels)
    parser.add_argument("--steps", type=int, nargs=2, default=(800, 400), metavar=("ALL", "CLASS"))
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    with rare_classes_trial(options) as dataset:
        real, seed = dataset.real, options.seed
        all_rare = Examples(
            np.concatenate([examples.spectrograms for examples in real.values()]),
            frozenset().union(*(examples.speakers for examples in real.values())),
            np.concatenate([examples.labels for examples in real.values()]),
        )
        pretraining_steps, class_steps = options.steps
        pretraining = replace(
            DCGAN_RECIPES[SMALL_DATA], width=options.width, steps=pretraining_steps
        )
        one_class = replace(pretraining, steps=class_steps)
        conditional = replace(pretraining, classes=len(dataset.partitions.classes))
        rare_conditional = replace(conditional, steps=len(real) * class_steps)
        # For each GAN: settings, examples, and the GAN that it starts from.
        gans_to_train = {
            "all": (pretraining, dataset.training, None),
            **{label: (one_class, real[label], "all") for label in real},
            "all-conditional": (conditional, dataset.training, None),
            "rare-conditional": (rare_conditional, all_rare, "all-conditional"),
        }
        samplers = {}
        for name, (settings, examples, start) in gans_to_train.items():
            gan = DCGAN(settings, seed)
            fit_gan(
                gan,
                examples,
                dataset.partitions.split.speakers,
                seed,
                options.out / name,
                init_from=options.out / start if start else None,
                verbose=2,
            )
            samplers[name] = gan.sampler

        text, sample_count = "", dataset.settings.judged
        sampler = samplers["rare-conditional"]
        for label in real:
            class_number = np.array([dataset.partitions.classes.index(label)])
            generated = {
                "one for each class": sample(samplers[label], sample_count, seed),
                "one of all classes": sample(sampler, sample_count, seed, class_number),
            }
            text += f"{label}\n\n{fidelity_table(dataset.fidelity(label, generated))}\n"
        # The conditional GAN of all classes can replace the whole training partition.
        sampler, imitated = samplers["all-conditional"], {}
        for class_number, label in enumerate(dataset.partitions.classes):
            if clip_count := int((dataset.training.labels == class_number).sum()):
                imitated[label] = sample(sampler, clip_count, seed, np.array([class_number]))
        scores_by_data = {
            "real clips": dataset.accuracy_score("real", {}),
            "generated ones of all classes": dataset.accuracy_score("imitated", imitated),
        }
        rows = [
            [name, f"{100 * scores.uar:.1f} %", f"{100 * scores.accuracy:.1f} %"]
            for name, scores in scores_by_data.items()
        ]
        text += markdown_table(["learned from", "UAR", "accuracy"], rows)
        write_text(options.out / "conditional.md", text)
        print(f"{text}written: {options.out}")


if __name__ == "__main__":
    run_experiment(main, parse())
