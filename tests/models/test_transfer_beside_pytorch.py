"""The 2021 report's networks give what PyTorch's layers give with the same weights.

The networks in PyTorch are those that scripts/benchmarks/bench_classifier.py measures.
"""

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest

import serkit
from serkit.models.compact import compact
from serkit.models.transfer import TransferSettings, resnet50_head, vgg16_half_freeze

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed; scripts/test.sh --torch installs it"
)
SMALL = TransferSettings(head=(8,))


@pytest.fixture(scope="module")
def peers():
    path = Path(serkit.__file__).parents[1] / "scripts" / "benchmarks" / "_classifier_peers.py"
    spec = importlib.util.spec_from_file_location("classifier_peers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).uniform(-1, 1, (2, 224, 224, 1)).astype("float32")


def _build(build):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return build(7, "none", SMALL, seed=1)


def _copy_convolution(layer, target):
    target.weight.data = torch.from_numpy(np.transpose(layer.kernel, (3, 2, 0, 1)).copy())
    target.bias.data = torch.from_numpy(np.array(layer.bias))


def _copy_norm(layer, target):
    target.weight.data, target.bias.data, target.running_mean, target.running_var = (
        torch.from_numpy(np.array(value)) for value in layer.get_weights()
    )


def _head(model, height: int, width: int):
    """The head in PyTorch; what is flattened there has channels first."""
    parts = [torch.nn.Flatten()]
    for name in ("fc1", "logits"):
        kernel = np.array(model.get_layer(name).kernel)
        if name == "fc1":
            kernel = kernel.reshape(height, width, -1, kernel.shape[1]).transpose(2, 0, 1, 3)
            kernel = kernel.reshape(-1, kernel.shape[3])
        linear = torch.nn.Linear(*kernel.shape)
        linear.weight.data = torch.from_numpy(kernel.T.copy())
        linear.bias.data = torch.from_numpy(np.array(model.get_layer(name).bias))
        parts += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*parts[:-1])


def _run(body, head, pictures):
    """Without ImageNet's preprocessing, as random networks are."""
    colours = np.repeat(pictures, 3, axis=3)
    with torch.inference_mode():
        x = torch.from_numpy(colours.transpose(0, 3, 1, 2).copy())
        return head.eval()(body.eval()(x)).numpy()


def _assert_close(found, expected):
    # The outputs are of order 1 to 10; what is told apart is told apart.
    scale = np.abs(expected).max()
    assert scale > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-3 * max(1.0, scale))
    assert np.abs(expected[0] - expected[1]).max() > 10e-3 * max(1.0, scale)


def test_vgg16(peers, pictures):
    model = _build(vgg16_half_freeze)
    body = torch.nn.Sequential(*peers.vgg16())
    convolutions = [layer for layer in model.layers if type(layer).__name__ == "Conv2D"]
    targets = [part for part in body if isinstance(part, torch.nn.Conv2d)]
    for layer, target in zip(convolutions, targets, strict=True):
        layer.bias.assign(np.random.default_rng(1).normal(0, 0.1, layer.bias.shape))
        _copy_convolution(layer, target)
    expected = _run(body, _head(model, 7, 7), pictures)
    _assert_close(model.predict(pictures, verbose=0), expected)


def test_resnet50(peers, pictures):
    model = _build(resnet50_head)
    base = model.get_layer("resnet50")
    rng = np.random.default_rng(2)
    for layer in base.layers:
        if type(layer).__name__ == "BatchNormalization":
            # So that scales, offsets, means and variances matter.
            shape = layer.gamma.shape
            ranges = ((0.5, 1.0), (-0.2, 0.2), (-0.2, 0.2), (0.5, 2.0))
            layer.set_weights([rng.uniform(*ends, shape) for ends in ranges])
    body = peers.resnet50()
    _copy_convolution(base.get_layer("conv1_conv"), body[0])
    _copy_norm(base.get_layer("conv1_bn"), body[1])
    blocks = [part for part in body if isinstance(part, peers.Bottleneck)]
    names = [
        f"conv{stage}_block{number}"
        for stage, count in zip((2, 3, 4, 5), (3, 4, 6, 3), strict=True)
        for number in range(1, count + 1)
    ]
    for name, block in zip(names, blocks, strict=True):
        steps = {1: block.path[:2], 2: block.path[3:5], 3: block.path[6:8]}
        if not isinstance(block.short, torch.nn.Identity):
            steps[0] = block.short
        for step, (convolution, norm) in steps.items():
            _copy_convolution(base.get_layer(f"{name}_{step}_conv"), convolution)
            _copy_norm(base.get_layer(f"{name}_{step}_bn"), norm)
    assert sum(p.numel() for p in body.parameters()) == 23_534_592
    expected = _run(body, _head(model, 1, 1), pictures)
    _assert_close(model.predict(pictures, verbose=0), expected)


def test_what_compact_is_timed_against_is_as_large(peers):
    model = compact(7, (224, 224, 1))
    ours = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    assert sum(part.numel() for part in peers.Compact(7).parameters()) == ours
