import subprocess
import sys

import keras
import numpy as np
import pytest

from serkit.classifiers.compact import CompactSettings, compact
from serkit.errors import InputError

SMALL = CompactSettings(channels=(4, 8))


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
    x = rng.uniform(-1, 1, (2, 64, 64, 1)).astype("float32")
    np.testing.assert_array_equal(model(x, training=False), model(x, training=False))
    assert not np.array_equal(model(x, training=True), model(x, training=True))


def test_attention_looks_at_the_whole_time_axis(rng):
    """A change in any quarter of the clip changes the answer."""
    model = compact(3, (64, 64, 1), SMALL)
    x = rng.uniform(-1, 1, (1, 64, 64, 1)).astype("float32")
    for start in range(0, 64, 16):
        changed = x.copy()
        changed[:, start : start + 16] = -1
        assert not np.allclose(model(x), model(changed), atol=1e-6)


@pytest.mark.slow
def test_loads_in_a_fresh_process_without_serkit(tmp_path, rng):
    model = compact(3, (64, 64, 1), SMALL)
    model.save(tmp_path / "model.keras")
    x = rng.uniform(-1, 1, (2, 64, 64, 1)).astype("float32")
    np.save(tmp_path / "x.npy", x)
    code = (
        "import keras, numpy, sys; m = keras.models.load_model('model.keras');"
        "numpy.save('y.npy', m.predict(numpy.load('x.npy'), verbose=0));"
        "assert 'serkit' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model.predict(x, verbose=0), atol=1e-6)


def test_values_are_checked():
    with pytest.raises(InputError, match="classes=1"):
        compact(1, (64, 64, 1))
    with pytest.raises(InputError, match="channels"):
        CompactSettings(channels=(8,))
    assert keras.backend.backend() == "tensorflow"
