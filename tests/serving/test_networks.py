import numpy as np
import pytest

from serkit.errors import InputError
from serkit.export.exportable_model import load_network
from serkit.models.bayesian import bayesian_lenet5


def test_bayesian_layers_are_known(tmp_path):
    model = bayesian_lenet5(2, (32, 32, 1), seed=0)
    model.save(tmp_path / "a.keras")
    again = load_network(tmp_path / "a.keras")
    for one, other in zip(model.variables, again.variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_keras_cannot_load_is_refused(tmp_path):
    (tmp_path / "text.keras").write_text("no network")
    with pytest.raises(InputError, match="text"):
        load_network(tmp_path / "text.keras")
    with pytest.raises(InputError, match="gone"):
        load_network(tmp_path / "gone.keras")
