"""What both arms did on every part: the content of ``metrics.json``."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import keras

from serkit.evaluation.cells import tabulate
from serkit.evaluation.metrics import average_recall, score
from serkit.evaluation.paired import difference
from serkit.trials.parts import Parts

ARMS = ("original", "augmented")
MEASURES = {"accuracy": "accuracy", "uar": "UAR", "macro_f1": "macro F1"}
"""Fields of :class:`serkit.evaluation.metrics.Scores` that sum a classifier up, and their names."""


def compare_arms(
    models: Mapping[str, keras.Model], parts: Parts, generated: Mapping[str, int], seed: int
) -> dict[str, Any]:
    """Score one classifier per arm on the real clips of every part.

    Args:
        models: the classifier of each of :data:`ARMS`.
        parts: the split's clips.
        generated: number of spectrograms added to the second arm's training, per class.
        seed: of the bootstrap.

    Returns:
        JSON values. ``arms[arm][part]`` has the fields of
        :class:`serkit.evaluation.metrics.Scores`; ``uar_difference`` is the second arm's UAR on
        the test part minus the first's, with a 95 % interval over speakers, whose ends are None for
        one speaker; ``better`` is chosen on the validation part, since the test part is for
        reporting alone; ``leaky`` says that speakers were in training and test.
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
    """Each arm and its :data:`MEASURES` on the test part, in per cent, as text."""
    tests = {arm: metrics["arms"][arm]["test"] for arm in ARMS}
    return [[arm, *(f"{100 * test[name]:.1f}" for name in MEASURES)] for arm, test in tests.items()]
