import functools
import warnings

import keras
import numpy as np
import pytest

from serkit.errors import InputError
from serkit.models.frozen_features import cut
from serkit.models.pretrained import RESNET50, VGG16, WeightsCard, load_base
from serkit.models.transfer import (
    RESNET50_HEAD,
    TRANSFER,
    TransferSettings,
    resnet50_head,
    vgg16_half_freeze,
    vgg16_head,
)

SMALL = TransferSettings(head=(8,))
HEAD = ["fc1", "logits"]


@functools.cache
def _shared(build=vgg16_half_freeze, settings=SMALL):
    """A model of seed 0 from random weights; do not change its weights."""
    return _build(build, settings)


def _build(build=vgg16_half_freeze, settings=SMALL, weights="none", **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return build(7, weights, settings, **options)


def _convolutions(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]


def _trained(model):
    """Layers whose variables train, in their order, and the number of these variables."""
    names = [variable.path.split("/")[0] for variable in model.trainable_variables]
    return list(dict.fromkeys(names)), len(names)


@pytest.fixture(scope="module")
def batch():
    x = np.random.default_rng(0).uniform(-1, 1, (2, 224, 224, 1)).astype("float32")
    return x, np.array([0, 1])


@pytest.mark.parametrize(
    ("frozen", "names"),
    [
        (10, ["block5_conv1", "block5_conv2", "block5_conv3", *HEAD]),
        (
            8,
            ["block4_conv2", "block4_conv3", "block5_conv1", "block5_conv2", "block5_conv3", *HEAD],
        ),
        (13, HEAD),
    ],
)
def test_what_trains_in_half_frozen_vgg16(frozen, names):
    model = _shared(settings=TransferSettings(frozen_convs=frozen, head=(8,)))
    # A kernel and a bias each.
    assert _trained(model) == (names, 2 * len(names))
    assert len(model.non_trainable_variables) >= 2 * frozen


def test_resnet50s_own_layer_is_what_trains_by_default():
    model = _shared(resnet50_head, None)
    assert RESNET50_HEAD.head == ()
    assert _trained(model) == (["logits"], 2)
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == 14_343


@pytest.mark.parametrize("build", [vgg16_head, resnet50_head])
def test_of_the_others_the_head_alone_trains(build):
    assert _trained(_shared(build)) == (HEAD, 4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50-head", "vgg16-half-freeze"])
def test_a_fit_moves_what_trains_and_nothing_else(name, batch):
    """Batch normalisation's averages included, which training would move."""
    model = _build(TRANSFER[name])
    before = {variable.path: np.array(variable) for variable in model.weights}
    trains = {variable.path for variable in model.trainable_variables}
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(*batch, verbose=0)
    moved = {v.path for v in model.weights if not np.array_equal(before[v.path], v)}
    averages = {f"standardised/moving_{name}" for name in ("mean", "variance")}
    assert moved == trains | averages
    assert {variable.path for variable in model.trainable_variables} == trains


@pytest.mark.parametrize(
    ("name", "ends", "shape"),
    [
        ("resnet50-head", "global_average_pooling2d", (2048,)),
        ("vgg16-head", "block5_pool", (7, 7, 512)),
        ("vgg16-half-freeze", "block4_pool", (14, 14, 512)),
    ],
)
def test_the_frozen_part_is_all_that_does_not_train(name, ends, shape, batch):
    model = _shared(TRANSFER[name])
    pieces = cut(model)
    assert pieces.frozen.layers[-1].name.startswith(ends)
    assert pieces.frozen.output_shape[1:] == shape
    features = pieces.frozen(batch[0], training=True)
    np.testing.assert_array_equal(features, pieces.frozen(batch[0], training=False))
    np.testing.assert_array_equal(pieces.rest(features), model(batch[0]))


@pytest.mark.parametrize(
    ("frozen", "behind"),
    [
        (8, ["block4_conv2", "block4_pool", "block5_conv1"]),
        (10, ["block4_pool", "block5_conv1"]),
        (13, []),
    ],
)
def test_dropout_stands_where_the_listing_has_it_and_something_trains_behind_it(frozen, behind):
    model = _shared(settings=TransferSettings(frozen_convs=frozen, head=(8,)))
    order = [layer.name for layer in model.layers]
    spatial = [n for n, layer in enumerate(model.layers) if "spatial" in layer.name]
    before = [[name for name in order[:n] if name != "standardised"] for n in spatial]
    assert [names[-1] for names in before] == behind


@pytest.mark.parametrize("build", [vgg16_half_freeze, resnet50_head])
def test_grey_becomes_what_the_networks_were_trained_on(build, tmp_path):
    """-1 is black, 0 minus the mean of each channel in blue, green, red; 1 is 255 minus it."""
    base = RESNET50 if build is resnet50_head else VGG16
    load_base(base, "none", 0).save_weights(tmp_path / "base.weights.h5")
    model = _build(build, weights=tmp_path / "base.weights.h5")
    assert "standardised" not in [layer.name for layer in model.layers]
    colours = keras.Model(model.input, model.get_layer("imagenet").output)
    module = keras.applications.resnet if build is resnet50_head else keras.applications.vgg16
    for grey, level in ((-1.0, 0.0), (0.0, 127.5), (1.0, 255.0)):
        black = np.full((1, 224, 224, 1), grey, "float32")
        expected = module.preprocess_input(np.full((1, 1, 1, 3), level))
        found = colours.predict(black, verbose=0)[0, 0, 0]
        np.testing.assert_allclose(found, expected[0, 0, 0], atol=1e-3)


@pytest.mark.parametrize("build", [vgg16_half_freeze, vgg16_head, resnet50_head])
def test_features_of_random_networks_are_standardised_on_training_batches(build, batch):
    model = _build(build)
    layer = model.get_layer("standardised")
    rest = keras.Model(model.input, layer.output)
    features = np.asarray(rest(batch[0], training=True))
    axes = tuple(range(features.ndim - 1))
    assert np.abs(features.mean(axes)).max() < 1e-2
    assert features.std(axes).max() < 1.01
    cut_off = cut(model).frozen(batch[0])
    np.testing.assert_allclose(
        layer.moving_mean, 0.1 * np.mean(cut_off, axes), rtol=1e-3, atol=1e-3
    )


def test_random_kernels_keep_the_scale_of_what_comes_in(batch):
    """In [-1, 1], without ImageNet's preprocessing; Glorot's lose half at each of 10 ReLUs."""
    model = _shared()
    assert "imagenet" not in [layer.name for layer in model.layers]
    features = np.asarray(cut(model).frozen(batch[0]))
    level = np.sqrt(np.mean(np.square(batch[0])))
    assert 0.3 < np.sqrt(np.mean(np.square(features))) / level < 10


@pytest.mark.slow
def test_full_head_is_the_reports():
    model = _build(settings=TransferSettings())
    shapes = [tuple(layer.kernel.shape) for layer in model.layers if layer.name.startswith("fc")]
    assert shapes == [(25088, 4096), (4096, 4096)]
    assert model.output_shape == (None, 7)
    assert [layer.rate for layer in model.layers if type(layer).__name__ == "Dropout"] == [0.5, 0.5]


def test_random_frozen_layers_warn_loudly():
    with pytest.warns(UserWarning, match="10 convolutions of VGG16"):
        vgg16_half_freeze(7, "none", SMALL)
    with pytest.warns(UserWarning, match="all convolutions of VGG16"):
        vgg16_head(7, "none", SMALL)
    with pytest.warns(UserWarning, match="all convolutions of ResNet50"):
        resnet50_head(7, "none", SMALL)


def test_weights_from_a_file(tmp_path):
    base = keras.applications.VGG16(weights=None, include_top=False, input_shape=(224, 224, 3))
    base.save_weights(tmp_path / "vgg.weights.h5")
    loaded = _build(weights=tmp_path / "vgg.weights.h5")
    for name in ("block1_conv1", "block5_conv3"):
        np.testing.assert_array_equal(loaded.get_layer(name).kernel, base.get_layer(name).kernel)


def test_same_seed_same_weights_and_bfloat16_keeps_them_in_float32(batch):
    first, second = (_build(seed=4) for _ in range(2))
    for a, b in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    half = _build(settings=TransferSettings(head=(8,), precision="mixed_bfloat16"), seed=4)
    assert {variable.dtype for variable in half.trainable_variables} == {"float32"}
    assert {layer.compute_dtype for layer in _convolutions(half)} == {"bfloat16"}
    found, expected = np.asarray(half(batch[0])), np.asarray(first(batch[0]))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())


def test_settings_are_checked():
    with pytest.raises(InputError, match=r"frozen_convs.*14"):
        TransferSettings(frozen_convs=14)
    with pytest.raises(InputError, match=r"precision.*float16"):
        TransferSettings(precision="float16")
    with pytest.raises(InputError, match=r"classes.*1"):
        _ = resnet50_head(1, "none", SMALL)


def test_inputs_are_scaled_as_the_card_of_the_weights_says(tmp_path):
    path = tmp_path / "vgg.weights.h5"
    load_base(VGG16, "none", 3).save_weights(path)
    assert _has_normalization(_build(weights=path))
    WeightsCard("VGG16", ("a",), "plain", seed=0, fold=1, uar=0.5).write(path)
    assert not _has_normalization(_build(weights=path))


def _has_normalization(model):
    return any(isinstance(layer, keras.layers.Normalization) for layer in model.layers)
