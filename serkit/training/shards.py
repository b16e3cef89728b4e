"""Files of the spectrogram cache, and reading their rows on demand.

A shard is a ``.npy`` file, which ``np.load`` reads, with an index after the array. The index is
JSON with the clips' keys and a CRC-32 of all bytes before it. The index's own length and CRC-32
follow. Array and index are in one file, because of two files one could be missing.
"""

import contextlib
import io
import json
import mmap
import os
import struct
import weakref
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from serkit.errors import InputError, SerkitError


class Rows:
    """Float32 array ``(n, *shape)`` that reads its values from disk when indexed.

    ``rows[3]``, ``rows[10:20]``, ``rows[[5, 2, 2]]`` and boolean masks return new arrays, as in
    NumPy, along the first axis only. ``np.asarray(rows)`` reads all values. :meth:`select` returns
    a subset without reading it. Several threads may read at the same time. Memory-mapped rows stay
    readable after their file is removed.

    Args:
        codes: one array of codes per spectrogram.
        shape: of one spectrogram.
        table: value of each code, float32 (:func:`serkit.training.cache.decoding_table`).
    """

    dtype: np.dtype[np.float32] = np.dtype(np.float32)

    def __init__(
        self, codes: Sequence[npt.NDArray[Any]], shape: tuple[int, ...], table: npt.NDArray[Any]
    ) -> None:
        self._codes, self._table = list(codes), table
        self._positions = np.arange(len(self._codes))
        self.shape: tuple[int, ...] = (len(self._codes), *shape)

    @classmethod
    def joined(cls, parts: Sequence["Rows"]) -> "Rows":
        """Concatenate several sets of rows without reading them.

        Raises:
            InputError: if there are no sets, or their shapes or decoding tables differ.
        """
        kinds = {(part.shape[1:], part._table.tobytes()) for part in parts}
        if len(kinds) != 1:
            raise InputError(
                "`parts` must be one or more sets of one shape and decoding table. "
                f"Received: {len(parts)} sets of {len(kinds)} kinds."
            )
        codes = [part._codes[position] for part in parts for position in part._positions]
        return cls(codes, parts[0].shape[1:], parts[0]._table)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return len(self._codes)

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        """Read rows into a new array.

        Raises:
            IndexError: if an index is out of range or of another kind, as in NumPy.
        """
        positions = self._positions[index]
        out = np.empty((*np.shape(positions), *self.shape[1:]), self.dtype)
        flat = out.reshape(-1, *self.shape[1:])
        for place, position in enumerate(np.ravel(positions)):
            # Every code is in the table; with "clip" NumPy needs no second buffer.
            np.take(self._table, self._codes[position], out=flat[place], mode="clip")
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("Rows are on disk; an array of them is always a copy")
        return self[:].astype(dtype or self.dtype, copy=False)

    def select(self, index: Any) -> "Rows":
        """Return the rows at a slice, integers ``(m,)`` or a mask ``(n,)``; reads no values."""
        chosen = [self._codes[position] for position in self._positions[index]]
        return Rows(chosen, self.shape[1:], self._table)


_TAIL = struct.Struct("<8sII")
_MAGIC = b"serkitS1"


class DamagedShard(SerkitError):
    """The file is not a complete, unchanged shard of the expected entry; the message says why."""


def pack(entry: str, keys: Sequence[str], codes: npt.NDArray[Any]) -> list[bytes | memoryview]:
    """Return the bytes of a shard, in several buffers.

    Args:
        entry: identifies the settings of the spectrograms; :class:`Shard` must get the same value.
        keys: one per spectrogram.
        codes: ``(n, *shape)``, contiguous.
    """
    buffer = io.BytesIO()
    description = np.lib.format.header_data_from_array_1_0(codes)
    np.lib.format.write_array_header_1_0(buffer, description)
    header, data = buffer.getvalue(), codes.data.cast("B")
    checksum = zlib.crc32(data, zlib.crc32(header))
    text = json.dumps(
        {"entry": entry, "start": len(header), "crc32": checksum, "keys": list(keys)}
    ).encode()
    return [header, data, text, _TAIL.pack(_MAGIC, len(text), zlib.crc32(text))]


# The files that this process has mapped. Arrays of codes refer to the mapping.
_IN_USE: weakref.WeakKeyDictionary[mmap.mmap, Path] = weakref.WeakKeyDictionary()


class Shard:
    """A memory-mapped shard.

    While this object or an array of its codes exists, :func:`make_room` of this process does not
    remove the file. Another process may: then the codes stay readable here, because the operating
    system keeps a mapped file (Windows refuses to remove it).

    Args:
        path: the file.
        entry: identifies the settings of the spectrograms, as given to :func:`pack`.
        shape: of one spectrogram.
        dtype: unsigned type that the codes are read as.

    Attributes:
        keys: one per spectrogram.
        codes: read-only ``(n, *shape)``.

    Raises:
        DamagedShard: if the file is truncated, too long or of another entry, or its index is
            damaged. The array is not read; see :meth:`is_intact`.
        OSError: if the file does not exist or cannot be opened.
    """

    def __init__(
        self, path: Path, entry: str, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        with open(path, "rb") as file:
            index, self._end = _read_index(file)
            if index["entry"] != entry:
                raise DamagedShard("it belongs to another setting of the cache")
            self.keys: tuple[str, ...] = tuple(index["keys"])
            self._checksum, start = index["crc32"], index["start"]
            full = (len(self.keys), *shape)
            expected = start + int(np.prod(full)) * dtype.itemsize
            if self._end != expected:
                raise DamagedShard(f"its array ends at byte {self._end}, not {expected}")
            self._mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        # Keyed by the mapping: a file can be mapped several times.
        _IN_USE[self._mapped] = path.resolve()
        count = int(np.prod(full))
        self.codes: npt.NDArray[Any] = np.frombuffer(self._mapped, dtype, count, start).reshape(
            full
        )

    def is_intact(self) -> bool:
        """Return whether the array still matches its CRC-32; reads the whole array."""
        with memoryview(self._mapped) as view:
            return zlib.crc32(view[: self._end]) == self._checksum


def _read_index(file: BinaryIO) -> tuple[dict, int]:
    size = os.fstat(file.fileno()).st_size
    if size < _TAIL.size:
        raise DamagedShard(f"it has {size} bytes only")
    file.seek(size - _TAIL.size)
    magic, length, checksum = _TAIL.unpack(file.read(_TAIL.size))
    end = size - _TAIL.size - length
    if magic != _MAGIC or end < 0:
        raise DamagedShard("it has no index at its end")
    file.seek(end)
    text = file.read(length)
    if zlib.crc32(text) != checksum:
        raise DamagedShard("its index has a wrong CRC-32")
    return json.loads(text), end


def make_room(paths: Iterable[Path], needed: int, limit: int) -> int:
    """Remove least recently used shards until ``needed`` more bytes fit within ``limit``.

    A shard that this process has open as a :class:`Shard` stays. Only one process at a time may
    call this function for the same paths.

    Args:
        paths: shards; the modification time of a file is its time of last use.
        needed: bytes to be added.
        limit: maximum size of all shards together, in bytes, after the addition.

    Returns:
        Bytes of all shards after the addition; above ``limit`` if too many shards are in use.
    """
    in_use = set(_IN_USE.values())
    shards = []
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            state = path.stat()
            shards.append((state.st_mtime_ns, state.st_size, path))
    total = needed + sum(size for _, size, _ in shards)
    for _, size, path in sorted(shards):
        if total > limit and path.resolve() not in in_use:
            # Windows refuses if another process has the file open.
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
                total -= size
    return total
