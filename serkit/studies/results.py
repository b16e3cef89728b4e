"""Compute the results of a comparison, as JSON values without times or paths."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from serkit.augmentation.arms import GANS, NONE
from serkit.datasets.corpus_info import LISTENERS, synthetic_clips
from serkit.datasets.imbalance import balance_plan
from serkit.datasets.splits import RANDOM
from serkit.errors import InputError
from serkit.formatting import counted
from serkit.metrics.paired import Difference, difference, holm
from serkit.reporting.verdicts import conclusion, verdict
from serkit.serialization import plain
from serkit.studies.arm_predictions import ArmPredictions
from serkit.studies.classifier_kinds import NETWORKS
from serkit.studies.corpus_probe import tell_corpora
from serkit.studies.engine import Comparison

EFFECT_SIZES = (0.01, 0.02, 0.05)
"""Differences in UAR for which the results state the number of speakers needed to detect them."""


OVERSAMPLING = "oversampling"
"""Name of the cheapest arm that fills up classes; other such arms are compared with it, too."""


def make_results(comparison: Comparison) -> dict[str, Any]:
    """Compute the results of a comparison from the predictions of all finished training runs.

    Args:
        comparison: a comparison that was run.

    Returns:
        JSON values:

        - ``settings``, ``classes``.
        - ``rare``: names of the classes that were filled up in at least one fold.
        - ``protocols``: for each protocol, ``leaky``, ``folds`` and ``classifiers``; and
          ``transductive``, true, with speaker normalisation, which all verdicts then say. For each
          classifier, ``arms``. For each arm, the result of
          :meth:`serkit.studies.arm_predictions.ArmPredictions.to_json`. Each arm except ``none``
          also has ``difference``, the difference from ``none``, with a ``verdict`` in words. Each
          arm that fills up classes, except ``oversampling``, also has
          ``beside_copies``, the difference from ``oversampling``. A difference uses the seeds that
          both arms have.
          With several classifiers, the protocol also has ``between_classifiers``: a list of
          differences from the first classifier with the same arm, with ``p_holm`` over the list and
          a ``conclusion`` of :func:`serkit.reporting.verdicts.conclusion`, also as a ``verdict`` in
          words.
        - ``gap``: for each classifier and arm, the UAR of the leaky protocol minus the UAR of the
          speaker-disjoint one. Only if both protocols were run.
        - ``left_out``: why arms that fill up classes were not run. Only if no class is rare.
        - ``short``: what was shortened. Only of a short run.
        - ``failed``: training runs that diverged, or whose GAN diverged, and why. Only if there are
          any.
        - ``corpora``: how well a linear classifier recognises the corpus of a clip, see
          :func:`serkit.studies.corpus_probe.tell_corpora`; ``features_of``, the first classifier,
          if its inputs are features and not spectrograms. Only if there are several corpora.
        - ``listeners``: accuracy and recalls of human listeners on the same corpora. Only for the
          label set ``emotion``.
        - ``synthetic``: true if some clips are of the built-in synthetic corpus; otherwise missing.
    """
    settings = comparison.settings
    classes = list(comparison.corpus.classes(settings.label_set))
    rare = sorted({label for fold in comparison.folds for label in fold.plan}, key=classes.index)
    corpus_names = sorted({clip.corpus for clip in comparison.corpus.clips})
    results: dict[str, Any] = {
        # The paths of the recordings are replaced by names of corpora.
        "settings": settings.to_json() | {"roots": corpus_names},
        "classes": classes,
        "rare": rare,
        "protocols": {
            protocol: _protocol(comparison, protocol, classes, rare)
            for protocol in settings.protocols
        },
    }
    if len(settings.protocols) > 1:
        speaker_disjoint, leaky = (results["protocols"][name] for name in settings.protocols)
        results["gap"] = _gap(speaker_disjoint, leaky)
    if comparison.left_out_message:
        results["left_out"] = comparison.left_out_message
    if settings.short:
        results["short"] = describe_short_run(comparison)
    if comparison.failures:
        results["failed"] = comparison.failures
    if len(corpus_names) > 1:
        try:
            results["corpora"] = _probe_corpora(comparison)
        except InputError as error:
            results["corpora"] = {"not_told": str(error)}
    synthetic = synthetic_clips(comparison.corpus)
    if synthetic:
        results["synthetic"] = True
    if settings.label_set == "emotion":
        # A synthetic clip may have the name of a corpus that people have listened to.
        recorded = {clip.corpus for clip in comparison.corpus.clips if clip not in synthetic}
        results["listeners"] = {
            name: listeners for name, listeners in LISTENERS.items() if name in recorded
        }
    return plain(results)


def _probe_corpora(comparison: Comparison) -> dict[str, Any]:
    """Return how easily the corpus of a clip is recognised from what the first classifier gets."""
    name = comparison.settings.classifiers[0]
    inputs = comparison.inputs_of(name)[1.0]
    found = tell_corpora(comparison.corpus, inputs, comparison.settings.seed)
    return found if name in NETWORKS else found | {"features_of": name}


def describe_short_run(comparison: Comparison) -> str:
    """Return a sentence, without its full stop, on what the settings of a short run shorten."""
    settings, fold = comparison.settings, comparison.folds[0]
    sizes, parts = settings.gans, []
    networks = [name for name in settings.classifiers if name in NETWORKS]
    if networks:
        fit = settings.fit_of(networks[0])
        parts.append(f"{counted(fit.epochs, 'epoch')} of {fit.steps_per_epoch} steps")
    if settings.folds > 1:
        parts.append(counted(settings.folds, "fold"))
    if any(arm.fill in GANS for arm in comparison.arms):
        parts.append(f"GANs of width {sizes.width:g}, {counted(sizes.steps, 'step')} a class")
        if settings.most_rare:
            counts = fold.split.train.counts(settings.label_set)
            rare = balance_plan(counts, settings.rare_below, settings.filled_to)
            parts.append(f"GANs for {len(fold.plan)} of {len(rare)} rare classes")
            parts.append("no sample filter")
    if settings.synthetic:
        parts.append(f"a built-in corpus of {counted(len(comparison.corpus), 'clip')}")
    sentence = "A short run shows only that everything works"
    return f"{sentence}: {'; '.join(parts)}" if parts else sentence


def _protocol(
    comparison: Comparison, protocol: str, classes: Sequence[str], rare: Sequence[str]
) -> dict[str, Any]:
    predictions = {
        classifier: {
            arm.name: ArmPredictions(arm, runs, classes, rare)
            # For another arm, the run of a linear classifier may be that of ``none``.
            for arm in comparison.arms_of(classifier)
            if (runs := comparison.finished_runs(protocol, classifier, arm))
        }
        for classifier in comparison.settings.classifiers
    }
    seed = comparison.settings.seed
    results = {
        "leaky": protocol == RANDOM,
        "folds": _folds(comparison, protocol),
        "classifiers": {
            classifier: {"arms": _arms(arms, seed, protocol)}
            for classifier, arms in predictions.items()
        },
    }
    if len(predictions) > 1:
        results["between_classifiers"] = _between_classifiers(predictions, seed, protocol)
    if comparison.settings.speaker_normalization:
        _mark_transductive(results)
    return results


def _mark_transductive(protocol_results: dict[str, Any]) -> None:
    protocol_results["transductive"] = True
    arms = [
        arm for found in protocol_results["classifiers"].values() for arm in found["arms"].values()
    ]
    rows = [arm["difference"] for arm in arms if "difference" in arm]
    for row in [*rows, *protocol_results.get("between_classifiers", ())]:
        row["verdict"] = f"TRANSDUCTIVE, {row['verdict']}"


def _folds(comparison: Comparison, protocol: str) -> list[dict[str, Any]]:
    label_set = comparison.settings.label_set
    return [
        {
            "detail": fold.split.detail,
            "parts": {
                name: {"clips": len(partition), "speakers": len(partition.speakers())}
                for name, partition in fold.split.partitions().items()
            },
            "training_clips": fold.split.train.counts(label_set),
            "added": fold.plan,
        }
        for fold in comparison.folds
        if fold.protocol == protocol
    ]


def _arms(
    predictions: Mapping[str, ArmPredictions], seed: int, protocol: str
) -> dict[str, dict[str, Any]]:
    results = {name: arm.to_json(seed) for name, arm in predictions.items()}
    if NONE not in predictions:
        return results
    none, other_names = predictions[NONE], [name for name in predictions if name != NONE]
    differences = {name: _differences(none, predictions[name], seed) for name in other_names}
    p_values = holm([by_measure["uar"].p for by_measure in differences.values()])
    for (name, by_measure), p_holm in zip(differences.items(), p_values, strict=True):
        results[name]["difference"] = _difference_to_json(
            by_measure, p_holm, none, predictions[name], protocol
        )
    if OVERSAMPLING in predictions:
        for name in other_names:
            if name != OVERSAMPLING and predictions[name].arm.fill:
                by_measure = _differences(predictions[OVERSAMPLING], predictions[name], seed)
                results[name]["beside_copies"] = {
                    measure: asdict(value) for measure, value in by_measure.items()
                }
    return results


def _between_classifiers(
    predictions: Mapping[str, Mapping[str, ArmPredictions]], seed: int, protocol: str
) -> list[dict[str, Any]]:
    """Return the differences of all classifiers from the first, for each arm that both have."""
    first_name, *other_names = predictions
    rows: list[dict[str, Any]] = []
    uars: list[Difference] = []
    for name in other_names:
        for arm, other in predictions[name].items():
            if first := predictions[first_name].get(arm):
                by_measure = _differences(first, other, seed)
                measures = {measure: asdict(value) for measure, value in by_measure.items()}
                rows.append({"classifier": name, "minus": first_name, "arm": arm, **measures})
                uars.append(by_measure["uar"])
    p_values = holm([uar.p for uar in uars])
    for row, uar, p_holm in zip(rows, uars, p_values, strict=True):
        name, arm = row["classifier"], row["arm"]
        first, other = predictions[first_name][arm], predictions[name][arm]
        speaker_count = other.predictions["speaker"].nunique()
        seed_count = len(_common_seeds(first, other))
        leaky = protocol == RANDOM
        low, high = uar.estimate.low, uar.estimate.high
        row["p_holm"] = p_holm
        row["conclusion"] = conclusion(
            low, high, speakers=speaker_count, leaky=leaky, p_holm=p_holm
        )
        title = f"{name} minus {first_name}, {arm}"
        row["verdict"] = verdict(title, uar, p_holm, speaker_count, seed_count, leaky=leaky)
    return rows


def _common_seeds(first: ArmPredictions, second: ArmPredictions) -> list[int]:
    """Return the seeds that both arms have, so that paired training runs have the same seed."""
    return [seed for seed in second.seeds if seed in first.seeds]


def _differences(first: ArmPredictions, second: ArmPredictions, seed: int) -> dict[str, Difference]:
    """Return the second arm's measures minus the first arm's, by measure."""
    seeds = _common_seeds(first, second)
    before, after = first.confusion(seeds), second.confusion(seeds)
    return {
        name: difference(before, after, measure, seed=seed)
        for name, measure in first.measures.items()
    }


def _difference_to_json(
    by_measure: dict[str, Difference],
    p_holm: float,
    none: ArmPredictions,
    other: ArmPredictions,
    protocol: str,
) -> dict[str, Any]:
    uar = by_measure["uar"]
    speaker_count = none.predictions["speaker"].nunique()
    seeds = _common_seeds(none, other)
    before = none.uar_of_speakers(none.confusion(seeds))
    after = other.uar_of_speakers(other.confusion(seeds))
    return {
        **{name: asdict(value) for name, value in by_measure.items()},
        "seeds": seeds,
        "uar_of_speakers": {name: after[name] - before[name] for name in before},
        "speakers": speaker_count,
        "p_holm": p_holm,
        "speakers_needed": {
            f"{100 * effect:g}": uar.speakers_for(effect, speaker_count) for effect in EFFECT_SIZES
        },
        "verdict": verdict(
            other.arm.name, uar, p_holm, speaker_count, len(seeds), leaky=protocol == RANDOM
        ),
    }


def _gap(speaker_disjoint: dict[str, Any], leaky: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return how much higher each arm's UAR is if test speakers are also training speakers."""
    gap: dict[str, dict[str, float]] = {}
    for classifier, results in speaker_disjoint["classifiers"].items():
        leaky_arms = leaky["classifiers"][classifier]["arms"]
        gap[classifier] = {
            name: leaky_arms[name]["uar"]["value"] - arm["uar"]["value"]
            for name, arm in results["arms"].items()
            if name in leaky_arms
        }
    return gap
