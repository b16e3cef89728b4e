"""Read features of recordings that the user computed, such as those of WavLM or HuBERT."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from serkit.datasets.corpus import MANIFEST_HEADER, Corpus
from serkit.errors import InputError
from serkit.formatting import counted

_DIGEST, _PATH = "sha256", "path"
_SUFFIXES = (".npy", ".parquet", ".csv")
# Columns that identify a clip, are its label, or number the rows.
_NOT_FEATURES = {*MANIFEST_HEADER.split(","), "label", "class", "index"}
# pandas gives this name to a column without one, such as the row numbers that it writes.
_UNNAMED = "Unnamed: "


@dataclass(frozen=True)
class FeatureTable:
    """A file with one row of features per recording.

    Attributes:
        file: one of:

            - ``.npy``: array ``(clips, features)``, a row per clip in the order of the manifest.
              Commands then take one root, such as this manifest.
            - ``.parquet`` or ``.csv``: a table with the column ``sha256``, as in the manifest, or
              else ``path``, as in the manifest or absolute. Other columns of the manifest and the
              columns ``label``, ``class``, ``index`` and without a name are ignored. Either every
              further column is one feature, or the only further column of a Parquet file holds the
              features of a clip as a list.

    Raises:
        InputError: if the file does not exist or has another suffix.

    Example:
        .. code-block:: python

            corpus = serkit.Corpus.read("audit/manifest.csv")
            np.save("wavlm.npy", [my_encoder(path) for path in corpus.files()])
            features = serkit.FeatureTable(pathlib.Path("wavlm.npy")).of(corpus)
    """

    file: Path

    def __post_init__(self) -> None:
        if self.file.suffix.lower() not in _SUFFIXES:
            raise InputError(
                f"`features` must be a file that ends with one of: {', '.join(_SUFFIXES)}. "
                f"Received: {self.file}."
            )
        if not self.file.is_file():
            raise InputError(f"`features` must be a file that exists. Received: {self.file}.")

    def of(self, corpus: Corpus) -> npt.NDArray[np.float32]:
        """Return the features of the clips, ``(clips, features)``, in the order of the corpus.

        Args:
            corpus: audited clips. The rows of a table for other clips are ignored.

        Raises:
            InputError: if a clip has no row or several, or a feature is not a finite number.
        """
        if isinstance(self._content, pd.DataFrame):
            features = self._matched(self._content, corpus)
        else:
            features = self._content
            if len(features) != len(corpus):
                raise self._error(
                    f"a row for each of {len(corpus)} clips, in the order of the manifest",
                    f"{len(features)} rows",
                )
        if not np.isfinite(features).all():
            row = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
            raise self._error("finite numbers", f"others for clip {corpus.clips[row].path}")
        return features

    def summary(self) -> str:
        """Return a line that says which columns of the file are features and which are ignored.

        Raises:
            InputError: as :meth:`of`, for a file that cannot be read.
        """
        content = self._content
        if isinstance(content, np.ndarray):
            return f"{self.file}: {content.shape[1]} features"
        used = _feature_names(content)
        shown = f"{used[0]} … {used[-1]}" if len(used) > 1 else ", ".join(used)
        ignored = ", ".join(str(name) for name in content if name not in used)
        return f"{self.file}: features in {counted(len(used), 'column')} ({shown}); not: {ignored}"

    def key(self, corpus: Corpus) -> str:
        """Return a digest of the features of the clips."""
        return hashlib.sha256(self.of(corpus).tobytes()).hexdigest()[:16]

    @cached_property
    def _content(self) -> npt.NDArray[np.float32] | pd.DataFrame:
        try:
            content = self._read()
        except ImportError as error:
            raise InputError(f"reading {self.file} needs pyarrow: pip install pyarrow") from error
        except Exception as error:
            # For a damaged file each library raises errors of its own.
            raise self._error("readable content", f"{type(error).__name__}: {error}") from error
        return content if isinstance(content, pd.DataFrame) else self._as_matrix(content)

    def _read(self) -> npt.NDArray[Any] | pd.DataFrame:
        suffix = self.file.suffix.lower()
        if suffix == ".npy":
            # np.load would also open the archive of an .npz file.
            with self.file.open("rb") as file:
                return np.lib.format.read_array(file, allow_pickle=False)
        if suffix == ".csv":
            return pd.read_csv(self.file, dtype={_DIGEST: str, _PATH: str})
        return pd.read_parquet(self.file)

    def _matched(self, table: pd.DataFrame, corpus: Corpus) -> npt.NDArray[np.float32]:
        """Return the features of the clips from a table, which may have other rows and order."""
        row_by_clip, column = {}, _DIGEST if _DIGEST in table else _PATH
        if column not in table:
            raise self._error(
                f"a column {_DIGEST} or {_PATH}", ", ".join(map(str, table)) or "none"
            )
        for row, name in enumerate(table[column]):
            if row_by_clip.setdefault(name, row) != row:
                raise self._error("one row for each clip", f"several of {column} {name}")
        if column == _DIGEST:
            rows = [row_by_clip.get(clip.sha256) for clip in corpus.clips]
        else:
            rows = [
                row_by_clip.get(str(corpus.file(clip)), row_by_clip.get(clip.path))
                for clip in corpus.clips
            ]
        missing = [clip.path for clip, row in zip(corpus.clips, rows, strict=True) if row is None]
        if missing:
            raise self._error(
                f"a row for each of {len(corpus)} clips, by {column}",
                f"none for {len(missing)} of them, such as {missing[0]}, but rows such as "
                f"{next(iter(row_by_clip), 'none')}",
            )
        if len(set(rows)) < len(rows):
            raise self._error(
                "one row for each clip", f"the same {column} for clips of several folders"
            )
        return self._as_matrix(self._feature_columns(table.iloc[rows]))

    def _feature_columns(self, table: pd.DataFrame) -> npt.NDArray[Any]:
        names = _feature_names(table)
        columns = table[names]
        if len(names) == 1 and pd.api.types.is_object_dtype(columns.iloc[:, 0]):
            lists = columns.iloc[:, 0].to_list()
            if len({np.shape(row) for row in lists}) > 1:
                raise self._error("lists of one length", "lists of several lengths")
            return np.array(lists)
        for name in names:
            if not pd.api.types.is_numeric_dtype(columns[name]):
                raise self._error("numbers in all feature columns", f"other values in {name}")
        return columns.to_numpy(np.float64, na_value=np.nan)

    def _as_matrix(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        if values.ndim != 2 or values.shape[1] < 1 or values.dtype.kind not in "fiu":
            raise self._error(
                "numbers of shape (clips, features)", f"{values.dtype} of shape {values.shape}"
            )
        # A number that float32 cannot hold becomes infinity, which is refused later.
        with np.errstate(over="ignore"):
            return values.astype(np.float32)

    def _error(self, expected: str, received: str) -> InputError:
        return InputError(f"{self.file} must have {expected}. Received: {received}.")


def _feature_names(table: pd.DataFrame) -> list[Any]:
    return [
        name for name in table if name not in _NOT_FEATURES and not str(name).startswith(_UNNAMED)
    ]
