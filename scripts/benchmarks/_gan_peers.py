"""Peers of bench_gan.py: serkit's networks and training step in eager PyTorch."""

import numpy as np
import torch
from _gan_sizes import DISCRIMINATOR, GENERATOR, LATENT, scaled
from torch import nn


def generator(width: float) -> nn.Sequential:
    parts, old = [], LATENT
    for channels, *sizes in GENERATOR:
        new = scaled(channels, width)
        parts.append(nn.ConvTranspose2d(old, new, *sizes, bias=False))
        parts += [nn.BatchNorm2d(new), nn.ReLU(inplace=True)] if new > 1 else [nn.Tanh()]
        old = new
    return nn.Sequential(*parts)


def discriminator(width: float) -> nn.Sequential:
    parts, old = [], 1
    for channels, *sizes in DISCRIMINATOR:
        new = scaled(channels, width)
        parts.append(nn.Conv2d(old, new, *sizes, bias=False))
        if 1 not in (old, new):
            parts.append(nn.BatchNorm2d(new))
        parts.append(nn.LeakyReLU(0.2, inplace=True) if new > 1 else nn.Flatten(0))
        old = new
    return nn.Sequential(*parts)


class TorchStep:
    """Training step as that of :class:`serkit.gans.dcgan.DCGAN`.

    Args:
        batch: size of each of the two batches.
        bfloat16: whether the networks run under autocast.
        channels_last: whether networks and spectrograms have this memory format.
        width: factor on the channel counts of the networks.
    """

    def __init__(self, batch: int, bfloat16: bool, channels_last: bool, width: float) -> None:
        torch.manual_seed(0)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self._generator = generator(width).to(memory_format=layout)
        self._discriminator = discriminator(width).to(memory_format=layout)
        adam = {"betas": (0.5, 0.999), "fused": True}
        self._adams = (
            torch.optim.Adam(self._generator.parameters(), 2e-4, **adam),
            torch.optim.Adam(self._discriminator.parameters(), 5e-5, **adam),
        )
        real = np.random.default_rng(0).uniform(-1, 1, (batch, 1, 224, 224)).astype("float32")
        self._real = torch.from_numpy(real).contiguous(memory_format=layout)
        dtype = torch.bfloat16 if bfloat16 else torch.float32
        self._matrix = torch.randn(2048, 2048).to(dtype)
        self._autocast = lambda: torch.autocast("cpu", torch.bfloat16, enabled=bfloat16)

    def run(self) -> tuple[float, float]:
        noise = torch.randn(len(self._real), LATENT, 1, 1)
        with self._autocast():
            fake = self._generator(noise)
            logits = self._discriminator(self._real), self._discriminator(fake.detach())
        d_loss = _loss(logits[0], 1.0) + _loss(logits[1], 0.0)
        self._apply_gradients(1, d_loss)
        # The generator's step needs no gradients of the discriminator's weights.
        self._discriminator.requires_grad_(False)
        with self._autocast():
            logits = self._discriminator(fake)
        g_loss = _loss(logits, 1.0)
        self._apply_gradients(0, g_loss)
        self._discriminator.requires_grad_(True)
        return d_loss.item(), g_loss.item()

    def multiply(self) -> None:
        _ = self._matrix @ self._matrix

    def _apply_gradients(self, number: int, loss: torch.Tensor) -> None:
        self._adams[number].zero_grad()
        loss.backward()
        self._adams[number].step()


def _loss(logits: torch.Tensor, label: float) -> torch.Tensor:
    logits = logits.float()
    return nn.functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))
