"""Question: which augmentation helps two rare classes, by the number of clips that are left?

    python experiments/rare_class_map.py ../shared/data/ravdess --dry-run
    python experiments/rare_class_map.py ../shared/data/ravdess --classifier whisper-tiny.en \\
        --arms class-weights oversampling speed --seeds 0 1 2 3 4
    python experiments/rare_class_map.py ../shared/data/ravdess --clips 14 60 \\
        --spectrograms report --arms class-weights+specaugment dcgan+specaugment \\
        --out runs/rare-class-map-gans

For each number of clips and each seed, the arms are compared on five folds of speakers. The seed
also chooses the folds and the clips that are left. `compact` is trained on its own spectrograms, as
in train_compact.py; arms with GANs need `--spectrograms report` and an --out of their own. The
table has each arm's difference to the bar: class weights and SpecAugment together, for an encoder
class weights alone. Calls with the same --out add to each other, and an interrupted call resumes;
the table and the figure have all answers that are in --out.
"""

import argparse
import itertools
from pathlib import Path

from serkit.cli.running import run_experiment

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.augmentation.arms import NONE
from serkit.cli.arguments import naming_of, recordings_of, spec_of
from serkit.cli.experiments import experiment_parser
from serkit.files import write_text
from serkit.models.compact import CompactSettings
from serkit.progress import Progress
from serkit.reporting.figures import colour, legend, tidy
from serkit.reporting.page import write_png
from serkit.studies.answers import ArmResult, compare_answers, results_table
from serkit.studies.classifier_kinds import CLASSIFIERS, HEADS
from serkit.studies.comparison import open_comparison, open_run_folder
from serkit.studies.comparison_settings import TUNED_CLASSIFIER, ComparisonSettings
from serkit.studies.cost import cost_table, estimate_cost
from serkit.studies.engine import Comparison
from serkit.studies.search_spaces import CompactRecipe

NETWORK_BAR, HEAD_BAR = "class-weights+specaugment", "class-weights"
ARMS = ("class-weights", "oversampling", "specaugment", "mixup", "speed", NETWORK_BAR)


def parse() -> argparse.Namespace:
    parser = experiment_parser(__doc__.splitlines()[0], "runs/rare-class-map")
    add = parser.add_argument
    add("--class", dest="rare", nargs="+", default=["disgust", "surprise"], help="rare classes")
    add("--clips", type=int, nargs="+", default=[7, 14, 30, 60], help="training clips of each")
    add("--arms", nargs="+", default=list(ARMS), help="as serkit compare has them")
    add("--classifier", choices=CLASSIFIERS, default="compact")
    add("--weights", default="imagenet", help="file of a Whisper encoder's weights")
    add("--seeds", type=int, nargs="+", default=[0])
    add("--spectrograms", choices=["own", "report"], default="own", help="report: 224 by 224")
    add("--epochs", type=int, help="default: the classifier's own")
    add("--dry-run", action="store_true", help="print what is left to do and how long it takes")
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    chosen = list(itertools.product(options.seeds, options.clips))
    for number, (seed, clips) in enumerate(chosen):
        folder = options.out / f"clips-{clips}" / f"seed-{seed}"
        settings = settings_of(options, clips, seed)
        with open_run_folder(folder, settings) as run:
            comparison = open_comparison(run, settings, options.out / "cache", Progress())
            if not number:
                costs = estimate_cost(comparison)
                print(f"first of {len(chosen)} comparisons:\n{cost_table(costs)}", flush=True)
            if not options.dry_run:
                comparison.run()
                write_answers(comparison, clips, folder / "answers")
    if not options.dry_run:
        report(options.out, options.rare)


def settings_of(options: argparse.Namespace, clips: int, seed: int) -> ComparisonSettings:
    """Return the settings of the comparison with this number of clips of each rare class."""
    spec, tuned = None, {}
    if options.spectrograms == "own":
        spec = SpectrogramSpec(frames=160, bins=80, window=512, trim_db=30.0)
        network = CompactSettings(pool=(1, 1), stride=(1, 2))
        tuned = {TUNED_CLASSIFIER: CompactRecipe(network)}
    return ComparisonSettings(
        roots=recordings_of(options),
        arms=tuple(dict.fromkeys([NONE, *options.arms])),
        classifiers=(options.classifier,),
        seed=seed,
        seeds=(seed,),
        rarify=tuple((label, float(clips)) for label in options.rare),
        filled_to=0.667,
        weights=options.weights,
        spec=spec_of(options, spec),
        tuned=tuned,
        naming=naming_of(options),
    ).with_epochs(options.epochs)


def write_answers(comparison: Comparison, clips: int, folder: Path) -> None:
    """Write a table of predictions for each arm; keep those of other arms of earlier calls."""
    (classifier,), (seed,) = comparison.settings.classifiers, comparison.settings.seeds
    for arm in comparison.arms_of(classifier):
        if runs := comparison.finished_runs("k-fold", classifier, arm):
            answers = pd.concat([run.predictions() for run in runs])[
                ["speaker", "truth", "predicted"]
            ]
            answers = answers.assign(classifier=classifier, clips=clips, seed=seed, arm=arm.name)
            write_text(folder / f"{classifier}-{arm.name}.csv", answers.to_csv(index=False))


def report(out: Path, rare: list[str]) -> None:
    """Write tables and a figure for each classifier, of all answers in the folder."""
    answers = pd.concat(map(pd.read_csv, sorted(out.glob("clips-*/seed-*/answers/*.csv"))))
    classes = sorted(answers["truth"].unique())
    for classifier, rows in answers.groupby("classifier"):
        bar = HEAD_BAR if classifier in HEADS else NETWORK_BAR
        results = {
            clips: compare_answers(rows[rows["clips"] == clips], classes, bar, rare)
            for clips in sorted(rows["clips"].unique())
        }
        tables = [f"{clips} clips\n\n{results_table(results[clips], bar)}" for clips in results]
        text = "\n".join(tables)
        write_text(out / f"{classifier}.md", text)
        write_png(out / f"{classifier}.png", figure_of(results))
        print(f"{classifier}\n\n{text}\nwritten: {out / f'{classifier}.md'}")


def figure_of(results: dict[int, list[ArmResult]]) -> Figure:
    """Draw UAR and recall of the rare classes against the number of clips, a curve for each arm."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    panels = figure.subplots(1, 2)
    arms = list(dict.fromkeys(result.arm for found in results.values() for result in found))
    titles = {"uar": "UAR, per cent", "rare_recall": "recall of the rare classes, per cent"}
    for axes, (name, title) in zip(panels, titles.items(), strict=True):
        for index, arm in enumerate(arms):
            # Beside each other, so that the intervals of one number of clips can be told apart.
            shift = 1 + 0.02 * (index - len(arms) / 2)
            points = [
                (clips * shift, getattr(result, name))
                for clips, found in results.items()
                for result in found
                if result.arm == arm
            ]
            x, values = zip(*points, strict=True)
            y = np.array([100 * value.value for value in values])
            ends = np.array([(100 * value.low, 100 * value.high) for value in values]).T
            style = {"color": colour(index), "marker": "o", "markersize": 3, "linewidth": 1}
            axes.errorbar(x, y, np.abs(ends - y), label=arm, elinewidth=0.7, **style)
        axes.set_xscale("log")
        axes.set_xticks(list(results), list(map(str, results)))
        axes.minorticks_off()
        axes.set_xlabel("training clips of each rare class", fontsize=9)
        axes.set_title(title, fontsize=9, loc="left")
        tidy(axes)
    legend(figure, panels[1])
    return figure


if __name__ == "__main__":
    run_experiment(main, parse())
