"""Estimate the time of a comparison from a few measured steps of each network."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from serkit.augmentation.arms import COPIES
from serkit.formatting import markdown_table
from serkit.models.fitting import compiled
from serkit.models.frozen_features import cut
from serkit.studies.classifier_runs import ClassifierRun
from serkit.studies.engine import Comparison
from serkit.studies.generators import GANRun
from serkit.tasks.graph import Task

_FEW = 8


@dataclass(frozen=True)
class Cost:
    """Estimated time of all unfinished training runs of one kind.

    Attributes:
        kind: name of a classifier or a GAN.
        runs: number of training runs.
        seconds: time of all of them, one after the other.
    """

    kind: str
    runs: int
    seconds: float


def estimate_cost(comparison: Comparison, steps: int = 3) -> list[Cost]:
    """Measure some steps of each network, and extrapolate to all unfinished training runs.

    Spectrograms and sampling from GANs are left out, because they take little time compared with
    training. A GAN that stops at an equilibrium may take less time. Training runs with the further
    seeds of the best arms are left out, too.

    Args:
        comparison: before :meth:`serkit.studies.engine.Comparison.run`.
        steps: number of steps to measure for each network, after the first step, which compiles.
    """
    unfinished = _not_done(comparison)
    gans = [each for each in unfinished if isinstance(each, GANRun)]
    kinds = dict.fromkeys(gan.kind for gan in gans)
    found = [_of_gans(comparison, [g for g in gans if g.kind == kind], steps) for kind in kinds]
    for name in comparison.settings.classifiers:
        own = [
            each
            for each in unfinished
            if isinstance(each, ClassifierRun) and each.classifier == name
        ]
        if own:
            found.append(_of_classifier(comparison, own, steps))
    return found


def cost_table(costs: Sequence[Cost]) -> str:
    """Return a Markdown table of training runs and minutes, by kind and in total."""
    total = Cost("all", sum(each.runs for each in costs), sum(each.seconds for each in costs))
    rows = [[each.kind, f"{each.runs}", f"{each.seconds / 60:.1f}"] for each in (*costs, total)]
    return markdown_table(["to do, about", "training runs", "minutes"], rows)


def _not_done(comparison: Comparison) -> list[Task]:
    settings = comparison.settings
    every = {
        task.place: task
        for arm in comparison.arms
        for fold in comparison.folds
        for _, task in comparison.tasks(fold, arm, settings.classifiers, settings.seeds)
        if isinstance(task, GANRun | ClassifierRun)
    }
    return [task for task in every.values() if not task.is_done]


def _of_gans(comparison: Comparison, gans: Sequence[GANRun], steps: int) -> Cost:
    """Estimate GANs of one kind. The time of a step is taken as proportional to its examples."""
    kind, first = gans[0].kind, gans[0].settings
    small = replace(first, batch_size=min(_FEW, first.batch_size))
    gan = comparison.settings.gan_kind(kind).build(small, 0)
    examples = small.examples_per_step
    spectrograms = _noise((examples, *comparison.settings.spec.shape))
    labels = (np.arange(examples) % small.classes,) if small.classes else ()
    batch = (spectrograms, *labels) if labels else spectrograms
    each = median_seconds(lambda: gan.train_on_batch(batch), steps) / examples
    keras.utils.clear_session()
    shown = sum(one.settings.steps * one.settings.examples_per_step for one in gans)
    return Cost(kind, len(gans), each * shown)


def _of_classifier(comparison: Comparison, runs: Sequence[ClassifierRun], steps: int) -> Cost:
    settings, first = comparison.settings, runs[0]
    classes = len(first.data.fold.classes)
    build = settings.classifier_kind(first.classifier).build
    model = build(classes, settings.spec.shape, settings.weights, 0)
    halves = cut(model)
    trained = halves.rest if halves else model
    size = first.fit.batch_size
    trainer = compiled(trained, first.fit, 1)
    inputs, labels = _noise((size, *trained.input_shape[1:])), np.arange(size) % classes
    step = median_seconds(lambda: trainer.train_on_batch(inputs, labels), steps)
    few = _noise((_FEW, *settings.spec.shape))
    forward = median_seconds(lambda: model.predict_on_batch(few), steps) / _FEW
    keras.utils.clear_session()
    total = sum(_of_run(one, step, forward) for one in runs)
    # The frozen layers compute each spectrogram once per augmented view.
    views = max(1, first.fit.views) if any(one.data.arm.masks for one in runs) else 1
    total += forward * views * _spectrograms(comparison, runs) if halves else 0.0
    return Cost(first.classifier, len(runs), total)


def _of_run(run: ClassifierRun, step: float, forward: float) -> float:
    """Return the seconds of steps, validation after each epoch, and predictions at the end."""
    split, fit = run.data.fold.split, run.fit
    # A step without gradients is about a third of the work.
    validation = step / 3 * len(split.validation) / fit.batch_size
    epochs = fit.epochs * (fit.steps(0) * step + validation)
    return epochs + forward * (len(split.validation) + len(split.test))


def _spectrograms(comparison: Comparison, runs: Sequence[ClassifierRun]) -> int:
    """Count the spectrograms of all clips and of all added samples that are not copies."""
    added = {
        (fold.protocol, fold.number, one.data.arm.fill): sum(fold.plan.values())
        for one in runs
        if one.data.arm.fill not in ("", COPIES) and (fold := one.data.fold)
    }
    return len(comparison.corpus) + sum(added.values())


def _noise(shape: tuple[int, ...]) -> npt.NDArray[Any]:
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def median_seconds(step: Callable[[], object], count: int) -> float:
    """Return the median duration of ``count`` calls, after a first call, which compiles."""
    step()
    times = []
    for _ in range(count):
        began = time.monotonic()
        step()
        times.append(time.monotonic() - began)
    return float(np.median(times))
