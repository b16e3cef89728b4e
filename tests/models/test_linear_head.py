import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from serkit.datasets.splits import Speakers
from serkit.errors import InputError, LeakError
from serkit.models.linear_head import (
    METHODS,
    LinearHeadSettings,
    fit_head_network,
    fit_linear_head,
)
from serkit.training.cache import ArrayCache
from serkit.training.examples import Examples

SPEAKERS = Speakers(frozenset({"ann"}), frozenset({"bob"}), frozenset({"cid"}))
LDA = LinearHeadSettings("lda", components=10)


def _examples(count: int, width: int, classes: int = 4, seed: int = 0, **options) -> Examples:
    """Features of very different scales, whose means depend on the class."""
    geometry, rng = np.random.default_rng(100), np.random.default_rng(seed)
    labels = options.get("labels", np.arange(count) % classes)
    features = rng.normal(size=(count, width))
    if labels is not None:
        features += geometry.normal(0, 0.7, (classes, width))[labels]
    scales, offsets = 10 ** geometry.uniform(-2, 2, width), geometry.normal(0, 5, width)
    features = (scales * (features + offsets)).astype("float32")
    return Examples(features, frozenset({"ann"}), labels)


def _logits(head: keras.Model, features: np.ndarray) -> np.ndarray:
    return head(features).numpy()


def _fit(train: Examples, settings: LinearHeadSettings | None, classes: int = 4) -> keras.Model:
    return fit_linear_head(train, SPEAKERS, classes, settings)


def _by_scikit_learn(train: Examples, settings: LinearHeadSettings, classes: int, features):
    """Decision values; of two classes as those of both."""
    balanced = settings.class_weights == "balanced"
    if settings.method == "lda":
        priors = np.full(classes, 1 / classes) if balanced else None
        classifier = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=priors)
    else:
        weights = "balanced" if balanced else None
        classifier = LogisticRegression(
            C=1 / settings.penalty, class_weight=weights, max_iter=2_000
        )
    # The last component of as many as examples has no variance.
    components = min(settings.components, len(train) - 1, train.spectrograms.shape[1])
    pca = PCA(components, whiten=True, svd_solver="full")
    pipeline = make_pipeline(StandardScaler(), pca, classifier)
    pipeline.fit(train.spectrograms.astype(np.float64), train.labels)
    values = pipeline.decision_function(features.astype(np.float64))
    return np.stack([-values, values], axis=1) / 2 if classes == 2 else values


def _assert_same_decisions(found: np.ndarray, expected: np.ndarray) -> None:
    """Up to a constant for each row, which the probabilities do not depend on."""
    found = found - found.mean(axis=1, keepdims=True)
    expected = expected - expected.mean(axis=1, keepdims=True)
    scale = np.abs(expected).max()
    assert scale > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-3 * max(1.0, scale / 10))


@pytest.mark.parametrize("method", ["lda", "logistic"])
@pytest.mark.parametrize(
    ("count", "width", "components"),
    [(40, 300, 20), (40, 300, 256), (300, 30, 12), (300, 30, 30), (31, 30, 30), (30, 30, 10)],
    ids=str,
)
@pytest.mark.parametrize("class_weights", ["balanced", "none"])
def test_decisions_are_those_of_scikit_learn(method, count, width, components, class_weights):
    # Every third example is of the first class.
    labels = np.where(np.arange(count) % 3, np.arange(count) % 4, 0)
    train = _examples(count, width, labels=labels)
    settings = LinearHeadSettings(method, components, class_weights=class_weights)
    others = _examples(50, width, seed=1).spectrograms
    expected = _by_scikit_learn(train, settings, 4, others)
    _assert_same_decisions(_logits(_fit(train, settings), others), expected)


@pytest.mark.parametrize("method", ["lda", "logistic"])
@pytest.mark.parametrize("class_weights", ["balanced", "none"])
def test_two_classes_have_two_logits(method, class_weights):
    train = _examples(60, 20, labels=(np.arange(60) % 3 == 0).astype(int))
    settings = LinearHeadSettings(method, components=12, class_weights=class_weights)
    others = _examples(50, 20, classes=2, seed=1).spectrograms
    head = _fit(train, settings, classes=2)
    assert head.output_shape == (None, 2)
    expected = _by_scikit_learn(train, settings, 2, others)
    _assert_same_decisions(_logits(head, others), expected)


def test_the_classes_are_told_apart():
    train = _examples(200, 50)
    accuracy = (
        _logits(_fit(train, None), train.spectrograms).argmax(axis=1) == train.labels
    ).mean()
    assert accuracy > 0.9


@pytest.mark.parametrize("classes", [2, 4])
def test_both_is_the_mean(classes):
    train = _examples(60, 30, classes)
    others = _examples(20, 30, classes, seed=1).spectrograms
    lda, logistic, both = (
        _logits(_fit(train, replace(LDA, method=method), classes), others) for method in METHODS
    )
    np.testing.assert_allclose(both, (lda + logistic) / 2, atol=1e-3)
    assert np.abs(lda - logistic).max() > 0.1


@pytest.mark.parametrize("method", METHODS)
def test_balanced_weights_change_the_logits_of_unbalanced_data_alone(method):
    settings = LinearHeadSettings(method, components=10)
    unweighted = replace(settings, class_weights="none")
    others = _examples(30, 20, seed=1).spectrograms
    equal = _examples(80, 20)
    np.testing.assert_allclose(
        _logits(_fit(equal, settings), others), _logits(_fit(equal, unweighted), others), atol=1e-3
    )
    labels = np.where(np.arange(80) % 8, 0, 1 + np.arange(80) // 8 % 3)
    rare = replace(equal, labels=labels)
    difference = _logits(_fit(rare, settings), others) - _logits(_fit(rare, unweighted), others)
    # The logits of the three rare classes are larger with weights, that of the frequent one less.
    difference -= difference.mean(axis=1, keepdims=True)
    assert difference[:, 0].mean() < -0.2


def test_a_larger_penalty_makes_smaller_logits():
    train = _examples(60, 30)
    spreads = [
        np.ptp(
            _logits(_fit(train, LinearHeadSettings("logistic", 10, penalty)), train.spectrograms)
        )
        for penalty in (1.0, 100.0, 1e4)
    ]
    assert spreads[0] > 2 * spreads[1] > 4 * spreads[2]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("count", "width"), [(20, 50), (50, 20)])
def test_more_components_than_there_are_are_cut(method, count, width):
    train = _examples(count, width)
    most = min(count - 1, width)
    settings = LinearHeadSettings(method, components=most)
    expected = _logits(_fit(train, settings), train.spectrograms)
    for components in (most + 1, 10**6):
        found = _logits(_fit(train, replace(settings, components=components)), train.spectrograms)
        np.testing.assert_array_equal(found, expected)
    fewer = _logits(_fit(train, replace(settings, components=most // 2)), train.spectrograms)
    assert np.abs(fewer - expected).max() > 0.01


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("constant", [0.0, 0.1, -12_345.678])
@pytest.mark.parametrize(("count", "width"), [(20, 50), (50, 20)])
def test_a_constant_feature_is_harmless(method, constant, count, width):
    train = _examples(count, width)
    settings = LinearHeadSettings(method, components=10)
    expected = _logits(_fit(train, settings), train.spectrograms)
    column = np.full((count, 1), constant, np.float32)
    more = np.concatenate([train.spectrograms[:, :3], column, train.spectrograms[:, 3:]], axis=1)
    head = _fit(replace(train, spectrograms=more), settings)
    found = _logits(head, more)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    # Nor does it count if it changes later.
    more[:, 3] += 1.0
    np.testing.assert_allclose(_logits(head, more), expected, atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_a_feature_that_is_there_twice_is_harmless(method):
    train = _examples(50, 20)
    twice = np.concatenate([train.spectrograms, train.spectrograms[:, :4]], axis=1)
    logits = _logits(_fit(replace(train, spectrograms=twice), LinearHeadSettings(method)), twice)
    assert np.isfinite(logits).all()
    assert (logits.argmax(axis=1) == train.labels).mean() > 0.6


@pytest.mark.parametrize("scale", [1e4, 1e-4, 1e-9])
def test_the_scale_of_the_features_does_not_matter(scale):
    train = _examples(50, 20)
    expected = _logits(_fit(train, LDA), train.spectrograms)
    scaled = replace(train, spectrograms=train.spectrograms * np.float32(scale))
    found = _logits(_fit(scaled, LDA), scaled.spectrograms)
    np.testing.assert_allclose(found, expected, atol=1e-2)


def test_a_large_mean_does_not_cost_digits():
    train = _examples(50, 20)
    expected = _logits(_fit(train, LDA), train.spectrograms)
    # Exact in float32, of the order of the deviations times 2**10.
    deviations = train.spectrograms.std(axis=0)
    offsets = 2.0 ** np.round(np.log2(deviations) + 10)
    shifted = (train.spectrograms + offsets).astype("float32")
    found = _logits(_fit(replace(train, spectrograms=shifted), LDA), shifted)
    np.testing.assert_allclose(found, expected, atol=2e-2)


def test_without_settings_the_default_ones_are_used():
    train = _examples(30, 40)
    default = _logits(_fit(train, None), train.spectrograms)
    given = _logits(_fit(train, LinearHeadSettings()), train.spectrograms)
    np.testing.assert_array_equal(default, given)


def test_the_model_is_one_linear_function():
    head = _fit(_examples(60, 20), LDA)
    assert head.input_shape == (None, 20)
    assert head.output_shape == (None, 4)
    x = _examples(3, 20, seed=2).spectrograms
    a, b, c = _logits(head, x)
    middle = _logits(head, (0.25 * x[:1] + 0.75 * x[1:2]))[0]
    np.testing.assert_allclose(middle, 0.25 * a + 0.75 * b, atol=1e-3)
    assert np.abs(a - c).max() > 0.1


def test_the_same_examples_give_the_same_model():
    train = _examples(60, 20)
    first, again = (_fit(train, None).get_weights() for _ in range(2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_speakers_who_are_not_training_speakers_are_a_leak():
    train = replace(_examples(20, 10), speakers=frozenset({"ann", "cid"}))
    with pytest.raises(LeakError, match="cid"):
        fit_linear_head(train, SPEAKERS, 4, LDA)


@pytest.mark.parametrize(("labels", "classes", "missing"), [([0, 1, 2], 4, "3"), ([1], 2, "0")])
def test_a_class_without_an_example_is_an_error(labels, classes, missing):
    train = _examples(12, 10, labels=np.array(12 // len(labels) * labels))
    with pytest.raises(InputError, match=f"`train`.*{missing}"):
        fit_linear_head(train, SPEAKERS, classes, LDA)


def test_examples_without_labels_are_an_error():
    with pytest.raises(InputError, match=r"`labels`.*None"):
        fit_linear_head(_examples(12, 10, labels=None), SPEAKERS, 4, LDA)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("labels", "classes"), [([0, 1, 2], 2), ([0, 1, 2, 3], 3), ([-1, 0, 1], 2)]
)
def test_a_label_that_is_no_class_is_an_error(method, labels, classes):
    train = _examples(12, 10, labels=np.array(12 // len(labels) * labels))
    with pytest.raises(InputError, match="`train`"):
        fit_linear_head(train, SPEAKERS, classes, replace(LDA, method=method))


def test_less_than_two_classes_are_an_error():
    with pytest.raises(InputError, match=r"`classes`.*1"):
        fit_linear_head(_examples(12, 10, classes=1), SPEAKERS, 1, LDA)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_feature_that_is_not_finite_is_an_error(value):
    train = _examples(12, 10)
    train.spectrograms[3, 2] = value
    with pytest.raises(InputError, match="`train`"):
        fit_linear_head(train, SPEAKERS, 4, LDA)


def test_one_example_of_each_class_is_enough_for_logistic_regression():
    train = _examples(4, 10)
    logits = _logits(_fit(train, LinearHeadSettings("logistic")), train.spectrograms)
    assert logits.argmax(axis=1).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("method", ["lda", "both"])
def test_one_example_of_each_class_is_an_error_for_discriminant_analysis(method):
    with pytest.raises(InputError, match="`train`"):
        _fit(_examples(4, 10), LinearHeadSettings(method))


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"method": "svm"}, "method"),
        ({"components": 0}, "components"),
        ({"penalty": 0.0}, "penalty"),
        ({"penalty": -1.0}, "penalty"),
        ({"penalty": float("nan")}, "penalty"),
        ({"class_weights": "equal"}, "class_weights"),
    ],
)
def test_settings_are_checked(values, name):
    with pytest.raises(InputError, match=f"`{name}`.*{values[name]}"):
        LinearHeadSettings(**values)


LOAD = """
import sys
import keras
import numpy as np

head = keras.models.load_model(sys.argv[1], compile=False)
np.save(sys.argv[3], head.predict(np.load(sys.argv[2]), verbose=0))
assert not any(name.split(".")[0] == "serkit" for name in sys.modules)
"""


def test_a_saved_head_is_loaded_without_serkit(tmp_path):
    train = _examples(60, 20)
    head = _fit(train, None)
    head.save(tmp_path / "head.keras")
    np.save(tmp_path / "features.npy", train.spectrograms)
    files = [tmp_path / name for name in ("head.keras", "features.npy", "logits.npy")]
    subprocess.run([sys.executable, "-c", LOAD, *files], check=True, cwd=tmp_path)
    expected = head.predict(train.spectrograms, verbose=0)
    np.testing.assert_array_equal(np.load(files[-1]), expected)


def test_rows_on_disk_are_fitted_as_an_array_is(tmp_path):
    train = _examples(12, 10)
    features = np.float32(np.float16(train.spectrograms))
    cache = ArrayCache(tmp_path, "test", (10,), "wide-float16")
    keys = [str(number) for number in range(12)]
    cache.write(keys, features)
    rows = cache.read(keys)
    expected = _logits(_fit(replace(train, spectrograms=features), LDA), features)
    found = _logits(_fit(replace(train, spectrograms=rows), LDA), features)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("classes", [2, 4])
def test_the_network_has_the_logits_of_the_classifier(classes):
    train, test = _examples(60, 30, classes), _examples(9, 30, classes, seed=1).spectrograms
    settings = LinearHeadSettings(components=10)
    head = _fit(train, settings, classes)
    for dropout in (0.0, 0.5):
        network = fit_head_network(train, SPEAKERS, classes, settings, dropout=dropout)
        np.testing.assert_allclose(
            _logits(network, test), _logits(head, test), rtol=1e-3, atol=1e-3
        )
        assert [layer.name for layer in network.layers if layer.trainable_variables] == ["logits"]
        drops = (network(test, training=True).numpy() != _logits(network, test)).any()
        assert drops == bool(dropout)


def test_components_of_the_network_have_variance_1():
    train = _examples(60, 30)
    network = fit_head_network(train, SPEAKERS, 4, LinearHeadSettings(components=10))
    components = keras.Model(network.input, network.get_layer("components").output)
    found = components(train.spectrograms).numpy()
    np.testing.assert_allclose(np.cov(found.T), np.eye(10), atol=1e-3)


def test_a_network_with_too_much_dropout_is_refused():
    with pytest.raises(InputError, match="`dropout` must be between 0"):
        fit_head_network(_examples(60, 30), SPEAKERS, 4, dropout=1.0)
