"""Train a classifier: test it on unseen speakers, then fit it on all speakers and export it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import pandas as pd
import tensorflow as tf

from serkit.datasets.corpus import LABEL_SETS, Corpus
from serkit.datasets.corpus_info import SYNTHETIC_WARNING, synthetic_clips
from serkit.datasets.custom import Naming
from serkit.datasets.feature_table import FeatureTable
from serkit.errors import InputError, check_choice, check_range
from serkit.export.exportable_model import Enrollment, ExportableModel
from serkit.export.saved_model import export_model
from serkit.export.versions import EXPORTED_FILE
from serkit.files import read_json_object, replacing, write_json
from serkit.models.linear_head import LinearHeadSettings
from serkit.models.speech_features import SpeechFeatures
from serkit.progress import Progress
from serkit.reporting.verdicts import TRANSDUCTIVE, interval_warnings
from serkit.seeds import check_seed
from serkit.serialization import content_key, recorded
from serkit.studies.classifier_kinds import (
    CLASSIFIERS,
    HEADS,
    NETWORKS,
    open_features,
    require_features,
)
from serkit.studies.comparison_inputs import MANIFEST, write_audit
from serkit.studies.cross_validation import CrossValidation, FoldRun
from serkit.studies.deployment import describe_data
from serkit.studies.enrollment import (
    ENROLLMENT,
    enrollment_scores,
    enrollment_sentence,
    fit_adaptive,
    has_enough_clips,
    measure_enrollment,
)
from serkit.studies.partitions import Inputs
from serkit.studies.run_folder import RunFolder
from serkit.studies.tested_predictions import TestedPredictions
from serkit.studies.train_recipes import HeadRecipe, NetworkRecipe, Recipe
from serkit.uncertainty.ood import TrainingDistance

DEFAULT_MODEL = "whisper-tiny.en"


@dataclass(frozen=True)
class TrainSettings:
    """Settings of :func:`train`.

    Attributes:
        roots: folders of recordings, CSV files, or manifests of an audit.
        model: one of :data:`serkit.studies.classifier_kinds.CLASSIFIERS`: a Whisper encoder,
            ``features``, or a network of spectrograms.
        weights: file of the encoder's weights; or initial weights of the 2021 report's networks,
            ``imagenet``, ``none`` or a file. Default: found or downloaded.
        label_set: ``emotion`` or ``gender_emotion``.
        folds: number of folds of speakers, at least 3.
        seed: seed of the folds and of training.
        coverage: fraction of clips on which the model does not abstain, above 0 to 1.
        head: settings of the linear classifier of features.
        epochs: number of epochs of a network of spectrograms; default: the network's own.
        naming: naming scheme of the user's own recordings.
        features: file of the user's own features of the recordings, for the model ``features``; see
            :class:`serkit.datasets.feature_table.FeatureTable`.
        speaker_normalization: whether the mean of each speaker's clips is taken off their features.
            This uses all clips of a test speaker: the scores are marked as transductive, and
            nothing is exported.

    Raises:
        InputError: if a value is not valid.

    Example:
        >>> import serkit
        >>> serkit.TrainSettings(roots=("recordings",)).model
        'whisper-tiny.en'
    """

    roots: tuple[str, ...]
    model: str = DEFAULT_MODEL
    weights: str | None = None
    label_set: str = "emotion"
    folds: int = 5
    seed: int = 0
    coverage: float = 0.9
    head: LinearHeadSettings = field(default_factory=LinearHeadSettings)
    epochs: int | None = None
    naming: Naming = field(default_factory=Naming, hash=False)
    features: str | None = None
    speaker_normalization: bool = False

    def __post_init__(self) -> None:
        check_choice("model", self.model, CLASSIFIERS)
        require_features((self.model,), self.features, self.roots)
        check_choice("label_set", self.label_set, LABEL_SETS)
        check_range("folds", self.folds, 3)
        check_seed("seed", self.seed)
        check_range("coverage", self.coverage, 0.01, 1.0)
        if self.epochs is not None:
            check_range("epochs", self.epochs, 1, 1_000_000)
            if self.model not in NETWORKS:
                raise InputError(
                    f"`epochs` is for a network of spectrograms: {', '.join(NETWORKS)}. "
                    f"Received: {self.epochs}, with model={self.model!r}."
                )
        if self.speaker_normalization and self.model not in HEADS:
            raise InputError(
                "`speaker_normalization` is for linear classifiers of features only. "
                f"Received: {self.model}."
            )
        if self.weights not in (None, "imagenet", "none") and not Path(self.weights).is_file():
            raise InputError(f"`weights` must be a file that exists. Received: {self.weights}.")
        if not self.roots:
            raise InputError("`roots` must be one or more folders or files. Received: none.")


def train(
    settings: TrainSettings, out: Path | str, model: Path | str, progress: Progress | None = None
) -> Path:
    """Train a classifier, test it on unseen speakers, and export it.

    The recordings are audited. In each fold of speakers a model is fitted on the other folds and
    predicts the clips of the fold. From these predictions come the scores, with confidence
    intervals over speakers, the temperature, and the threshold for abstention. The exported model
    is then fitted on all speakers; it is not tested itself, and its model card says so.

    A classifier of the user's own features cannot be exported, because nothing computes these
    features from a recording; and with ``speaker_normalization`` a recording alone is not enough.
    Such a classifier is saved as the Keras model ``model.keras``, from features to logits, in the
    run folder; ``metrics.json`` has the temperature to divide the logits by.

    If a call is killed, the same call resumes and gives the same result.

    Args:
        settings: recordings and model.
        out: run folder; gets the audit, ``metrics.json`` and ``predictions.csv``.
        model: folder of the exported model, such as ``saved_models/mine``; gets a new version.
        progress: reports progress to the user.

    Returns:
        The folder of the exported version, for :func:`serkit.load_model`; or the file of the Keras
        model.

    Raises:
        SerkitError: for recordings or settings that do not work; the message says why.
        DownloadError: if the weights of an encoder are not on this machine and cannot be
            downloaded.
        ResumeError: if ``out`` was made with other settings, or another process uses it.

    Example:
        .. code-block:: python

            settings = serkit.TrainSettings(roots=("recordings",))
            version = serkit.train(settings, "runs/mine", "saved_models/mine")
            print(serkit.load_model(version).predict("a.wav"))
    """
    out, progress = Path(out), progress or Progress()
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(settings.seed)
    with RunFolder(out, recorded(settings, ("speaker_normalization",))) as run:
        with progress.stage("recordings"):
            corpus = _audited(settings, run, progress)
        with progress.stage(f"{settings.model}: inputs"):
            recipe = recipe_of(settings, progress)
            cache = out / "cache" / _inputs_key(recipe.spec, corpus)
            folds = CrossValidation(
                [out / MANIFEST],
                settings.label_set,
                recipe.spec,
                cache,
                [settings.seed],
                folds=settings.folds,
                speeds=recipe.speeds,
                progress=progress,
                speaker_normalization=settings.speaker_normalization,
            )
        run.begin_work()
        can_enroll = isinstance(recipe.spec, SpeechFeatures) and has_enough_clips(corpus)
        can_enroll = can_enroll and not settings.speaker_normalization
        with progress.stage(f"{settings.folds} folds of speakers"):
            for fold in folds:
                progress.say(f"   fold {fold.number} of {settings.folds}")
                fold.test(recipe.fit(fold))
            for fold in folds.remaining(ENROLLMENT) if can_enroll else ():
                measure_enrollment(fold)
        predictions = folds.predictions()
        tested = TestedPredictions(predictions, folds.classes, settings.coverage)
        prediction = tested.prediction_settings(settings.seed)
        scores = tested.to_json()
        if settings.speaker_normalization:
            scores["transductive"] = True
        enrolled = folds.predictions(ENROLLMENT) if can_enroll else None
        if enrolled is not None:
            scores["enrollment"] = enrollment_scores(enrolled, folds.classes)
        calibration = {"temperature": prediction.temperature, "threshold": prediction.threshold}
        with replacing(out / "predictions.csv") as partial:
            predictions.to_csv(partial, index=False, lineterminator="\n")
        write_json(
            out / "metrics.json", {"classes": folds.classes, **scores, "prediction": calibration}
        )
        progress.say("\n" + tested.tables())
        if enrolled is not None:
            progress.say(enrollment_sentence(scores["enrollment"]))
        _say_warnings(corpus, progress)
        if settings.speaker_normalization:
            progress.say(f"! {TRANSDUCTIVE}")
        if exported := _exported_before(out, Path(model), cache.name):
            progress.say(f"exported by an earlier call: {exported}")
            return exported
        with progress.stage("fit on all speakers"):
            everyone = folds.all_speakers(validation=recipe.needs_validation)
            network = recipe.fit(everyone)
            if isinstance(recipe.spec, FeatureTable) or settings.speaker_normalization:
                version = _save(network, out / "model.keras")
            else:
                exportable = ExportableModel(
                    [network],
                    recipe.spec,
                    folds.classes,
                    prediction,
                    _enrollment(settings, enrolled, everyone),
                    _distance(recipe.spec, everyone),
                )
                version = export_model(exportable, model, _card(settings, corpus, folds, scores))
                write_json(out / EXPORTED_FILE, {"version": str(version), "inputs": cache.name})
    progress.say(f"\nnumbers: {out / 'metrics.json'}\nmodel: {version}")
    return version


def recipe_of(settings: TrainSettings, progress: Progress) -> Recipe:
    """Return how the model is trained; an encoder is loaded, and downloaded if need be."""
    if settings.model in HEADS:
        features = open_features(settings.model, settings.weights, settings.features, progress)
        return HeadRecipe(features, settings.head)
    return NetworkRecipe(settings.model, settings.weights or "imagenet", settings.epochs)


def _say_warnings(corpus: Corpus, progress: Progress) -> None:
    for warning in interval_warnings(len(corpus.speakers())):
        progress.say(f"! {warning}")
    if synthetic_clips(corpus):
        progress.say(f"! {SYNTHETIC_WARNING}")


def _enrollment(
    settings: TrainSettings, enrolled: pd.DataFrame | None, everyone: FoldRun
) -> Enrollment | None:
    """Return the classifier that adapts to speakers; None without predictions of enrolled ones."""
    if enrolled is None:
        return None
    tested = TestedPredictions(enrolled, everyone.partitions.classes, settings.coverage)
    return Enrollment(fit_adaptive(everyone.partitions), tested.prediction_settings(settings.seed))


def _distance(spec: Inputs, everyone: FoldRun) -> TrainingDistance | None:
    """Return how far features are from those of all clips; None for spectrograms."""
    if not isinstance(spec, SpeechFeatures):
        return None
    corpus = everyone.partitions.split.train
    features = everyone.partitions.spectrograms(corpus)
    return TrainingDistance.fit(features, [clip.speaker for clip in corpus.clips])


def _save(network: keras.Model, file: Path) -> Path:
    with replacing(file) as partial:
        network.save(partial)
    return file


def _inputs_key(spec: Inputs, corpus: Corpus) -> str:
    """Return a key of the inputs of the model: a file may have other content in a later call."""
    if isinstance(spec, FeatureTable):
        return f"features-{spec.key(corpus)}"
    if isinstance(spec, SpeechFeatures):
        return f"features-{content_key(spec=spec.key)}"
    return "spectrograms"


def _exported_before(out: Path, model: Path, inputs: str) -> Path | None:
    """Return the version of a model that an earlier call has exported, with the same inputs."""
    if not (out / EXPORTED_FILE).exists():
        return None
    exported = read_json_object(out / EXPORTED_FILE, version=str)
    version = Path(exported["version"])
    is_same = exported.get("inputs") == inputs and model in (version, version.parent)
    return version if is_same and version.is_dir() else None


def _audited(settings: TrainSettings, run: RunFolder, progress: Progress) -> Corpus:
    """Audit the recordings, or read the manifest of an earlier call."""
    manifest = run.folder / MANIFEST
    if run.is_new or not manifest.exists():
        write_audit(settings.roots, settings.naming, run.folder, progress)
    corpus = Corpus.read(manifest)
    progress.class_counts_table(f"{len(corpus)} clips", corpus.counts(settings.label_set))
    return corpus


def _card(
    settings: TrainSettings, corpus: Corpus, folds: CrossValidation, scores: dict[str, Any]
) -> dict[str, Any]:
    """Return the details of the model card."""
    return {
        "label_set": settings.label_set,
        "model": settings.model,
        "protocol": f"{settings.folds} folds of speakers",
        "refitted": True,
        "data": describe_data({"train": corpus}, folds.classes, settings.label_set, {}),
        **scores,
    }
