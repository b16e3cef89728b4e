import keras
import numpy as np
import pytest
import tensorflow as tf

from serkit.gans.networks import critic, discriminator1, generator
from serkit.training.precision import FLOAT32, MIXED_BFLOAT16, dtype_policy_scope, fastest_precision


def test_the_policy_is_what_it_was_before_even_after_an_exception():
    before = keras.config.dtype_policy().name
    with dtype_policy_scope("mixed_bfloat16"):
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    assert keras.config.dtype_policy().name == before
    with pytest.raises(KeyError), dtype_policy_scope("mixed_bfloat16"):
        raise KeyError
    assert keras.config.dtype_policy().name == before


@pytest.mark.parametrize("build", [generator, discriminator1, critic])
def test_convolutions_are_in_bfloat16_weights_and_outputs_in_float32(build, rng):
    with dtype_policy_scope("mixed_bfloat16"):
        model = build(0.05, seed=1)
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    convolutions = [layer for layer in model.layers if "Conv" in type(layer).__name__]
    assert {layer.compute_dtype for layer in convolutions} == {"bfloat16"}
    inputs = rng.uniform(-1, 1, (2, *model.input_shape[1:])).astype("float32")
    found = model(inputs)
    assert found.dtype == "float32"
    # Eight bits of each number: near what float32 gives, but not the same.
    expected = build(0.05, seed=1)(inputs)
    np.testing.assert_allclose(found, expected, atol=0.03)
    assert not np.array_equal(found, expected)


def test_the_average_of_such_a_network_computes_as_it_does():
    with dtype_policy_scope("mixed_bfloat16"):
        source = generator(0.05)
    average = keras.models.clone_model(source)
    kinds = [[layer.compute_dtype for layer in model.layers[1:]] for model in (source, average)]
    assert kinds[0] == kinds[1]
    assert "bfloat16" in kinds[0]


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Sets the GPUs' compute capabilities and the processor's features, and asks."""

    def ask(text: str, *gpus: dict) -> str:
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
        details = tf.config.experimental
        monkeypatch.setattr(details, "get_device_details", lambda gpu: gpu)
        file = tmp_path / "cpuinfo"
        file.write_text(text)
        monkeypatch.setattr("serkit.training.precision._CPUINFO_PATH", file)
        return fastest_precision.__wrapped__()

    return ask


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 avx512f\n", FLOAT32),
        ("processor\t: 0\nflags\t\t: fpu avx512_bf16 amx_tile\n", MIXED_BFLOAT16),
        ("Features\t: fp asimd bf16\n", MIXED_BFLOAT16),
        ("", FLOAT32),
    ],
)
def test_bfloat16_where_the_processor_has_units_for_it(machine, text, expected):
    assert machine(text) == expected


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"compute_capability": (7, 5)}, FLOAT32),
        ({"compute_capability": (8, 0)}, MIXED_BFLOAT16),
        ({}, FLOAT32),
    ],
)
def test_a_gpu_decides_if_there_is_one(machine, details, expected):
    assert machine("flags : avx512_bf16", details) == expected
