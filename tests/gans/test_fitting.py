import dataclasses

import keras
import numpy as np
import pytest

from serkit.errors import DivergedError, InputError, LeakError, ResumeError
from serkit.gans.dcgan import DCGANSettings, build_dcgan
from serkit.gans.diff_augment import DiffAugmentSettings
from serkit.gans.fitting import fit_gan
from serkit.gans.staging import StagingSettings
from serkit.gans.wgan_gp import WGANGPSettings, build_wgan_gp
from serkit.training.examples import Examples

SHORT = {"steps": 6, "steps_per_epoch": 2}
TINY = DCGANSettings(width=0.05, batch_size=4, **SHORT)
SMALL = DCGANSettings(batch_size=4, ema=0.9, **SHORT)
STAGED = {"discriminator": "staged", "staging": StagingSettings(share=1.0, epochs=1)}
EVERYTHING = {"classes": 3, "ema": 0.9, "augment": DiffAugmentSettings(), **SHORT}


@pytest.fixture(scope="module")
def pictures() -> Examples:
    drawn = np.random.default_rng(0).uniform(-1, 1, (8, 224, 224, 1)).astype("float32")
    return Examples(drawn, frozenset("ab"))


class _Killed(BaseException):
    pass


def _kill_in(step: int) -> keras.callbacks.Callback:
    """Before what this step has done is kept; steps are counted from 1."""

    def stop(batch, logs=None):
        stop.steps += 1
        if stop.steps == step:
            raise _Killed

    stop.steps = 0
    return keras.callbacks.LambdaCallback(on_train_batch_end=stop)


def _check_killed_equals_never_killed(make, arguments, settings, folder, **options):
    """Killed in the middle of the second epoch."""

    def fit(gan, name, *callbacks):
        return fit_gan(
            *(gan, *arguments, settings, 5, folder / name),
            callbacks=callbacks,
            verbose=0,
            **options,
        )

    whole = make(settings, seed=5)
    expected = fit(whole, "whole")
    with pytest.raises(_Killed):
        fit(make(settings, seed=5), "parts", _kill_in(4))
    again = make(settings, seed=5)
    assert fit(again, "parts") == expected
    assert [row["epoch"] for row in expected] == [1, 2, 3]
    for a, b in zip(whole.state, again.state, strict=True):
        np.testing.assert_array_equal(a, b)
    return expected


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize(
    ("build", "settings"),
    [
        (build_dcgan, TINY),
        pytest.param(build_dcgan, dataclasses.replace(TINY, **STAGED), marks=pytest.mark.slow),
        pytest.param(
            build_wgan_gp,
            WGANGPSettings(width=0.05, batch_size=2, critic_steps=2, **SHORT),
            marks=pytest.mark.slow,
        ),
    ],
    ids=["dcgan", "staged", "wgan_gp"],
)
def test_killed_and_made_again_equals_never_killed(build, settings, pictures, speakers, tmp_path):
    found = _check_killed_equals_never_killed(build, (pictures, speakers), settings, tmp_path)
    if settings.discriminator == "staged" if isinstance(settings, DCGANSettings) else False:
        # The change was before the kill: what goes on is in the second stage.
        assert [row["stage"] for row in found] == [1, 2, 2]
