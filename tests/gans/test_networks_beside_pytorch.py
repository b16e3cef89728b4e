"""The PyTorch networks of the 2021 report, as in its listings, with the same weights."""

import keras
import numpy as np
import pytest

from serkit.gans import networks

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed; scripts/test.sh --torch installs it"
)
nn = torch.nn


def _up(old, new, kernel, stride, padding):
    return [
        nn.ConvTranspose2d(old, new, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(new),
        nn.ReLU(),
    ]


def _down(old, new, kernel, stride, padding, norm=True):
    convolution = nn.Conv2d(old, new, kernel, stride, padding, bias=False)
    return [convolution, *([nn.BatchNorm2d(new)] if norm else []), nn.LeakyReLU(0.2)]


def torch_generator():
    return nn.Sequential(
        *_up(5, 512, 4, 1, 0),
        *_up(512, 256, 4, 2, 1),
        *_up(256, 128, 6, 2, 1),
        *_up(128, 64, 6, 3, 1),
        *_up(64, 64, 6, 2, 1),
        nn.ConvTranspose2d(64, 1, 4, 2, 1, bias=False),
        nn.Tanh(),
    )


def torch_discriminator1():
    return nn.Sequential(
        *_down(1, 64, 6, 3, 2, norm=False),
        *_down(64, 256, 6, 3, 2),
        nn.Dropout2d(0.4),
        *_down(256, 512, 6, 3, 2),
        nn.Conv2d(512, 1, 6, 3, bias=False),
    )


def torch_discriminator2():
    return nn.Sequential(
        *_down(1, 64, 4, 2, 2, norm=False),
        *_down(64, 256, 4, 2, 2),
        *_down(256, 512, 4, 2, 2),
        *_down(512, 1024, 4, 2, 2),
        *_down(1024, 1024, 5, 2, 2),
        *_down(1024, 1024, 5, 2, 1),
        nn.Conv2d(1024, 1, 3, 2, bias=False),
    )


def torch_critic():
    """One channel, and layer normalisation (a group of all channels) instead of the batch's."""
    blocks, old = [], 1
    for new, stride in ((64, 2), (128, 2), (256, 3), (512, 2)):
        blocks += [nn.Conv2d(old, new, 6, stride), nn.GroupNorm(1, new), nn.LeakyReLU(0.2)]
        old = new
    return nn.Sequential(*blocks, nn.Conv2d(512, 1, 6, 2))


def copy_weights(model: keras.Model, reference: nn.Sequential, rng: np.random.Generator) -> None:
    """Copy weights to PyTorch; statistics and biases first get values other than 0 and 1."""
    ours = [layer for layer in model.layers if layer.weights]
    theirs = [module for module in reference if list(module.parameters())]
    for layer, module in zip(ours, theirs, strict=True):
        for variable in layer.weights:
            if variable.name in ("bias", "beta", "moving_mean"):
                variable.assign(0.2 * rng.standard_normal(variable.shape))
            elif variable.name == "moving_variance":
                variable.assign(rng.uniform(0.5, 2, variable.shape))
        names = {"kernel": "weight", "gamma": "weight", "beta": "bias", "bias": "bias"}
        names |= {"moving_mean": "running_mean", "moving_variance": "running_var"}
        for variable in layer.weights:
            value = variable.numpy()
            # Both store a transposed kernel in the layout of the forward convolution.
            value = value.transpose(3, 2, 0, 1) if variable.name == "kernel" else value
            with torch.no_grad():
                getattr(module, names[variable.name]).copy_(torch.from_numpy(value.copy()))


NETWORKS = {
    "generator": (networks.generator, torch_generator),
    "discriminator1": (networks.discriminator1, torch_discriminator1),
    "discriminator2": (networks.discriminator2, torch_discriminator2),
    "critic": (networks.critic, torch_critic),
}


def forward(reference: nn.Sequential, inputs: np.ndarray) -> np.ndarray:
    """PyTorch's output in the layout of ours."""
    channels_first = inputs[..., None, None] if inputs.ndim == 2 else inputs.transpose(0, 3, 1, 2)
    with torch.no_grad():
        out = reference(torch.from_numpy(np.ascontiguousarray(channels_first))).numpy()
    return out.transpose(0, 2, 3, 1) if inputs.ndim == 2 else out.reshape(len(out), -1)


@pytest.mark.parametrize("name", NETWORKS)
def test_same_weights_give_the_same_outputs_in_inference_and_training(name, rng):
    build, build_reference = NETWORKS[name]
    model, reference = build(), build_reference()
    copy_weights(model, reference, rng)
    theirs = sum(p.numel() for p in reference.parameters())
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == theirs
    shape = (3, 5) if name == "generator" else (3, 224, 224, 1)
    inputs = rng.uniform(-1, 1, shape).astype("float32")

    expected = forward(reference.eval(), inputs)
    assert expected.std() > 1e-3
    np.testing.assert_allclose(model(inputs, training=False), expected, atol=1e-4)

    reference.train()
    # Without dropout, which is random.
    for layer in [*model.layers, *reference]:
        if isinstance(layer, keras.layers.SpatialDropout2D):
            layer.rate = 0.0
        elif isinstance(layer, nn.Dropout2d):
            layer.eval()
    expected = forward(reference, inputs)
    np.testing.assert_allclose(model(inputs, training=True), expected, atol=1e-4)
    ours = [v.numpy() for v in model.non_trainable_variables if v.name == "moving_mean"]
    theirs = [b.numpy() for n, b in reference.named_buffers() if n.endswith("running_mean")]
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
