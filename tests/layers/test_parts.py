import keras

from serkit.layers.dropout import layers_of


def test_all_layers_at_any_depth():
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="deep")])
    model = keras.Sequential([keras.Input((4,)), inner, keras.layers.ReLU(name="flat")])
    assert [part.name for part in layers_of(model)] == [model.name, inner.name, "deep", "flat"]
    assert list(layers_of(inner.layers[0])) == [inner.layers[0]]
