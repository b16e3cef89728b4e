"""All numbers of a comparison, as JSON values that hold neither times nor paths."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from serkit.comparison.arms import NONE
from serkit.comparison.engine import Comparison
from serkit.comparison.outcome import Outcome
from serkit.comparison.settings import HONEST, LEAKY
from serkit.comparison.verdicts import verdict
from serkit.corpora.built_in import synthetic_clips
from serkit.corpora.listeners import LISTENERS
from serkit.errors import InputError
from serkit.evaluation.paired import Difference, difference, holm
from serkit.judging.corpus_probe import tell_corpora
from serkit.values import plain

EFFECTS = (0.01, 0.02, 0.05)
"""For which it is said how many speakers it would take to see them."""


CHEAP = "oversampling"
"""The cheapest way to fill a class: what other ways have to beat."""


def make_results(comparison: Comparison) -> dict[str, Any]:
    """Put together what all trainings that are done have predicted.

    Args:
        comparison: which was run.

    Returns:
        ``settings``; ``classes``; ``rare``; ``protocols``: by name, its ``folds`` and its
        ``classifiers``: by name, its ``arms``: by name, what
        :meth:`serkit.comparison.outcome.Outcome.to_json` gives and, but for ``none``,
        ``difference``, with a ``verdict`` in words, and for arms that fill classes
        ``beside_copies``, how much better they are than ``oversampling``; both are of the seeds
        that the two have. ``gap``: what is gained by speakers on both sides, where both protocols
        were run. ``left_out``: why arms that fill classes are not there, where no class is rare.
        ``corpora``: how well corpora are told apart, where there are several.
        ``listeners``: what people recall of the same recordings. ``synthetic``: true where some
        are the built-in corpus, else not there.
    """
    settings = comparison.settings
    classes = list(comparison.corpus.classes(settings.label_set))
    rare = sorted({label for fold in comparison.folds for label in fold.plan}, key=classes.index)
    found = {
        "settings": settings.to_json() | {"roots": _corpora(comparison)},
        "classes": classes,
        "rare": rare,
        "protocols": {
            protocol: {
                "leaky": protocol == LEAKY,
                "folds": _folds(comparison, protocol),
                "classifiers": {
                    classifier: {"arms": _arms(comparison, protocol, classifier, classes, rare)}
                    for classifier in settings.classifiers
                },
            }
            for protocol in settings.protocols
        },
    }
    if len(settings.protocols) > 1:
        found["gap"] = _gap(found["protocols"])
    if comparison.left_out:
        found["left_out"] = comparison.left_out
    if comparison.failures:
        found["failed"] = comparison.failures
    if len(_corpora(comparison)) > 1:
        try:
            probed = tell_corpora(comparison.corpus, comparison.pictures, settings.seed)
        except InputError as error:
            probed = {"not_told": str(error)}
        found["corpora"] = probed
    made = synthetic_clips(comparison.corpus)
    if made:
        found["synthetic"] = True
    if settings.label_set == "emotion":
        heard = {clip.corpus for clip in comparison.corpus.clips if clip not in made}
        found["listeners"] = {name: known for name, known in LISTENERS.items() if name in heard}
    return plain(found)


def _corpora(comparison: Comparison) -> list[str]:
    return sorted({clip.corpus for clip in comparison.corpus.clips})


def _folds(comparison: Comparison, protocol: str) -> list[dict[str, Any]]:
    label_set = comparison.settings.label_set
    return [
        {
            "detail": fold.split.detail,
            "parts": {
                name: {"clips": len(part), "speakers": len(part.speakers())}
                for name, part in fold.split.parts().items()
            },
            "training_clips": fold.split.train.counts(label_set),
            "added": fold.plan,
        }
        for fold in comparison.folds
        if fold.protocol == protocol
    ]


def _arms(
    comparison: Comparison,
    protocol: str,
    classifier: str,
    classes: Sequence[str],
    rare: Sequence[str],
) -> dict[str, dict[str, Any]]:
    seed = comparison.settings.seed
    outcomes = {
        arm.name: Outcome(arm, trainings, classes, rare)
        for arm in comparison.arms
        if (trainings := comparison.trainings(protocol, classifier, arm))
    }
    found = {name: outcome.to_json(seed) for name, outcome in outcomes.items()}
    if NONE not in outcomes:
        return found
    none, others = outcomes[NONE], [name for name in outcomes if name != NONE]
    apart = {name: _difference(none, outcomes[name], seed) for name in others}
    corrected = holm([each["uar"].p for each in apart.values()])
    for (name, measured), p_holm in zip(apart.items(), corrected, strict=True):
        found[name]["difference"] = _to_json(measured, p_holm, none, outcomes[name], protocol)
    if CHEAP in outcomes:
        for name in others:
            if name != CHEAP and outcomes[name].arm.fill:
                beside = _difference(outcomes[CHEAP], outcomes[name], seed)
                found[name]["beside_copies"] = {key: asdict(each) for key, each in beside.items()}
    return found


def _difference(first: Outcome, other: Outcome, seed: int) -> dict[str, Difference]:
    # With the seeds that both have, so that every pair of trainings began alike.
    seeds = [each for each in other.seeds if each in first.seeds]
    pair = first.cells(seeds), other.cells(seeds)
    return {name: difference(*pair, measure, seed=seed) for name, measure in first.measures.items()}


def _to_json(
    measured: dict[str, Difference], p_holm: float, none: Outcome, other: Outcome, protocol: str
) -> dict[str, Any]:
    uar = measured["uar"]
    speakers = none.predictions["speaker"].nunique()
    found = {name: asdict(each) for name, each in measured.items()}
    seeds = [each for each in other.seeds if each in none.seeds]
    before, after = (outcome.uar_of_speakers(outcome.cells(seeds)) for outcome in (none, other))
    found |= {
        "seeds": seeds,
        "uar_of_speakers": {name: after[name] - before[name] for name in before},
        "speakers": speakers,
        "p_holm": p_holm,
        "speakers_needed": {
            f"{100 * effect:g}": uar.speakers_for(effect, speakers) for effect in EFFECTS
        },
    }
    return found | {
        "verdict": verdict(
            *(other.arm.name, uar, p_holm, speakers, len(seeds)), leaky=protocol == LEAKY
        )
    }


def _gap(protocols: dict[str, Any]) -> dict[str, dict[str, float]]:
    """How much higher each arm's UAR is where the test speakers were heard in training."""
    honest, leaky = (protocols[name]["classifiers"] for name in (HONEST, LEAKY))
    return {
        classifier: {
            arm: leaky[classifier]["arms"][arm]["uar"]["value"] - values["uar"]["value"]
            for arm, values in found["arms"].items()
            if arm in leaky[classifier]["arms"]
        }
        for classifier, found in honest.items()
    }
