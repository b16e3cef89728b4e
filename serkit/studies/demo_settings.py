"""Settings of the demo, and the content of its ``metrics.json``."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import keras

from serkit.audio.spec_augment import MaskSettings
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.datasets.corpus import LABEL_SETS
from serkit.datasets.custom import Naming
from serkit.datasets.imbalance import RARE_BELOW
from serkit.datasets.synthetic import SyntheticSettings
from serkit.errors import check_choice, check_range
from serkit.gans.dcgan import DCGAN_RECIPES, REPORT, SMALL_DATA, DCGANSettings
from serkit.metrics.classification import average_recall, score, tabulate
from serkit.metrics.paired import difference
from serkit.models.compact import CompactSettings
from serkit.models.fitting import FitSettings
from serkit.serialization import recorded
from serkit.studies.parts import Parts

DEMO_PROTOCOLS = ("hold-out", "random")
# A quarter of the channels and few steps; docs/gans.md describes what small data needs.
_GAN = replace(DCGAN_RECIPES[SMALL_DATA], width=0.25, steps=300)


@dataclass(frozen=True)
class DemoSettings:
    """Settings of the demo; the defaults fit two cores.

    Attributes:
        roots: folders of recordings; empty for the built-in corpus.
        seed: seed of all random numbers.
        protocol: protocol that splits the clips: ``hold-out``, by speaker, or ``random``, the 2021
            report's protocol, which has speakers in both training and test. All results of
            ``random`` are marked as leaky.
        label_set: classes to distinguish: ``gender_emotion``, the 14 categories of the 2021 report,
            or ``emotion``.
        rare_below: a class with fewer training clips than this fraction of the largest class is
            rare. It gets a GAN and is filled up to the size of the largest class.
        synthetic: settings of the built-in corpus.
        spec: settings of the spectrograms.
        gan: settings of the DCGAN of each rare class.
        gan_recipe: name of the recipe that ``gan`` follows, see
            :data:`serkit.gans.dcgan.DCGAN_RECIPES`.
        pretraining_steps: number of steps of a DCGAN on all training clips. The DCGAN of each rare
            class starts from its weights. 0 starts each DCGAN from random weights.
        gated: whether a sample filter rejects generated spectrograms: near-copies of training
            clips, and samples that the classifier trained on real clips assigns to another class.
        compact: settings of the classifier of both arms.
        masks: settings of the augmentation of both arms.
        fit: training settings of both arms.
        naming: naming scheme of the user's own recordings.
        most_rare: number of rare classes that get a GAN, starting with the rarest; 0 for all.

    Raises:
        InputError: if a value is out of range or a name is not known.
    """

    roots: tuple[str, ...] = ()
    seed: int = 0
    protocol: str = "hold-out"
    label_set: str = "gender_emotion"
    rare_below: float = RARE_BELOW
    synthetic: SyntheticSettings = field(default_factory=SyntheticSettings)
    spec: SpectrogramSpec = field(default_factory=SpectrogramSpec)
    gan: DCGANSettings = _GAN
    gan_recipe: str = SMALL_DATA
    pretraining_steps: int = 800
    gated: bool = True
    compact: CompactSettings = field(default_factory=CompactSettings)
    masks: MaskSettings = field(default_factory=MaskSettings)
    fit: FitSettings = field(default_factory=FitSettings)
    naming: Naming = field(default_factory=Naming)
    most_rare: int = 0

    def __post_init__(self) -> None:
        check_choice("protocol", self.protocol, DEMO_PROTOCOLS)
        check_choice("label_set", self.label_set, LABEL_SETS)
        check_range("rare_below", self.rare_below, 0.0, 1.0)
        check_range("pretraining_steps", self.pretraining_steps, 0)
        check_range("most_rare", self.most_rare, 0)
        check_choice("gan_recipe", self.gan_recipe, DCGAN_RECIPES)

    def with_gan_recipe(self, name: str) -> "DemoSettings":
        """Return these settings with another GAN recipe.

        ``report`` has no pretraining and 2,000 steps. Any other recipe changes the name only.

        Raises:
            InputError: if there is no such recipe.
        """
        if name == REPORT:
            gan = replace(DCGAN_RECIPES[REPORT], width=self.gan.width, steps=2000)
            return replace(self, gan=gan, gan_recipe=name, pretraining_steps=0)
        return replace(self, gan_recipe=name)

    def shortened(self) -> "DemoSettings":
        """Return short settings that show whether everything runs; they save some minutes."""
        return replace(
            self,
            synthetic=replace(self.synthetic, size=0.03),
            gan=replace(self.gan, width=0.125, steps=40, steps_per_epoch=10),
            pretraining_steps=min(20, self.pretraining_steps),
            most_rare=2,
            # After so few steps a sample filter would reject all samples.
            gated=False,
            fit=replace(self.fit, epochs=4, steps_per_epoch=10),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON values, for the run folder."""
        return recorded(self, ("naming", "most_rare", "gan_recipe"))


ARMS = ("original", "augmented")
MEASURES = {"accuracy": "accuracy", "uar": "UAR", "macro_f1": "macro F1"}
"""Summary fields of :class:`serkit.metrics.classification.Scores`, with their display names."""


def compare_arms(
    models: Mapping[str, keras.Model], parts: Parts, generated: Mapping[str, int], seed: int
) -> dict[str, Any]:
    """Score one classifier per arm on the real clips of every partition.

    Args:
        models: the classifier of each of :data:`ARMS`.
        parts: spectrograms and labels of the split's clips.
        generated: number of generated spectrograms in the second arm's training partition, by
            class.
        seed: seed of the bootstrap.

    Returns:
        JSON values. ``arms[arm][part]`` has the fields of
        :class:`serkit.metrics.classification.Scores`. ``uar_difference`` is the second arm's UAR on
        the test partition minus the first arm's, with a 95 % interval over speakers. The ends of
        the interval are None if there is one speaker only. ``better`` is the arm with the higher
        UAR on the validation partition, because the test partition is for reporting only. ``leaky``
        says whether speakers were in both training and test.
    """
    split, classes = parts.split, len(parts.classes)
    predicted = {
        arm: {
            part: model.predict(parts.of(corpus), batch_size=64, verbose=0).argmax(axis=1)
            for part, corpus in split.parts().items()
        }
        for arm, model in models.items()
    }
    truth = {part: parts.labels(corpus) for part, corpus in split.parts().items()}
    arms = {
        arm: {part: asdict(score(truth[part], calls[part], classes)) for part in truth}
        for arm, calls in predicted.items()
    }
    speakers, same = [clip.speaker for clip in split.test.clips], [0] * len(split.test)
    cells = (
        tabulate(truth["test"], predicted[arm]["test"], same, same, speakers, classes)
        for arm in ARMS
    )
    apart = difference(*cells, average_recall, seed=seed).estimate
    return {
        "protocol": f"{split.protocol}, one split, one seed",
        "leaky": split.leaky,
        "label_set": parts.label_set,
        "classes": list(parts.classes),
        "parts": {
            name: {"clips": len(part), "speakers": len(part.speakers())}
            for name, part in split.parts().items()
        },
        "training_clips": split.train.counts(parts.label_set),
        "generated": dict(generated),
        "arms": arms,
        "uar_difference": {"value": apart.value, "low": apart.low, "high": apart.high},
        "better": max(ARMS, key=lambda arm: arms[arm]["validation"]["uar"]),
    }


def rows_of_test(metrics: Mapping[str, Any]) -> list[list[str]]:
    """Return each arm and its :data:`MEASURES` on the test partition, in per cent, as text."""
    tests = {arm: metrics["arms"][arm]["test"] for arm in ARMS}
    return [[arm, *(f"{100 * test[name]:.1f}" for name in MEASURES)] for arm, test in tests.items()]
