import keras
import numpy as np
import pytest

from serkit.errors import LeakError
from serkit.gans.dcgan import DCGANSettings, build_dcgan
from serkit.gans.fitting import fit_gan
from serkit.gans.wgan_gp import WGANGPSettings, build_wgan_gp
from serkit.leaks import Speakers
from serkit.training.examples import Examples

TINY = DCGANSettings(width=0.05, batch_size=4, steps=6, steps_per_epoch=2)


SPEAKERS = Speakers(frozenset("ab"), frozenset("c"), frozenset("d"))


@pytest.fixture(scope="module")
def pictures() -> Examples:
    drawn = np.random.default_rng(0).uniform(-1, 1, (3, 224, 224, 1)).astype("float32")
    return Examples(drawn, frozenset("ab"))


class _Killed(BaseException):
    pass


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize(
    ("build", "settings"),
    [
        (build_dcgan, TINY),
        pytest.param(
            build_wgan_gp,
            WGANGPSettings(width=0.05, batch_size=2, critic_steps=2, steps=6, steps_per_epoch=2),
            marks=pytest.mark.slow,
        ),
    ],
    ids=["dcgan", "wgan_gp"],
)
def test_killed_and_made_again_equals_never_killed(build, settings, pictures, tmp_path):
    whole = build(settings, seed=5)
    expected = fit_gan(whole, pictures, SPEAKERS, settings, 5, tmp_path / "whole", verbose=0)

    def stop(step, logs=None):
        if stop.steps == 3:
            raise _Killed
        stop.steps += 1

    stop.steps = 0
    killer = keras.callbacks.LambdaCallback(on_train_batch_end=stop)
    with pytest.raises(_Killed):
        fit_gan(
            build(settings, seed=5), pictures, SPEAKERS, settings, 5, tmp_path / "parts",
            callbacks=(killer,), verbose=0,
        )  # fmt: skip
    again = build(settings, seed=5)
    found = fit_gan(again, pictures, SPEAKERS, settings, 5, tmp_path / "parts", verbose=0)
    assert found == expected
    for a, b in zip(whole.state, again.state, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_finished_training_is_not_trained_again(pictures, tmp_path):
    gan = build_dcgan(TINY, seed=5)
    first = fit_gan(gan, pictures, SPEAKERS, TINY, 5, tmp_path, verbose=0)
    again = build_dcgan(TINY, seed=5)
    assert fit_gan(again, pictures, SPEAKERS, TINY, 5, tmp_path, verbose=0) == first
    assert int(again.generator_optimizer.iterations) == 6


@pytest.mark.parametrize("stranger", ["c", "d", "e"])
def test_nobody_is_learned_from_but_training_speakers(pictures, stranger, tmp_path):
    leak = Examples(pictures.spectrograms, frozenset({"a", stranger}))
    gan = build_dcgan(TINY, seed=5)
    with pytest.raises(LeakError, match=f"not training speakers: {stranger}"):
        fit_gan(gan, leak, SPEAKERS, TINY, 5, tmp_path / "run", verbose=0)
    assert int(gan.generator_optimizer.iterations) == 0
    assert not (tmp_path / "run").exists()
