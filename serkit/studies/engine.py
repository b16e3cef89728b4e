"""The comparison: its arms, folds and training runs, and the tasks that compute them."""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from serkit.augmentation.arms import GANS, NONE, Arm, choose_arms
from serkit.datasets.corpus import Corpus
from serkit.datasets.imbalance import explain_no_rare_class
from serkit.errors import InputError, RecordingError
from serkit.progress import Progress, SilentProgress
from serkit.seeds import derive_seed
from serkit.studies.classifier_kinds import HEADS, open_features
from serkit.studies.classifier_runs import ClassifierRun
from serkit.studies.comparison_inputs import MANIFEST, InputsBySpeed, open_corpus
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.folds import Fold, make_folds
from serkit.studies.generators import GANRun, TrainedFilter, gan_runs, in_training_order
from serkit.studies.head_runs import HeadRun
from serkit.studies.network_runs import NetworkRun
from serkit.studies.partitions import Inputs
from serkit.studies.training_sets import TrainingSet
from serkit.tasks.graph import Engine, LocalEngine, Task, TaskFactory, TaskGraph

_REFERENCE = "compact"
"""Name of the reference classifier, whose features the sample filter uses."""


class Comparison:
    """Arms, folds and training runs of one comparison.

    The constructor switches on deterministic TensorFlow ops in this process, audits the recordings
    and makes the folds. It computes no spectrogram and trains nothing: :meth:`run` does this.

    Args:
        settings: settings of the comparison.
        out: the run folder. No process that runs another comparison may use it.
        cache: folder of spectrograms, GANs and training runs. Comparisons may share it if they run
            one after the other. Default: in the run folder.
        progress: reports progress to the user.

    Attributes:
        arms: the arms, ``none`` first.
        corpus: audited clips.
        spectrograms: spectrograms of all clips, at each speed that an arm needs.
        folds: folds of all protocols.
        left_out_message: names the arms that are left out, and says why: because no class is rare,
            or because a linear classifier cannot be trained with them. Empty if none is left out.
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
        unusable_message = self._leave_out_unusable_arms()
        self.spectrograms: InputsBySpeed = self._inputs(settings.spec)
        self._features: dict[str, InputsBySpeed] = {}
        self.folds: list[Fold] = list(make_folds(settings, self.corpus, self.spectrograms))
        messages = (unusable_message, self._leave_out_filling_arms())
        self.left_out_message: str = "; ".join(filter(None, messages))
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

    def inputs_of(self, classifier: str) -> InputsBySpeed:
        """Return the inputs of a classifier: spectrograms, or features for a linear classifier.

        Raises:
            InputError: if the file of features or of an encoder's weights cannot be used.
            DownloadError: if the weights of an encoder cannot be downloaded.
        """
        if classifier not in HEADS:
            return self.spectrograms
        if classifier not in self._features:
            weights, file = self.settings.encoder_weights, self.settings.features
            features = open_features(classifier, weights, file, self.progress)
            self._features[classifier] = self._inputs(features)
        return self._features[classifier]

    def _inputs(self, inputs: Inputs) -> InputsBySpeed:
        speeds = dict.fromkeys(speed for arm in self.arms for speed in self.settings.speeds_of(arm))
        is_centred = self.settings.speaker_normalization
        return InputsBySpeed(self.corpus, inputs, speeds, self.cache, is_centred)

    def arms_of(self, classifier: str) -> list[Arm]:
        """Return the arms that a classifier is trained with, ``none`` first."""
        usable = self.settings.arms_of(classifier)
        return [arm for arm in self.arms if arm in usable]

    def run(self, engine: Engine | None = None) -> None:
        """Run all tasks that are not done.

        All arms are trained with ``settings.seeds`` first. Then ``none`` and the arms of
        :meth:`best_arms` are trained with ``settings.more_seeds``.

        Args:
            engine: scheduler that runs the tasks; default: one task after the other in this
                process.

        Raises:
            RecordingError: if a recording cannot be read or decoded; the message names it. The
                manifest is removed, because the user has to correct the recordings, so that the
                next call has to audit them again.
        """
        try:
            self._run(engine or LocalEngine())
        except RecordingError:
            (self.out / MANIFEST).unlink(missing_ok=True)
            raise

    def _run(self, engine: Engine) -> None:
        factory = self.task_factory()
        settings, say, verbose = self.settings, self.progress.say, self.progress.verbose
        tasks = list(self._tasks_of(self.arms, settings.seeds))
        later = {}
        # A linear classifier is the same for every seed.
        for name in (name for name in settings.classifiers if name not in HEADS):
            repeated_arms = 1 + min(settings.best, len(self.arms_of(name)) - 1)
            later[f"{name} to train"] = repeated_arms * len(settings.more_seeds) * len(self.folds)
        engine.run(TaskGraph(tasks, later), factory, say, verbose)
        # Only now the best arms are known.
        for protocol in settings.protocols:
            for classifier in settings.classifiers:
                tasks += self._repetition_tasks(protocol, classifier)
        engine.run(TaskGraph(tasks), factory, say, verbose)

    def task_factory(self) -> TaskFactory:
        """Return what a scheduler needs to recreate the tasks in other processes."""
        reopen = functools.partial(recreate_task, self.settings)
        inputs = (("out", MANIFEST), ("out", "roots.json"))
        return TaskFactory(reopen, self.out, self.cache, inputs=inputs)

    def task_by_name(self, name: str) -> Task:
        """Return a task by its name.

        Args:
            name: path of the task's folder relative to the cache.

        Raises:
            InputError: if there is no task of that name.
        """
        folder = self.cache / name
        seeds = (*self.settings.seeds, *self.settings.more_seeds)
        for _, task in self._tasks_of(self.arms, seeds):
            if task.folder == folder:
                return task
        raise InputError(f"`name` must be a task of this comparison. Received: {name}.")

    def finished_runs(self, protocol: str, classifier: str, arm: Arm) -> list[ClassifierRun]:
        """Return the finished training runs of an arm, ordered by seed and fold.

        A seed is left out unless its training runs are done in all folds. Runs with
        ``settings.more_seeds`` are returned only for ``none`` and the arms of :meth:`best_arms`,
        even if the cache has such runs of other arms from an earlier comparison.
        """
        seeds = self.settings.seeds
        if self.settings.more_seeds and (
            arm.name == NONE or arm in self.best_arms(protocol, classifier)
        ):
            seeds = (*seeds, *self.settings.more_seeds)
        finished = []
        for seed in seeds:
            runs = [
                self.classifier_run(fold, classifier, arm, seed)
                for fold in self._folds_of(protocol)
            ]
            if all(run.is_done for run in runs):
                finished += runs
        return finished

    def best_arms(self, protocol: str, classifier: str) -> list[Arm]:
        """Return the arms with the highest mean UAR on the validation partitions, best first.

        At most ``settings.best`` arms are returned. Only training runs with ``settings.seeds``
        count. ``none`` is left out, and so is an arm with a missing training run.

        Test partitions are not used. However, a validation speaker of one fold is a test speaker of
        another, so the choice is not independent of the test speakers.
        """
        uar_by_arm = {}
        for arm in self.arms_of(classifier):
            runs = [
                self.classifier_run(fold, classifier, arm, seed)
                for fold in self._folds_of(protocol)
                for seed in self.settings.seeds
            ]
            if arm.name != NONE and all(run.is_done for run in runs):
                uar_by_arm[arm] = np.mean([run.record()["validation_uar"] for run in runs])
        ranked = sorted(uar_by_arm, key=uar_by_arm.__getitem__, reverse=True)
        return ranked[: self.settings.best]

    @property
    def failures(self) -> dict[str, str]:
        """Why a training run failed, by its title; a run fails if it or its GAN diverged."""
        settings = self.settings
        runs = (
            self.classifier_run(fold, classifier, arm, seed)
            for fold in self.folds
            for classifier in settings.classifiers
            for arm in self.arms_of(classifier)
            for seed in (*settings.seeds, *settings.more_seeds)
        )
        return {run.title: reason for run in runs if (reason := run.failure)}

    def classifier_run(self, fold: Fold, classifier: str, arm: Arm, seed: int) -> ClassifierRun:
        """Return a training run, done or not."""
        settings, uses_gan = self.settings, arm.fill in GANS
        gans = self.gans(arm.fill, fold) if uses_gan else {}
        trained_filter = self.trained_filter(fold) if settings.gated and uses_gan else None
        data = TrainingSet(
            arm, fold.with_inputs(self.inputs_of(classifier)), settings, gans, trained_filter
        )
        reference = _REFERENCE, self.arms[0].name, settings.seeds[0]
        is_filter_classifier = settings.gated and (classifier, arm.name, seed) == reference
        keep_model = settings.keep_models or is_filter_classifier
        kind = HeadRun if classifier in HEADS else NetworkRun
        return kind(classifier, data, seed, settings, self.cache, keep_model)

    def tasks(
        self, fold: Fold, arm: Arm, classifiers: Sequence[str], seeds: Sequence[int]
    ) -> Iterator[tuple[str, Task]]:
        """Yield pairs of kind and task for an arm on a fold, each task after those that it needs.

        Args:
            fold: a fold of the comparison.
            arm: an arm of the comparison.
            classifiers: names; those that cannot be trained with the arm are left out.
            seeds: seeds of training runs.
        """
        classifiers = [name for name in classifiers if arm in self.arms_of(name)]
        inputs = dict.fromkeys(map(self.inputs_of, classifiers))
        if arm.fill in GANS:
            inputs[self.spectrograms] = None
        for each in inputs:
            for task in each.tasks(self.settings.speeds_of(arm)):
                yield f"{task.kind} at speed {task.speed:g}", task
        if arm.fill in GANS:
            if self.settings.gated:
                yield f"{_REFERENCE} to train", self._reference_run(fold)
            for gan in in_training_order(self.gans(arm.fill, fold)):
                is_of_all_clips = gan.pretrained_gan is None and gan.name == "all"
                yield f"{arm.fill} {'of all clips' if is_of_all_clips else 'of a class'}", gan
        for classifier in classifiers:
            for seed in seeds:
                yield f"{classifier} to train", self.classifier_run(fold, classifier, arm, seed)

    def gans(self, kind: str, fold: Fold) -> dict[str, GANRun]:
        """Return the tasks of the GANs of a kind on a fold, by class, see ``gan_runs``."""
        return self._gans[kind, fold.protocol, fold.number]

    def _folds_of(self, protocol: str) -> list[Fold]:
        return [fold for fold in self.folds if fold.protocol == protocol]

    def _tasks_of(self, arms: Sequence[Arm], seeds: Sequence[int]) -> Iterator[tuple[str, Task]]:
        """Yield the tasks of some arms on all folds, see :meth:`tasks`.

        Arms without GANs come first, because they finish earliest.
        """
        for arm in sorted(arms, key=lambda arm: arm.fill in GANS):
            for fold in self.folds:
                yield from self.tasks(fold, arm, self.settings.classifiers, seeds)

    def _repetition_tasks(self, protocol: str, classifier: str) -> Iterator[tuple[str, Task]]:
        """Yield the tasks of ``none`` and of the best arms with ``settings.more_seeds``."""
        if not self.settings.more_seeds:
            return
        for arm in (self.arms[0], *self.best_arms(protocol, classifier)):
            for fold in self._folds_of(protocol):
                yield from self.tasks(fold, arm, [classifier], self.settings.more_seeds)

    def trained_filter(self, fold: Fold) -> TrainedFilter:
        """Return the sample filter of a fold. Its classifier has to be trained before its use."""
        run = self._reference_run(fold)
        return TrainedFilter(fold, run.key, run.model_file)

    def _reference_run(self, fold: Fold) -> ClassifierRun:
        return self.classifier_run(fold, _REFERENCE, self.arms[0], self.settings.seeds[0])

    def _leave_out_unusable_arms(self) -> str:
        """Leave out the arms that no classifier can be trained with, and return a message."""
        usable = {name: self.settings.arms_of(name) for name in self.settings.classifiers}
        messages = []
        for classifier, arms in usable.items():
            if left_out := [arm.name for arm in self.arms if arm not in arms]:
                message = f"{classifier} is not trained with {', '.join(left_out)}"
                messages.append(f"{message}: its features are computed once for each recording")
                self.progress.say(f"! {messages[-1]}")
        self.arms = tuple(arm for arm in self.arms if any(arm in arms for arms in usable.values()))
        return "; ".join(messages)

    def _leave_out_filling_arms(self) -> str:
        """Leave out the arms that fill up classes if no class is rare, and return a message."""
        filling_names = [arm.name for arm in self.arms if arm.fill]
        if not filling_names or any(fold.plan for fold in self.folds):
            return ""
        counts = self.folds[0].split.train.counts(self.settings.label_set)
        message = f"nothing to fill for {', '.join(filling_names)}: " + explain_no_rare_class(
            counts, self.settings.rare_below, self.settings.filled_to
        )
        other_arms = tuple(arm for arm in self.arms if not arm.fill)
        if len(other_arms) == 1 and not self.settings.keep_models:
            raise InputError(
                f"`arms` must have one that can be compared with none. Received: {message}. Raise "
                "`rare_below` or `filled_to`, or make classes rare with `rarify`."
            )
        self.arms = other_arms
        self.progress.say(f"! {message}")
        return message


def recreate_task(settings: ComparisonSettings, out: Path, cache: Path, name: str) -> Task:
    """Recreate a task of a comparison, see :meth:`Comparison.task_by_name`.

    Args:
        settings: settings of the comparison.
        out: the run folder, with the manifest.
        cache: folder of all results. It must have the results that the task needs.
        name: name of the task.

    Raises:
        InputError: if there is no such task.
    """
    return _cached_comparison(settings, out, cache).task_by_name(name)


@functools.lru_cache(maxsize=1)
def _cached_comparison(settings: ComparisonSettings, out: Path, cache: Path) -> Comparison:
    return Comparison(settings, out, cache, SilentProgress())
