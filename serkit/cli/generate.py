"""``serkit generate``: sample spectrograms of rare classes from a run's GANs."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from serkit.cli.listen import write_sound
from serkit.cli.output import add_output, progress_of
from serkit.errors import InputError, check_choice, check_range
from serkit.files import require_no_other_results
from serkit.formatting import counted

if TYPE_CHECKING:
    from serkit.augmentation.sample_filter import FilteredSamples, SampleFilter
    from serkit.gans.sampling import StoredGenerator

PLANS = ("report", "balance")


def add_to(commands) -> None:
    parser = commands.add_parser(
        "generate",
        help="generate spectrograms of rare classes with the GANs of a run",
        description="Writes DIR/CLASS: shards of float16 spectrograms, a manifest with class, seed "
        "and generator of each, a figure of the first ones, and some as sound. Near-copies of "
        "training clips and samples that the run's classifier assigns to another class are "
        "rejected and replaced by others.",
    )
    add = parser.add_argument
    add("run_folder", type=Path, metavar="RUN", help="use the GANs of this run folder")
    add(
        "--class",
        dest="label",
        metavar="CLASS",
        help="generate samples of this class, for example male_surprise, or use --plan",
    )
    add("--count", type=int, metavar="N", help="generate so many; needed with --class")
    add(
        "--plan",
        choices=PLANS,
        help="generate by a plan instead of --class and --count: report as figure 18 of the 2021 "
        "report, as far as the run has generators; balance up to the largest class",
    )
    add(
        "--filled-to",
        dest="target",
        type=float,
        default=1.0,
        help="fill up to this fraction of the largest class with --plan balance; "
        "default: %(default)s",
    )
    add("--seed", type=int, default=0, help="seed the noise; default: %(default)s")
    add("--out", type=Path, metavar="DIR", help="write here; default: RUN/samples")
    add(
        "--wav",
        type=int,
        default=8,
        metavar="N",
        help="write the first N as sound, too; default: %(default)s",
    )
    add(
        "--sample-filter",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="reject near-copies of training clips and samples of another class; default: yes",
    )
    add_output(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Generate the samples class by class; after an error the classes written so far stay."""
    if not options.run_folder.is_dir():
        raise InputError(f"RUN {options.run_folder} is no folder")
    if options.plan and (options.label or options.count is not None):
        raise InputError("--plan with --class or --count; valid are --plan, or both of the others")
    if not (options.plan or options.label or options.count is not None):
        raise InputError(
            "one of these is needed: --plan balance, for all rare classes; or --class with --count"
        )
    if options.label and options.count is None:
        raise InputError("--class needs --count")
    if options.count is not None and not options.label:
        raise InputError("--count needs --class")
    if options.count is not None:
        check_range("count", options.count, 1)
    check_range("wav", options.wav, 0)
    if options.out is not None:
        require_no_other_results(options.out)
    if not (options.run_folder / "gans").is_dir():
        raise InputError(
            f"RUN must be the run folder of a finished demo with rare classes. Received: "
            f"{options.run_folder}, which has no folder gans."
        )
    from serkit.augmentation.sample_filter import SampleFilter, TooFewAccepted, sample_filtered
    from serkit.augmentation.synthetic_set import count_stored
    from serkit.gans.sampling import find_generators, load_generator
    from serkit.seeds import derive_seed

    generator_paths = find_generators(options.run_folder / "gans")
    sample_filter = None
    # The plan "balance" needs the numbers of training clips, which the sample filter stores.
    if options.sample_filter or options.plan == "balance":
        sample_filter = SampleFilter.load(options.run_folder / "judge")
    count_by_class = _plan_counts(options, generator_paths, sample_filter)
    say = progress_of(options).say
    for label, count in count_by_class.items():
        stored = load_generator(generator_paths[label])
        seed = derive_seed(options.seed, "generate", label)
        try:
            samples = sample_filtered(
                stored.network,
                count,
                seed,
                label,
                sample_filter if options.sample_filter else None,
                class_number=stored.class_number(label),
                say=say,
            )
        except TooFewAccepted as error:
            raise TooFewAccepted(f"{error}: --no-sample-filter") from error
        folder = (options.out or options.run_folder / "samples") / label
        if earlier_count := count_stored(folder):
            say(f"   {counted(earlier_count, 'earlier sample')} replaced")
        _write_samples(folder, options, seed, stored, samples)
        say(f"   written: {folder}")
    return 0


def _plan_counts(
    options: argparse.Namespace,
    generator_paths: dict[str, Path],
    sample_filter: "SampleFilter | None",
) -> dict[str, int]:
    """Return how many samples to generate of each class."""
    from serkit.datasets.imbalance import balance_plan, report_plan

    if options.label:
        check_choice("label", options.label, generator_paths)
        return {options.label: options.count}
    if options.plan == "report":
        return report_plan(dict.fromkeys(generator_paths, 1))
    assert sample_filter is not None, "run loads the filter for this plan"
    plan = balance_plan(sample_filter.clips, target=options.target)
    count_by_class = {label: count for label, count in plan.items() if label in generator_paths}
    if not count_by_class:
        raise InputError(
            f"no class needs more clips to reach {options.target:.0%} of the largest, of those "
            f"with a generator: {', '.join(generator_paths)}"
        )
    return count_by_class


def _write_samples(
    folder: Path,
    options: argparse.Namespace,
    seed: int,
    stored: "StoredGenerator",
    samples: "FilteredSamples",
) -> None:
    from serkit.audio.spectrogram import SpectrogramSpec
    from serkit.augmentation.synthetic_set import Origin, write_synthetic_set
    from serkit.reporting.gan_figures import grid
    from serkit.reporting.page import write_png

    origin = Origin(
        label=folder.name,
        seed=seed,
        generator=stored.card.sha256,
        speakers=stored.card.speakers,
        gated=options.sample_filter,
        tried=samples.tried,
        copies=samples.copies,
        refused=samples.refused,
    )
    write_synthetic_set(folder, samples.spectrograms, samples.sample_indices, origin)
    write_png(folder / "grid.png", grid(samples.spectrograms[:64, :, :, 0]))
    for old_sound in folder.glob("sound-*.wav"):
        old_sound.unlink()
    spec = SpectrogramSpec(**stored.card.spectrograms)
    for index, spectrogram in enumerate(samples.spectrograms[: options.wav]):
        write_sound(folder / f"sound-{index:03}.wav", spectrogram, spec)
