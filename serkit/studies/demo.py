"""The demo: a comparison with one split and two arms, then an export of the better classifier."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.augmentation.arms import DCGAN, NONE
from serkit.datasets.custom import Naming
from serkit.datasets.imbalance import RARE_BELOW
from serkit.datasets.splits import RANDOM
from serkit.datasets.synthetic import SyntheticSettings
from serkit.errors import DivergedError, check_choice
from serkit.files import read_json_object, write_json
from serkit.gans.dcgan import REPORT, SMALL_DATA
from serkit.metrics.classification import average_recall, confusion_by_speaker, score
from serkit.metrics.paired import difference
from serkit.progress import Progress
from serkit.reporting.verdicts import LEAKY
from serkit.studies.classifier_runs import ClassifierRun
from serkit.studies.comparison import compare_in, open_run_folder
from serkit.studies.comparison_page import write_comparison_report
from serkit.studies.comparison_settings import HOLD_OUT, K_FOLD, ComparisonSettings
from serkit.studies.deployment import check_exported_model, export_classifier
from serkit.studies.engine import Comparison
from serkit.studies.finished_comparison import DEMO_ARMS, classifier_to_export
from serkit.studies.gan_kinds import GanSizes
from serkit.studies.partitions import Partitions

# The demo's names of protocols, and those of ComparisonSettings with one fold.
_PROTOCOLS = {HOLD_OUT: K_FOLD, RANDOM: RANDOM}
_GAN_STEPS, _REPORT_GAN_STEPS = 300, 2000
_MEASURES = {"accuracy": "accuracy", "uar": "UAR", "macro_f1": "macro F1"}


def demo_settings(
    roots: tuple[str, ...] = (),
    *,
    seed: int = 0,
    protocol: str = HOLD_OUT,
    label_set: str = "gender_emotion",
    rare_below: float = RARE_BELOW,
    gan_recipe: str = SMALL_DATA,
    gan_steps: int | None = None,
    epochs: int | None = None,
    spec: SpectrogramSpec | None = None,
    naming: Naming | None = None,
    short: bool = False,
) -> ComparisonSettings:
    """Return the settings of the demo, a comparison of two arms on one split.

    The arm ``none`` adds no examples. The arm ``dcgan`` adds samples of one DCGAN per rare class.
    Both arms also get SpecAugment's masks. A sample filter rejects generated samples that are
    near-copies of training clips or belong to another class.

    Args:
        roots: folders of recordings; empty for the built-in corpus.
        seed: seed of all random numbers.
        protocol: ``hold-out``, whose partitions share no speaker; or ``random``, the 2021 report's
            protocol, in which speakers are in both training and test, so that all results are
            marked as leaky.
        label_set: ``gender_emotion``, the 14 categories of the 2021 report, or ``emotion``.
        rare_below: a class with fewer training clips than this fraction of the largest class gets a
            GAN and is filled up to the size of the largest class.
        gan_recipe: see :data:`serkit.gans.dcgan.DCGAN_RECIPES`.
        gan_steps: number of training steps of each rare class' GAN; None for 300, or for 2,000 with
            the recipe of the 2021 report.
        epochs: number of epochs of each classifier; None for the classifier's default.
        spec: settings of the spectrograms.
        naming: naming scheme of the user's own recordings.
        short: whether to train as little as possible, to check that everything runs: at most two
            rare classes, and no sample filter, because it would reject all samples of GANs that
            were trained for so few steps.

    Raises:
        InputError: if a value is out of range or a name is not known.

    Example:
        >>> settings = demo_settings(seed=1)
        >>> settings.arms, settings.protocols, settings.synthetic.seed
        (('none', 'dcgan'), ('hold-out',), 1)
    """
    check_choice("protocol", protocol, _PROTOCOLS)
    steps = _REPORT_GAN_STEPS if gan_recipe == REPORT else _GAN_STEPS
    settings = ComparisonSettings(
        roots=roots,
        arms=(NONE, DCGAN),
        everywhere=("specaugment",),
        label_set=label_set,
        protocol=_PROTOCOLS[protocol],
        folds=1,
        seed=seed,
        seeds=(seed,),
        rare_below=rare_below,
        gated=not short,
        spec=spec or SpectrogramSpec(),
        gans=GanSizes(steps=steps),
        gan_recipe=gan_recipe,
        naming=naming or Naming(),
        most_rare=2 if short else 0,
        synthetic=None if roots else SyntheticSettings(seed=seed),
        keep_models=True,
    )
    if short:
        settings = settings.shortened()
    if gan_steps is not None:
        settings = replace(settings, gans=replace(settings.gans, steps=gan_steps))
    return settings.with_epochs(epochs)


def run_demo(
    settings: ComparisonSettings,
    out: Path,
    model_folder: Path,
    cache: Path | None = None,
    progress: Progress | None = None,
    *,
    command: str = "",
) -> dict[str, Any]:
    """Run or resume the demo: audit, split, spectrograms, GANs, two classifiers, export, report.

    See the README.

    Args:
        settings: from :func:`demo_settings`.
        out: run folder. If a call is killed, a second call with the same settings resumes it. The
            folder gets the files that :func:`serkit.studies.comparison.compare` writes, and
            ``metrics.json``. For ``serkit generate`` it also gets the GANs (``gans/<class>``),
            their samples (``generated/<class>``) and the sample filter (``judge``).
        model_folder: gets the exported model as a new version.
        cache: folder of spectrograms, GANs and training runs, which runs may share; default: in the
            run folder.
        progress: reports progress to the user.
        command: the command that the report page names as the one to repeat; default: none.

    Returns:
        Content of ``metrics.json``, see :func:`compare_arms`.

    Raises:
        SerkitError: for recordings or settings that do not work; the message says why.
    """
    progress = progress or Progress()
    model_folder = model_folder.resolve()
    # The folder is created now, so that an error occurs before the training runs and not after.
    model_folder.mkdir(parents=True, exist_ok=True)
    with open_run_folder(out, settings) as run:
        comparison, results = compare_in(run, settings, cache, progress)
        with progress.stage("both classifiers on all real clips; samples"):
            metrics = _score_classifiers(comparison)
            write_json(out / "metrics.json", metrics)
            _print_scores(metrics, progress)
            _copy_gans_and_samples(comparison, out)
        with progress.stage("export, and a prediction with the exported model"):
            model = _export(comparison, results, model_folder)
        with progress.stage("report"):
            write_comparison_report(
                out / "report.html", comparison, results, command=command, model=model
            )
    progress.say(f"\nreport: {out / 'report.html'}\nmodel:  {model}")
    return metrics


def _classifier_runs(comparison: Comparison) -> dict[str, ClassifierRun]:
    """Return the two training runs, by the names of the arms in ``metrics.json``.

    If no class is rare, the comparison has no second arm. Then both names have the same training
    run.
    """
    settings, (fold,) = comparison.settings, comparison.folds
    arms = {arm.name: arm for arm in comparison.arms}
    runs = {}
    for name, arm_name in DEMO_ARMS.items():
        arm = arms.get(arm_name, arms[NONE])
        run = comparison.classifier_run(fold, settings.classifiers[0], arm, settings.seed)
        if reason := run.failure:
            raise DivergedError(f"{run.title}: {reason}")
        runs[name] = run
    return runs


def _score_classifiers(comparison: Comparison) -> dict[str, Any]:
    runs = _classifier_runs(comparison)
    models = {name: keras.models.load_model(run.model_file) for name, run in runs.items()}
    generated = runs["augmented"].data.added().generated
    return compare_arms(models, comparison.folds[0].partitions, generated, comparison.settings.seed)


def compare_arms(
    models: Mapping[str, keras.Model],
    partitions: Partitions,
    generated: Mapping[str, int],
    seed: int,
) -> dict[str, Any]:
    """Score the classifier of each arm on the real clips of every partition.

    Args:
        models: the classifiers ``original`` and ``augmented``.
        partitions: spectrograms and labels of the split's clips.
        generated: number of generated spectrograms in the second arm's training partition, by
            class.
        seed: seed of the bootstrap.

    Returns:
        JSON values, among them:

        - ``arms[arm][partition]``: the fields of :class:`serkit.metrics.classification.Scores`.
        - ``uar_difference``: the second arm's UAR on the test partition minus the first arm's, with
          a 95 % interval over speakers. The ends of the interval are None if there is only one
          speaker.
        - ``better``: the arm with the higher UAR on the validation partition. The test partition is
          for reporting only.
        - ``leaky``: whether speakers were in both training and test.
    """
    split, class_count = partitions.split, len(partitions.classes)
    scores: dict[str, dict[str, Any]] = {arm: {} for arm in models}
    test_confusions = {}
    # There is one seed and one fold.
    zeros = [0] * len(split.test)
    speakers = [clip.speaker for clip in split.test.clips]
    for arm, model in models.items():
        for name, clips in split.partitions().items():
            truth = partitions.labels(clips)
            logits = model.predict(partitions.spectrograms(clips), batch_size=64, verbose=0)
            predicted = logits.argmax(axis=1)
            scores[arm][name] = asdict(score(truth, predicted, class_count))
            if name == "test":
                test_confusions[arm] = confusion_by_speaker(
                    truth, predicted, zeros, zeros, speakers, class_count
                )
    before, after = (test_confusions[arm] for arm in DEMO_ARMS)
    uar = difference(before, after, average_recall, seed=seed).estimate
    return {
        "protocol": f"{split.protocol}, one split, one seed",
        "leaky": split.leaky,
        "label_set": partitions.label_set,
        "classes": list(partitions.classes),
        "parts": {
            name: {"clips": len(clips), "speakers": len(clips.speakers())}
            for name, clips in split.partitions().items()
        },
        "training_clips": split.train.counts(partitions.label_set),
        "generated": dict(generated),
        "arms": scores,
        "uar_difference": {"value": uar.value, "low": uar.low, "high": uar.high},
        "better": max(DEMO_ARMS, key=lambda arm: scores[arm]["validation"]["uar"]),
    }


def _print_scores(metrics: Mapping[str, Any], progress: Progress) -> None:
    if metrics["leaky"]:
        progress.say(f"   {LEAKY}")
    rows = [(name, part["speakers"], part["clips"]) for name, part in metrics["parts"].items()]
    progress.table("", ["partition", "speakers", "clips"], rows)
    rows = [
        [arm, *(f"{100 * scores['test'][name]:.1f}" for name in _MEASURES)]
        for arm, scores in metrics["arms"].items()
    ]
    title = "LEAKY test partition" if metrics["leaky"] else "test speakers"
    progress.table(f"{title}, per cent", ["arm", *_MEASURES.values()], rows)


def _copy_gans_and_samples(comparison: Comparison, out: Path) -> None:
    """Copy GANs, their samples and the sample filter to where ``serkit generate`` reads them."""
    (fold,) = comparison.folds
    data = _classifier_runs(comparison)["augmented"].data
    for label, count in fold.plan.items():
        gan, samples = data.gans[label], data.samples_of(label, count)
        gan_folder = out / "gans" / label
        gan_folder.mkdir(parents=True, exist_ok=True)
        for name in ("history.csv", "generator.keras", "generator.json"):
            shutil.copyfile(gan.folder / name, gan_folder / name)
        # There is no manifest if the sample filter rejected all samples.
        if (samples.folder / "manifest.csv").exists():
            shutil.copytree(
                samples.folder,
                out / "generated" / label,
                ignore=shutil.ignore_patterns(".*"),
                dirs_exist_ok=True,
            )
    comparison.trained_filter(fold).sample_filter.save(out / "judge")


def _export(comparison: Comparison, results: Mapping[str, Any], model_folder: Path) -> Path:
    """Export the better classifier, unless an earlier call did, and predict a test recording."""
    classifier = classifier_to_export(comparison, results)
    networks = [file.parent.name for file in classifier.files]
    record_file = comparison.out / "stages" / "export.json"
    record = read_json_object(record_file, result=dict)["result"] if record_file.exists() else {}
    model = Path(str(record.get("model", "")))
    # Since an earlier call, the model may have been removed, or other networks been chosen.
    is_exported = (
        record.get("networks") == networks and model.parent == model_folder and model.is_dir()
    )
    if not is_exported:
        start = time.monotonic()
        model = export_classifier(classifier, model_folder)
        seconds = round(time.monotonic() - start, 1)
        result = {"model": str(model), "networks": networks}
        write_json(record_file, {"result": result, "seconds": seconds})
    clip = comparison.folds[0].split.test.clips[0]
    file = comparison.corpus.file(clip)
    comparison.progress.say(
        f"   serkit predict {model} {file}\n"
        f"   (a test recording, labelled {clip.label(comparison.settings.label_set)})"
    )
    comparison.progress.say(check_exported_model(model, file))
    return model
