"""Generated spectrograms on disk: float16 shards, a row per spectrogram, and their origin."""

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
from serkit.serialization import restored

PER_SHARD = 256
# A row per spectrogram.
_MANIFEST_FILE = "manifest.csv"
# How the set was made: the fields of `Origin`.
_ORIGIN_FILE = "origin.json"


@dataclass(frozen=True)
class Origin:
    """How the spectrograms of one set were made.

    Attributes:
        label: name of the class that the spectrograms belong to.
        seed: seed of the noise that the generator got.
        generator: SHA-256 of the generator's file, in hexadecimal.
        speakers: speakers of the clips that the generator was trained on; the set must be used in
            the training partition only.
        gated: whether the samples were filtered by a
            :class:`serkit.augmentation.sample_filter.SampleFilter`.
        tried: number of samples that were generated.
        copies: number of samples that the filter rejected as near-copies of training clips.
        refused: number of samples that the filter rejected because its classifier assigned them to
            another class.
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
    sample_indices: Sequence[int] | npt.NDArray[Any],
    origin: Origin,
) -> None:
    """Write a set into a folder; an older set there is replaced, and its extra shards are removed.

    Args:
        folder: folder for ``spectrograms-000.npy`` and so on, with at most 256 float16 spectrograms
            each; for ``manifest.csv`` with shard, row, class, seed, number (the sample index) and
            generator of each spectrogram; and for ``origin.json`` with the fields of ``origin``.
        spectrograms: ``(n, frames, bins, 1)`` in [-1, 1].
        sample_indices: for each spectrogram, its index in the generator's stream of samples for the
            seed. With the index, the seed and the generator, a reader of the manifest can generate
            the spectrogram again.
        origin: how the spectrograms were made.

    Raises:
        InputError: if ``sample_indices`` is empty, or has another length than ``spectrograms``.
    """
    if len(sample_indices) != len(spectrograms) or not len(sample_indices):
        raise InputError(
            f"`sample_indices` must be one for each of {len(spectrograms)} spectrograms. "
            f"Received: {len(sample_indices)}."
        )
    # A folder without a manifest holds no set. So the manifest is removed first and written last.
    (folder / _MANIFEST_FILE).unlink(missing_ok=True)
    n_shards = -(-len(spectrograms) // PER_SHARD)
    shard_file_names = [_shard_file_name(shard_index) for shard_index in range(n_shards)]
    for path in folder.glob("spectrograms-*.npy"):
        if path.name not in shard_file_names:
            path.unlink()
    for shard_index, shard_file_name in enumerate(shard_file_names):
        start = shard_index * PER_SHARD
        with replacing(folder / shard_file_name) as partial:
            np.save(partial, np.asarray(spectrograms[start : start + PER_SHARD], np.float16))
    write_json(folder / _ORIGIN_FILE, asdict(origin))
    with (
        replacing(folder / _MANIFEST_FILE) as partial,
        open(partial, "w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["shard", "row", "class", "seed", "number", "generator"])
        for position, sample_index in enumerate(sample_indices):
            shard_index, row = divmod(position, PER_SHARD)
            writer.writerow(
                [
                    shard_file_names[shard_index],
                    row,
                    origin.label,
                    origin.seed,
                    int(sample_index),
                    origin.generator,
                ]
            )


def read_synthetic_set(folder: Path) -> tuple[npt.NDArray[Any], Origin]:
    """Read a set: spectrograms, float32 ``(n, frames, bins, 1)`` in [-1, 1], and their origin.

    Raises:
        SerkitError: if the folder holds no complete set.
    """
    try:
        manifest = pd.read_csv(folder / _MANIFEST_FILE)
        origin = restored(Origin, read_json(folder / _ORIGIN_FILE))
        shard_file_names = manifest["shard"].unique()
        arrays = [np.load(folder / name).astype(np.float32) for name in shard_file_names]
        spectrograms = np.concatenate(arrays)
    except (OSError, EOFError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise SerkitError(f"no set of spectrograms can be read from {folder}: {error}") from error
    if len(spectrograms) != len(manifest):
        raise SerkitError(
            f"{folder}: {_MANIFEST_FILE} lists {len(manifest)} spectrograms, but the shards hold "
            f"{len(spectrograms)}"
        )
    return spectrograms, origin


def count_stored(folder: Path) -> int:
    """Return the number of spectrograms that the manifest of a set lists; 0 without a manifest."""
    manifest = folder / _MANIFEST_FILE
    return len(pd.read_csv(manifest)) if manifest.exists() else 0


def _shard_file_name(shard_index: int) -> str:
    return f"spectrograms-{shard_index:03}.npy"
