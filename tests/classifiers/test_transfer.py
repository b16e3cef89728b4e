import http.server
import threading
import warnings

import keras
import numpy as np
import pytest

from serkit.classifiers.transfer import IMAGENET_FILE, VGG16Settings, vgg16_half_freeze
from serkit.errors import InputError, SerkitError

SMALL = VGG16Settings(head=(8,))


def _build(settings=SMALL, weights="none", **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return vgg16_half_freeze(7, weights, settings, **options)


def _convolutions(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]


@pytest.fixture(scope="module")
def model():
    return _build(seed=3)


@pytest.mark.parametrize("frozen", [0, 8, 10, 13])
def test_the_first_convolutions_are_frozen_and_no_others(frozen):
    model = _build(VGG16Settings(frozen_convs=frozen, head=(8,)))
    trainable = [layer.trainable for layer in _convolutions(model)]
    assert trainable == [False] * frozen + [True] * (13 - frozen)
    # A kernel and a bias per convolution that trains, and per dense layer.
    assert len(model.trainable_variables) == 2 * (13 - frozen) + 4


@pytest.mark.slow
def test_frozen_layers_stay_and_the_others_move(model, rng):
    names = {layer.name: layer.trainable for layer in _convolutions(model)}
    before = {name: np.array(model.get_layer(name).kernel) for name in names}
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(rng.uniform(-1, 1, (2, 224, 224, 1)).astype("float32"), np.array([0, 1]), verbose=0)
    for name, trains in names.items():
        same = np.array_equal(before[name], model.get_layer(name).kernel)
        assert same != trains, name


def test_dropout_stands_where_the_listing_has_it(model):
    order = [layer.name for layer in model.layers]
    spatial = [n for n, layer in enumerate(model.layers) if "spatial" in layer.name]
    assert [order[n - 1] for n in spatial] == ["block4_conv2", "block4_pool", "block5_conv1"]


def test_grey_becomes_what_vgg16_was_trained_on(model):
    """-1 is black, 0 minus the mean of each channel in blue, green, red; 1 is 255 minus it."""
    colours = keras.Model(model.inputs, model.get_layer("imagenet").output)
    for grey, level in ((-1.0, 0.0), (1.0, 255.0)):
        picture = np.full((1, 224, 224, 1), grey, "float32")
        expected = keras.applications.vgg16.preprocess_input(np.full((1, 1, 1, 3), level))
        found = colours.predict(picture, verbose=0)[0, 0, 0]
        np.testing.assert_allclose(found, expected[0, 0, 0], atol=1e-3)


@pytest.mark.slow
def test_full_head_is_the_reports():
    model = _build(VGG16Settings())
    shapes = [tuple(layer.kernel.shape) for layer in model.layers if layer.name.startswith("fc")]
    assert shapes == [(25088, 4096), (4096, 4096)]
    assert model.output_shape == (None, 7)


def test_random_frozen_layers_warn_loudly():
    with pytest.warns(UserWarning, match="10 frozen convolutions of VGG16 are random"):
        vgg16_half_freeze(7, "none", SMALL)


def test_weights_from_a_file(model, tmp_path):
    base = keras.applications.VGG16(weights=None, include_top=False, input_shape=(224, 224, 3))
    base.save_weights(tmp_path / "vgg.weights.h5")
    loaded = _build(weights=tmp_path / "vgg.weights.h5")
    for name in ("block1_conv1", "block5_conv3"):
        np.testing.assert_array_equal(loaded.get_layer(name).kernel, base.get_layer(name).kernel)


def test_missing_or_wrong_files_are_clear_errors(tmp_path):
    with pytest.raises(InputError, match="is no file; valid are imagenet, none and a path"):
        vgg16_half_freeze(7, tmp_path / "gone.h5", SMALL)
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(InputError, match="does not hold the weights of VGG16"):
        vgg16_half_freeze(7, tmp_path / "other.weights.h5", SMALL)


def test_without_a_network_the_message_says_what_to_do(monkeypatch, tmp_path):
    """Against a server on this machine that has nothing."""
    from keras.src.applications import vgg16
    from keras.src.utils import file_utils

    server = http.server.HTTPServer(("127.0.0.1", 0), _Nothing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/{IMAGENET_FILE}"
    monkeypatch.setattr(vgg16, "WEIGHTS_PATH_NO_TOP", address)
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path))
    with pytest.raises(SerkitError, match=f"404.*Get {IMAGENET_FILE}.*weights='none'"):
        vgg16_half_freeze(7, "imagenet", SMALL)
    server.shutdown()
    server.server_close()


class _Nothing(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(404)

    def log_message(self, *arguments):
        pass


def test_settings_are_checked():
    with pytest.raises(InputError, match="frozen_convs=14"):
        VGG16Settings(frozen_convs=14)
