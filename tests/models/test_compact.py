import subprocess
import sys

import keras
import numpy as np
import pytest

from serkit.errors import InputError
from serkit.models.compact import CompactSettings, compact

SMALL = CompactSettings(channels=(4, 8))


def _batch(rng, frames=64):
    return rng.uniform(-0.9, 1, (2, frames, 64, 1)).astype("float32")


def test_shape_size_and_dtype():
    model = compact(14, (224, 224, 1))
    assert model.input_shape == (None, 224, 224, 1)
    assert model.output_shape == (None, 14)
    assert 250_000 < model.count_params() < 500_000


def test_same_seed_same_weights():
    first, second = (compact(3, (64, 64, 1), SMALL, seed=4) for _ in range(2))
    for a, b in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_dropout_is_for_training_only(rng):
    model = compact(3, (64, 64, 1), SMALL)
    x = _batch(rng)
    np.testing.assert_array_equal(model(x, training=False), model(x, training=False))
    assert not np.array_equal(model(x, training=True), model(x, training=True))


def test_attention_looks_at_the_whole_time_axis(rng):
    """A change in any quarter of the clip changes the answer."""
    model = compact(3, (64, 64, 1), SMALL)
    x = _batch(rng)
    for start in range(0, 64, 16):
        changed = x.copy()
        changed[:, start : start + 16] = -1
        assert not np.allclose(model(x), model(changed), atol=1e-6)


def _attention(model, x):
    """How much each step counts, ``(batch, steps)``, mean over the channels."""
    softmax = next(layer for layer in model.operations if type(layer).__name__ == "Softmax")
    return keras.Model(model.input, softmax.output)(x).numpy().mean(axis=-1)


def test_padding_gets_no_attention(rng):
    model = compact(3, (64, 64, 1), SMALL)
    x = _batch(rng)
    x[0, 32:] = -1
    share = _attention(model, x)
    np.testing.assert_allclose(share.sum(axis=1), 1, rtol=1e-5)
    # Four frames a step: two are pooled, and one block halves that.
    steps = share.shape[1]
    assert (share[0, steps // 2 :] < 1e-6).all()
    assert (share[0, : steps // 2] > 1e-3).all()
    assert (share[1] > 1e-3).all()


def test_silence_alone_is_a_number(rng):
    model = compact(3, (64, 64, 1), SMALL)
    x = np.full((2, 64, 64, 1), -1.0, "float32")
    assert np.isfinite(model(x)).all()
    # As if there were no padding anywhere.
    assert (_attention(model, x) > 1 / 32).all()


@pytest.mark.parametrize("frames", [50, 63, 65])
def test_any_number_of_frames(frames, rng):
    assert compact(3, (frames, 64, 1), SMALL)(_batch(rng, frames)).shape == (2, 3)


def test_bfloat16_is_near_float32(rng):
    half = compact(3, (64, 64, 1), CompactSettings(channels=(4, 8), precision="mixed_bfloat16"))
    whole = compact(3, (64, 64, 1), SMALL)
    x = _batch(rng)
    found = half(x)
    assert found.dtype == "float32"
    assert {variable.dtype for variable in half.trainable_variables} == {"float32"}
    np.testing.assert_allclose(found, whole(x), atol=0.1)
    assert not np.array_equal(found, whole(x))


@pytest.mark.slow
def test_loads_in_a_fresh_process_without_serkit(tmp_path, rng):
    model = compact(3, (64, 64, 1), SMALL)
    model.save(tmp_path / "model.keras")
    x = _batch(rng)
    np.save(tmp_path / "x.npy", x)
    code = (
        "import keras, numpy, sys; m = keras.models.load_model('model.keras');"
        "numpy.save('y.npy', m.predict(numpy.load('x.npy'), verbose=0));"
        "assert 'serkit' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model.predict(x, verbose=0), atol=1e-6)


def test_values_are_checked():
    with pytest.raises(InputError, match=r"classes.*1"):
        compact(1, (64, 64, 1))
    with pytest.raises(InputError, match="channels"):
        CompactSettings(channels=(8,))
    with pytest.raises(InputError, match=r"precision.*half"):
        CompactSettings(precision="half")
    assert keras.backend.backend() == "tensorflow"
