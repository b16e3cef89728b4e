"""What can be searched for, by name."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from serkit.classifiers.spaces import bayesian_space, compact_space
from serkit.errors import InputError
from serkit.gans.spaces import dcgan_space, wgan_gp_space
from serkit.tuning.bayesian_objective import BayesianObjective
from serkit.tuning.classifier_objective import ClassifierObjective, ClassifierSearch
from serkit.tuning.gan_objective import GanObjective, GanSearch
from serkit.tuning.inner import OverFolds

CLASSIFIER, BAYESIAN, DCGAN, WGAN_GP = "classifier", "bayesian", "dcgan", "wgan-gp"
SPACES: dict[str, Callable[[Any, Any], Any]] = {
    CLASSIFIER: compact_space,
    BAYESIAN: bayesian_space,
    DCGAN: dcgan_space,
    WGAN_GP: wgan_gp_space,
}
"""Search spaces, from ``hp`` and the settings to be beaten to settings."""


def make_objective(kind: str, search: ClassifierSearch | GanSearch, folder: Path) -> OverFolds:
    """What settings of a kind are scored by.

    Args:
        kind: key of :data:`SPACES`.
        search: of the same kind.
        folder: gets what all trials share.

    Raises:
        InputError: if the search is one of something else.
    """
    objectives = {
        CLASSIFIER: (ClassifierObjective, ClassifierSearch),
        BAYESIAN: (BayesianObjective, ClassifierSearch),
        DCGAN: (GanObjective, GanSearch),
        WGAN_GP: (GanObjective, GanSearch),
    }
    objective, wanted = objectives[kind]
    if not isinstance(search, wanted) or getattr(search, "kind", kind) != kind:
        raise InputError(f"{search!r} is no search for {kind}; valid is {wanted.__name__}")
    return objective(search, folder)


def space_of(kind: str, base: Any) -> Callable[[Any], Any]:
    """The search space around settings, from ``hp`` to settings."""
    return functools.partial(_asked, SPACES[kind], base)


def _asked(space: Callable[[Any, Any], Any], base: Any, hp: Any) -> Any:
    return space(hp, base)
