"""Generated spectrograms on disk: float16 shards and a manifest of their origin."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from serkit.errors import InputError, SerkitError
from serkit.files import read_json, replacing, write_json

PER_SHARD = 256
_MANIFEST, _ORIGIN = "manifest.csv", "origin.json"


@dataclass(frozen=True)
class Origin:
    """Origin of all spectrograms of one set.

    Attributes:
        label: class of the spectrograms.
        seed: seed of the noise.
        generator: SHA-256 of the generator's file.
        speakers: speakers of the clips that the generator was trained on; the set must be used in
            the training partition only.
        gated: whether a sample filter was applied.
        tried: number of samples that were generated.
        copies: number of samples rejected as near-copies of training clips.
        refused: number of samples rejected because a classifier assigned them to another class.
    """

    label: str
    seed: int
    generator: str
    speakers: tuple[str, ...]
    gated: bool
    tried: int
    copies: int
    refused: int


def write_synthetic_set(
    folder: Path,
    spectrograms: npt.NDArray[Any],
    numbers: Sequence[int] | npt.NDArray[Any],
    origin: Origin,
) -> None:
    """Write a set into a folder; an older set there is replaced, and its extra shards are removed.

    Args:
        folder: folder for ``spectrograms-000.npy`` and so on, with at most 256 float16 spectrograms
            each; for ``manifest.csv`` with shard, row, class, seed, number and generator of each
            spectrogram; and for ``origin.json``.
        spectrograms: ``(n, frames, bins, 1)`` in [-1, 1].
        numbers: for each spectrogram, its position in the generator's stream of samples for the
            seed.
        origin: origin of all spectrograms.

    Raises:
        InputError: if ``numbers`` is empty, or has another length than ``spectrograms``.
    """
    if len(numbers) != len(spectrograms) or not len(numbers):
        raise InputError(
            f"`numbers` must be one for each of {len(spectrograms)} spectrograms. "
            f"Received: {len(numbers)}."
        )
    # A folder without a manifest holds no set. So the manifest is removed first and written last.
    (folder / _MANIFEST).unlink(missing_ok=True)
    shards = -(-len(spectrograms) // PER_SHARD)
    names = set(map(_name, range(shards)))
    for path in _shards(folder):
        if path.name not in names:
            path.unlink()
    for shard in range(shards):
        part = spectrograms[shard * PER_SHARD : (shard + 1) * PER_SHARD]
        with replacing(folder / _name(shard)) as partial:
            np.save(partial, np.asarray(part, np.float16))
    write_json(folder / _ORIGIN, asdict(origin))
    with (
        replacing(folder / _MANIFEST) as partial,
        open(partial, "w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["shard", "row", "class", "seed", "number", "generator"])
        for place, number in enumerate(numbers):
            shard, row = divmod(place, PER_SHARD)
            where = _name(shard), row, origin.label, origin.seed
            writer.writerow([*where, int(number), origin.generator])


def read_synthetic_set(folder: Path) -> tuple[npt.NDArray[Any], Origin]:
    """Read a set: spectrograms, float32 ``(n, frames, bins, 1)`` in [-1, 1], and their origin.

    Raises:
        SerkitError: if the folder holds no complete set.
    """
    try:
        listed = pd.read_csv(folder / _MANIFEST)
        values = read_json(folder / _ORIGIN)
        origin = Origin(**values | {"speakers": tuple(values["speakers"])})
        parts = [np.load(folder / name).astype(np.float32) for name in listed["shard"].unique()]
        spectrograms = np.concatenate(parts)
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise SerkitError(f"no set of spectrograms can be read from {folder}: {error}") from error
    if len(spectrograms) != len(listed):
        raise SerkitError(f"{folder} lists {len(listed)} spectrograms and has {len(spectrograms)}")
    return spectrograms, origin


def _name(shard: int) -> str:
    return f"spectrograms-{shard:03}.npy"


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("spectrograms-*.npy"))
