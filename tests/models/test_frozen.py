import keras
import numpy as np
import pytest
from keras import layers

from serkit.models.frozen_features import cut, is_frozen


def _frozen(layer):
    layer.trainable = False
    return layer


def _model(*stack, shape=(8, 8, 1)):
    inputs = x = keras.Input(shape)
    for layer in stack:
        x = layer(x)
    return keras.Model(inputs, x)


def test_it_cuts_behind_the_last_layer_that_is_frozen(rng):
    first, second = _frozen(layers.Conv2D(4, 3)), layers.Conv2D(3, 3)
    model = _model(first, layers.MaxPooling2D(), second, layers.Flatten(), layers.Dense(2))
    pieces = cut(model)
    assert pieces.frozen.output_shape == (None, 3, 3, 4)
    assert [v.path for v in pieces.rest.trainable_variables] == [
        v.path for v in model.trainable_variables
    ]
    x = rng.normal(size=(2, 8, 8, 1)).astype("float32")
    np.testing.assert_array_equal(pieces.rest(pieces.frozen(x)), model(x))
    # The same variables, not copies.
    second.kernel.assign(second.kernel * 2)
    np.testing.assert_array_equal(pieces.rest(pieces.frozen(x)), model(x))


def test_a_nested_frozen_network_is_one_piece():
    inside = _frozen(_model(layers.Conv2D(4, 3), layers.BatchNormalization()))
    pieces = cut(_model(inside, layers.Flatten(), layers.Dense(2)))
    assert pieces.frozen.output_shape == (None, 144)


@pytest.mark.parametrize(
    "stack",
    [
        [layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(2)],
        [layers.Flatten(), layers.Dense(2)],
        [layers.Dropout(0.5), _frozen(layers.Conv2D(4, 3)), layers.Flatten(), layers.Dense(2)],
        [layers.BatchNormalization(scale=False, center=False), layers.Flatten(), layers.Dense(2)],
    ],
    ids=["all trains", "nothing before", "random at the start", "statistics that move"],
)
def test_where_there_is_nothing_to_gain_or_it_would_change_something(stack):
    assert cut(_model(*stack)) is None


def test_what_is_used_again_behind_the_cut_moves_it_forward():
    """The input of a residual block whose second half trains has to be there, too."""
    inputs = keras.Input((8,))
    a = _frozen(layers.Dense(8))(inputs)
    b = _frozen(layers.Dense(8))(a)
    pieces = cut(keras.Model(inputs, layers.Dense(2)(layers.Add()([a, layers.Dense(8)(b)]))))
    assert len(pieces.frozen.weights) == 2


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Dense(2), False),
        (_frozen(layers.Dense(2)), True),
        (layers.MaxPooling1D(), True),
        (layers.Dropout(0.3), False),
        (layers.Dropout(0.0), True),
        (layers.GaussianNoise(0.3), False),
        (layers.BatchNormalization(center=False, scale=False), False),
        (_frozen(layers.BatchNormalization()), True),
        (layers.Normalization(mean=1.0, variance=1.0), True),
    ],
)
def test_which_layers_are_frozen(layer, expected):
    layer.build((None, 4, 4))
    assert is_frozen(layer) == expected


def test_a_loaded_model_is_cut_in_the_same_place(tmp_path, rng):
    model = _model(_frozen(layers.Conv2D(4, 3)), layers.Flatten(), layers.Dense(2))
    model.save(tmp_path / "m.keras")
    pieces = cut(keras.models.load_model(tmp_path / "m.keras"))
    x = rng.normal(size=(2, 8, 8, 1)).astype("float32")
    assert pieces.frozen.output_shape == (None, 144)
    np.testing.assert_allclose(pieces.rest(pieces.frozen(x)), model(x), rtol=1e-5)
