import pytest

from serkit.errors import InputError
from serkit.studies.tuning.records import ALGORITHMS, SearchSettings


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_oracle_goes_the_way_that_is_asked_for(algorithm):
    oracle = SearchSettings(algorithm, trials=7).oracle("loss", "min")
    assert algorithm in type(oracle).__name__.lower()
    assert (oracle.objective.name, oracle.objective.direction) == ("loss", "min")
    assert algorithm == "hyperband" or oracle.max_trials == 7


def test_a_seed_of_nought_is_a_seed():
    seeds = [SearchSettings(seed=seed).oracle("x", "max").seed for seed in (0, 0, 1)]
    assert seeds[0] == seeds[1] != seeds[2]


def test_rounds_of_hyperband_lengthen_trials():
    settings = SearchSettings("hyperband", rounds=3, factor=2)
    oracle = settings.oracle("x", "min")
    assert settings.longest == oracle.max_epochs == 4


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"algorithm": "grid"}, "algorithm='grid'.*bayesian, hyperband, random"),
        ({"trials": 0}, "trials=0"),
        ({"factor": 1}, "factor=1"),
        ({"rounds": 0}, "rounds=0"),
        ({"algorithm": "bayesian", "trials": 2}, "trials=2 with bayesian"),
    ],
)
def test_what_is_not_valid_is_refused(values, problem):
    with pytest.raises(InputError, match=problem):
        SearchSettings(**values)
