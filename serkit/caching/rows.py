"""Spectrograms, or features, that lie on disk and are read as they are asked for."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from serkit.errors import InputError


class Rows:
    """Reads like a float32 array ``(n, *shape)``, but holds no values in memory.

    ``rows[3]``, ``rows[10:20]``, ``rows[[5, 2, 2]]`` and boolean masks give new arrays, as NumPy
    would, along the first axis only; ``np.asarray(rows)`` reads everything. :meth:`select` gives
    a part without reading it. Threads may read at the same time. What is mapped stays readable
    after its file was removed.

    Args:
        codes: one array of codes per spectrogram.
        shape: of one spectrogram.
        table: what each code means, float32 (:func:`serkit.caching.coding.decoding_table`).
    """

    dtype = np.dtype(np.float32)

    def __init__(
        self, codes: Sequence[np.ndarray], shape: tuple[int, ...], table: np.ndarray
    ) -> None:
        self._codes, self._table = list(codes), table
        self._positions = np.arange(len(self._codes))
        self.shape = (len(self._codes), *shape)

    @classmethod
    def joined(cls, parts: Sequence["Rows"]) -> "Rows":
        """All rows of several, one after another, none of them read yet.

        Raises:
            InputError: if there are none, or their shapes or codings differ.
        """
        kinds = {(part.shape[1:], part._table.tobytes()) for part in parts}
        if len(kinds) != 1:
            raise InputError(f"{len(parts)} rows of {len(kinds)} kinds; valid is one kind")
        codes = [part._codes[position] for part in parts for position in part._positions]
        return cls(codes, parts[0].shape[1:], parts[0]._table)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return len(self._codes)

    def __getitem__(self, index: Any) -> np.ndarray:
        """Raises IndexError for an index out of range or of another kind, as NumPy does."""
        positions = self._positions[index]
        out = np.empty((*np.shape(positions), *self.shape[1:]), self.dtype)
        flat = out.reshape(-1, *self.shape[1:])
        for place, position in enumerate(np.ravel(positions)):
            # Every code is in the table; "clip" only spares NumPy a second buffer.
            np.take(self._table, self._codes[position], out=flat[place], mode="clip")
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("Rows are on disk; an array of them is always a copy")
        return self[:].astype(dtype or self.dtype, copy=False)

    def select(self, index: Any) -> "Rows":
        """The rows at a slice, integers ``(m,)`` or a mask ``(n,)``, none of them read yet."""
        chosen = [self._codes[position] for position in self._positions[index]]
        return Rows(chosen, self.shape[1:], self._table)
