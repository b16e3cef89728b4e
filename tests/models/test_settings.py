import dataclasses

import keras
import numpy as np
import pytest

from serkit.errors import InputError
from serkit.models.fitting import REPORT_FIT, FitSettings


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"epochs": 0}, "epochs=0"),
        ({"steps_per_epoch": 0}, "steps_per_epoch=0"),
        ({"patience": 0}, "patience=0"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0"),
        ({"optimizer": "adam"}, "optimizer='adam' is not known; valid are: adamw, sgd"),
        ({"schedule": "linear"}, "valid are: constant, cosine"),
        ({"loss": "hinge"}, "valid are: cross_entropy, focal, one_vs_rest"),
        ({"label_smoothing": 1.0}, "label_smoothing=1.0"),
        ({"class_weights": "even"}, "valid are: balanced, none"),
        ({"class_weights": (1.0, -2.0)}, "class_weights=(1.0, -2.0); valid are 0 or more"),
        ({"views": -1}, "views=-1"),
        ({"mixup": -0.1}, "mixup=-0.1"),
    ],
)
def test_values_are_checked(values, words):
    with pytest.raises(InputError, match=words.replace("(", r"\(").replace(")", r"\)")):
        FitSettings(**values)


def test_an_epoch_is_so_many_steps_or_one_pass():
    assert FitSettings(steps_per_epoch=7).steps(1000) == 7
    assert FitSettings(steps_per_epoch=None, batch_size=32).steps(65) == 3


def test_the_cosine_warms_up_and_falls_to_nothing():
    settings = FitSettings(epochs=10, learning_rate=0.5)
    rate = settings.build_optimizer(steps_per_epoch=10)._learning_rate
    rates = [float(rate(step)) for step in (0, 5, 52, 100)]
    np.testing.assert_allclose(rates, [0.025, 0.5, 0.25, 0.0], atol=0.01)


def test_decay_leaves_biases_and_scales_alone():
    """With no gradient at all, decay alone moves a weight."""
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2), keras.layers.BatchNormalization()]
    )
    optimizer = FitSettings(schedule="constant", weight_decay=0.1).build_optimizer(1)
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    optimizer.apply([v * 0 for v in model.trainable_variables], model.trainable_variables)
    moved = {v.name: not np.allclose(v, 1.0) for v in model.trainable_variables}
    assert moved == {"kernel": True, "bias": False, "gamma": False, "beta": False}


def test_the_reports_preset():
    assert (REPORT_FIT.loss, REPORT_FIT.optimizer, REPORT_FIT.schedule) == (
        "one_vs_rest",
        "sgd",
        "constant",
    )
    optimizer = dataclasses.replace(REPORT_FIT, momentum=0.5).build_optimizer(5)
    assert isinstance(optimizer, keras.optimizers.SGD)
    assert optimizer.momentum == 0.5
