import numpy as np
import pytest

from serkit.gans.dcgan import DCGANSettings, build_dcgan
from serkit.gans.fitting import fit_dcgan

TINY = DCGANSettings(width=0.05, batch_size=4, steps=6, steps_per_epoch=2)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (3, 224, 224, 1)).astype("float32")


class _Killed(BaseException):
    pass


@pytest.mark.usefixtures("deterministic")
def test_killed_and_made_again_equals_never_killed(pictures, tmp_path):
    import keras

    whole = build_dcgan(TINY, seed=5)
    expected = fit_dcgan(whole, pictures, TINY, 5, tmp_path / "whole", verbose=0)

    def stop(step, logs=None):
        if stop.steps == 3:
            raise _Killed
        stop.steps += 1

    stop.steps = 0
    killer = keras.callbacks.LambdaCallback(on_train_batch_end=stop)
    with pytest.raises(_Killed):
        fit_dcgan(
            build_dcgan(TINY, seed=5), pictures, TINY, 5, tmp_path / "parts",
            callbacks=(killer,), verbose=0,
        )  # fmt: skip
    again = build_dcgan(TINY, seed=5)
    assert fit_dcgan(again, pictures, TINY, 5, tmp_path / "parts", verbose=0) == expected
    for a, b in zip(whole.state, again.state, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_finished_training_is_not_trained_again(pictures, tmp_path):
    gan = build_dcgan(TINY, seed=5)
    first = fit_dcgan(gan, pictures, TINY, 5, tmp_path, verbose=0)
    again = build_dcgan(TINY, seed=5)
    assert fit_dcgan(again, pictures, TINY, 5, tmp_path, verbose=0) == first
    assert int(again.generator_optimizer.iterations) == 6
