import keras
import numpy as np
import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.cli.experiments import cross_validation, cross_validation_parser
from serkit.models.bayesian import BayesianSettings
from serkit.models.fitting import FitSettings
from serkit.models.lenet import lenet5
from serkit.studies.ood_sounds import ood_sounds
from serkit.studies.search_spaces import BayesianRecipe
from serkit.studies.uncertainty_results import uncertainty_report
from serkit.studies.uncertainty_study import ANSWERS, UncertaintyStudy
from serkit.uncertainty.predictors import Ensemble, SampledNetwork, predict_samples
from serkit.uncertainty.temperature import scale_temperature

SPEC = SpectrogramSpec(frames=32, bins=32, hop=1536)
SETTINGS = FitSettings(epochs=2, steps_per_epoch=2, batch_size=8, keep="last")
RECIPE = BayesianRecipe(kl=0.5, weights=BayesianSettings(prior=2.0), fit=SETTINGS)


def _evaluate(fold, classes):
    study = UncertaintyStudy(fold, ood_sounds(SPEC, 3), samples=4)
    twin = study.train("twin", lambda seed: lenet5(classes, SPEC.shape, seed=seed), SETTINGS)
    bayesian = study.train_bayesian("bayesian", twin, [0.2, 0.9], RECIPE)
    speakers = fold.partitions.split.speakers
    one, drawn = Ensemble([twin]), SampledNetwork(bayesian)
    study.evaluate("twin", scale_temperature(one, fold.validation, speakers), [twin])
    study.evaluate("bayesian", drawn, [bayesian], "twin")
    assert _loss(fold, bayesian) == min(
        _loss(fold, keras.models.load_model(fold.folder / f"bayesian-{delta}" / "model.keras"))
        for delta in (0.2, 0.9)
    )
    return study.write()


def _loss(fold, model):
    x, labels = fold.validation.spectrograms, fold.validation.labels
    chances = predict_samples(SampledNetwork(model), x, 4, fold.network_seed).mean(axis=0)
    return -np.log(chances[np.arange(len(labels)), labels]).mean()


@pytest.mark.slow
@pytest.mark.usefixtures("deterministic")
def test_from_the_command_line_to_the_tables(synthetic_root, tmp_path, capsys):
    arguments = [str(synthetic_root), "--folds", "3", "--seeds", "0", "--out", str(tmp_path)]
    options = cross_validation_parser("Question: none.", "runs/none").parse_args(arguments)
    with cross_validation(options, SPEC, (), ANSWERS, uncertainty_report) as trial:
        # One fold is enough to see.
        fold = next(iter(trial))
        found = _evaluate(fold, len(trial.classes))
        known = found[found["kind"] == "known"]
        assert set(known["speaker"]) == fold.partitions.split.test.speakers()
        assert len(known) == 2 * len(fold.partitions.split.test)
        probabilities = found[[f"p_{label}" for label in trial.classes]]
        assert probabilities.sum(axis=1).to_numpy() == pytest.approx(1)
        epistemic = found.groupby("method")["epistemic"].max()
        assert epistemic["twin"] < 1e-6 < epistemic["bayesian"]
        ood_scores = found.groupby("kind")["strangeness"].mean()
        assert ood_scores["silence"] > ood_scores["known"]
        model = keras.models.load_model(fold.folder / "bayesian-0.2" / "model.keras")
        variational = [layer for layer in model.layers if hasattr(layer, "prior")]
        assert {layer.prior.scale for layer in variational} == {2.0}
        kept = {path.name for path in (fold.folder / "bayesian-0.2").iterdir()}
        assert kept == {"history.csv", "model.keras"}
        # Networks are trained once, and loaded by later calls.
        again = _evaluate(fold, len(trial.classes))
        assert (again["total"] - found["total"]).abs().max() < 1e-5
        assert [fold.number for fold in trial] == [2, 3]
    text = (tmp_path / "report.md").read_text()
    assert text in capsys.readouterr().out
    assert "| bayesian |" in text
    assert "OOD inputs detected by total uncertainty | noise | silence | tones |" in text
