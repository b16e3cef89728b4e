"""Peers of bench_classifier.py: the same networks in eager PyTorch."""

import numpy as np
import torch
from torch import nn

_VGG16 = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")
_RESNET50 = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
# Number of layers of VGG16 up to the fourth pool, which vgg16-half-freeze freezes.
_HALF = 24


def vgg16() -> list[nn.Module]:
    parts, old = [], 3
    for new in _VGG16:
        if new == "M":
            parts.append(nn.MaxPool2d(2))
        else:
            parts += [nn.Conv2d(old, new, 3, padding=1), nn.ReLU(inplace=True)]
            old = new
    return parts


class Bottleneck(nn.Module):
    def __init__(self, old: int, channels: int, stride: int, shortcut: bool) -> None:
        super().__init__()
        new = 4 * channels
        self.path = nn.Sequential(
            *_normed(nn.Conv2d(old, channels, 1, stride)), nn.ReLU(inplace=True),
            *_normed(nn.Conv2d(channels, channels, 3, padding=1)), nn.ReLU(inplace=True),
            *_normed(nn.Conv2d(channels, new, 1)),
        )  # fmt: skip
        self.short = nn.Identity()
        if shortcut:
            self.short = nn.Sequential(*_normed(nn.Conv2d(old, new, 1, stride)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.relu(self.path(x) + self.short(x))


def _normed(convolution: nn.Conv2d) -> tuple[nn.Module, nn.Module]:
    return convolution, nn.BatchNorm2d(convolution.out_channels, eps=1.001e-5)


def resnet50() -> nn.Sequential:
    parts = [*_normed(nn.Conv2d(3, 64, 7, 2, 3)), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    old = 64
    for channels, blocks, stride in _RESNET50:
        for number in range(blocks):
            step = stride if number == 0 else 1
            parts.append(Bottleneck(old, channels, step, shortcut=number == 0))
            old = 4 * channels
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1))


class Residual(nn.Module):
    """Residual block of :mod:`serkit.models.compact`, for inputs with even sides."""

    def __init__(self, old: int, new: int, units: int) -> None:
        super().__init__()
        self.norm = _compact_norm(old)
        self.path = nn.Sequential(
            # With TensorFlow's "same" padding an odd row and column of zeros come last, not first.
            nn.ZeroPad2d((0, 1, 0, 1)),
            nn.Conv2d(old, new, 3, 2, bias=False),
            _compact_norm(new),
            nn.ReLU(inplace=True),
            nn.Conv2d(new, new, 3, padding=1, bias=False),
        )
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(new, units, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(units, new, 1),
            nn.Sigmoid(),
        )
        self.short = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(old, new, 1, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.relu(self.norm(x))
        y = self.path(x)
        return y * self.gate(y) + self.short(x)


class Compact(nn.Module):
    """:func:`serkit.models.compact.compact` with its default settings."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.AvgPool2d((2, 4)),
            nn.Conv2d(1, 24, 3, padding=1, bias=False),
            Residual(24, 32, 4),
            Residual(32, 64, 8),
            Residual(64, 128, 16),
            _compact_norm(128),
            nn.ReLU(inplace=True),
        )
        self.score = nn.Sequential(nn.Linear(128, 32), nn.Tanh(), nn.Linear(32, 128))
        self.logits = nn.Linear(256, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        heard = (x.amax((1, 3)) > -0.999).float()[:, None]
        heard = nn.functional.max_pool1d(heard, 16).transpose(1, 2)
        x = self.body(x).mean(3).transpose(1, 2)
        share = (self.score(x).float() + 1e4 * (heard - 1)).softmax(1)
        x = x.float()
        mean = (share * x).sum(1)
        variance = (share * x.square()).sum(1) - mean.square()
        return self.logits(torch.cat([mean, variance.clamp(min=1e-4).sqrt()], 1))


def _compact_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


def head(features: int, classes: int) -> list[nn.Module]:
    return [
        nn.Flatten(),
        nn.Linear(features, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(4096, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(4096, classes),
    ]


def network(name: str, classes: int) -> tuple[nn.Module, nn.Module]:
    """Return the frozen layers and the other layers of a network."""
    if name == "compact":
        return nn.Identity(), Compact(classes)
    if name == "resnet50-head":
        return resnet50(), nn.Sequential(nn.Flatten(), nn.Linear(2048, classes))
    layers = vgg16()
    if name == "vgg16-head":
        return nn.Sequential(*layers), nn.Sequential(*head(25088, classes))
    rest = [nn.Dropout2d(0.4), *layers[_HALF : _HALF + 2], nn.Dropout2d(0.4), *layers[_HALF + 2 :]]
    return nn.Sequential(*layers[:_HALF]), nn.Sequential(*rest, *head(25088, classes))


class TorchClassifier:
    """Training that runs the frozen layers at every step, without gradients.

    Args:
        name: name of the network.
        batch: number of spectrograms per step.
        bfloat16: whether the network runs under autocast.
        channels_last: whether to use this memory format instead of PyTorch's default.
    """

    def __init__(self, name: str, batch: int, bfloat16: bool, channels_last: bool) -> None:
        torch.manual_seed(0)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        parts = network(name, 7)
        self._frozen, self._rest = (part.to(memory_format=layout) for part in parts)
        self._frozen.eval()
        self._sgd = torch.optim.SGD(self._rest.parameters(), 1e-5)
        rng = np.random.default_rng(0)
        if name == "compact":
            pictures = rng.uniform(-1, 1, (batch, 1, 224, 224)).astype("float32")
        else:
            pictures = rng.normal(0, 60, (batch, 3, 224, 224)).astype("float32")
        self._pictures = torch.from_numpy(pictures).contiguous(memory_format=layout)
        self._targets = nn.functional.one_hot(torch.arange(batch) % 7, 7).float()
        self._autocast = lambda: torch.autocast("cpu", torch.bfloat16, enabled=bfloat16)

    def step(self) -> None:
        self._rest.train()
        with self._autocast():
            with torch.no_grad():
                features = self._frozen(self._pictures)
            logits = self._rest(features)
        loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), self._targets)
        self._sgd.zero_grad()
        loss.backward()
        self._sgd.step()

    def predict(self) -> None:
        self._rest.eval()
        with torch.inference_mode(), self._autocast():
            self._rest(self._frozen(self._pictures))
