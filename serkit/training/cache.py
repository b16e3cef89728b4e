"""Spectrograms or features on disk, computed once per content and settings."""

import contextlib
import hashlib
import json
import logging
import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from serkit.errors import InputError, check_choice, check_range
from serkit.files import alone_in, remove_partials, replacing
from serkit.training.shards import DamagedShard, Rows, Shard, make_room, pack

DTYPES: dict[str, np.dtype[Any]] = {
    **{"float16": np.dtype("<u2"), "uint8": np.dtype("u1")},
    **{"wide-float16": np.dtype("<u2"), "bfloat16": np.dtype("<u2")},
}
"""Storage types, and the unsigned type that the codes of each are read as.

``float16`` and ``uint8`` store spectrograms, with values in [-1, 1]. ``wide-float16`` and
``bfloat16`` store any finite values, such as a network's features.
"""

# Largest value of the types that store any finite values; both are exact in float32.
_LARGEST = {"wide-float16": 65504, "bfloat16": (2 - 2.0**-7) * 2.0**127}

# Rounding on a device may give values slightly beyond 1; both types round them to 1.
_FURTHEST = 1 + 1e-5


def encode(values: npt.NDArray[Any], shape: Sequence[int], dtype: str) -> npt.NDArray[Any]:
    """Encode values as they are stored.

    Largest rounding error: ``float16`` 2 ** -12 = 0.000244, ``uint8`` (linear, 0 is -1 and 255 is
    1) 1 / 255 = 0.00392. If -1 to 1 spans 80 dB, these are 0.0098 dB and 0.157 dB. Both keep -1 and
    1 exactly, so silence stays silence. ``wide-float16`` has a relative error up to 2 ** -11, and
    an absolute error up to 2 ** -25 below 2 ** -14. ``bfloat16`` has a relative error up to
    2 ** -8, and an absolute error up to 2 ** -134 below 2 ** -126.

    Args:
        values: float32 ``(n, *shape)``. For ``float16`` and ``uint8`` in [-1, 1], with a tolerance
            of 1e-5; for ``wide-float16`` within 65,504 of 0; for ``bfloat16`` within 3.389e38 of 0.
        shape: of one spectrogram or feature.
        dtype: one of :data:`DTYPES`.

    Returns:
        ``(n, *shape)`` of that type (for ``bfloat16``: its bits), little-endian, contiguous.

    Raises:
        InputError: for another shape or dtype, or a value that is out of range or not a number.
    """
    check_choice("dtype", dtype, DTYPES)
    values = np.asarray(values)
    if values.shape[1:] != tuple(shape) or values.ndim != len(shape) + 1:
        raise InputError(f"`values` must have the shape {('n', *shape)}. Received: {values.shape}.")
    _check_range(values, dtype)
    if dtype in ("float16", "wide-float16"):
        return np.ascontiguousarray(values, "<f2")
    if dtype == "bfloat16":
        bits = np.ascontiguousarray(values, "<f4").view("<u4")
        # Round to nearest, ties to even.
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
    return np.rint((values + np.float32(1)) * np.float32(127.5)).astype(np.uint8, order="C")


def _check_range(values: npt.NDArray[Any], dtype: str) -> None:
    if not values.size:
        return
    low, high = values.min(), values.max()
    largest = _LARGEST.get(dtype, _FURTHEST)
    # Written so that NaN fails; (low < -largest or high > largest) would let NaN pass.
    if not (low >= -largest and high <= largest):
        valid = f"-{largest} and {largest}" if dtype in _LARGEST else "-1 and 1"
        raise InputError(
            f"`values` must be between {valid} for {dtype}. Received: {low} to {high}."
        )


def decoding_table(dtype: str) -> npt.NDArray[Any]:
    """Return the value of each code: float32 ``(256,)`` for ``uint8``, else ``(65536,)``.

    The code of a float16 is its two bytes, read as an unsigned number. NumPy looks values up in the
    table faster than it converts them.
    """
    check_choice("dtype", dtype, DTYPES)
    if dtype == "uint8":
        return (np.arange(256) / 127.5 - 1).astype(np.float32)
    if dtype == "bfloat16":
        return (np.arange(2**16, dtype="<u4") << 16).view("<f4").astype(np.float32)
    return np.arange(2**16, dtype="<u2").view("<f2").astype(np.float32)


_FORMAT = 1
_log = logging.getLogger(__name__)


class ArrayCache:
    """A folder of spectrograms or network features that runs and processes share.

    A key is the digest of the source of an entry. The source of a spectrogram is a clip's samples
    (:attr:`serkit.datasets.corpus.Clip.sha256`), that of features is a spectrogram. An entry is
    found only if key, ``spec_key``, ``shape``, ``dtype`` and the format's version all match, so a
    change of any of them never finds an outdated entry. Usage::

        while (rows := cache.read(keys)) is None:
            for positions in batches_of(cache.missing(keys), cache.shard_clips):
                cache.write([keys[i] for i in positions], compute(positions))

    The loop ends after one round, or after two if a shard turns out to be damaged.

    Several processes may do that at once. A writer locks out other writers, and skips entries that
    exist by then. Readers do not wait. Files that a killed process left incomplete are never read.
    A file that is truncated, altered or of other settings is logged and removed, and its clips are
    missing again. Each object checks the array of a shard once, in the first :meth:`read` that
    needs the shard.

    A shard that a method found or wrote stays memory-mapped while this object or the
    :class:`~serkit.training.shards.Rows` exist. This process does not evict it during that time. If
    another process does, the values stay readable here. Each shard takes a file descriptor, so
    write many clips at a time.

    Args:
        folder: for caches only; created at the first write. Safe to delete while no
            process uses it.
        spec_key: all that decides a value apart from the source, including the code's version.
        shape: of one spectrogram, such as ``(frames, bins, 1)``.
        dtype: spectrograms are stored as ``float16`` (rounded by up to 0.000244) or ``uint8`` (up
            to 0.00392), features as ``wide-float16`` or ``bfloat16``; see :func:`encode`.
        limit_bytes: size limit of the folder, all settings together; default: 4 GiB. A write that
            would exceed it first removes the least recently used shards that this process does not
            use now. If that is not enough, the write proceeds and logs a warning.
        shard_clips: maximum number of spectrograms in one file.

    Raises:
        InputError: if an argument is not valid.
    """

    def __init__(
        self,
        folder: Path | str,
        spec_key: str,
        shape: tuple[int, ...],
        dtype: str = "float16",
        *,
        limit_bytes: int = 4 * 2**30,
        shard_clips: int = 256,
    ) -> None:
        check_choice("dtype", dtype, DTYPES)
        check_range("limit_bytes", limit_bytes, 0)
        check_range("shard_clips", shard_clips, 1)
        if not spec_key:
            raise InputError("`spec_key` must be a text that names the settings. Received: ''.")
        self.folder: Path = Path(folder)
        self.shape: tuple[int, ...] = tuple(map(int, shape))
        self.dtype: str = dtype
        self.limit_bytes: int = limit_bytes
        self.shard_clips: int = shard_clips
        text = json.dumps([_FORMAT, spec_key, self.shape, dtype])
        self._entry = hashlib.sha256(text.encode()).hexdigest()[:24]
        self._table = decoding_table(dtype)
        self._known: set[Path] = set()
        self._places: dict[str, tuple[Path, int]] = {}
        self._held: dict[Path, Shard] = {}
        self._checked: set[Path] = set()
        self._warned = False

    def missing(self, keys: Sequence[str]) -> list[int]:
        """Return the positions whose spectrograms must be computed, ascending.

        Of a repeated key, only the first position is returned. The method reads the shards'
        indexes, not their arrays.
        """
        found = self._find(keys)
        first: dict[str, int] = {}
        for position, key in enumerate(keys):
            first.setdefault(key, position)
        return [position for key, position in first.items() if key not in found]

    def files(self, keys: Sequence[str]) -> set[Path]:
        """Return the shards that hold any of these keys; they may hold other keys, too."""
        return {path for path, _ in self._find(keys).values()}

    def write(self, keys: Sequence[str], spectrograms: npt.NDArray[Any]) -> None:
        """Write spectrograms; those whose keys exist already are skipped.

        Args:
            keys: one per spectrogram.
            spectrograms: float32 ``(len(keys), *shape)``; the valid range depends on the storage
                type, see :func:`encode`.

        Raises:
            InputError: if lengths or shapes do not match, a value is out of range, or a key is
                empty.
            OSError: if the disk is full or the folder cannot be written to.
        """
        codes = encode(spectrograms, self.shape, self.dtype)
        if len(keys) != len(codes):
            raise InputError(
                f"`keys` must be one for each of {len(codes)} spectrograms. Received: {len(keys)}."
            )
        with self._writing():
            new = self.missing(keys)
            for start in range(0, len(new), self.shard_clips):
                rows = new[start : start + self.shard_clips]
                self._append([keys[row] for row in rows], codes[rows])

    def read(self, keys: Sequence[str]) -> Rows | None:
        """Return spectrograms in the order of the keys, or None if any is missing.

        Keys may repeat.
        """
        found = self._find(keys)
        for path in {path for path, _ in found.values()} - self._checked:
            if self._held[path].is_intact():
                self._checked.add(path)
            else:
                self._discard(path, "its array has a wrong CRC-32")
        if any(key not in found or found[key][0] not in self._held for key in keys):
            return None
        codes = [self._held[path].codes[row] for path, row in (found[key] for key in keys)]
        return Rows(codes, self.shape, self._table)

    def _find(self, keys: Sequence[str]) -> dict[str, tuple[Path, int]]:
        """Return shard and row of each key that exists, and hold these shards from now on."""
        if not all(keys):
            raise InputError("`keys` must be digests, such as a clip's sha256. Received: ''.")
        there = set(self.folder.glob(f"spectrograms-{self._entry}-*.npy"))
        self._forget(self._known - there - self._held.keys())
        for path in there - self._known:
            self._open(path)
        found = {key: self._places[key] for key in keys if key in self._places}
        for path in {path for path, _ in found.values()} - self._held.keys():
            self._hold(path)
        return {key: place for key, place in found.items() if place[0] in self._held}

    def _open(self, path: Path) -> Shard | None:
        try:
            shard = Shard(path, self._entry, self.shape, DTYPES[self.dtype])
        except FileNotFoundError:
            # Another process removed the file after the folder was listed.
            return None
        except DamagedShard as error:
            self._discard(path, str(error))
            return None
        self._known.add(path)
        for row, key in enumerate(shard.keys):
            # Keep a place in a held shard, which no process can remove; another shard can be
            # removed.
            if self._places.get(key, (None,))[0] not in self._held:
                self._places[key] = path, row
        return shard

    def _hold(self, path: Path) -> None:
        if shard := self._open(path):
            self._held[path] = shard
            # The modification time records the last use for eviction. A read-only folder can be
            # read, too.
            with contextlib.suppress(OSError):
                os.utime(path)

    def _discard(self, path: Path, reason: str) -> None:
        _log.warning("%s is damaged: %s; its clips are computed again", path, reason)
        self._held.pop(path, None)
        self._forget({path})
        # Keep the path known, without its clips: in a read-only folder the file cannot be removed.
        self._known.add(path)
        with contextlib.suppress(OSError):
            path.unlink()

    def _forget(self, paths: set[Path]) -> None:
        if paths:
            self._known -= paths
            self._places = {k: place for k, place in self._places.items() if place[0] not in paths}

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with alone_in(self.folder):
            # The processes that wrote these were killed; a running one would hold the lock.
            remove_partials(self.folder)
            yield

    def _append(self, keys: Sequence[str], codes: npt.NDArray[Any]) -> None:
        parts = pack(self._entry, keys, codes)
        every = self.folder.glob("spectrograms-*.npy")
        total = make_room(every, sum(map(len, parts)), self.limit_bytes)
        if total > self.limit_bytes and not self._warned:
            self._warned = True
            _log.warning(
                "%s holds %.1f MB, more than its limit of %.1f MB, and all of it is in use",
                self.folder,
                total / 1e6,
                self.limit_bytes / 1e6,
            )
        path = self.folder / f"spectrograms-{self._entry}-{uuid.uuid4().hex}.npy"
        with replacing(path) as partial, open(partial, "wb") as file:
            file.writelines(parts)
        self._hold(path)
