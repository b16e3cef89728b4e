"""Read the tensors of weights files that other libraries wrote."""

import json
import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np
import numpy.typing as npt

from serkit.errors import InputError

Tensors = dict[str, npt.NDArray[Any]]


def read_tensors(path: Path | str, keep: Callable[[str], bool] = lambda name: True) -> Tensors:
    """Read the tensors of a weights file by name.

    ================  =================================================================
    name of the file  format
    ================  =================================================================
    ``.safetensors``  safetensors, as Hugging Face publishes weights
    ``.pt``, ``.pth`` zip file of ``torch.save`` (PyTorch 1.6 or later) with a dictionary
                      of tensors, or with one under ``model_state_dict``. PyTorch is not
                      needed, and no code of the file is run.
    ``.bin``          CTranslate2's ``model.bin``, version 6, without quantisation
    ================  =================================================================

    Args:
        path: the file.
        keep: whether a tensor of this name is read. Others are left out, which saves memory.

    Returns:
        Arrays by name, as stored (float16, bfloat16, float32 or integers).

    Raises:
        InputError: if there is no such file, its format is not one of these, or it is damaged or
            incomplete.
    """
    path = Path(path)
    read = _READERS.get(path.suffix)
    if read is None or not path.is_file():
        raise InputError(
            f"`path` must be a file that ends in {', '.join(_READERS)}. Received: {path}"
            f"{'' if path.is_file() else ', which is no file'}."
        )
    try:
        return read(path, keep)
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        struct.error,
        zipfile.BadZipFile,
        pickle.UnpicklingError,
    ) as error:
        reason = str(error).strip() or type(error).__name__
        raise InputError(
            f"`path` must be a complete weights file. Received: {path} ({reason})."
        ) from error


_SAFETENSORS_TYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U8": np.uint8,
    "BOOL": np.bool_,
}


def _read_safetensors(path: Path, keep: Callable[[str], bool]) -> Tensors:
    """Read a file of an 8-byte length, a header in JSON, and the values."""
    with open(path, "rb") as file:
        (header_size,) = struct.unpack("<Q", _read(file, 8))
        header = json.loads(_read(file, _checked_size(header_size, path)))
        values_start = file.tell()
        tensors = {}
        for name, entry in header.items():
            if name != "__metadata__" and keep(name):
                start, end = entry["data_offsets"]
                file.seek(values_start + start)
                dtype = np.dtype(_SAFETENSORS_TYPES[entry["dtype"]])
                data = _read(file, _checked_size(end - start, path))
                tensors[name] = np.frombuffer(data, dtype).reshape(entry["shape"])
        return tensors


_CTRANSLATE2_VERSION = 6
_CTRANSLATE2_TYPES = (np.float32, np.int8, np.int16, np.int32, np.float16, ml_dtypes.bfloat16)


def _read_ctranslate2(path: Path, keep: Callable[[str], bool]) -> Tensors:
    """Read a file of a version, a name, a revision, and variables one after the other."""

    def number(format: str) -> int:
        return struct.unpack(format, _read(file, struct.calcsize(format)))[0]

    def text() -> str:
        # The length counts a final NUL.
        return _read(file, number("<H"))[:-1].decode()

    with open(path, "rb") as file:
        if (version := number("<I")) != _CTRANSLATE2_VERSION:
            raise ValueError(f"CTranslate2's format version {version} instead of 6")
        text()
        number("<I")
        tensors = {}
        for _ in range(number("<I")):
            name = text()
            shape = [number("<I") for _ in range(number("<B"))]
            dtype = np.dtype(_CTRANSLATE2_TYPES[number("<B")])
            size = _checked_size(number("<I"), path)
            if keep(name):
                tensors[name] = np.frombuffer(_read(file, size), dtype).reshape(shape)
            else:
                file.seek(size, 1)
        return tensors


_TORCH_TYPES = {
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "DoubleStorage": np.float64,
    "BFloat16Storage": ml_dtypes.bfloat16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}


def _read_torch(path: Path, keep: Callable[[str], bool]) -> Tensors:
    """Read a zip file with ``data.pkl`` and one file of values for each storage."""
    with zipfile.ZipFile(path) as archive:
        pickled = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if not pickled:
            raise ValueError("no data.pkl in it")
        with archive.open(pickled[0]) as file:
            content = _TensorUnpickler(file).load()
        state = content.get("model_state_dict", content)
        folder = pickled[0].removesuffix("data.pkl")
        return {
            name: tensor.read(archive, folder)
            for name, tensor in state.items()
            if isinstance(tensor, _StoredTensor) and keep(name)
        }


class _StoredTensor:
    """A tensor of a PyTorch file whose values are not read yet.

    The attributes are the arguments of PyTorch's ``_rebuild_tensor_v2``: ``storage`` is a tuple of
    the element type and the name of the file of values; ``offset`` and ``strides`` count elements.
    """

    def __init__(
        self,
        storage: tuple[np.dtype[Any], str],
        offset: int,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        *_: Any,
    ) -> None:
        self._storage, self._offset, self._shape, self._strides = storage, offset, shape, strides

    def read(self, archive: zipfile.ZipFile, folder: str) -> npt.NDArray[Any]:
        dtype, name = self._storage
        values = np.frombuffer(archive.read(f"{folder}data/{name}"), dtype)
        last = sum((n - 1) * step for n, step in zip(self._shape, self._strides, strict=True))
        if min((*self._shape, *self._strides, self._offset), default=0) < 0:
            raise ValueError("a tensor has a negative size")
        if math.prod(self._shape) and self._offset + last >= len(values):
            raise ValueError("a tensor is larger than its values")
        strides = [step * dtype.itemsize for step in self._strides]
        return np.lib.stride_tricks.as_strided(
            values[self._offset :], self._shape, strides, writeable=False
        ).copy()


class _TensorUnpickler(pickle.Unpickler):
    """Unpickler that builds nothing but dictionaries and tensors."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _StoredTensor
        if module == "torch" and name in _TORCH_TYPES:
            return np.dtype(_TORCH_TYPES[name])
        raise pickle.UnpicklingError(f"{module}.{name} in it, which is no tensor")

    def persistent_load(self, pid: Any) -> tuple[np.dtype[Any], str]:
        kind, dtype, name, *_ = pid
        if kind != "storage" or not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError(f"{kind!r} in it, which is no tensor")
        return dtype, str(name)


def _checked_size(size: int, path: Path) -> int:
    """Return a size that a file declares, if the file is as large as that."""
    if not 0 <= size <= path.stat().st_size:
        raise ValueError("it is incomplete")
    return size


def _read(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise ValueError("it is incomplete")
    return data


_READERS = {
    ".safetensors": _read_safetensors,
    ".pt": _read_torch,
    ".pth": _read_torch,
    ".bin": _read_ctranslate2,
}
