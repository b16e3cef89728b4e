import itertools

import numpy as np
import pytest

from serkit.errors import InputError
from serkit.gans.dcgan import DCGANSettings, build_dcgan
from serkit.training.batches import training_batches

TINY = DCGANSettings(width=0.05, batch_size=4, steps=4, steps_per_epoch=2)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Clearly not what a fresh generator makes."""
    return np.full((6, 224, 224, 1), -0.9, "float32")


def _weights(network) -> list[np.ndarray]:
    return [np.array(variable) for variable in network.trainable_variables]


def test_a_step_moves_both_networks_and_reports_both_losses(pictures):
    gan = build_dcgan(TINY, seed=0)
    before = _weights(gan.generator), _weights(gan.discriminator)
    history = gan.fit(
        training_batches((pictures,), 4, 0), steps_per_epoch=2, epochs=1, verbose=0, shuffle=False
    ).history
    assert set(history) == {"d_loss", "g_loss", "d_real", "d_fake"}
    assert all(np.isfinite(values).all() and values[0] > 0 for values in history.values())
    for old, network in zip(before, (gan.generator, gan.discriminator), strict=True):
        moved = [not np.array_equal(a, b) for a, b in zip(old, _weights(network), strict=True)]
        assert all(moved)
    assert int(gan.generator_optimizer.iterations) == 2


def test_the_discriminator_learns_what_is_easy(pictures):
    settings = DCGANSettings(
        width=0.05, batch_size=4, steps=20, steps_per_epoch=10, discriminator_rate=1e-3
    )
    gan = build_dcgan(settings, seed=0)
    history = gan.fit(
        training_batches((pictures,), 4, 0), steps_per_epoch=10, epochs=2, verbose=0, shuffle=False
    ).history
    assert history["d_loss"][1] < history["d_loss"][0]
    assert history["d_real"][1] > history["d_fake"][1]


@pytest.mark.usefixtures("deterministic")
def test_same_seed_same_losses(pictures):
    def losses(seed):
        gan = build_dcgan(TINY, seed)
        fit = gan.fit(
            training_batches((pictures,), 4, 0),
            steps_per_epoch=2, epochs=2, verbose=0, shuffle=False,
        )  # fmt: skip
        return fit.history

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


def test_state_holds_everything_that_changes(pictures):
    gan = build_dcgan(TINY, seed=0)
    before = [np.array(variable) for variable in gan.state]
    for (batch,) in itertools.islice(training_batches((pictures,), 4, 0), 1):
        gan.train_on_batch(batch)
    changed = {
        id(variable)
        for old, variable in zip(before, gan.state, strict=True)
        if not np.array_equal(old, variable)
    }
    names = [v.path for v in gan.state if id(v) in changed]
    for part in ("moving_mean", "seed_generator_state", "iteration", "momentum", "kernel"):
        assert any(part in name for name in names), part


def test_settings_are_checked():
    with pytest.raises(InputError, match=r"discriminator='d3'.*discriminator1, discriminator2"):
        DCGANSettings(discriminator="d3")
    with pytest.raises(InputError, match=r"beta_1=1\.0"):
        DCGANSettings(beta_1=1.0)
