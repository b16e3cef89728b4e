"""Read the tensors of weights files that other libraries wrote."""

import errno
import io
import json
import math
import pickle
import pickletools
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


def read_tensors(weights: Path | str, keep: Callable[[str], bool] = lambda name: True) -> Tensors:
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
        weights: the file.
        keep: whether a tensor of this name is read. Others are left out, which saves memory.

    Returns:
        Arrays by name, as stored (float16, bfloat16, float32 or integers).

    Raises:
        InputError: if there is no such file, its format is not one of these, or it is damaged or
            incomplete.
    """
    path = Path(weights)
    read = _READERS.get(path.suffix)
    if not path.is_file():
        raise InputError(f"`weights` must be a file that exists. Received: {path}.")
    if read is None:
        raise InputError(
            f"`weights` must be a file that ends in {', '.join(_READERS)}, .keras or .h5. "
            f"Received: {path}."
        )
    try:
        return read(path, keep)
    except (
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        MemoryError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
        struct.error,
        zipfile.BadZipFile,
        pickle.UnpicklingError,
    ) as error:
        # A damaged file may lead to a seek to before its start. Other errors of the system are not
        # the file's.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        reason = str(error).strip() or type(error).__name__
        raise InputError(
            f"`weights` must be a complete weights file. Received: {path} ({reason})."
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
        header.pop("__metadata__", None)
        for name, entry in header.items():
            start, end = entry["data_offsets"]
            _checked_size(values_start + end, path)
            if keep(name):
                file.seek(values_start + _checked_size(start, path))
                dtype = np.dtype(_SAFETENSORS_TYPES[entry["dtype"]])
                data = _read(file, _checked_size(end - start, path))
                shape = entry["shape"]
                if not isinstance(shape, list) or min(shape, default=0) < 0:
                    raise ValueError(f"the shape {shape!r} in it")
                tensors[name] = np.frombuffer(data, dtype).reshape(shape)
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
            size = number("<I")
            _checked_size(file.tell() + size, path)
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
        for entry in archive.infolist():
            # PyTorch does not compress. Only so no tensor is larger than the file.
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError("it is compressed")
            _checked_size(max(entry.file_size, entry.compress_size), path)
        # Read as a whole, so that its checksum is compared before it is used.
        data = archive.read(pickled[0])
        _check_pickle(data)
        content = _TensorUnpickler(io.BytesIO(data)).load()
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
        data = archive.read(f"{folder}data/{name}")
        if min((*self._shape, *self._strides, self._offset), default=0) < 0:
            raise ValueError("a tensor has a negative size")
        if math.prod(self._shape) * dtype.itemsize > len(data):
            raise ValueError("a tensor is larger than its values")
        strides = [step * dtype.itemsize for step in self._strides]
        offset = self._offset * dtype.itemsize
        # NumPy checks that the tensor is within its values.
        return np.ndarray(self._shape, dtype, data, offset, strides).copy()


# Whisper's largest file has about 5,000.
_MAX_TUPLES = 20_000


def _check_pickle(pickled: bytes) -> None:
    """Raise ValueError if a pickle is damaged, or would fill the memory or the stack.

    Python's unpickler allocates memory for all numbers of objects up to the largest one, and hashes
    tuples in tuples without a limit.
    """
    tuples = 0
    for opcode, argument, _ in pickletools.genops(pickled):
        tuples += "TUPLE" in opcode.name
        is_wrong_number = opcode.name.endswith("PUT") and (argument or 0) > len(pickled)
        if is_wrong_number or tuples > _MAX_TUPLES:
            raise ValueError("its pickle is not one of tensors")


class _TensorUnpickler(pickle.Unpickler):
    """Unpickler that builds nothing but dictionaries and tensors."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            # Not the class: a pickle can set attributes of what it gets.
            return lambda *arguments: _StoredTensor(*arguments)
        if module == "torch" and name in _TORCH_TYPES:
            return name
        raise pickle.UnpicklingError(f"{module}.{name} in it, which is no tensor")

    def persistent_load(self, pid: Any) -> tuple[np.dtype[Any], str]:
        kind, element_type, name, *_ = pid
        if kind != "storage" or element_type not in _TORCH_TYPES:
            raise pickle.UnpicklingError(f"{kind!r} in it, which is no tensor")
        return np.dtype(_TORCH_TYPES[element_type]), str(name)


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
