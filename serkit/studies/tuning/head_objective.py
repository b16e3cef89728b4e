"""The score of a linear classifier's settings on held-out training speakers."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from serkit.augmentation.reference_classifier import in_batches
from serkit.datasets.corpus import LABEL_SETS
from serkit.datasets.custom import Naming
from serkit.errors import check_choice, check_range
from serkit.metrics.calibration import negative_log_likelihood, softmax
from serkit.metrics.classification import score
from serkit.models.linear_head import LinearHeadSettings, fit_linear_head
from serkit.progress import SilentProgress
from serkit.seeds import check_seed
from serkit.studies.classifier_kinds import HEADS, open_features, require_features
from serkit.studies.partitions import Partitions
from serkit.studies.tuning.inner import MeanOverFolds, inner_folds


@dataclass(frozen=True)
class HeadSearch:
    """Data for a search over linear classifiers of features.

    Attributes:
        roots: folders of recordings.
        classifier: one of :data:`serkit.studies.classifier_kinds.HEADS`: a Whisper encoder, or
            ``features``.
        weights: file of the encoder's weights; None to find or download them.
        features: file of the user's own features, for the classifier ``features``.
        label_set: ``emotion`` or ``gender_emotion``.
        folds: number of folds of the speakers in the training partition, at least 3. Each speaker
            is used for scoring in one fold.
        seed: seed of the split and the folds.
        naming: naming scheme of the user's own recordings.

    Raises:
        InputError: if a value is not valid.
    """

    roots: tuple[str, ...]
    classifier: str = "whisper-tiny.en"
    weights: str | None = None
    features: str | None = None
    label_set: str = "emotion"
    folds: int = 3
    seed: int = 0
    naming: Naming = field(default_factory=Naming)

    def __post_init__(self) -> None:
        check_choice("classifier", self.classifier, HEADS)
        require_features((self.classifier,), self.features, self.roots)
        check_choice("label_set", self.label_set, LABEL_SETS)
        check_range("folds", self.folds, 3)
        check_seed("seed", self.seed)


class HeadObjective(MeanOverFolds):
    """UAR of linear classifiers of features on held-out training speakers.

    Arguments are as for :class:`serkit.studies.tuning.inner.MeanOverFolds`. The features are
    computed once, for all trials.
    """

    name: str = "UAR"
    goal: str = "max"
    search: HeadSearch

    @property
    def baseline(self) -> LinearHeadSettings:
        """Default settings, the baseline of the search."""
        return LinearHeadSettings()

    @cached_property
    def folds(self) -> list[Partitions]:
        """Folds; classifiers are scored on the ``test`` partition of each fold."""
        search = self.search
        features = open_features(
            search.classifier, search.weights, search.features, SilentProgress()
        )
        folds = inner_folds(
            search.roots,
            search.label_set,
            features,
            folds=search.folds,
            seed=search.seed,
            folder=self.folder,
            naming=search.naming,
        )
        # The fit needs no validation speakers.
        return [fold.split_by(fold.split.without_validation()) for fold in folds]

    def measure_fold(
        self,
        fold: Partitions,
        settings: LinearHeadSettings,
        fraction: float,
        folder: Path,
        verbose: int,
    ) -> dict[str, float]:
        """Fit a classifier, and score it.

        Arguments are as for :meth:`MeanOverFolds.measure_fold`. The fit is a closed form, which has
        no fractions.

        Returns:
            ``score``, the UAR, ``accuracy``, and ``nll``, the negative log likelihood in nats.
        """
        split, classes = fold.split, len(fold.classes)
        head = fit_linear_head(fold.to_fit(split.train), split.speakers, classes, settings)
        logits = in_batches(head, fold.spectrograms(split.test))
        truth = fold.labels(split.test)
        scores = score(truth, logits.argmax(axis=1), classes)
        loss = negative_log_likelihood(softmax(logits), truth)
        return {"score": scores.uar, "accuracy": scores.accuracy, "nll": loss}
