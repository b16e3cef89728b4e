"""A small comparison: one really trained, one whose trainings are made up."""

import functools
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from serkit.files import write_json
from serkit.gans.networks import generator
from serkit.gans.sampling import GeneratorCard, store_generator
from serkit.models.compact import CompactSettings, compact
from serkit.models.fitting import FitSettings
from serkit.models.pretrained import RESNET50
from serkit.models.transfer import TransferSettings, resnet50_head
from serkit.models.whisper import WhisperSettings, whisper_encoder
from serkit.studies import classifier_kinds
from serkit.studies.classifier_kinds import NetworkKind
from serkit.studies.classifier_runs import ClassifierRun
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.engine import Comparison
from serkit.studies.gan_kinds import GanSizes
from serkit.studies.generators import GANRun
from serkit.studies.results import make_results
from serkit.studies.run_folder import RunFolder

_FIT = FitSettings(epochs=2, steps_per_epoch=2, batch_size=8)
_COMPACT = CompactSettings(pool=(8, 8), channels=(4, 8))
_RESNET = TransferSettings(head=(8,))
SMALL_CLASSIFIERS = {
    "compact": NetworkKind(lambda n, shape, _, s: compact(n, shape, _COMPACT, s), _COMPACT, _FIT),
    "resnet50-head": NetworkKind(
        lambda n, _, weights, s: resnet50_head(n, weights, _RESNET, s), _RESNET, _FIT, RESNET50
    ),
}
"""Classifiers as they are, but small."""


def small_settings(root: Path, **changed) -> ComparisonSettings:
    """A comparison that takes a minute: surprise, of which there is least, is filled."""
    wanted = {
        "roots": (str(root),),
        "arms": ("none", "oversampling", "dcgan"),
        "classifiers": ("compact", "resnet50-head"),
        "folds": 3,
        "weights": "none",
        "rare_below": 0.6,
        "gans": GanSizes(width=0.05, pretraining=2, steps=2),
    }
    return ComparisonSettings(**wanted | changed)


@pytest.fixture(scope="session")
def settings_of():
    """Makes settings of a small comparison."""
    return small_settings


@pytest.fixture(scope="session")
def small_classifiers() -> dict[str, NetworkKind]:
    return SMALL_CLASSIFIERS


@pytest.fixture
def small(monkeypatch, small_classifiers) -> None:
    """Classifiers that are trained in a moment."""
    for name, kind in small_classifiers.items():
        monkeypatch.setitem(classifier_kinds.NETWORKS, name, kind)


@pytest.fixture(scope="session")
def encoder_of() -> Callable[[int], keras.Model]:
    """Makes a small Whisper encoder with the random weights of a seed."""

    @functools.cache
    def make(seed: int) -> keras.Model:
        encoder = whisper_encoder(WhisperSettings(depth=1, width=64), "whisper-tiny.en")
        rng = np.random.default_rng(seed)
        encoder.set_weights([rng.normal(0, 0.15, w.shape) for w in encoder.get_weights()])
        return encoder

    return make


@pytest.fixture(scope="session")
def use_small_encoders(encoder_of) -> Callable[[pytest.MonkeyPatch], None]:
    """Replaces the encoders; those of ``weights`` that end with ``1`` have other weights."""

    def load(name: str, weights: Path) -> keras.Model:
        return encoder_of(int(str(weights).endswith("1")))

    def replace_them(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(classifier_kinds, "whisper_from_preset", load)
        patch.setattr(classifier_kinds, "find_weights", lambda name, track: Path("found"))

    return replace_them


@pytest.fixture
def small_encoders(monkeypatch, use_small_encoders) -> None:
    """Encoders that compute features in a moment."""
    use_small_encoders(monkeypatch)


def pretend_to_train(training: ClassifierRun, verbose: int) -> None:
    """Predictions at random, right the more often the better the arm is meant to be."""
    fold = training.data.fold
    rng = np.random.default_rng(int(training.key, 16))
    classes = fold.partitions.classes
    chance = {"none": 0.4, "oversampling": 0.7}.get(training.data.arm.name, 0.45)
    clips = fold.split.test.clips
    truth = np.array([classes.index(clip.label(fold.label_set)) for clip in clips])
    right = rng.random(len(truth)) < chance
    predicted = np.where(right, truth, rng.integers(len(classes), size=len(truth)))
    table = pd.DataFrame(
        {
            **{name: [getattr(clip, name) for clip in clips] for name in _COLUMNS},
            "truth": [classes[number] for number in truth],
            "predicted": [classes[number] for number in predicted],
        }
    )
    logits = pd.DataFrame(2.0 * np.eye(len(classes))[predicted], columns=classes)
    training.folder.mkdir(parents=True, exist_ok=True)
    table = pd.concat([table, logits.add_prefix("logit_")], axis=1)
    table.to_csv(training.folder / "predictions.csv", index=False)
    row = {"loss": 1.0, "val_loss": 1.1, "uar": 0.5, "val_uar": chance}
    history = [{"epoch": epoch, **row} for epoch in (1, 2)]
    pd.DataFrame(history).to_csv(training.folder / "history.csv", index=False)
    write_json(
        training.folder / "record.json", {"validation_uar": chance, "examples": 1, "generated": 0}
    )


_COLUMNS = ("root", "path", "corpus", "speaker", "gender")


def pretend_to_train_gan(gan: GANRun, verbose: int) -> None:
    """A generator as it begins."""
    labels = gan.fold.partitions.classes if gan.settings.classes else (gan.name,)
    card = GeneratorCard(labels, tuple(sorted(gan.speakers)), len(gan.clips), gan.kind, gan.spec)
    gan.folder.mkdir(parents=True, exist_ok=True)
    rows = [{"epoch": 1, "d_loss": 1.0, "g_loss": 1.0, "distance": 1.0, "penalty": 0.1}]
    pd.DataFrame(rows).to_csv(gan.folder / "history.csv", index=False)
    store_generator(_generator(gan.settings.classes), card, gan.folder)


@functools.cache
def _generator(classes: int) -> keras.Model:
    return generator(width=0.05, classes=classes)


@pytest.fixture
def pretend(monkeypatch) -> None:
    """Nothing is trained."""
    _pretend(monkeypatch)


def _pretend(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ClassifierRun, "run", pretend_to_train)
    patch.setattr(GANRun, "run", pretend_to_train_gan)
    # Nothing to be freed, a quarter of a second each time.
    patch.setattr(keras.utils, "clear_session", lambda: None)


@pytest.fixture(scope="session")
def pretended(synthetic_root, tmp_path_factory) -> tuple[Comparison, dict]:
    """A comparison of both protocols with made-up predictions, and its results."""
    settings = small_settings(
        synthetic_root, protocol="both", more_seeds=(1,), best=1, rarify=(("angry", 0.5),)
    )
    out = tmp_path_factory.mktemp("pretended") / "run"
    with pytest.MonkeyPatch.context() as patch, RunFolder(out, {}) as run:
        _pretend(patch)
        comparison = Comparison(settings, run.folder)
        comparison.run()
        return comparison, make_results(comparison)


@pytest.fixture
def fold(pretended):
    """The first fold of speakers."""
    return pretended[0].folds[0]
