"""Classifiers by name: networks of spectrograms, and linear classifiers of features."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import keras

from serkit.datasets.feature_table import FeatureTable
from serkit.errors import InputError
from serkit.models.compact import CompactSettings, compact
from serkit.models.fitting import REPORT_FIT, FitSettings
from serkit.models.pretrained import RESNET50, VGG16, Base
from serkit.models.speech_features import SpeechFeatures
from serkit.models.transfer import RESNET50_HEAD, TRANSFER, TransferSettings
from serkit.models.whisper_weights import PRESETS, find_weights, whisper_from_preset
from serkit.progress import Progress
from serkit.studies.search_spaces import CompactRecipe
from serkit.training.precision import fastest_precision

_SPECTROGRAM_SIZE = 224
FROZEN_CONVS = TransferSettings().frozen_convs


@dataclass(frozen=True)
class NetworkKind:
    """Kind of network of spectrograms.

    Attributes:
        build: function that returns a model from spectrograms to logits. Its arguments are the
            number of classes, the shape ``(frames, bins, 1)``, the initial weights
            (``imagenet``, ``none`` or a file) and the seed.
        network: settings of the network that ``build`` returns; keys of results depend on them.
        fit: default training settings.
        base: ImageNet network that ``build`` gives the initial weights to; None if there is none.
    """

    build: Callable[[int, tuple[int, int, int], str, int], keras.Model]
    network: CompactSettings | TransferSettings
    fit: FitSettings
    base: Base | None = None


def compact_kind(recipe: CompactRecipe) -> NetworkKind:
    """Return the compact network with the settings of a recipe."""

    def build(classes: int, shape: tuple[int, int, int], weights: str, seed: int) -> keras.Model:
        return compact(classes, shape, recipe.network, seed)

    return NetworkKind(build, recipe.network, recipe.fit)


def transfer_kind(
    name: str, frozen_convs: int = FROZEN_CONVS, precision: str | None = None
) -> NetworkKind:
    """Return one of the 2021 report's networks.

    Args:
        name: key of :data:`serkit.models.transfer.TRANSFER`.
        frozen_convs: number of frozen convolutions of ``vgg16-half-freeze``; other networks ignore
            it.
        precision: one of :data:`serkit.training.precision.PRECISIONS`; None chooses the fastest on
            this machine.
    """
    base = RESNET50 if name == "resnet50-head" else VGG16
    defaults = RESNET50_HEAD if base is RESNET50 else TransferSettings()
    network = replace(defaults, precision=precision or fastest_precision())
    if name == "vgg16-half-freeze":
        network = replace(network, frozen_convs=frozen_convs)

    def build(classes: int, shape: tuple[int, int, int], weights: str, seed: int) -> keras.Model:
        if shape[:2] != (_SPECTROGRAM_SIZE, _SPECTROGRAM_SIZE):
            raise InputError(
                f"`spec` must give spectrograms of {_SPECTROGRAM_SIZE} x {_SPECTROGRAM_SIZE} for "
                f"{name}. Received: {shape[:2]}."
            )
        return TRANSFER[name](classes, weights, network, seed)

    # The frozen layers take most of the time. So their outputs for two augmented views of each
    # spectrogram are cached, instead of computing those of a new view at each step.
    return NetworkKind(build, network, replace(REPORT_FIT, views=2), base)


COMPACT = "compact"
NETWORKS = {
    COMPACT: compact_kind(CompactRecipe()),
    **{name: transfer_kind(name) for name in TRANSFER},
}
"""Networks by name: serkit's own, and the three of the 2021 report (section 6.2)."""

FEATURES = "features"
HEADS = (*PRESETS, FEATURES)
"""Names of linear classifiers: of the features of each Whisper encoder, and of the user's own
features."""
CLASSIFIERS = (*NETWORKS, *HEADS)


def require_features(
    classifiers: tuple[str, ...], features: str | None, roots: tuple[str, ...]
) -> None:
    """Raise InputError unless a file of features is given exactly if a classifier needs it.

    The rows of a ``.npy`` file have no names. So it takes one root: several roots in another order
    would give rows to other clips.
    """
    if FEATURES in classifiers and features is None:
        raise InputError(
            f"`features` must be a file for the classifier {FEATURES}. Received: none."
        )
    if features is not None and FEATURES not in classifiers:
        raise InputError(
            f"`features` is a file for the classifier {FEATURES}. "
            f"Received: {features}, with the classifier {', '.join(classifiers)}."
        )
    if features and features.endswith(".npy") and len(roots) > 1:
        raise InputError(
            f"`roots` must be one root, such as a manifest.csv, for {features}, whose rows have "
            "the order of its manifest; or use a table with the column sha256. Received: "
            f"{', '.join(roots)}."
        )


def open_features(
    classifier: str, weights: str | None, features: str | None, progress: Progress
) -> SpeechFeatures | FeatureTable:
    """Load the encoder of a linear classifier, or open the user's own features.

    Args:
        classifier: one of :data:`HEADS`.
        weights: file of the encoder's weights; None to find or download them.
        features: file of the user's own features.
        progress: shows the download of weights to the user.

    Raises:
        InputError: if a file does not exist or has other content.
        DownloadError: if the weights are not on this machine and cannot be downloaded.
    """
    if classifier == FEATURES:
        table = FeatureTable(Path(features or ""))
        progress.say(f"   {table.summary()}")
        return table
    track = progress.progress_bar(f"weights of {classifier}")
    weights_file = Path(weights) if weights else find_weights(classifier, track=track)
    return SpeechFeatures(whisper_from_preset(classifier, weights_file))
