import pytest

from serkit.errors import InputError
from serkit.studies.tuning.records import ALGORITHMS, SearchSettings


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_oracle_has_the_algorithm_of_the_settings(algorithm):
    oracle = SearchSettings(algorithm, trials=7).oracle("loss", "min")
    assert algorithm in type(oracle).__name__.lower()
    assert (oracle.objective.name, oracle.objective.direction) == ("loss", "min")
    assert algorithm == "hyperband" or oracle.max_trials == 7


def test_seed_0_is_not_replaced_by_a_random_seed():
    seeds = [SearchSettings(seed=seed).oracle("x", "max").seed for seed in (0, 0, 1)]
    assert seeds[0] == seeds[1] != seeds[2]


def test_rounds_and_factor_of_hyperband():
    settings = SearchSettings("hyperband", rounds=3, factor=2)
    oracle = settings.oracle("x", "min")
    assert settings.length_ratio == oracle.max_epochs == 4


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"algorithm": "grid"}, "algorithm='grid'"),
        ({"trials": 0}, "trials=0"),
        ({"factor": 1}, "factor=1"),
        ({"rounds": 0}, "rounds=0"),
        ({"algorithm": "bayesian", "trials": 2}, "`trials` must be 3 .* 2"),
    ],
)
def test_invalid_settings_are_refused(values, problem):
    with pytest.raises(InputError, match=problem):
        SearchSettings(**values)
