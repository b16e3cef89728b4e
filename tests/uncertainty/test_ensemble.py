import numpy as np
import pytest

from serkit.errors import InputError
from serkit.models.lenet import lenet5
from serkit.uncertainty.predictors import Ensemble


def test_each_network_is_a_sample(rng):
    models = [lenet5(3, (32, 32, 1), seed=seed) for seed in (1, 2)]
    x = rng.uniform(-1, 1, (5, 32, 32, 1)).astype("float32")
    found = Ensemble(models).predict_logits(x, 30, batch_size=2)
    assert found.shape == (2, 5, 3)
    for number, model in enumerate(models):
        np.testing.assert_allclose(found[number], model(x), atol=1e-5)


def test_networks_of_different_classes_are_refused():
    with pytest.raises(InputError, match=r"`models`.* none"):
        Ensemble([])
    with pytest.raises(InputError, match=r"`models`.* 3, 4"):
        Ensemble([lenet5(classes, (32, 32, 1)) for classes in (3, 4)])
