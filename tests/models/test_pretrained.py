import http.server
import threading
from dataclasses import replace

import keras
import numpy as np
import pytest

from serkit.errors import InputError, SerkitError
from serkit.models.pretrained import (
    PLAIN,
    RESNET50,
    VGG16,
    WeightsCard,
    load_base,
    read_card,
    scaling_of,
    speakers_of,
    warn_if_random,
)


@pytest.fixture(scope="module")
def original():
    """VGG16 with weights of its own, as somebody's file would hold them."""
    keras.utils.set_random_seed(5)
    return VGG16.build(weights=None, include_top=False, input_shape=(224, 224, 3))


def _same(found, original):
    return all(
        np.array_equal(a, b)
        for a, b in zip(found.get_weights(), original.get_weights(), strict=True)
    )


@pytest.mark.parametrize("name", ["vgg.weights.h5", "vgg.h5", "vgg.keras"])
def test_weights_from_a_file(original, tmp_path, name):
    path = tmp_path / name
    original.save(path) if name == "vgg.keras" else _save_weights(original, path)
    assert _same(load_base(VGG16, path, 0), original)


def _save_weights(model, path):
    if path.name.endswith(".weights.h5"):
        model.save_weights(path)
    else:
        # As keras.applications' own files are: Keras 2's format.
        import h5py
        from keras.src.legacy.saving import legacy_h5_format

        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, model)


def test_weights_out_of_a_larger_model(original, tmp_path):
    """Such as a classifier that was trained on top of it."""
    inputs = keras.Input((224, 224, 3))
    top = keras.layers.Dense(3)(keras.layers.Flatten()(original(inputs)))
    keras.Model(inputs, top).save(tmp_path / "whole.keras")
    assert _same(load_base(VGG16, tmp_path / "whole.keras", 0), original)


def test_random_weights_follow_the_seed():
    first, again, other = (load_base(VGG16, "none", seed) for seed in (1, 1, 2))
    assert _same(first, again)
    assert not _same(first, other)


def test_random_frozen_parts_warn_loudly(recwarn):
    warn_if_random(VGG16, "imagenet", "10 convolutions")
    assert not recwarn.list
    with pytest.warns(UserWarning, match="10 convolutions of VGG16"):
        warn_if_random(VGG16, "none", "10 convolutions")


def test_missing_files_are_clear_errors(tmp_path):
    with pytest.raises(InputError, match=r"weights.*gone\.h5, which does not exist\.$"):
        load_base(VGG16, tmp_path / "gone.h5", 0)


@pytest.mark.parametrize("name", ["other.weights.h5", "other.keras", "other.h5"])
def test_weights_of_another_network_are_clear_errors(tmp_path, name):
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    other.save(tmp_path / name) if name == "other.keras" else _save_weights(other, tmp_path / name)
    with pytest.raises(InputError, match=f"weights.* VGG16 .*{name}"):
        load_base(VGG16, tmp_path / name, 0)


def test_vgg16s_weights_are_not_resnet50s(original, tmp_path):
    original.save_weights(tmp_path / "vgg.weights.h5")
    with pytest.raises(InputError, match=r"weights.* ResNet50 .*vgg\.weights\.h5"):
        load_base(RESNET50, tmp_path / "vgg.weights.h5", 0)


CARD = WeightsCard("VGG16", ("c/01", "c/02"), PLAIN, seed=0, fold=1, uar=0.5)


def test_a_card_says_how_inputs_are_scaled_and_who_was_heard(original, tmp_path):
    path = tmp_path / "vgg.weights.h5"
    original.save_weights(path)
    assert (read_card(path), scaling_of(path), speakers_of(path)) == (None, "imagenet", frozenset())
    CARD.write(path)
    assert read_card(path) == CARD
    assert (scaling_of(path), speakers_of(str(path))) == ("plain", {"c/01", "c/02"})
    assert _same(load_base(VGG16, path, 0), original)
    with pytest.raises(InputError, match=r"weights.* ResNet50.*VGG16"):
        load_base(RESNET50, path, 0)


@pytest.mark.parametrize(("weights", "scaling"), [("none", "plain"), ("imagenet", "imagenet")])
def test_what_is_no_file_has_no_card(weights, scaling):
    assert (read_card(weights), scaling_of(weights)) == (None, scaling)
    assert not speakers_of(weights)


@pytest.mark.parametrize("text", ["[", "{}", '{"speakers": ["a"], "fold": 1, "more": 2}', "3"])
def test_a_broken_card_is_a_clear_error_rather_than_no_card(tmp_path, text):
    (tmp_path / "vgg.weights.h5.json").write_text(text)
    with pytest.raises(InputError, match=r"vgg\.weights\.h5\.json.*card"):
        speakers_of(tmp_path / "vgg.weights.h5")


@pytest.mark.parametrize("changed", [{"scaling": "none"}, {"speakers": ()}])
def test_a_card_needs_speakers_and_a_known_scaling(changed):
    with pytest.raises(InputError, match=next(iter(changed))):
        replace(CARD, **changed)


def test_garbage_is_a_clear_error(tmp_path):
    (tmp_path / "garbage.h5").write_bytes(b"no weights at all")
    with pytest.raises(InputError, match=r"weights.* VGG16 .*garbage\.h5"):
        load_base(VGG16, tmp_path / "garbage.h5", 0)


@pytest.mark.parametrize(("base", "module"), [(VGG16, "vgg16"), (RESNET50, "resnet")])
def test_without_a_network_the_message_says_what_to_do(base, module, monkeypatch, tmp_path):
    """Against a server on this machine that has nothing."""
    import importlib

    from keras.src.utils import file_utils

    server = http.server.HTTPServer(("127.0.0.1", 0), _Nothing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    applications = importlib.import_module(f"keras.src.applications.{module}")
    if module == "vgg16":
        monkeypatch.setattr(applications, "WEIGHTS_PATH_NO_TOP", address + base.file)
    else:
        monkeypatch.setattr(applications, "BASE_WEIGHTS_PATH", address)
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path))
    words = f"404.*Get {base.file}.*put it at .*models/{base.file}.*weights='none'"
    with pytest.raises(SerkitError, match=words):
        load_base(base, "imagenet", 0)
    server.shutdown()
    server.server_close()


def test_imagenet_weights_are_downloaded_and_used(original, monkeypatch, tmp_path):
    """From a server on this machine that has such a file, with its true checksum."""
    from keras.src.applications import vgg16
    from keras.src.utils import file_utils

    (tmp_path / "served").mkdir()
    file = tmp_path / "served" / VGG16.file
    _save_weights(original, file)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=file.parent)

        def log_message(self, *arguments):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/{VGG16.file}"
    monkeypatch.setattr(vgg16, "WEIGHTS_PATH_NO_TOP", address)
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path / "home"))
    get_file = file_utils.get_file
    digest = file_utils.hash_file(str(file), algorithm="md5")
    monkeypatch.setattr(
        file_utils, "get_file", lambda *a, **k: get_file(*a, **{**k, "file_hash": digest})
    )
    assert _same(load_base(VGG16, "imagenet", 0), original)
    server.shutdown()
    server.server_close()


class _Nothing(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(404)

    def log_message(self, *arguments):
        pass
