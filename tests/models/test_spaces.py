import keras_tuner
import pytest

from serkit.errors import InputError
from serkit.models.fitting import FitSettings
from serkit.studies.search_spaces import (
    BayesianRecipe,
    CompactRecipe,
    bayesian_space,
    compact_space,
)


def _drawn(space, base, count=40):
    hp = keras_tuner.HyperParameters()
    space(hp, base)
    for seed in range(count):
        for number, one in enumerate(hp.space):
            hp.values[one.name] = one.random_sample(100 * seed + number)
        yield space(hp, base)


def test_a_compact_network_is_trained_on_as_many_examples_whatever_its_batches():
    base = CompactRecipe(fit=FitSettings(epochs=3, batch_size=32, steps_per_epoch=10))
    found = list(_drawn(compact_space, base))
    assert len(set(map(str, found))) == 40
    assert {made.fit.batch_size * made.fit.steps_per_epoch for made in found} == {320}
    assert {made.fit.epochs for made in found} == {3}
    assert len({made.network.channels for made in found}) == 3


def test_what_is_one_pass_over_the_data_stays_so():
    base = CompactRecipe(fit=FitSettings(steps_per_epoch=None))
    assert all(made.fit.steps_per_epoch is None for made in _drawn(compact_space, base, 5))


def test_a_bayesian_recipe_is_drawn_all_over():
    found = list(_drawn(bayesian_space, BayesianRecipe()))
    assert {made.weights.centred for made in found} == {True, False}
    assert min(made.delta for made in found) < 0.1 < 0.5 < max(made.delta for made in found)
    assert {made.fit.epochs for made in found} == {10}


@pytest.mark.parametrize("values", [{"delta": 0.0}, {"kl": -1.0}])
def test_what_is_not_valid_is_refused(values):
    with pytest.raises(InputError, match=next(iter(values))):
        BayesianRecipe(**values)
