import keras
import numpy as np
import pytest

from serkit.datasets.splits import Speakers
from serkit.errors import InputError, LeakError
from serkit.models.bayesian import from_deterministic, with_monte_carlo_dropout
from serkit.models.compact import CompactSettings, compact
from serkit.models.lenet import LeNet5Settings, lenet5
from serkit.training.examples import Examples
from serkit.uncertainty.ood import FeatureDensity

SHAPE = (32, 32, 1)
SPEAKERS = Speakers(frozenset("a"), frozenset("b"), frozenset("c"))


def _striped(rng, clips):
    """Two classes: vertical and horizontal stripes, in noise."""
    labels = np.arange(clips) % 2
    x = rng.normal(0, 0.1, (clips, *SHAPE))
    x[labels == 0, ::4] += 0.5
    x[labels == 1, :, ::4] += 0.5
    return x.astype("float32"), labels


def _density(model, rng):
    train, labels = _striped(rng, 200)
    validation, _ = _striped(rng, 50)
    known, new = Examples(train, frozenset("a"), labels), Examples(validation, frozenset("b"))
    return FeatureDensity(model, known, new, SPEAKERS)


def _networks():
    settings = LeNet5Settings(dropout=0.5)
    plain = lenet5(2, SHAPE, settings, seed=1)
    return {
        "lenet5": plain,
        "compact": compact(2, SHAPE, CompactSettings(channels=(4, 8)), seed=1),
        "Bayesian": from_deterministic(plain, 0.5, seed=2),
        "dropout": with_monte_carlo_dropout(plain),
    }


@pytest.fixture(scope="module")
def densities():
    """Densities by name of the network, all of the same examples."""
    return {name: _density(model, np.random.default_rng(0)) for name, model in _networks().items()}


@pytest.mark.parametrize("name", ["lenet5", "compact", "Bayesian", "dropout"])
def test_ood_inputs_have_higher_scores(rng, densities, name):
    density = densities[name]
    known = density.ood_score(_striped(rng, 60)[0])
    assert abs(known.mean()) < 2
    inputs = {
        "loud noise": rng.normal(0, 0.5, (20, *SHAPE)),
        "silence": np.full((20, *SHAPE), -1.0),
        "diagonal stripes": np.where(np.add.outer(np.arange(32), np.arange(32)) % 4, 0.0, 0.5)[
            None, ..., None
        ],
    }
    for kind, x in inputs.items():
        assert density.ood_score(x.astype("float32")).min() > known.max(), kind


def test_random_layers_use_the_mean_of_their_weights(rng, densities):
    x = rng.normal(0, 0.3, (5, *SHAPE)).astype("float32")
    expected = densities["lenet5"].ood_score(x)
    for name in ("Bayesian", "dropout"):
        np.testing.assert_allclose(densities[name].ood_score(x), expected, rtol=1e-3)


def test_by_hand(rng):
    """One layer, the input of the last: distances from the nearer mean, in whitened space."""
    inputs = keras.Input((1, 2, 1))
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs)))
    labels = np.arange(4000) % 2
    x = rng.normal(0, [1.0, 0.1], (4000, 2)) + np.where(labels, 5.0, -5.0)[:, None]
    shaped = x.astype("float32").reshape(-1, 1, 2, 1)
    train = Examples(shaped[:2000], frozenset("a"), labels[:2000])
    validation = Examples(shaped[2000:], frozenset("b"))
    density = FeatureDensity(model, train, validation, SPEAKERS)

    def distance(points):
        least = 0.01 * (1 + 0.01) / 2
        scale = np.sqrt(np.array([1.0, 0.01]) + least)
        far = [(((points - mean) / scale) ** 2).sum(axis=-1) for mean in (-5.0, 5.0)]
        return np.log(np.min(far, axis=0))

    others = distance(x[2000:])
    points = np.array([[5.0, 6.0], [8.0, 5.0], [0.0, 0.0]])
    expected = (distance(points) - others.mean()) / others.std()
    found = density.ood_score(points.astype("float32").reshape(-1, 1, 2, 1))
    np.testing.assert_allclose(found, expected, rtol=0.06)


@pytest.mark.parametrize(
    ("labels", "who", "error", "word"),
    [(None, "b", InputError, "`train`"), ([0, 1], "c", LeakError, "validation")],
)
def test_invalid_examples_are_refused(rng, labels, who, error, word):
    x = rng.normal(0, 0.3, (2, *SHAPE)).astype("float32")
    train = Examples(x, frozenset("a"), labels)
    with pytest.raises(error, match=word):
        FeatureDensity(lenet5(2, SHAPE), train, Examples(x, frozenset(who)), SPEAKERS)
