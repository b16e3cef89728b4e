"""What is known of a classifier that is to be deployed: its calibration, and how good it is."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serkit.corpora.built_in import synthetic_clips
from serkit.corpora.corpus import Corpus
from serkit.corpora.licences import licences_of
from serkit.evaluation.breakdown import breakdown
from serkit.evaluation.calibration import reliability
from serkit.evaluation.proper_scores import negative_log_likelihood
from serkit.trials.parts import Parts
from serkit.uncertainty.abstention import Abstaining, abstaining
from serkit.uncertainty.predictor import Predictor, predict_samples
from serkit.uncertainty.temperature import scale_temperature
from serkit.values import plain


def calibrated(
    predictor: Predictor,
    parts: Parts,
    *,
    coverage: float | None = None,
    accuracy: float | None = None,
    samples: int = 30,
    seed: int = 0,
) -> Abstaining:
    """A predictor with a temperature and a threshold, both chosen on the validation speakers.

    Args:
        predictor: any.
        parts: of the split that it was trained on.
        coverage: share of such clips that is to be answered, or
        accuracy: share of answers that are to be right; see
            :func:`serkit.uncertainty.abstention.abstaining`.
        samples: of the predictor.
        seed: of them.

    Returns:
        One whose ``predictor`` is a :class:`serkit.uncertainty.temperature.TemperatureScaled`.

    Raises:
        InputError: if not one of ``coverage`` and ``accuracy`` is given, there are no validation
            clips, or the accuracy cannot be reached.
    """
    validation, speakers = parts.examples(parts.split.validation), parts.split.speakers
    scaled = scale_temperature(predictor, validation, speakers, samples, seed)
    return abstaining(
        *(scaled, validation, speakers),
        **{"coverage": coverage, "accuracy": accuracy, "n": samples, "seed": seed},
    )


def gather(
    chosen: Abstaining, parts: Parts, generated: Mapping[str, int], seed: int
) -> dict[str, Any]:
    """What a model card needs to know, as JSON values.

    Args:
        chosen: from :func:`calibrated`.
        parts: of the split that it was trained on.
        generated: spectrograms that were added to the training part, by class.
        seed: of the bootstrap.

    Returns:
        ``data``: ``parts`` (clips and speakers, all and by corpus), ``classes`` (training clips),
        ``generated``, ``licences`` by corpus, ``synthetic`` (whether some clips are of the built-in
        corpus). ``test``, of the real clips of the test part: ``groups``
        (:class:`serkit.evaluation.breakdown.Group`, all and by corpus and gender) and
        ``calibration`` (``error`` and ``nll`` without and with the temperature). ``abstention``:
        ``validation_coverage``, ``coverage``, ``accuracy`` of what is answered (None if nothing
        is) and ``accuracy_of_all``.
    """
    split = parts.split
    names = dict.fromkeys(clip.corpus for clip in parts.corpus.clips)
    counted = split.train.counts(parts.label_set)
    data = {
        "parts": {name: _summary(part, list(names)) for name, part in split.parts().items()},
        "classes": {label: counted.get(label, 0) for label in parts.classes},
        "generated": dict(generated),
        "licences": licences_of(parts.corpus),
        "synthetic": bool(synthetic_clips(parts.corpus)),
    }
    test, truth = split.test, parts.labels(split.test)
    answers = chosen.answer(parts.of(test))
    called = answers.probabilities.argmax(axis=1)
    groups = breakdown(
        *(truth, called, [clip.speaker for clip in test.clips], len(parts.classes)),
        {name: [getattr(clip, name) for clip in test.clips] for name in ("corpus", "gender")},
        seed=seed,
    )
    before = chosen.predictor.predictor
    raw = predict_samples(before, parts.of(test), chosen.n, chosen.seed).mean(axis=0)
    return {
        "data": data,
        "test": {
            "groups": [plain(group.to_json()) for group in groups],
            "calibration": {
                "without a temperature": _calibration(raw, truth),
                "with it": _calibration(answers.probabilities, truth),
            },
        },
        "abstention": _abstention(chosen, parts, ~answers.abstain, called == truth),
    }


def _summary(part: Corpus, names: Sequence[str]) -> dict[str, Any]:
    by_corpus = {name: part.where(lambda clip, n=name: clip.corpus == n) for name in names}
    return {
        **_counts(part),
        "corpora": {name: _counts(some) for name, some in by_corpus.items() if len(some)},
    }


def _counts(part: Corpus) -> dict[str, int]:
    return {"clips": len(part), "speakers": len(part.speakers())}


def _calibration(probabilities: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    return {
        "error": float(reliability(probabilities, truth).ece),
        "nll": float(negative_log_likelihood(probabilities, truth)),
    }


def _abstention(
    chosen: Abstaining, parts: Parts, answered: np.ndarray, right: np.ndarray
) -> dict[str, float | None]:
    validation = chosen.answer(parts.of(parts.split.validation))
    return {
        "validation_coverage": float(1 - validation.abstain.mean()),
        "coverage": float(answered.mean()),
        "accuracy": float(right[answered].mean()) if answered.any() else None,
        "accuracy_of_all": float(right.mean()),
    }
