"""The classifiers that arms are tried with."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import keras

from serkit.classifiers.compact import compact
from serkit.classifiers.settings import REPORT, FitSettings
from serkit.classifiers.spaces import CompactRecipe
from serkit.classifiers.transfer import RESNET50_HEAD, TRANSFER, TransferSettings
from serkit.errors import InputError
from serkit.training.precision import fastest_precision

_SIDE = 224
FROZEN_CONVS = TransferSettings().frozen_convs


@dataclass(frozen=True)
class Contender:
    """A kind of classifier.

    Attributes:
        build: from the number of classes, ``(frames, bins, 1)``, weights and seed to a model from
            spectrograms to logits.
        network: settings of its network, which results depend on.
        fit: how it is trained, if nobody says otherwise.
        pretrained: it begins with weights that were trained before.
    """

    build: Callable[[int, tuple[int, int, int], str, int], keras.Model]
    network: object
    fit: FitSettings
    pretrained: bool = False


def compact_contender(recipe: CompactRecipe) -> Contender:
    """A compact network as a recipe says."""

    def build(classes: int, shape: tuple[int, int, int], weights: str, seed: int) -> keras.Model:
        return compact(classes, shape, recipe.network, seed)

    return Contender(build, recipe.network, recipe.fit)


def transfer_contender(
    name: str, frozen_convs: int = FROZEN_CONVS, precision: str | None = None
) -> Contender:
    """One of the 2021 report's networks.

    Args:
        name: key of :data:`serkit.classifiers.transfer.TRANSFER`.
        frozen_convs: of ``vgg16-half-freeze``; the others take no notice.
        precision: one of :data:`serkit.training.precision.PRECISIONS`; None is the fastest here.
    """
    own = RESNET50_HEAD if name == "resnet50-head" else TransferSettings()
    network = replace(own, precision=precision or fastest_precision())
    if name == "vgg16-half-freeze":
        network = replace(network, frozen_convs=frozen_convs)

    def build(classes: int, shape: tuple[int, int, int], weights: str, seed: int) -> keras.Model:
        if shape[:2] != (_SIDE, _SIDE):
            raise InputError(f"{name} takes {_SIDE} x {_SIDE} spectrograms, not {shape[:2]}")
        return TRANSFER[name](classes, weights, network, seed)

    # Features of two views stand for augmentation: the frozen part is most of the work.
    return Contender(build, network, replace(REPORT, views=2), pretrained=True)


CLASSIFIERS = {
    "compact": compact_contender(CompactRecipe()),
    **{name: transfer_contender(name) for name in TRANSFER},
}
"""By name: serkit's own, and the report's three (section 6.2)."""
