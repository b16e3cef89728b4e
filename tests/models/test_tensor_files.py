import collections
import io
import json
import os
import pickle
import random
import struct
import subprocess
import sys
import tracemalloc
import zipfile

import ml_dtypes
import numpy as np
import pytest
from weights_files import (
    CTRANSLATE2_TYPES,
    Storage,
    Tensor,
    ctranslate2,
    dtype_of,
    pickled,
    safetensors,
    safetensors_of,
    tensor,
    torch_file,
    torch_of,
    zipped,
)

from serkit.errors import InputError
from serkit.models.tensor_files import read_tensors

FLOATS = ("float32", "float16", "bfloat16")
ALL_TYPES = (*FLOATS, "float64", "int64", "int32", "int16", "int8", "uint8", "bool")
WRITERS = {".safetensors": safetensors, ".bin": ctranslate2, ".pt": torch_file, ".pth": torch_file}
TENSORS = {
    "encoder.a": np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32),
    "encoder.b": np.random.default_rng(1).normal(size=5).astype(np.float16),
    "decoder/c": np.arange(6, dtype=np.int32).reshape(2, 3),
    "bfloat16": np.arange(3).astype(ml_dtypes.bfloat16),
    "scalar": np.float32(2.5).reshape(()),
}
FILES = {suffix: write(TENSORS) for suffix, write in WRITERS.items() if suffix != ".pth"}


@pytest.fixture
def read(tmp_path):
    """Writes bytes to a file of a suffix, and reads its tensors."""

    def run(suffix: str, content: bytes, **options):
        path = tmp_path / f"weights{suffix}"
        path.write_bytes(content)
        return read_tensors(path, **options)

    return run


def _assert_equal(found: dict, expected: dict) -> None:
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
        assert found[name].shape == array.shape


@pytest.mark.parametrize("suffix", WRITERS)
def test_tensors_are_read_as_they_were_written(read, suffix):
    _assert_equal(read(suffix, WRITERS[suffix](TENSORS)), TENSORS)


@pytest.mark.parametrize(
    ("suffix", "name"),
    [
        *((".safetensors", name) for name in ALL_TYPES),
        *((".pt", name) for name in ALL_TYPES),
        *((".bin", name) for name in CTRANSLATE2_TYPES),
    ],
)
def test_every_type_is_read(read, suffix, name):
    array = np.array([[0, 1, 1], [0, 100, 7]]).astype(dtype_of(name))
    _assert_equal(read(suffix, WRITERS[suffix]({"a": array})), {"a": array})


@pytest.mark.parametrize("suffix", WRITERS)
def test_an_empty_tensor_is_read(read, suffix):
    array = np.zeros((0, 3), np.float32)
    _assert_equal(read(suffix, WRITERS[suffix]({"a": array})), {"a": array})


@pytest.mark.parametrize("suffix", WRITERS)
def test_tensors_that_are_not_kept_are_left_out(read, suffix):
    asked = []

    def keep(name: str) -> bool:
        asked.append(name)
        return name.startswith("encoder.")

    found = read(suffix, WRITERS[suffix](TENSORS), keep=keep)
    _assert_equal(found, {name: TENSORS[name] for name in ("encoder.a", "encoder.b")})
    assert asked == list(TENSORS)


@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"model_state_dict": state}])
def test_a_dictionary_of_tensors_is_read_with_and_without_a_name_for_it(read, wrap):
    array = TENSORS["encoder.a"]
    content = wrap({"a": tensor(array), "number": 3, "text": "x", "list": [1]})
    _assert_equal(read(".pt", torch_of(content)), {"a": array})


def test_views_of_one_storage_are_read(read):
    values = np.arange(24, dtype=np.float32)
    storage = Storage(values)
    views = {
        "whole": Tensor(storage, 0, (24,), (1,)),
        "transposed": Tensor(storage, 0, (4, 6), (1, 4)),
        "inner": Tensor(storage, 7, (2, 3), (6, 2)),
        "last": Tensor(storage, 23, (1,), (1,)),
    }
    expected = {
        "whole": values,
        "transposed": values.reshape(6, 4).T,
        "inner": values[7:19].reshape(2, 6)[:, :6:2],
        "last": values[23:],
    }
    _assert_equal(read(".pt", torch_of(views)), expected)


@pytest.mark.parametrize("suffix", [".npz", ".h5", ".PT", "", ".safetensors.txt"])
def test_another_suffix_is_an_error(read, suffix):
    with pytest.raises(InputError, match=rf"`weights`.*\.safetensors.*weights{suffix}"):
        read(suffix, FILES[".pt"])


@pytest.mark.parametrize("suffix", FILES)
def test_a_folder_or_a_missing_file_is_an_error(tmp_path, suffix):
    with pytest.raises(InputError, match=f"`weights`.*gone{suffix}"):
        read_tensors(tmp_path / f"gone{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(InputError, match=f"`weights`.*folder{suffix}"):
        read_tensors(str(tmp_path / f"folder{suffix}"))


@pytest.mark.parametrize("suffix", FILES)
def test_the_file_of_another_format_is_an_error(read, suffix):
    for other in FILES.keys() - {suffix}:
        with pytest.raises(InputError, match=rf"`weights`.*weights{suffix}"):
            read(suffix, FILES[other])


@pytest.mark.parametrize("suffix", FILES)
def test_every_truncated_file_is_an_error(read, suffix):
    content = FILES[suffix]
    # Every third length, and every one close to the end.
    for length in {*range(0, len(content), 3), *range(len(content) - 30, len(content))}:
        with pytest.raises(InputError, match=rf"`weights`.*weights{suffix}"):
            read(suffix, content[:length])


@pytest.mark.parametrize("suffix", FILES)
def test_a_truncated_file_is_an_error_if_its_last_tensor_is_not_kept_too(read, suffix):
    content = WRITERS[suffix]({name: TENSORS[name] for name in ("encoder.a", "encoder.b")})
    with pytest.raises(InputError, match=rf"`weights`.*weights{suffix}"):
        read(suffix, content[:-3], keep=lambda name: name == "encoder.a")


@pytest.mark.parametrize("suffix", FILES)
def test_a_changed_byte_is_an_error_or_gives_tensors(read, suffix):
    """And takes little memory."""
    content = FILES[suffix]
    errors, refused = collections.Counter(), 0
    tracemalloc.start()
    for seed in range(500):
        chance = random.Random(seed)
        position, value = chance.randrange(len(content)), chance.randrange(256)
        try:
            found = read(suffix, content[:position] + bytes([value]) + content[position + 1 :])
            assert all(isinstance(array, np.ndarray) for array in found.values())
        except InputError:
            refused += 1
        except Exception as error:
            errors[f"{type(error).__name__}: {error}"] += 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not errors
    assert refused > 100
    assert peak < 2**20


ENTRY = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b"3",
        b'{"a": null}',
        b'{"a": {}}',
        b'{"\xff": 1}',
        *(
            json.dumps({"a": ENTRY | changed}).encode()
            for changed in (
                {"dtype": "F8"},
                {"dtype": []},
                {"shape": [5]},
                {"shape": ["4"]},
                {"shape": [4.0]},
                {"shape": [10**30]},
                {"shape": [1] * 80 + [4]},
                {"data_offsets": [0, 17]},
                {"data_offsets": [0, 15]},
                {"data_offsets": [16, 0]},
                {"data_offsets": [0.0, 16.0]},
                {"data_offsets": [10**30, 10**30 + 16]},
                {"data_offsets": [0, float("inf")]},
                {"data_offsets": [0, float("nan")]},
                {"data_offsets": [0]},
                {"data_offsets": "ab"},
            )
        ),
        *(
            json.dumps({"a": ENTRY | {"data_offsets": [start, start + 16]}}).encode()
            for start in (-16, -(10**6), 2**63 - 200)
        ),
        *(
            json.dumps({"a": ENTRY | {"shape": shape}}).encode()
            for shape in ([-1], [2, -1], None, 4)
        ),
        pytest.param(b"[" * 100_000, id="lists in lists"),
        pytest.param(b'{"a":' * 100_000, id="objects in objects"),
    ],
)
def test_a_wrong_header_of_safetensors_is_an_error(read, header):
    with pytest.raises(InputError, match=r"`weights`.*weights\.safetensors"):
        read(".safetensors", safetensors_of(header))


def _ctranslate2_of(
    version: int = 6,
    count: int = 1,
    name: bytes = b"a\0",
    shape: tuple[int, ...] = (4,),
    dtype: int = 0,
    size: int = 16,
) -> bytes:
    """A file of one variable of four float32 values, or a wrong one."""
    head = struct.pack("<IH", version, 1) + b"\0" + struct.pack("<II", 1, count)
    variable = struct.pack("<H", len(name)) + name
    variable += struct.pack(f"<B{len(shape)}I", len(shape), *shape)
    return head + variable + struct.pack("<BI", dtype, size) + bytes(16)


@pytest.mark.parametrize(
    "values",
    [
        {"version": 5},
        {"version": 7},
        {"count": 2},
        {"count": 2**32 - 1},
        {"name": b"\xff\0"},
        {"shape": (5,)},
        {"shape": (2**32 - 1,) * 3},
        {"shape": (1,) * 255},
        {"size": 17},
        {"size": 15},
        {"size": 2**32 - 1},
        {"dtype": 1},
        {"dtype": 6},
        {"dtype": 255},
    ],
    ids=str,
)
def test_a_wrong_variable_of_ctranslate2_is_an_error(read, values):
    assert read(".bin", _ctranslate2_of())["a"].tolist() == [0.0] * 4
    with pytest.raises(InputError, match=r"`weights`.*weights\.bin"):
        read(".bin", _ctranslate2_of(**values))


def _view(offset, shape, strides) -> bytes:
    return torch_of({"a": Tensor(Storage(np.zeros(4, np.float32)), offset, shape, strides)})


@pytest.mark.parametrize(
    "arguments",
    [
        (0, (5,), (1,)),
        (1, (4,), (1,)),
        (0, (2, 2), (1,)),
        (0, (2, 3), (3, 1)),
        (-1, (1,), (1,)),
        (0, (-1,), (1,)),
        (3, (2,), (-1,)),
        (0, (1,) * 80, (1,) * 80),
        (0, (4.0,), (1,)),
        (0.0, (4,), (1,)),
        (0, "ab", "cd"),
        (0, None, None),
        (0, (2**50,), (0,)),
        (0, (2**24,), (0,)),
        (0, (1,), (10**30,)),
        (0, (1,), (2**62,)),
        (0, (0, 10**30), (1, 1)),
    ],
    ids=lambda arguments: str(arguments)[:24],
)
def test_a_view_beyond_its_storage_is_an_error(read, arguments):
    assert read(".pt", _view(0, (2, 2), (2, 1)))["a"].shape == (2, 2)
    with pytest.raises(InputError, match=r"`weights`.*weights\.pt"):
        read(".pt", _view(*arguments))


class _Call:
    """Pickled as a call of a function."""

    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


@pytest.mark.parametrize("where", ["whole", "value", "beside", "key", "argument"])
def test_a_pickle_that_calls_a_function_is_an_error_and_calls_nothing(read, tmp_path, where):
    mark = tmp_path / "called"
    call = _Call(os.system, f"touch {mark}")
    storage = Storage(np.zeros(4, np.float32))
    content = {
        "whole": call,
        "value": {"model_state_dict": {"a": call}},
        "beside": {"hook": call, "model_state_dict": {"a": tensor(storage.values)}},
        "key": {call: 1},
        "argument": {"a": Tensor(storage, 0, call, (1,))},
    }[where]
    with pytest.raises(InputError, match=r"`weights`.*weights\.pt.*system"):
        read(".pt", torch_of(content))
    assert not mark.exists()
    # What the test would see if the function were called.
    pickle.loads(pickle.dumps(call))
    assert mark.exists()


@pytest.mark.parametrize(
    "function",
    [eval, exec, getattr, open, print, subprocess.Popen, os.remove, pickle.loads, np.load, type],
    ids=lambda function: function.__name__,
)
def test_no_function_but_those_of_tensors_is_found(read, function):
    with pytest.raises(InputError, match=rf"`weights`.*{function.__name__}"):
        read(".pt", torch_of({"a": _Call(function, "x")}))


REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
HOSTILE = {
    "a method of the class": REBUILD + b"N}X\x04\0\0\0readX\x03\0\0\0bads\x86b0}.",
    "the type bfloat16": b"ctorch\nBFloat16Storage\n(K\x03X\x01\0\0\0>NNNK\x40K\x40K\0tb0}.",
}
READ_TWO = """
import sys
from serkit.errors import InputError
from serkit.models.tensor_files import read_tensors

try:
    read_tensors(sys.argv[1])
except InputError:
    pass
print({name: array.tolist() for name, array in read_tensors(sys.argv[2]).items()})
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_pickle_cannot_change_what_is_read_after_it(tmp_path, name):
    tensors = {"a": np.arange(3).astype(ml_dtypes.bfloat16), "b": np.ones(2, np.float32)}
    (tmp_path / "hostile.pt").write_bytes(zipped(b"\x80\x02" + HOSTILE[name]))
    (tmp_path / "good.pt").write_bytes(torch_file(tensors))
    command = [sys.executable, "-c", READ_TWO, tmp_path / "hostile.pt", tmp_path / "good.pt"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "{'a': [0.0, 1.0, 2.0], 'b': [1.0, 1.0]}\n"


@pytest.mark.parametrize(
    "pickled",
    [
        b"",
        b".",
        b"].",
        b"K\x01.",
        b"(.",
        b"}X\x01\0\0\0aK\x01s",
        b"\x82\x01.",
        b"Pabc\n.",
        b"NQ.",
        b"K\x01Q.",
        b"ctorch\nFloatStorage\n.",
        b"ctorch\nload\n.",
        b"cos\nsystem\n.",
        b"}X\x01\0\0\0a" + REBUILD + b")\x81s.",
        b"}X\x01\0\0\0a" + REBUILD + b")Rs.",
        b"ccollections\nOrderedDict\nK\x05\x85R.",
        b"\x8e" + struct.pack("<Q", 2**33) + b".",
        b"}p99999999999999999999999\n.",
        b"\x8d" + b"\xff" * 8 + b".",
        b"\x95" + b"\xff" * 8 + b".",
        b"}p%d\n." % 2**60,
        b"\x8e" + struct.pack("<Q", 2**60) + b".",
        b"}r" + struct.pack("<I", 2**24) + b".",
        pytest.param(b"})" + b"\x85" * 200_000 + b"K\x01s.", id="tuples in tuples"),
    ],
)
def test_a_wrong_pickle_is_an_error(read, pickled):
    with pytest.raises(InputError, match=r"`weights`.*weights\.pt"):
        read(".pt", zipped(b"\x80\x02" + pickled, [np.zeros(4, np.float32)]))


def test_a_zip_file_without_a_pickle_or_without_values_is_an_error(read):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/other.pkl", b"")
    with pytest.raises(InputError, match=r"`weights`.*weights\.pt"):
        read(".pt", buffer.getvalue())
    content, _ = pickled({"a": tensor(np.zeros(4, np.float32))})
    with pytest.raises(InputError, match=r"`weights`.*weights\.pt.*data/0"):
        read(".pt", zipped(content))


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (8, 0x01),
        (8, 0x20),
        (8, 0x40),
        (6, 99),
        (10, 99),
        (10, zipfile.ZIP_BZIP2),
        (10, zipfile.ZIP_DEFLATED),
        (10, zipfile.ZIP_LZMA),
    ],
    ids=str,
)
def test_an_entry_of_the_zip_file_that_cannot_be_read_is_an_error(read, offset, value):
    """Encrypted, of a later version, or with another compression than it says."""
    content = bytearray(zipped(b"\x80\x02}."))
    content[content.index(b"PK\x01\x02") + offset] = value
    with pytest.raises(InputError, match=r"`weights`.*weights\.pt"):
        read(".pt", bytes(content))


def test_compressed_values_are_an_error(read):
    """A file of a megabyte could fill the memory."""
    content = {"a": Tensor(Storage(np.zeros(2_500_000, np.float32)), 0, (4,), (1,))}
    with pytest.raises(InputError, match=r"`weights`.*weights\.pt"):
        read(".pt", torch_of(content, compression=zipfile.ZIP_DEFLATED))
