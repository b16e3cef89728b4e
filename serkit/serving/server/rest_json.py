"""JSON to tensors and tensors to JSON, as TF Serving's REST interface has them."""

import base64
import binascii
import json
import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from serkit.serving.server.http import Refusal, shown
from serkit.serving.server.tensors import Spec

_FLOATS = {"float16": 11, "float32": 24, "float64": 53}
"""Bits of the significand: each type holds all integers with so many bits exactly."""
_DEEPEST = 32
"""Maximum number of axes; NumPy 1 allows no more."""
_MOST_VALUES = 4_000_000
"""Maximum number of numbers, lists and objects per request. Without this limit, those in a text of
32 MiB could take gigabytes of memory. Seventy recordings of three seconds, sent as samples, have
about as many values. The base64 text of a recording has none of these values."""


def read_document(body: bytes) -> dict[str, Any]:
    """Parse the JSON object of a request.

    Like TF Serving, the function accepts NaN and Infinity, and refuses numbers that are too large
    for a double.

    Raises:
        Refusal: 400, if the body is not a JSON object in UTF-8, is nested too deeply, or has more
            than four million values.
    """
    if not body:
        raise Refusal(400, "JSON Parse error: the document is empty")
    if sum(map(body.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise Refusal(400, f"more than {_MOST_VALUES} values; send sound as base64")
    try:
        document = _DECODER.decode(body.decode("utf-8-sig"))
    except RecursionError:
        raise Refusal(400, "JSON Parse error: too deeply nested") from None
    except ValueError as error:
        # The message of a UnicodeError shows the whole body; its reason does not.
        reason = error.reason if isinstance(error, UnicodeDecodeError) else str(error)
        raise Refusal(400, f"JSON Parse error: {reason}") from None
    if not isinstance(document, dict):
        raise Refusal(400, f"JSON value {shown(document)} is not an object")
    return document


def signature_name(document: Mapping[str, Any]) -> str:
    """Return the name of the requested signature; the default is ``serving_default``.

    Raises:
        Refusal: 400, if the name is not text.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise Refusal(400, f"signature_name must be a string value, not {shown(name)}")
    return name or "serving_default"


def check_examples(document: Mapping[str, Any], inputs: Mapping[str, Spec], most: int) -> None:
    """Check the number of examples of a request, before any example is parsed.

    Args:
        document: JSON object of the request.
        inputs: inputs of a signature that takes batches.
        most: maximum number of examples.

    Raises:
        Refusal: 400, if there are more than ``most`` examples.
    """
    columns = document.get("inputs")
    batches = [document.get("instances"), columns]
    if isinstance(columns, dict):
        batches += [columns.get(name) for name, spec in inputs.items() if not spec.is_scalar]
    for batch in batches:
        if isinstance(batch, list) and len(batch) > most:
            raise Refusal(400, f"{len(batch)} examples in a request; valid are at most {most}")


def read_tensors(
    document: Mapping[str, Any], inputs: Mapping[str, Spec]
) -> tuple[dict[str, npt.NDArray[Any]], bool]:
    """Convert the JSON object of a request to tensors.

    The object has one of two keys. ``instances`` (row format) is a list of examples of the same
    shape. An example is a value if the signature has one input, or an object with a value for each
    input. ``inputs`` (column format) is a batch of values if the signature has one input, or an
    object with a batch of values for each input. Bytes are written ``{"b64": "…"}``; plain text
    becomes its UTF-8 bytes.

    Returns:
        Arrays by the names of the inputs, and whether the request has the row format. The arrays
        have the data types of the inputs; arrays of strings hold ``bytes``. Their shapes are not
        checked; :meth:`serkit.serving.server.tensors.SignatureSpec.check` checks them.

    Raises:
        Refusal: 400, if the request has another form.
    """
    if ("instances" in document) == ("inputs" in document):
        raise Refusal(400, "a request has one of the keys 'inputs' and 'instances', and only one")
    if "instances" in document:
        columns, rows = _columns(document["instances"], inputs), True
    else:
        columns, rows = _named(document["inputs"], inputs), False
    return {name: _array(columns[name], name, spec) for name, spec in inputs.items()}, rows


def _columns(instances: Any, inputs: Mapping[str, Spec]) -> dict[str, list]:
    if not isinstance(instances, list) or not instances:
        raise Refusal(400, f"'instances' is {shown(instances)}; valid is a list that is not empty")
    named = _is_object(instances[0])
    if not named and len(inputs) > 1:
        raise Refusal(400, f"instances must be objects with the keys {', '.join(inputs)}")
    for number, instance in enumerate(instances):
        if _is_object(instance) != named:
            raise Refusal(400, f"instance {number}: objects and plain values are mixed")
        if named and instance.keys() != inputs.keys():
            raise Refusal(400, f"instance {number}: keys must be equal to {', '.join(inputs)}")
    if named:
        return {name: [instance[name] for instance in instances] for name in inputs}
    return dict.fromkeys(inputs, instances)


def _named(value: Any, inputs: Mapping[str, Spec]) -> Mapping[str, Any]:
    if not _is_object(value):
        if len(inputs) > 1:
            raise Refusal(400, f"'inputs' must be an object with the keys {', '.join(inputs)}")
        return dict.fromkeys(inputs, value)
    for name in inputs:
        if name not in value:
            raise Refusal(400, f"'inputs' has no value for {name}")
    return value


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not _is_base64(value)


def _is_base64(value: dict) -> bool:
    return len(value) == 1 and isinstance(value.get("b64"), str)


def _array(value: Any, name: str, spec: Spec) -> npt.NDArray[Any]:
    shape, leaves = _flattened(value, name)
    if spec.dtype == "string":
        array = np.empty(len(leaves), object)
        array[:] = [_bytes(leaf, name) for leaf in leaves]
    else:
        array = _numbers(leaves, name, spec.dtype)
    return array.reshape(shape)


def _flattened(value: Any, name: str) -> tuple[tuple[int, ...], list]:
    """Return the shape of nested lists, and their values as a flat list.

    The function processes one level at a time. This is an order of magnitude faster than a call for
    each sample of a recording.

    Raises:
        Refusal: 400, if the lists of a level differ in size, or values and lists are mixed.
    """
    shape: list[int] = []
    level = [value]
    while level and isinstance(level[0], list) and len(shape) < _DEEPEST:
        if set(map(type, level)) != {list} or len(set(map(len, level))) > 1:
            raise Refusal(400, f"{name}: lists of different sizes at level {len(shape)}")
        shape.append(len(level[0]))
        level = list(chain.from_iterable(level))
    if list in set(map(type, level)):
        raise Refusal(400, f"{name}: a list at level {len(shape)}, where none is expected")
    return tuple(shape), level


def _bytes(value: Any, name: str) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise Refusal(400, f"{name}: half a surrogate pair in a text") from None
    if not isinstance(value, dict) or not _is_base64(value):
        raise Refusal(400, f'{name}: {shown(value)} is not text, nor {{"b64": "…"}}')
    try:
        return _decoded(value["b64"])
    except ValueError:
        raise Refusal(400, f"{name}: unable to base64 decode") from None


def _decoded(text: str) -> bytes:
    """Decode base64. As in TF Serving, padding is optional and white space is ignored."""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        text = "".join(text.split())
        if not text.endswith("="):
            text += "=" * (-len(text) % 4)
        return base64.b64decode(text, validate=True)


def _numbers(leaves: Sequence[Any], name: str, dtype: str) -> npt.NDArray[Any]:
    kinds = set(map(type, leaves))
    valid = {bool} if dtype == "bool" else {int, float} if dtype in _FLOATS else {int}
    if not kinds <= valid:
        wrong = next(leaf for leaf in leaves if type(leaf) not in valid)
        raise Refusal(400, f"{name}: {shown(wrong)} is not of expected type {dtype}")
    try:
        if dtype in _FLOATS:
            return _floats(leaves, dtype, int in kinds)
        kind = np.dtype(dtype)
        if kind.kind in "iu" and leaves:
            info = np.iinfo(kind)
            if min(leaves) < info.min or max(leaves) > info.max:
                raise OverflowError
        elif kind.kind not in "iub":
            raise TypeError
        return np.array(leaves, kind)
    except OverflowError:
        raise Refusal(400, f"{name}: a number does not fit into {dtype}") from None
    except TypeError:
        raise Refusal(400, f"{name}: values of type {dtype} cannot be sent as JSON") from None


def _floats(leaves: Sequence[Any], dtype: str, some_whole: bool) -> npt.NDArray[Any]:
    wide = np.array(leaves, "float64")
    # TF Serving reads integers of more than 64 bits as doubles, which are rounded silently.
    whole = max((abs(leaf) for leaf in leaves if type(leaf) is int), default=0) if some_whole else 0
    most = np.finfo(dtype).max
    if 2 ** _FLOATS[dtype] <= whole < 2**64 or (np.isfinite(wide) & (np.abs(wide) > most)).any():
        raise OverflowError
    return wide.astype(dtype)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("number too big to be stored in double")
    return number


_DECODER = json.JSONDecoder(parse_float=_finite)


def write_answer(outputs: Mapping[str, npt.NDArray[Any]], rows: bool) -> bytes:
    """Write outputs as JSON: ``{"predictions": [...]}`` for rows, else ``{"outputs": ...}``.

    If the signature has a single output, its values are written without its name. Strings are
    decoded from UTF-8, except for outputs whose name ends in ``_bytes``, which become
    ``{"b64": "…"}``. A float32 number has as few digits as are needed to identify it. NaN and
    Infinity are written as ``NaN`` and ``Infinity``.

    Args:
        outputs: arrays of booleans, integers, floating-point numbers or ``bytes``, by name.
        rows: whether the answer has the row format.

    Raises:
        Refusal: 400, if ``rows`` is True and the outputs have no common batch size.

    Example:
        >>> write_answer({"p": np.array([[0.2, 0.8]], "float32")}, rows=True)
        b'{"predictions":[[0.2,0.8]]}'
    """
    values = {name: _plain(name, array) for name, array in outputs.items()}
    # orjson would write NaN and Infinity as null.
    finite = all(np.isfinite(a).all() for a in outputs.values() if a.dtype.kind == "f")
    write = _by_orjson if finite else _by_json
    single = len(values) == 1
    if not rows:
        return write({"outputs": next(iter(values.values())) if single else values})
    sizes = {name: array.shape[:1] for name, array in outputs.items()}
    if len(set(sizes.values())) != 1 or () in sizes.values():
        raise Refusal(400, f"outputs have no common batch size: {sizes}; use 'inputs'")
    if single:
        return write({"predictions": next(iter(values.values()))})
    listed = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    return write({"predictions": listed})


def _plain(name: str, array: npt.NDArray[Any]) -> Any:
    """Return an array, or nested lists of an array of ``bytes``."""
    if array.dtype != object:
        # orjson takes contiguous arrays only, and scalars instead of arrays without axes.
        return np.ascontiguousarray(array) if array.ndim else array[()]
    write = _base64 if name.endswith("_bytes") else _text
    flat = np.empty(array.size, object)
    flat[:] = [write(value) for value in array.ravel()]
    return flat.reshape(array.shape).tolist()


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _base64(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode()}


def _by_orjson(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def _by_json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_as_lists)
    return text.encode()


def _as_lists(array: npt.NDArray[Any] | np.generic) -> Any:
    """Return nested lists of the doubles that have the shortest digits of float32 numbers."""
    if array.dtype.kind != "f":
        return array.tolist()
    finite = np.isfinite(array)
    digits = orjson.loads(_by_orjson(np.where(finite, array, array.dtype.type(0))[()]))
    return np.where(finite, digits, array).tolist()
