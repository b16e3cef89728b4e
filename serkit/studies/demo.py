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
from serkit.files import read_json, write_json
from serkit.gans.dcgan import REPORT, SMALL_DATA
from serkit.metrics.classification import average_recall, confusion_by_speaker, score
from serkit.metrics.paired import difference
from serkit.progress import Progress
from serkit.reporting.verdicts import LEAKY
from serkit.studies.classifier_runs import ClassifierRun
from serkit.studies.comparison import compare_in, fixed_settings
from serkit.studies.comparison_settings import HOLD_OUT, K_FOLD, ComparisonSettings
from serkit.studies.deployment import check_exported_model, export_run
from serkit.studies.engine import Comparison
from serkit.studies.finished_comparison import DEMO_ARMS, classifier_to_export
from serkit.studies.gan_kinds import GanSizes
from serkit.studies.partitions import Partitions
from serkit.studies.run_folder import RunFolder

_PROTOCOLS = {HOLD_OUT: K_FOLD, RANDOM: RANDOM}
_STEPS, _STEPS_OF_REPORT = 300, 2000
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
    """Return the demo's comparison: no augmentation and DCGANs of rare classes, on one split.

    Both arms also get SpecAugment's masks. A sample filter rejects generated samples that are
    near-copies of training clips or belong to another class.

    Args:
        roots: folders of recordings; empty for the built-in corpus.
        seed: seed of all random numbers.
        protocol: ``hold-out``, by speaker, or ``random``, the 2021 report's protocol, which has
            speakers in both training and test, so that all results are marked as leaky.
        label_set: ``gender_emotion``, the 14 categories of the 2021 report, or ``emotion``.
        rare_below: a class with fewer training clips than this fraction of the largest class gets a
            GAN and is filled up to the size of the largest class.
        gan_recipe: see :data:`serkit.gans.dcgan.DCGAN_RECIPES`.
        gan_steps: steps of the GAN of each rare class; None for 300, or 2,000 as in the 2021 report
            with its recipe.
        epochs: epochs of each classifier; None for the usual number.
        spec: settings of the spectrograms.
        naming: naming scheme of the user's own recordings.
        short: whether to train as little as possible, to see that everything runs: two rare classes
            at most, and no sample filter, which would reject all samples after so few steps.

    Raises:
        InputError: if a value is out of range or a name is not known.

    Example:
        >>> settings = demo_settings(seed=1)
        >>> settings.arms, settings.protocols, settings.synthetic.seed
        (('none', 'dcgan'), ('hold-out',), 1)
    """
    check_choice("protocol", protocol, _PROTOCOLS)
    steps = _STEPS_OF_REPORT if gan_recipe == REPORT else _STEPS
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
    models: Path,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run or resume the demo: audit, split, spectrograms, GANs, two classifiers, report, export.

    See the README.

    Args:
        settings: from :func:`demo_settings`.
        out: run folder. If a call is killed, a second call with the same settings resumes it. It
            gets what :func:`serkit.studies.comparison.compare` writes, ``metrics.json``, and for
            ``serkit generate`` the GANs and the sample filter: ``gans/<class>``,
            ``generated/<class>`` and ``judge``.
        models: gets the exported model as ``<name of out>/<version>``.
        cache: folder of spectrograms, GANs and training runs, which runs may share; default: in the
            run folder.
        progress: reports progress to the user.

    Returns:
        Content of ``metrics.json``, see :func:`compare_arms`.

    Raises:
        SerkitError: for recordings or settings that do not work; the message says why.
    """
    progress = progress or Progress()
    folder = models.resolve() / out.resolve().name
    # Created now, so that a folder that cannot be written fails before the training runs.
    folder.mkdir(parents=True, exist_ok=True)
    with RunFolder(out, fixed_settings(settings)) as run:
        comparison, results = compare_in(run, settings, cache, progress)
        with progress.stage("both classifiers on all real clips; samples"):
            metrics = _measure(comparison)
            write_json(out / "metrics.json", metrics)
            _tell(metrics, progress)
            _publish(comparison, out)
        with progress.stage("export, and a prediction with the exported model"):
            model = _export(comparison, results, folder)
    progress.say(f"\nreport: {out / 'report.html'}\nmodel:  {model}")
    return metrics


def _runs(comparison: Comparison) -> dict[str, ClassifierRun]:
    """Return the training runs by the names of ``metrics.json``.

    If no class is rare, there is no second arm. Then both names have the same training run.
    """
    settings, (fold,) = comparison.settings, comparison.folds
    arms = {arm.name: arm for arm in comparison.arms}
    found = {}
    for name, arm in DEMO_ARMS.items():
        chosen = arms.get(arm, arms[NONE])
        found[name] = comparison.classifier_run(
            fold, settings.classifiers[0], chosen, settings.seed
        )
        if why := found[name].failure:
            raise DivergedError(f"{found[name].title}: {why}")
    return found


def _measure(comparison: Comparison) -> dict[str, Any]:
    runs = _runs(comparison)
    models = {name: keras.models.load_model(one.model_file) for name, one in runs.items()}
    generated = runs["augmented"].data.added().generated
    return compare_arms(models, comparison.folds[0].parts, generated, comparison.settings.seed)


def compare_arms(
    models: Mapping[str, keras.Model], parts: Partitions, generated: Mapping[str, int], seed: int
) -> dict[str, Any]:
    """Score the classifier of each arm on the real clips of every partition.

    Args:
        models: the classifiers ``original`` and ``augmented``.
        parts: spectrograms and labels of the split's clips.
        generated: number of generated spectrograms in the second arm's training partition, by
            class.
        seed: seed of the bootstrap.

    Returns:
        JSON values. ``arms[arm][part]`` has the fields of
        :class:`serkit.metrics.classification.Scores`. ``uar_difference`` is the second arm's UAR on
        the test partition minus the first arm's, with a 95 % interval over speakers. The ends of
        the interval are None if there is one speaker only. ``better`` is the arm with the higher
        UAR on the validation partition, because the test partition is for reporting only. ``leaky``
        says whether speakers were in both training and test.
    """
    split, classes = parts.split, len(parts.classes)
    truth = {part: parts.labels(corpus) for part, corpus in split.parts().items()}
    predicted = {
        arm: {
            part: model.predict(parts.of(corpus), batch_size=64, verbose=0).argmax(axis=1)
            for part, corpus in split.parts().items()
        }
        for arm, model in models.items()
    }
    arms = {
        arm: {part: asdict(score(truth[part], found[part], classes)) for part in truth}
        for arm, found in predicted.items()
    }
    speakers, same = [clip.speaker for clip in split.test.clips], [0] * len(split.test)
    before, after = (
        confusion_by_speaker(truth["test"], predicted[arm]["test"], same, same, speakers, classes)
        for arm in DEMO_ARMS
    )
    uar = difference(before, after, average_recall, seed=seed).estimate
    return {
        "protocol": f"{split.protocol}, one split, one seed",
        "leaky": split.leaky,
        "label_set": parts.label_set,
        "classes": list(parts.classes),
        "parts": {
            name: {"clips": len(part), "speakers": len(part.speakers())}
            for name, part in split.parts().items()
        },
        "training_clips": split.train.counts(parts.label_set),
        "generated": dict(generated),
        "arms": arms,
        "uar_difference": {"value": uar.value, "low": uar.low, "high": uar.high},
        "better": max(DEMO_ARMS, key=lambda arm: arms[arm]["validation"]["uar"]),
    }


def _tell(metrics: Mapping[str, Any], progress: Progress) -> None:
    if metrics["leaky"]:
        progress.say(f"   {LEAKY}")
    rows = [(name, part["speakers"], part["clips"]) for name, part in metrics["parts"].items()]
    progress.table("", ["partition", "speakers", "clips"], rows)
    rows = [
        [arm, *(f"{100 * found['test'][name]:.1f}" for name in _MEASURES)]
        for arm, found in metrics["arms"].items()
    ]
    tested = "LEAKY test partition" if metrics["leaky"] else "test speakers"
    progress.table(f"{tested}, per cent", ["arm", *_MEASURES.values()], rows)


def _publish(comparison: Comparison, out: Path) -> None:
    """Copy GANs, their samples and the sample filter to where ``serkit generate`` reads them."""
    (fold,) = comparison.folds
    data = _runs(comparison)["augmented"].data
    for label, count in fold.plan.items():
        gan, samples = data.gans[label], data.samples_of(label, count)
        (out / "gans" / label).mkdir(parents=True, exist_ok=True)
        for name in ("history.csv", "generator.keras", "generator.json"):
            shutil.copyfile(gan.place / name, out / "gans" / label / name)
        # The sample filter may have rejected all samples.
        if (samples.place / "manifest.csv").exists():
            hidden, place = shutil.ignore_patterns(".*"), out / "generated" / label
            shutil.copytree(samples.place, place, ignore=hidden, dirs_exist_ok=True)
    comparison.trained_filter(fold).sample_filter.save(out / "judge")


def _export(comparison: Comparison, results: Mapping[str, Any], folder: Path) -> Path:
    given = classifier_to_export(comparison, results)
    networks = [file.parent.name for file in given.classifiers]
    record = comparison.out / "stages" / "export.json"
    known = read_json(record)["result"] if record.exists() else {}
    model = Path(known.get("model", ""))
    # The model may have been removed, or the run repeated with another protocol.
    if known.get("networks") != networks or model.parent != folder or not model.is_dir():
        began = time.monotonic()
        model = export_run(given, folder)
        seconds = round(time.monotonic() - began, 1)
        result = {"model": str(model), "networks": networks}
        write_json(record, {"result": result, "seconds": seconds})
    clip = comparison.folds[0].split.test.clips[0]
    file = comparison.corpus.file(clip)
    comparison.progress.say(
        f"   serkit predict {model} {file}\n"
        f"   (a test recording, labelled {clip.label(comparison.settings.label_set)})"
    )
    check_exported_model(model, file)
    return model
