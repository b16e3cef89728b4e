"""Spectrograms or features on disk, computed once per content and settings."""

import contextlib
import hashlib
import json
import logging
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from serkit.errors import InputError, check_choice, check_range
from serkit.files import alone_in, remove_partials, replacing
from serkit.training.shards import DamagedShard, Rows, Shard, make_room, pack

_log = logging.getLogger(__name__)

# Increase when shards are written in another format.
_FORMAT_VERSION = 1

DTYPES: dict[str, np.dtype[Any]] = {
    "float16": np.dtype("<u2"),
    "uint8": np.dtype("u1"),
    "wide-float16": np.dtype("<u2"),
    "bfloat16": np.dtype("<u2"),
}
"""Storage types, and the unsigned type as which the bytes of a stored value are read.

``float16`` and ``uint8`` store spectrograms, with values in [-1, 1]. ``wide-float16`` and
``bfloat16`` store any finite values, such as a network's features. ``float16`` and ``wide-float16``
have the same format. Only the valid range differs.
"""

# Largest absolute value of a feature, by storage type. Both are exact in float32.
_MAX_FEATURE_VALUE = {"wide-float16": 65504, "bfloat16": (2 - 2.0**-7) * 2.0**127}

# Rounding on a device may give values slightly beyond 1. ``float16`` and ``uint8`` round these
# to 1.
_MAX_SPECTROGRAM_VALUE = 1 + 1e-5


def encode(values: npt.NDArray[Any], shape: Sequence[int], dtype: str) -> npt.NDArray[Any]:
    """Convert values to a storage type.

    ================  ======================  ===================================================
    dtype             valid values            largest rounding error
    ================  ======================  ===================================================
    ``float16``       -1 to 1 (1e-5 beyond)   2 ** -12 = 0.000244
    ``uint8``         -1 to 1 (1e-5 beyond)   1 / 255 = 0.00392; linear, 0 is -1 and 255 is 1
    ``wide-float16``  within 65,504 of 0      relative 2 ** -11; absolute 2 ** -25 below 2 ** -14
    ``bfloat16``      within 3.389e38 of 0    relative 2 ** -8; absolute 2 ** -134 below 2 ** -126
    ================  ======================  ===================================================

    If -1 to 1 spans 80 dB, the errors of ``float16`` and ``uint8`` are 0.0098 dB and 0.157 dB. Both
    store -1 and 1 exactly, so silence stays silence.

    Args:
        values: float32 ``(n, *shape)``.
        shape: shape of one spectrogram or feature.
        dtype: one of :data:`DTYPES`.

    Returns:
        ``(n, *shape)``, little-endian and contiguous: NumPy's float16 for ``float16`` and
        ``wide-float16``, uint8 for ``uint8``, and for ``bfloat16`` its bits as uint16.

    Raises:
        InputError: for another shape or dtype, or a value that is out of range or not a number.
    """
    check_choice("dtype", dtype, DTYPES)
    values = np.asarray(values)
    if values.shape[1:] != tuple(shape) or values.ndim != len(shape) + 1:
        raise InputError(f"`values` must have the shape {('n', *shape)}. Received: {values.shape}.")
    _check_storable(values, dtype)
    if dtype in ("float16", "wide-float16"):
        return np.ascontiguousarray(values, "<f2")
    if dtype == "bfloat16":
        bits = np.ascontiguousarray(values, "<f4").view("<u4")
        # Round to nearest, ties to even.
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
    return np.rint((values + np.float32(1)) * np.float32(127.5)).astype(np.uint8, order="C")


def _check_storable(values: npt.NDArray[Any], dtype: str) -> None:
    if not values.size:
        return
    lowest, highest = values.min(), values.max()
    limit = _MAX_FEATURE_VALUE.get(dtype, _MAX_SPECTROGRAM_VALUE)
    # Written so that NaN fails; (lowest < -limit or highest > limit) would let NaN pass.
    if not (lowest >= -limit and highest <= limit):
        valid = f"-{limit} and {limit}" if dtype in _MAX_FEATURE_VALUE else "-1 and 1"
        raise InputError(
            f"`values` must be between {valid} for {dtype}. Received: {lowest} to {highest}."
        )


def decoding_table(dtype: str) -> npt.NDArray[Any]:
    """Return the value of each code: float32 ``(256,)`` for ``uint8``, else ``(65536,)``.

    The code of a stored value is its bytes, read as an unsigned number, see :data:`DTYPES`. NumPy
    looks values up in the table faster than it converts them.
    """
    check_choice("dtype", dtype, DTYPES)
    if dtype == "uint8":
        return (np.arange(256) / 127.5 - 1).astype(np.float32)
    if dtype == "bfloat16":
        return (np.arange(2**16, dtype="<u4") << 16).view("<f4").astype(np.float32)
    return np.arange(2**16, dtype="<u2").view("<f2").astype(np.float32)


class ArrayCache:
    """A folder of spectrograms or network features that runs and processes share.

    An entry is one spectrogram, or the features of one. Its key is a digest of its source: of a
    clip's samples for a spectrogram (:attr:`serkit.datasets.corpus.Clip.sha256`), of a spectrogram
    for features. The cache returns an entry only if key, ``spec_key``, ``shape``, ``dtype`` and the
    version of the file format match. If any of them changes, old entries are no longer used.

    Usage, where ``compute`` returns the entries of some keys::

        while (rows := cache.read(keys)) is None:
            missing = cache.missing(keys)
            for start in range(0, len(missing), cache.shard_clips):
                batch = [keys[position] for position in missing[start : start + cache.shard_clips]]
                cache.write(batch, compute(batch))

    The loop ends after one round. If :meth:`read` finds a damaged shard, the loop computes the
    shard's entries and repeats.

    Several processes may run this loop at once. A writer locks out other writers, and skips entries
    that another process wrote before. Readers do not wait. The cache never reads files that a
    killed process left incomplete. It logs and deletes a damaged file: one that is truncated, or
    whose content does not match the settings in its file name. :meth:`missing` then returns the
    positions of the file's keys again. Files of other settings are left alone. :meth:`read` checks
    the array of a shard when this object needs the shard for the first time.

    A shard stays memory-mapped from the time when a method finds a key in it, or writes it, until
    this object and all its :class:`~serkit.training.shards.Rows` are gone. Until then this process
    does not delete the shard to make room. If another process does, the values stay readable here.
    Every :meth:`write` creates at least one file, and every mapped file uses a file descriptor. So
    write many entries per call.

    Args:
        folder: folder for caches only; created at the first write. It may be deleted while no
            process uses it.
        spec_key: text that identifies everything that affects the values except the source:
            parameters and code version.
        shape: shape of one entry, such as ``(frames, bins, 1)``.
        dtype: storage type: ``float16`` (rounded by up to 0.000244) or ``uint8`` (up to 0.00392)
            for spectrograms, ``wide-float16`` or ``bfloat16`` for features; see :func:`encode`.
        limit_bytes: size limit of the folder, all settings together; default: 4 GiB. A write that
            would exceed it first deletes the least recently used shards that this process does not
            use now. If that is not enough, the write proceeds and logs a warning.
        shard_clips: maximum number of entries in one file.

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
        settings = json.dumps([_FORMAT_VERSION, spec_key, self.shape, dtype])
        self._settings_digest = hashlib.sha256(settings.encode()).hexdigest()[:24]
        self._decoding_table = decoding_table(dtype)
        # The keys of every shard whose index was read; no keys for a damaged shard.
        self._keys_by_path: dict[Path, tuple[str, ...]] = {}
        # The shards that hold a requested key. Their files stay mapped.
        self._open_shards: dict[Path, Shard] = {}
        self._has_warned = False

    def missing(self, keys: Sequence[str]) -> list[int]:
        """Return the positions of the keys whose entries must be computed, ascending.

        Of a repeated key, only the first position is returned. The method reads the shards'
        indexes, not their arrays.
        """
        locations = self._locate(keys)
        first_positions: dict[str, int] = {}
        for position, key in enumerate(keys):
            first_positions.setdefault(key, position)
        return [position for key, position in first_positions.items() if key not in locations]

    def write(self, keys: Sequence[str], spectrograms: npt.NDArray[Any]) -> None:
        """Write spectrograms or features; skip those whose keys exist already.

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
        with alone_in(self.folder):
            # Partial files come from killed processes, because a running writer holds the lock.
            remove_partials(self.folder)
            missing = self.missing(keys)
            for start in range(0, len(missing), self.shard_clips):
                positions = missing[start : start + self.shard_clips]
                self._write_shard([keys[position] for position in positions], codes[positions])

    def read(self, keys: Sequence[str]) -> Rows | None:
        """Return entries in the order of the keys, or None if any is missing.

        Keys may repeat.
        """
        locations = self._locate(keys)
        paths = {path for path, _ in locations.values()}
        damaged_paths = [path for path in paths if not self._open_shards[path].is_intact]
        for path in damaged_paths:
            self._discard_damaged(path, "its array has a wrong CRC-32")
        if damaged_paths or not all(key in locations for key in keys):
            return None
        codes = [
            self._open_shards[path].codes[row_in_shard]
            for path, row_in_shard in (locations[key] for key in keys)
        ]
        return Rows(codes, self.shape, self._decoding_table)

    def _locate(self, keys: Sequence[str]) -> dict[str, tuple[Path, int]]:
        """Return the shard, and the row in it, of each key that exists; keep these shards open."""
        if not all(keys):
            raise InputError("`keys` must be digests, such as a clip's sha256. Received: ''.")
        self._update_index()
        # If a key is in two shards, the last one counts: prefer a shard that is already open. Its
        # values stay readable even if the file is deleted.
        paths = sorted(self._keys_by_path, key=lambda path: path in self._open_shards)
        requested = set(keys)
        locations = {
            key: (path, row_in_shard)
            for path in paths
            for row_in_shard, key in enumerate(self._keys_by_path[path])
            if key in requested
        }
        for path in {path for path, _ in locations.values()} - self._open_shards.keys():
            self._keep_open(path)
        return {
            key: (path, row_in_shard)
            for key, (path, row_in_shard) in locations.items()
            if path in self._open_shards
        }

    def _update_index(self) -> None:
        """Read the indexes of new shards; drop deleted shards.

        Open shards are not dropped, because they stay readable after their files are deleted.
        """
        paths_on_disk = set(self.folder.glob(f"spectrograms-{self._settings_digest}-*.npy"))
        for path in self._keys_by_path.keys() - paths_on_disk - self._open_shards.keys():
            del self._keys_by_path[path]
        for path in paths_on_disk - self._keys_by_path.keys():
            self._open_and_index(path)

    def _open_and_index(self, path: Path) -> Shard | None:
        """Open a shard and index its keys; return None if it was deleted or is damaged."""
        try:
            shard = Shard(path, self._settings_digest, self.shape, DTYPES[self.dtype])
        except FileNotFoundError:
            # Another process deleted the file after the folder was listed.
            return None
        except DamagedShard as error:
            self._discard_damaged(path, str(error))
            return None
        self._keys_by_path[path] = shard.keys
        return shard

    def _keep_open(self, path: Path) -> None:
        if shard := self._open_and_index(path):
            self._open_shards[path] = shard
            # The modification time records the last use; ``make_room`` deletes the oldest first.
            # A read-only folder can be read, too.
            with contextlib.suppress(OSError):
                os.utime(path)

    def _discard_damaged(self, path: Path, reason: str) -> None:
        _log.warning("%s is damaged: %s; its clips are computed again", path, reason)
        self._open_shards.pop(path, None)
        # Mark the path as indexed, but with no keys. Otherwise the next lookup would open the
        # damaged file again if it could not be deleted, as in a read-only folder.
        self._keys_by_path[path] = ()
        with contextlib.suppress(OSError):
            path.unlink()

    def _write_shard(self, keys: Sequence[str], codes: npt.NDArray[Any]) -> None:
        chunks = pack(self._settings_digest, keys, codes)
        all_shards = self.folder.glob("spectrograms-*.npy")
        bytes_after_write = make_room(all_shards, sum(map(len, chunks)), self.limit_bytes)
        if bytes_after_write > self.limit_bytes and not self._has_warned:
            self._has_warned = True
            _log.warning(
                "%s holds %.1f MB, more than its limit of %.1f MB, and could not be reduced to it",
                self.folder,
                bytes_after_write / 1e6,
                self.limit_bytes / 1e6,
            )
        path = self.folder / f"spectrograms-{self._settings_digest}-{uuid.uuid4().hex}.npy"
        with replacing(path) as partial, open(partial, "wb") as file:
            file.writelines(chunks)
        self._keep_open(path)
