"""The uncertainty study of classifiers of an encoder's features."""

from functools import partial

import numpy as np
import pytest

from serkit.datasets.corpus import Clip, Corpus
from serkit.datasets.protocols import hold_out
from serkit.models.bayesian import with_monte_carlo_dropout
from serkit.models.fitting import FitSettings
from serkit.studies.cross_validation import FoldRun
from serkit.studies.partitions import Partitions
from serkit.studies.search_spaces import BayesianRecipe
from serkit.studies.uncertainty_results import uncertainty_report
from serkit.studies.uncertainty_study import UncertaintyStudy
from serkit.uncertainty.ood import TrainingDistance
from serkit.uncertainty.predictors import Ensemble, SampledNetwork

FIT = FitSettings(epochs=2, steps_per_epoch=2, batch_size=8, keep="last")
SPEAKERS, CLIPS, WIDTH = 12, 10, 20


@pytest.fixture
def fold(tmp_path, rng) -> FoldRun:
    """Twelve speakers of two emotions, whose features tell them apart well but not always."""
    clips = [
        Clip(f"{s}-{n}.wav", "c", f"s{s:02}", "male", ("sad", "angry")[n % 2], "sad")
        for s in range(SPEAKERS)
        for n in range(CLIPS)
    ]
    corpus = Corpus(tuple(clips))
    features = rng.normal(size=(len(clips), WIDTH)).astype("float32")
    features[:, 0] += [1.5 if clip.emotion == "sad" else -1.5 for clip in clips]
    partitions = Partitions(corpus, hold_out(corpus, "emotion", 0), features, "emotion")
    return FoldRun(0, 1, partitions, (), tmp_path, tmp_path / "features", verbose=0)


@pytest.fixture
def study(fold, rng) -> UncertaintyStudy:
    sounds = {"noise": (5 + rng.normal(size=(6, WIDTH))).astype("float32")}
    return UncertaintyStudy(fold, sounds, samples=5)


def test_members_of_the_ensemble_have_other_speakers(study, fold):
    heads, again = study.fit_heads(3), study.fit_heads(3)
    kernels = [head.get_layer("logits").get_weights()[0] for head in heads]
    assert not np.allclose(kernels[0], kernels[1])
    for first, second in zip(heads, again, strict=True):
        for before, after in zip(first.get_weights(), second.get_weights(), strict=True):
            np.testing.assert_array_equal(before, after)


def test_all_methods_are_evaluated(study, fold):
    head, members = study.fit_head(), study.fit_heads(3)
    dropping = study.train("dropout", partial(study.fit_head, 0.3), FIT)
    recipe = BayesianRecipe(fit=FIT)
    bayesian = study.train_bayesian("bayesian", head, [0.3, 1.0], recipe, layers=["logits"])
    frozen = head.get_layer("components").get_weights()[0]
    for trained in (dropping, bayesian):
        np.testing.assert_array_equal(trained.get_layer("components").get_weights()[0], frozen)
    predictors = {
        "head": (Ensemble([head]), [head]),
        "temperature": (study.with_temperature(Ensemble([head])), [head]),
        "dropout": (SampledNetwork(with_monte_carlo_dropout(dropping)), [dropping]),
        "variational": (SampledNetwork(bayesian), [bayesian]),
        "ensemble": (Ensemble(members), members),
    }
    for method, (predictor, models) in predictors.items():
        study.evaluate(method, predictor, models, "" if method == "head" else "head")
    found = study.write()
    known = found[found["kind"] == "known"]
    correct = known[["p_angry", "p_sad"]].to_numpy().argmax(axis=1) == (known["truth"] == "sad")
    assert correct.groupby(known["method"]).mean().min() > 0.8
    epistemic = found.groupby("method")["epistemic"].max()
    assert epistemic[["head", "temperature"]].max() < 1e-6
    assert epistemic[["dropout", "variational", "ensemble"]].min() > 1e-4
    # The distance is that of the training speakers, and the same for every method.
    split = fold.partitions.split
    speakers = [clip.speaker for clip in split.train.clips]
    distance = TrainingDistance.fit(fold.partitions.spectrograms(split.train), speakers)
    expected = distance.ood_score(fold.partitions.spectrograms(split.test))
    for _, of_method in known.groupby("method"):
        np.testing.assert_allclose(of_method["distance"], expected)
    text = uncertainty_report(found, fold.partitions.classes)
    assert "OOD inputs detected by distance of the features | noise |" in text
    assert "| every method | 1.00 |" in text
    assert "| head | " in text.split("OOD inputs detected by feature density")[1]
