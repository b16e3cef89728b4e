"""Files of the spectrogram cache, and reading their rows on demand.

A shard is a ``.npy`` file, which ``np.load`` reads, with an index after the array. The index is
JSON with the clips' keys and a CRC-32 of all bytes before the index. A tail of fixed size ends the
file: it holds the length and the CRC-32 of the index. Array and index are in one file, because one
of two files could be missing.
"""

import contextlib
import io
import json
import math
import mmap
import os
import struct
import weakref
import zlib
from collections.abc import Iterable, Sequence
from functools import cached_property
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
        codes: one array of unsigned codes per spectrogram, as :class:`Shard` holds them.
        shape: shape of one spectrogram.
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
    def joined(cls, sets: Sequence["Rows"]) -> "Rows":
        """Concatenate several sets of rows without reading them.

        Raises:
            InputError: if there are no sets, or their shapes or decoding tables differ.
        """
        formats = {(rows.shape[1:], rows._table.tobytes()) for rows in sets}
        if len(formats) != 1:
            raise InputError(
                "`sets` must be one or more sets of one shape and decoding table. "
                f"Received: {len(sets)} sets of {len(formats)} kinds."
            )
        codes = [row_codes for rows in sets for row_codes in rows._codes]
        return cls(codes, sets[0].shape[1:], sets[0]._table)

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
        out_rows = out.reshape(-1, *self.shape[1:])
        for out_row, position in zip(out_rows, np.ravel(positions), strict=True):
            # Every code is in the table; with "clip" NumPy needs no second buffer.
            np.take(self._table, self._codes[position], out=out_row, mode="clip")
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("Rows are on disk; an array of them is always a copy")
        return self[:].astype(dtype or self.dtype, copy=False)

    def select(self, index: Any) -> "Rows":
        """Return the rows at a slice, integers ``(m,)`` or a mask ``(n,)``; reads no values."""
        selected_codes = [self._codes[position] for position in self._positions[index]]
        return Rows(selected_codes, self.shape[1:], self._table)


# The last bytes of a shard: ``_MAGIC``, and the length and CRC-32 of the index.
_TAIL = struct.Struct("<8sII")
_MAGIC = b"serkitS1"


class DamagedShard(SerkitError):
    """The file is not a complete, unchanged shard of the expected settings."""


def pack(
    settings_digest: str, keys: Sequence[str], codes: npt.NDArray[Any]
) -> list[bytes | memoryview]:
    """Return the bytes of a shard, in several chunks.

    Args:
        settings_digest: digest of the spectrograms' settings; :class:`Shard` must get the same
            value.
        keys: one per spectrogram.
        codes: ``(n, *shape)``, contiguous.
    """
    buffer = io.BytesIO()
    npy_header = np.lib.format.header_data_from_array_1_0(codes)
    np.lib.format.write_array_header_1_0(buffer, npy_header)
    header, array_bytes = buffer.getvalue(), codes.data.cast("B")
    index = {
        "entry": settings_digest,
        "start": len(header),
        "crc32": zlib.crc32(array_bytes, zlib.crc32(header)),
        "keys": list(keys),
    }
    index_bytes = json.dumps(index).encode()
    tail = _TAIL.pack(_MAGIC, len(index_bytes), zlib.crc32(index_bytes))
    return [header, array_bytes, index_bytes, tail]


# The paths of the files that this process has mapped. An entry disappears when nothing refers to
# the mapping any more; arrays of codes refer to it.
_IN_USE: weakref.WeakKeyDictionary[mmap.mmap, Path] = weakref.WeakKeyDictionary()


class Shard:
    """A memory-mapped shard.

    While this object or an array of its codes exists, :func:`make_room` of this process does not
    delete the file. If another process deletes the file, the codes stay readable here, because the
    operating system keeps a mapped file. (Windows refuses to delete a mapped file.)

    Args:
        path: path of the file.
        settings_digest: digest of the spectrograms' settings, as given to :func:`pack`.
        shape: shape of one spectrogram.
        dtype: unsigned type that the codes are read as.

    Attributes:
        keys: one per spectrogram.
        codes: read-only ``(n, *shape)``.

    Raises:
        DamagedShard: if the file is truncated, too long or of other settings, or its index is
            damaged, or is not one that :func:`pack` writes. The array is not read; see
            :attr:`is_intact`.
        OSError: if the file does not exist or cannot be opened.
    """

    def __init__(
        self, path: Path, settings_digest: str, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        with open(path, "rb") as file:
            index, self._array_end = _read_index(file)
            if index["entry"] != settings_digest:
                raise DamagedShard("it belongs to another setting of the cache")
            self.keys: tuple[str, ...] = tuple(index["keys"])
            self._checksum, array_start = index["crc32"], index["start"]
            array_shape = (len(self.keys), *shape)
            code_count = math.prod(array_shape)
            expected_end = array_start + code_count * dtype.itemsize
            if self._array_end != expected_end:
                raise DamagedShard(f"its array ends at byte {self._array_end}, not {expected_end}")
            self._mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        # The mapping is the key, not the path, because a file can be mapped several times.
        _IN_USE[self._mapping] = path.resolve()
        codes = np.frombuffer(self._mapping, dtype, code_count, array_start)
        self.codes: npt.NDArray[Any] = codes.reshape(array_shape)

    @cached_property
    def is_intact(self) -> bool:
        """Whether the array matches its CRC-32; the first access reads the whole array."""
        with memoryview(self._mapping) as view:
            return zlib.crc32(view[: self._array_end]) == self._checksum


def _read_index(file: BinaryIO) -> tuple[dict, int]:
    """Return the index of a shard, and the position of the byte at which the array ends."""
    file_size = os.fstat(file.fileno()).st_size
    if file_size < _TAIL.size:
        raise DamagedShard(f"it has {file_size} bytes only")
    file.seek(file_size - _TAIL.size)
    magic, index_size, checksum = _TAIL.unpack(file.read(_TAIL.size))
    index_start = file_size - _TAIL.size - index_size
    if magic != _MAGIC or index_start < 0:
        raise DamagedShard("it has no index at its end")
    file.seek(index_start)
    index_bytes = file.read(index_size)
    if zlib.crc32(index_bytes) != checksum:
        raise DamagedShard("its index has a wrong CRC-32")
    try:
        index = json.loads(index_bytes)
    except (ValueError, RecursionError) as error:
        raise DamagedShard("its index is not JSON") from error
    if not _is_index(index):
        raise DamagedShard("its index has other values than an index has")
    return index, index_start


def _is_index(index: Any) -> bool:
    """Return whether a JSON value has the form of the index in :func:`pack`.

    Whoever can write to the folder can also write an index with a valid checksum.
    """
    if not isinstance(index, dict) or index.keys() != {"entry", "start", "crc32", "keys"}:
        return False
    numbers, keys = (index["start"], index["crc32"]), index["keys"]
    return (
        all(type(number) is int and 0 <= number < 2**32 for number in numbers)
        and isinstance(keys, list)
        and all(isinstance(key, str) and key for key in keys)
    )


def make_room(paths: Iterable[Path], needed: int, limit: int) -> int:
    """Delete least recently used shards until ``needed`` more bytes fit within ``limit``.

    Shards that this process has mapped, see :class:`Shard`, are not deleted. Only one process at a
    time may call this function for the same paths.

    Args:
        paths: paths of shards; the modification time of a file is its time of last use.
        needed: number of bytes to be added.
        limit: maximum size of all shards together, in bytes, after the addition.

    Returns:
        Size of all shards in bytes after the addition; above ``limit`` if too few shards could be
        deleted.
    """
    paths_in_use = set(_IN_USE.values())
    shards = []
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            shards.append((status.st_mtime_ns, status.st_size, path))
    total_size = needed + sum(size for _, size, _ in shards)
    for _, size, path in sorted(shards):
        if total_size > limit and path.resolve() not in paths_in_use:
            # Windows refuses to delete a file that another process has open.
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
                total_size -= size
    return total_size
