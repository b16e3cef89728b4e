"""Generated spectrograms on disk: float16 shards and a manifest of their origin."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from serkit.errors import InputError, SerkitError
from serkit.files import read_json, replacing, write_json

PER_SHARD = 256
_MANIFEST, _ORIGIN = "manifest.csv", "origin.json"


@dataclass(frozen=True)
class Origin:
    """Where all spectrograms of one set come from.

    Attributes:
        label: their class.
        seed: of the noise.
        generator: SHA-256 of the generator's file.
        speakers: whose voices are in them; they belong in the training part alone.
        gated: whether they had to pass a sample filter.
        tried: samples that were looked at.
        copies: of these, rejected as near-copies of training clips.
        refused: of these, rejected since a classifier took them for another class.
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
    folder: Path, spectrograms: np.ndarray, numbers: Sequence[int], origin: Origin
) -> None:
    """Write a set; files of another set that were there are replaced, shards beyond it removed.

    Args:
        folder: gets ``spectrograms-000.npy`` and so on, at most 256 float16 spectrograms
            each; ``manifest.csv`` with shard, row, class, seed, number and generator of each; and
            ``origin.json``.
        spectrograms: ``(n, frames, bins, 1)`` in [-1, 1].
        numbers: of each, its place in the generator's stream of samples for the seed.
        origin: of all.

    Raises:
        InputError: if there are not as many numbers as spectrograms, or none.
    """
    if len(numbers) != len(spectrograms) or not len(numbers):
        raise InputError(f"{len(numbers)} numbers for {len(spectrograms)} spectrograms")
    # Without a manifest there is no set: it goes first and comes last.
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


def read_synthetic_set(folder: Path) -> tuple[np.ndarray, Origin]:
    """Spectrograms of a set, float32 ``(n, frames, bins, 1)`` in [-1, 1], and where they are from.

    Raises:
        SerkitError: if there is no whole set in the folder.
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
