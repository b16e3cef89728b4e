"""Estimate time and disk of training runs from a few measured steps of each network."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from serkit.augmentation.arms import COPIES
from serkit.datasets.audit import open_recordings
from serkit.datasets.corpus import Corpus
from serkit.formatting import markdown_table
from serkit.models.fitting import FitSettings, compiled
from serkit.models.frozen_features import cut
from serkit.models.speech_features import SpeechFeatures
from serkit.progress import Progress
from serkit.studies.classifier_runs import ClassifierRun
from serkit.studies.engine import Comparison
from serkit.studies.generators import GANRun
from serkit.studies.network_runs import NetworkRun
from serkit.studies.partitions import Inputs, compute_inputs
from serkit.studies.train import TrainSettings, recipe_of
from serkit.studies.train_recipes import NetworkRecipe

# Number of examples of a measured step, where the time of a step is proportional to it.
_EXAMPLE_COUNT = 8


@dataclass(frozen=True)
class Cost:
    """Estimated time of all unfinished training runs of one kind.

    Attributes:
        kind: name of a classifier or a GAN.
        runs: number of training runs.
        seconds: time of all these training runs, one after the other.
        disk_bytes: size of the checkpoints of all these training runs.
    """

    kind: str
    runs: int
    seconds: float
    disk_bytes: int


def estimate_cost(
    comparison: Comparison, steps: int = 3, say: Callable[[str], None] = lambda line: None
) -> list[Cost]:
    """Measure some steps of each network, and extrapolate to all unfinished training runs.

    The estimate leaves out the time for spectrograms and for sampling from GANs, which is short
    compared with training. A GAN that stops early takes less time than estimated. Linear
    classifiers, which take seconds, are left out.

    Args:
        comparison: before :meth:`serkit.studies.engine.Comparison.run`.
        steps: number of steps to measure for each network. One more step before them compiles the
            network and is not measured.
        say: function that gets a line before each network is measured.
    """
    gans_by_kind: dict[str, list[GANRun]] = {}
    runs_by_classifier: dict[str, list[NetworkRun]] = {}
    for task in unfinished_runs(comparison):
        if isinstance(task, GANRun):
            gans_by_kind.setdefault(task.kind, []).append(task)
        elif isinstance(task, NetworkRun):
            runs_by_classifier.setdefault(task.classifier, []).append(task)
    costs = []
    for kind, gans in gans_by_kind.items():
        say(f"measuring {steps} steps of {kind}")
        costs.append(_gan_cost(comparison, gans, steps))
    for name in comparison.settings.classifiers:
        if name in runs_by_classifier:
            say(f"measuring {steps} steps of {name}")
            costs.append(_classifier_cost(comparison, runs_by_classifier[name], steps))
    return costs


def cost_table(costs: Sequence[Cost]) -> str:
    """Return a Markdown table of training runs, minutes and megabytes, by kind and in total."""
    total = Cost(
        "all",
        sum(cost.runs for cost in costs),
        sum(cost.seconds for cost in costs),
        sum(cost.disk_bytes for cost in costs),
    )
    rows = [
        [cost.kind, f"{cost.runs}", f"{cost.seconds / 60:.1f}", f"{cost.disk_bytes / 1e6:.0f}"]
        for cost in (*costs, total)
    ]
    return markdown_table(["to do, about", "training runs", "minutes", "MB of disk"], rows)


def unfinished_runs(comparison: Comparison) -> list[GANRun | ClassifierRun]:
    """Return the training runs that are not done.

    Which arms are trained with ``more_seeds`` is known only after the others. The function returns
    runs of ``none`` and of the first others, as many as there will be.
    """
    settings = comparison.settings
    seeds_by_arm = {
        arm: (*settings.seeds, *(settings.more_seeds if position <= settings.best else ()))
        for position, arm in enumerate(comparison.arms)
    }
    # Tasks with the same folder are one task.
    runs = {
        task.folder: task
        for arm, seeds in seeds_by_arm.items()
        for fold in comparison.folds
        for _, task in comparison.tasks(fold, arm, settings.classifiers, seeds)
        if isinstance(task, GANRun | ClassifierRun)
    }
    return [run for run in runs.values() if not run.is_done]


def _gan_cost(comparison: Comparison, gans: Sequence[GANRun], steps: int) -> Cost:
    """Estimate GANs of one kind, as if the time of a step were proportional to its examples."""
    kind, settings = gans[0].kind, gans[0].settings
    settings = replace(settings, batch_size=min(_EXAMPLE_COUNT, settings.batch_size))
    gan = comparison.settings.gan_kind(kind).build(settings, 0)
    examples_per_step = settings.examples_per_step
    spectrograms = _noise((examples_per_step, *comparison.settings.spec.shape))
    batch: Any = spectrograms
    if settings.classes:
        batch = (spectrograms, np.arange(examples_per_step) % settings.classes)
    seconds_per_step = median_seconds(lambda: gan.train_on_batch(batch), steps)
    state_bytes = _size(gan.state)
    keras.utils.clear_session()
    example_count = sum(run.settings.steps * run.settings.examples_per_step for run in gans)
    seconds = seconds_per_step / examples_per_step * example_count
    return Cost(kind, len(gans), seconds, len(gans) * state_bytes)


def _classifier_cost(comparison: Comparison, runs: Sequence[NetworkRun], steps: int) -> Cost:
    settings, first_run = comparison.settings, runs[0]
    class_count, fit = len(first_run.data.fold.classes), first_run.fit
    build = settings.network_kind(first_run.classifier).build
    model = build(class_count, settings.spec.shape, settings.weights, 0)
    network = _measure(model, fit, class_count, steps)
    total = 0.0
    for run in runs:
        split = run.data.fold.split
        total += network.run_seconds(run.fit, 0, len(split.validation), len(split.test))
    if network.is_cut:
        # The frozen layers compute their outputs once for each augmented view of a spectrogram.
        view_count = max(1, fit.views) if any(run.data.arm.spec_augment for run in runs) else 1
        total += network.seconds_per_clip * view_count * _spectrogram_count(comparison, runs)
    return Cost(first_run.classifier, len(runs), total, len(runs) * network.state_bytes)


def training_cost(settings: TrainSettings, progress: Progress, steps: int = 3) -> Cost:
    """Measure an encoder on some recordings, or some steps of a network, and extrapolate.

    The estimate is that of :func:`serkit.studies.train.train` from its beginning. It leaves out the
    time for spectrograms and for linear classifiers, which take seconds.

    Args:
        settings: recordings and model.
        progress: reports progress to the user.
        steps: as for :func:`estimate_cost`.

    Raises:
        SerkitError: for recordings or settings that do not work; the message says why.
    """
    track, naming = progress.progress_bar("reading"), settings.naming
    corpus = open_recordings(settings.roots, track, naming=naming).corpus
    recipe, folds = recipe_of(settings, progress), settings.folds
    progress.say(f"measuring {settings.model}")
    if not isinstance(recipe, NetworkRecipe):
        seconds, disk_bytes = _feature_cost(recipe.spec, corpus)
        return Cost(settings.model, folds + 1, seconds, disk_bytes)
    class_count, fit = len(corpus.classes(settings.label_set)), recipe.fit_settings
    model = recipe.build(class_count, settings.seed)
    network = _measure(model, fit, class_count, steps)
    speed_count, held_out = 1 + len(recipe.speeds), len(corpus) // folds
    in_fold = speed_count * (len(corpus) - 2 * held_out)
    seconds = folds * network.run_seconds(fit, in_fold, held_out, held_out)
    # The last model has validation speakers and no test speakers.
    seconds += network.run_seconds(fit, in_fold + speed_count * held_out, held_out, 0)
    if network.is_cut:
        seconds += network.seconds_per_clip * speed_count * len(corpus)
    # A checkpoint at a time, a model for each fold, and the spectrograms as float16.
    disk_bytes = network.state_bytes + folds * network.model_bytes
    disk_bytes += 2 * speed_count * len(corpus) * math.prod(recipe.spec.shape)
    return Cost(settings.model, folds + 1, seconds, disk_bytes)


def _feature_cost(inputs: Inputs, corpus: Corpus) -> tuple[float, int]:
    """Return the time for the features of all clips, and the bytes of their cache."""
    if not isinstance(inputs, SpeechFeatures):
        return 0.0, 0
    # Clips of all speakers, whose lengths may differ.
    chosen = corpus.clips[:: max(1, len(corpus) // _EXAMPLE_COUNT)]
    with TemporaryDirectory() as folder:
        compute_inputs(replace(corpus, clips=chosen[:1]), inputs, Path(folder))
        start = time.monotonic()
        compute_inputs(replace(corpus, clips=chosen), inputs, Path(folder))
        seconds = time.monotonic() - start
    disk_bytes = 2 * len(corpus) * math.prod(inputs.shape)
    return seconds / max(1, len(chosen) - 1) * len(corpus), disk_bytes


@dataclass(frozen=True)
class _NetworkCost:
    """Measured cost of a network.

    Attributes:
        seconds_per_step: duration of a training step.
        seconds_per_clip: duration of a prediction, divided by the number of clips.
        state_bytes: size of a checkpoint.
        model_bytes: size of the model.
        is_cut: whether the outputs of its frozen layers are stored.
    """

    seconds_per_step: float
    seconds_per_clip: float
    state_bytes: int
    model_bytes: int
    is_cut: bool

    def run_seconds(self, fit: FitSettings, train: int, validation: int, test: int) -> float:
        """Return the seconds of steps, validation after each epoch, and predictions at the end.

        ``train``, ``validation`` and ``test`` are the numbers of clips of the partitions.
        """
        # A step without gradients is about a third of the work.
        validation_seconds = self.seconds_per_step / 3 * validation / fit.batch_size
        epochs = fit.epochs * (fit.steps(train) * self.seconds_per_step + validation_seconds)
        return epochs + self.seconds_per_clip * (validation + test)


def _measure(model: keras.Model, fit: FitSettings, class_count: int, steps: int) -> _NetworkCost:
    halves = cut(model)
    trained_half = halves.rest if halves else model
    trainer = compiled(trained_half, fit, 1)
    inputs = _noise((fit.batch_size, *trained_half.input_shape[1:]))
    labels = np.arange(fit.batch_size) % class_count
    seconds_per_step = median_seconds(lambda: trainer.train_on_batch(inputs, labels), steps)
    spectrograms = _noise((_EXAMPLE_COUNT, *model.input_shape[1:]))
    seconds_per_batch = median_seconds(lambda: model.predict_on_batch(spectrograms), steps)
    state_bytes, model_bytes = _size(trainer.variables), _size(model.variables)
    keras.utils.clear_session()
    seconds_per_clip = seconds_per_batch / _EXAMPLE_COUNT
    return _NetworkCost(
        seconds_per_step, seconds_per_clip, state_bytes, model_bytes, halves is not None
    )


def _spectrogram_count(comparison: Comparison, runs: Sequence[NetworkRun]) -> int:
    """Count the spectrograms of all clips and of all added examples that are not copies."""
    added_counts = {}
    for run in runs:
        fold, fill = run.data.fold, run.data.arm.fill
        if fill not in ("", COPIES):
            added_counts[fold.protocol, fold.number, fill] = sum(fold.plan.values())
    return len(comparison.corpus) + sum(added_counts.values())


def _size(variables: Iterable[keras.Variable]) -> int:
    """Return the bytes of variables in a checkpoint, which holds float32."""
    return sum(4 * math.prod(variable.shape) for variable in variables)


def _noise(shape: tuple[int, ...]) -> npt.NDArray[Any]:
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def median_seconds(step: Callable[[], object], count: int) -> float:
    """Return the median duration of ``count`` calls, after a first call, which compiles."""
    step()
    times = []
    for _ in range(count):
        start = time.monotonic()
        step()
        times.append(time.monotonic() - start)
    return float(np.median(times))
