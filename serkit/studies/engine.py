"""The tasks of a comparison, from recordings to results."""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from serkit.augmentation.arms import GANS, NONE, Arm, choose_arms
from serkit.datasets.audit import open_recordings
from serkit.datasets.corpus import Corpus
from serkit.datasets.imbalance import explain_no_rare_class
from serkit.datasets.synthetic import write_synthetic_corpus
from serkit.errors import InputError
from serkit.formatting import counted
from serkit.progress import Progress, SilentProgress
from serkit.seeds import derive_seed
from serkit.studies.classifier_runs import ClassifierRun
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.comparison_spectrograms import Views
from serkit.studies.folds import Fold, make_folds
from serkit.studies.generators import GANRun, TrainedFilter, gan_runs, in_order
from serkit.studies.training_sets import TrainingSet
from serkit.tasks.graph import Engine, LocalEngine, Task, TaskFactory, TaskGraph

MANIFEST = "manifest.csv"


def open_corpus(settings: ComparisonSettings, out: Path, progress: Progress) -> Corpus:
    """Return the audited clips, without the corpora that the settings leave out.

    Args:
        settings: settings of the comparison.
        out: the run folder; gets the manifest if it has none.
        progress: reports the number of clips to the user.

    Raises:
        InputError: if there are no recordings, or a corpus to leave out does not exist.
    """
    manifest = out / MANIFEST
    if not manifest.exists():
        roots = settings.roots
        if not roots:
            roots = (str(out / "built-in"),)
            write_synthetic_corpus(
                roots[0], settings.synthetic, track=progress.progress_bar("speaking")
            )
        found = open_recordings(roots, progress.progress_bar("reading"), naming=settings.naming)
        found.write(out)
    corpus = Corpus.read(manifest)
    names = {clip.corpus for clip in corpus.clips}
    if unknown := sorted(set(settings.without) - names):
        raise InputError(
            f"`without` must be corpora of the recordings: {', '.join(sorted(names))}. "
            f"Received: {', '.join(unknown)}."
        )
    corpus = corpus.where(lambda clip: clip.corpus not in settings.without)
    progress.class_counts_table(counted(len(corpus), "clip"), corpus.counts(settings.label_set))
    return corpus


_REFERENCE = "compact"
"""Classifier whose features the sample filter uses."""


class Comparison:
    """Arms, folds and training runs of one comparison.

    Creating an object switches on deterministic TensorFlow ops in this process. Spectrograms need
    not exist before: tasks compute them, as tasks run the training runs.

    Args:
        settings: settings of the comparison.
        out: the run folder. Only processes that run tasks of the same comparison may use it.
        cache: folder of spectrograms, GANs and training runs. Comparisons may share it if they run
            one after the other. Default: in the run folder.
        progress: reports progress to the user.

    Attributes:
        arms: the arms, ``none`` first.
        corpus: audited clips.
        views: spectrograms of all clips.
        folds: folds of all protocols.
        left_out: message that names the arms that are left out because no class is rare; empty if
            no arm is left out.
    """

    def __init__(
        self,
        settings: ComparisonSettings,
        out: Path,
        cache: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        tf.config.experimental.enable_op_determinism()
        keras.utils.set_random_seed(derive_seed(settings.seed, "global"))
        self.settings: ComparisonSettings = settings
        self.out: Path = out
        self.cache: Path = cache or out / "cache"
        self.progress: Progress = progress or Progress()
        self.arms: tuple[Arm, ...] = choose_arms(settings.arms, settings.everywhere)
        self.corpus: Corpus = open_corpus(settings, out, self.progress)
        self.views: Views = Views(settings, self.corpus, self.cache)
        self.folds: list[Fold] = list(make_folds(settings, self.corpus, self.views))
        self.left_out: str = self._leave_out_unfilled()
        for fold in self.folds:
            fold.split.write(self.out / "splits" / f"{fold.protocol}-{fold.number}.json")
        self._gans = {
            (arm.fill, fold.protocol, fold.number): gan_runs(
                arm.fill, fold, settings, self.cache / "gans"
            )
            for fold in self.folds
            for arm in self.arms
            if arm.fill in GANS
        }

    def run(self, engine: Engine | None = None) -> None:
        """Run all tasks: spectrograms, all arms, then ``none`` and the best arms with more seeds.

        Args:
            engine: scheduler that runs the tasks; default: this process runs them.

        Raises:
            RecordingError: if a recording cannot be read or decoded; the message names it.
        """
        engine, factory = engine or LocalEngine(), self.task_factory()
        settings, say, verbose = self.settings, self.progress.say, self.progress.verbose
        arms = 1 + min(settings.best, len(self.arms) - 1)
        more = arms * len(settings.more_seeds) * len(self.folds)
        first = list(self._tasks(self.arms, settings.seeds))
        later = {f"{name} to train": more for name in settings.classifiers}
        engine.run(TaskGraph(first, later), factory, say, verbose)
        again = [
            task
            for protocol in settings.protocols
            for classifier in settings.classifiers
            for task in self._again(protocol, classifier)
        ]
        engine.run(TaskGraph([*first, *again]), factory, say, verbose)

    def task_factory(self) -> TaskFactory:
        """Return the settings that an engine needs to run these tasks in other processes."""
        reopen = functools.partial(reopened, self.settings)
        inputs = (("out", MANIFEST), ("out", "roots.json"))
        return TaskFactory(reopen, self.out, self.cache, inputs=inputs)

    def task_at(self, name: str) -> Task:
        """Return a task by its name.

        Args:
            name: path of the task's folder relative to the cache.

        Raises:
            InputError: if there is no task of that name.
        """
        settings, wanted = self.settings, self.cache / name
        for _, task in self._tasks(self.arms, (*settings.seeds, *settings.more_seeds)):
            if task.place == wanted:
                return task
        raise InputError(f"`name` must be a task of this comparison. Received: {name}.")

    def runs(self, protocol: str, classifier: str, arm: Arm) -> list[ClassifierRun]:
        """Return the training runs of an arm, by seed and fold.

        A seed is left out unless its training runs are done in all folds. Only ``none`` and the
        :meth:`best` arms have training runs with ``more_seeds``. Those of other arms may be in the
        cache, but are left out.
        """
        folds = [fold for fold in self.folds if fold.protocol == protocol]
        found = []
        seeds = self.settings.seeds
        if self.settings.more_seeds and (
            arm.name == NONE or arm in self.best(protocol, classifier)
        ):
            seeds = (*seeds, *self.settings.more_seeds)
        for seed in seeds:
            mine = [self.classifier_run(fold, classifier, arm, seed) for fold in folds]
            if all(run.is_done for run in mine):
                found += mine
        return found

    def best(self, protocol: str, classifier: str) -> list[Arm]:
        """Return the arms with the highest mean UAR on the validation partitions, best first.

        Only training runs with ``settings.seeds`` count. ``none`` is left out, and so are arms with
        a missing training run. Test partitions are not used. Over all folds, however, the same
        speakers are in validation and in test partitions.
        """
        found = {}
        for arm in self.arms:
            mine = [
                self.classifier_run(fold, classifier, arm, seed)
                for fold in self.folds
                if fold.protocol == protocol
                for seed in self.settings.seeds
            ]
            if arm.name != NONE and all(run.is_done for run in mine):
                found[arm] = np.mean([one.record()["validation_uar"] for one in mine])
        return sorted(found, key=found.__getitem__, reverse=True)[: self.settings.best]

    @property
    def failures(self) -> dict[str, str]:
        """Reasons by title, for training runs that diverged or whose GAN diverged."""
        settings = self.settings
        every = (
            self.classifier_run(fold, classifier, arm, seed)
            for fold in self.folds
            for classifier in settings.classifiers
            for arm in self.arms
            for seed in (*settings.seeds, *settings.more_seeds)
        )
        return {run.title: why for run in every if (why := run.failure)}

    def classifier_run(self, fold: Fold, classifier: str, arm: Arm, seed: int) -> ClassifierRun:
        """Return a training run, done or not."""
        settings, uses_gan = self.settings, arm.fill in GANS
        gans = self.gans(arm.fill, fold) if uses_gan else {}
        trained_filter = self.trained_filter(fold) if settings.gated and uses_gan else None
        data = TrainingSet(arm, fold, settings, gans, trained_filter)
        reference = _REFERENCE, self.arms[0].name, settings.seeds[0]
        keep = settings.gated and (classifier, arm.name, seed) == reference
        keep_model = settings.keep_models or keep
        return ClassifierRun(classifier, data, seed, settings, self.cache, keep_model)

    def tasks(
        self, fold: Fold, arm: Arm, classifiers: Sequence[str], seeds: Sequence[int]
    ) -> Iterator[tuple[str, Task]]:
        """Yield all tasks of an arm on a fold with their kinds, each after the tasks it needs.

        Args:
            fold: a fold of the comparison.
            arm: an arm of the comparison.
            classifiers: names of the classifiers to train.
            seeds: seeds of training runs.
        """
        for part in self.views.parts(self.settings.speeds_of(arm)):
            yield f"spectrograms at speed {part.speed:g}", part
        if arm.fill in GANS:
            if self.settings.gated:
                yield f"{_REFERENCE} to train", self._reference_run(fold)
            for gan in in_order(self.gans(arm.fill, fold)):
                what = "of all clips" if gan.before is None and gan.name == "all" else "of a class"
                yield f"{arm.fill} {what}", gan
        for classifier in classifiers:
            for seed in seeds:
                yield f"{classifier} to train", self.classifier_run(fold, classifier, arm, seed)

    def gans(self, kind: str, fold: Fold) -> dict[str, GANRun]:
        """Return the GANs of an arm's kind that a fold needs, by class."""
        return self._gans[kind, fold.protocol, fold.number]

    def _tasks(self, arms: Sequence[Arm], seeds: Sequence[int]) -> Iterator[tuple[str, Task]]:
        """Yield all tasks with their kinds, each after the tasks it needs.

        Arms without GANs come first, because they finish earliest.
        """
        for arm in sorted(arms, key=lambda arm: arm.fill in GANS):
            for fold in self.folds:
                yield from self.tasks(fold, arm, self.settings.classifiers, seeds)

    def _again(self, protocol: str, classifier: str) -> Iterator[tuple[str, Task]]:
        if not self.settings.more_seeds:
            return
        for arm in (self.arms[0], *self.best(protocol, classifier)):
            for fold in self.folds:
                if fold.protocol == protocol:
                    yield from self.tasks(fold, arm, [classifier], self.settings.more_seeds)

    def trained_filter(self, fold: Fold) -> TrainedFilter:
        """Return the sample filter of a fold, whose classifier may have to be trained before."""
        run = self._reference_run(fold)
        return TrainedFilter(fold, run.key, run.model_file)

    def _reference_run(self, fold: Fold) -> ClassifierRun:
        return self.classifier_run(fold, _REFERENCE, self.arms[0], self.settings.seeds[0])

    def _leave_out_unfilled(self) -> str:
        filling = [arm.name for arm in self.arms if arm.fill]
        if not filling or any(fold.plan for fold in self.folds):
            return ""
        counts = self.folds[0].split.train.counts(self.settings.label_set)
        why = f"nothing to fill for {', '.join(filling)}: " + explain_no_rare_class(
            counts, self.settings.rare_below
        )
        kept = tuple(arm for arm in self.arms if not arm.fill)
        if len(kept) == 1 and not self.settings.keep_models:
            raise InputError(
                f"`arms` must have one that can be compared with none. Received: {why}. Raise "
                "`rare_below`, make classes rare with `rarify`, or choose arms that fill none."
            )
        self.arms = kept
        self.progress.say(f"! {why}")
        return why


def reopened(settings: ComparisonSettings, out: Path, cache: Path, name: str) -> Task:
    """Recreate a task of a comparison, see :meth:`Comparison.task_at`.

    Args:
        settings: settings of the comparison.
        out: the run folder, with the manifest.
        cache: folder of all results, with the results that the task needs.
        name: name of the task.

    Raises:
        InputError: if there is no such task.
    """
    return _comparison(settings, out, cache).task_at(name)


@functools.lru_cache(maxsize=1)
def _comparison(settings: ComparisonSettings, out: Path, cache: Path) -> Comparison:
    return Comparison(settings, out, cache, SilentProgress())
