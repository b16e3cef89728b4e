"""The public metrics. ``__init__.py`` imports each name at its first use."""

from .bootstrap import Estimate, estimate
from .calibration import (
    Reliability,
    adaptive_calibration_error,
    brier,
    classwise_calibration_error,
    negative_log_likelihood,
    reliability,
    uncertainty,
)
from .classification import (
    ConfusionBySpeaker,
    Scores,
    confusion_by_speaker,
    confusion_matrix,
    score,
)
from .fidelity import frechet_distance, kid
from .neighbours import copy_threshold, copying_z, near_copies, prdc
from .paired import Difference, difference, holm
from .selective import RiskCoverage, auroc, risk_coverage, threshold_for_coverage

__all__ = [
    "ConfusionBySpeaker",
    "Difference",
    "Estimate",
    "Reliability",
    "RiskCoverage",
    "Scores",
    "adaptive_calibration_error",
    "auroc",
    "brier",
    "classwise_calibration_error",
    "confusion_by_speaker",
    "confusion_matrix",
    "copy_threshold",
    "copying_z",
    "difference",
    "estimate",
    "frechet_distance",
    "holm",
    "kid",
    "near_copies",
    "negative_log_likelihood",
    "prdc",
    "reliability",
    "risk_coverage",
    "score",
    "threshold_for_coverage",
    "uncertainty",
]
