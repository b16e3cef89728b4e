"""Conversion of JSON to tensors and of tensors to JSON, as in TF Serving's REST API."""

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

from serkit.serving.server.http import HttpError, format_value
from serkit.serving.server.tensors import TensorSpec

_SIGNIFICAND_BITS = {"float16": 11, "float32": 24, "float64": 53}
"""Bits of the significand. A type represents all integers of at most so many bits exactly."""
_MAX_AXES = 32
"""Maximum number of axes; NumPy 1 allows no more."""
_MAX_VALUES = 4_000_000
"""Maximum number of values per request: numbers, strings, lists and objects. Without this limit,
the values of a body of 32 MiB could take gigabytes of memory. Seventy recordings of three seconds
have about as many values if they are sent as samples. Sent as base64, each is a single string."""
_VALID_BODY = 'valid is JSON such as {"instances": [{"wav_bytes": {"b64": "…"}}]}, sound as base64'


def read_document(body: bytes) -> dict[str, Any]:
    """Parse the JSON object of a request.

    As TF Serving, the function accepts NaN and Infinity, and refuses numbers that are too large for
    a double.

    Raises:
        HttpError: 400, if the body is not a JSON object in UTF-8, is nested too deeply, or has more
            than four million values.
    """
    if not body:
        raise HttpError(400, "JSON Parse error: the document is empty")
    # The number of these bytes is about the number of values, and is known before parsing.
    if sum(map(body.count, (b",", b"[", b"{"))) > _MAX_VALUES:
        raise HttpError(400, f"more than {_MAX_VALUES} values; send sound as base64")
    try:
        document = _DECODER.decode(body.decode("utf-8-sig"))
    except RecursionError:
        raise HttpError(400, "JSON Parse error: too deeply nested") from None
    except ValueError as error:
        # The message of a UnicodeError shows the whole body; its reason does not.
        reason = error.reason if isinstance(error, UnicodeDecodeError) else str(error)
        raise HttpError(400, f"JSON Parse error: {reason}; {_VALID_BODY}") from None
    if not isinstance(document, dict):
        raise HttpError(400, f"JSON value {format_value(document)} is not an object; {_VALID_BODY}")
    return document


def signature_name(document: Mapping[str, Any]) -> str:
    """Return the name of the requested signature; the default is ``serving_default``.

    Raises:
        HttpError: 400, if the name is not text.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise HttpError(400, f"signature_name must be a string value, not {format_value(name)}")
    return name or "serving_default"


def check_example_count(
    document: Mapping[str, Any], inputs: Mapping[str, TensorSpec], max_examples: int
) -> None:
    """Check the number of examples of a request, before any example is converted.

    Args:
        document: JSON object of the request.
        inputs: inputs of a signature that takes batches.
        max_examples: maximum number of examples.

    Raises:
        HttpError: 400, if there are more than ``max_examples`` examples.
    """
    columns = document.get("inputs")
    batches = [document.get("instances"), columns]
    if isinstance(columns, dict):
        batches += [columns.get(name) for name, spec in inputs.items() if not spec.is_scalar]
    for batch in batches:
        if isinstance(batch, list) and len(batch) > max_examples:
            reason = f"{len(batch)} examples in a request; valid are at most {max_examples}"
            raise HttpError(400, reason)


def read_tensors(
    document: Mapping[str, Any], inputs: Mapping[str, TensorSpec]
) -> tuple[dict[str, npt.NDArray[Any]], bool]:
    """Convert the JSON object of a request to tensors.

    The object has one of two keys:

    - ``instances`` (row format): a list of examples of the same shape. An example is an object with
      a value for each input. If the signature has one input, an example may be the value itself.
    - ``inputs`` (column format): an object with a batch of values for each input. If the signature
      has one input, it may be the batch itself.

    A value is a number, a boolean, a string, or nested lists of them. Bytes are written
    ``{"b64": "…"}``; another string stands for its UTF-8 bytes.

    Args:
        document: JSON object of the request.
        inputs: inputs of the signature by name.

    Returns:
        A tuple of the arrays by the names of the inputs, and whether the request has the row
        format. The arrays have the data types of the inputs; arrays of strings hold ``bytes``. The
        shapes are not checked; :meth:`.tensors.SignatureSpec.check` checks them.

    Raises:
        HttpError: 400, if the request has another form.
    """
    if ("instances" in document) == ("inputs" in document):
        raise HttpError(400, "a request has one of the keys 'inputs' and 'instances', and only one")
    is_row_format = "instances" in document
    if is_row_format:
        columns = _columns_of_instances(document["instances"], inputs)
    else:
        columns = _columns_of_inputs(document["inputs"], inputs)
    arrays = {name: _to_array(columns[name], name, spec) for name, spec in inputs.items()}
    return arrays, is_row_format


def _columns_of_instances(instances: Any, inputs: Mapping[str, TensorSpec]) -> dict[str, list]:
    """Return a list with a value per example for each input."""
    if not isinstance(instances, list) or not instances:
        reason = f"'instances' is {format_value(instances)}; valid is a list that is not empty"
        raise HttpError(400, reason)
    are_objects = _is_object(instances[0])
    if not are_objects and len(inputs) > 1:
        raise HttpError(400, f"instances must be objects with the keys {', '.join(inputs)}")
    for index, instance in enumerate(instances):
        if _is_object(instance) != are_objects:
            raise HttpError(400, f"instance {index}: objects and plain values are mixed")
        if are_objects and instance.keys() != inputs.keys():
            raise HttpError(400, f"instance {index}: keys must be equal to {', '.join(inputs)}")
    if are_objects:
        return {name: [instance[name] for instance in instances] for name in inputs}
    return dict.fromkeys(inputs, instances)


def _columns_of_inputs(columns: Any, inputs: Mapping[str, TensorSpec]) -> Mapping[str, Any]:
    """Return the batch of values of each input."""
    if not _is_object(columns):
        if len(inputs) > 1:
            raise HttpError(400, f"'inputs' must be an object with the keys {', '.join(inputs)}")
        return dict.fromkeys(inputs, columns)
    for name in inputs:
        if name not in columns:
            raise HttpError(400, f"'inputs' has no value for {name}")
    return columns


def _is_object(value: Any) -> bool:
    """Return whether a JSON value is an object, other than one that stands for bytes."""
    return isinstance(value, dict) and not _is_base64(value)


def _is_base64(value: dict) -> bool:
    return len(value) == 1 and isinstance(value.get("b64"), str)


def _to_array(value: Any, name: str, spec: TensorSpec) -> npt.NDArray[Any]:
    shape, flat_values = _flatten(value, name)
    if spec.dtype == "string":
        array = np.empty(len(flat_values), object)
        array[:] = [_to_bytes(flat_value, name) for flat_value in flat_values]
    else:
        array = _to_numbers(flat_values, name, spec.dtype)
    return array.reshape(shape)


def _flatten(value: Any, name: str) -> tuple[tuple[int, ...], list]:
    """Return the shape of nested lists, and their values as a flat list.

    The function processes one level at a time. This is an order of magnitude faster than a call for
    each sample of a recording.

    Raises:
        HttpError: 400, if the lists of a level differ in size, or values and lists are mixed.
    """
    shape: list[int] = []
    level = [value]
    while level and isinstance(level[0], list) and len(shape) < _MAX_AXES:
        if set(map(type, level)) != {list} or len(set(map(len, level))) > 1:
            raise HttpError(400, f"{name}: lists of different sizes at level {len(shape)}")
        shape.append(len(level[0]))
        level = list(chain.from_iterable(level))
    if list in set(map(type, level)):
        raise HttpError(400, f"{name}: a list at level {len(shape)}, where none is expected")
    return tuple(shape), level


def _to_bytes(value: Any, name: str) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise HttpError(400, f"{name}: half a surrogate pair in a text") from None
    if not isinstance(value, dict) or not _is_base64(value):
        raise HttpError(400, f'{name}: {format_value(value)} is not text, nor {{"b64": "…"}}')
    try:
        return _decode_base64(value["b64"])
    except ValueError:
        raise HttpError(400, f"{name}: unable to base64 decode") from None


def _decode_base64(text: str) -> bytes:
    """Decode base64. As in TF Serving, padding is optional and white space is ignored."""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        text = "".join(text.split())
        if not text.endswith("="):
            text += "=" * (-len(text) % 4)
        return base64.b64decode(text, validate=True)


def _to_numbers(flat_values: Sequence[Any], name: str, dtype: str) -> npt.NDArray[Any]:
    is_float = dtype in _SIGNIFICAND_BITS
    valid_types = {bool} if dtype == "bool" else {int, float} if is_float else {int}
    types = set(map(type, flat_values))
    if not types <= valid_types:
        wrong_value = next(value for value in flat_values if type(value) not in valid_types)
        raise HttpError(400, f"{name}: {format_value(wrong_value)} is not of expected type {dtype}")
    try:
        if is_float:
            return _to_floats(flat_values, dtype, has_integers=int in types)
        numpy_dtype = np.dtype(dtype)
        if numpy_dtype.kind in "iu" and flat_values:
            limits = np.iinfo(numpy_dtype)
            if min(flat_values) < limits.min or max(flat_values) > limits.max:
                raise OverflowError
        elif numpy_dtype.kind not in "iub":
            raise TypeError
        return np.array(flat_values, numpy_dtype)
    except OverflowError:
        raise HttpError(400, f"{name}: a number does not fit into {dtype}") from None
    except TypeError:
        raise HttpError(400, f"{name}: values of type {dtype} cannot be sent as JSON") from None


def _to_floats(flat_values: Sequence[Any], dtype: str, has_integers: bool) -> npt.NDArray[Any]:
    """Convert numbers to a type of floating-point numbers.

    Raises:
        OverflowError: if a number is too large for the type, or an integer may not be exact in it.
    """
    doubles = np.array(flat_values, "float64")
    largest_integer = 0
    if has_integers:
        largest_integer = max(abs(value) for value in flat_values if type(value) is int)
    # TF Serving reads integers of more than 64 bits as doubles, which it rounds without an error.
    may_be_inexact = 2 ** _SIGNIFICAND_BITS[dtype] <= largest_integer < 2**64
    is_too_large = np.isfinite(doubles) & (np.abs(doubles) > np.finfo(dtype).max)
    if may_be_inexact or is_too_large.any():
        raise OverflowError
    return doubles.astype(dtype)


def _parse_finite_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("number too big to be stored in double")
    return number


_DECODER = json.JSONDecoder(parse_float=_parse_finite_float)


def write_answer(outputs: Mapping[str, npt.NDArray[Any]], is_row_format: bool) -> bytes:
    """Write outputs as JSON.

    The row format is ``{"predictions": [...]}``, the column format ``{"outputs": ...}``. If the
    signature has a single output, its values are written without its name. Strings are decoded from
    UTF-8, except for outputs whose name ends in ``_bytes``, which become ``{"b64": "…"}``. A
    float32 number has as few digits as are needed to identify it. NaN and Infinity are written as
    ``NaN`` and ``Infinity``.

    Args:
        outputs: arrays of booleans, integers, floating-point numbers or ``bytes``, by name.
        is_row_format: whether to write the row format.

    Raises:
        HttpError: 400, if the row format is requested and the outputs have no common batch size.

    Example:
        >>> write_answer({"p": np.array([[0.2, 0.8]], "float32")}, is_row_format=True)
        b'{"predictions":[[0.2,0.8]]}'
    """
    columns = {name: _to_json_values(name, array) for name, array in outputs.items()}
    # orjson would write NaN and Infinity as null.
    float_arrays = [array for array in outputs.values() if array.dtype.kind == "f"]
    are_finite = all(np.isfinite(array).all() for array in float_arrays)
    write = _write_with_orjson if are_finite else _write_with_json
    is_single = len(columns) == 1
    if not is_row_format:
        return write({"outputs": next(iter(columns.values())) if is_single else columns})
    batch_sizes = {name: array.shape[:1] for name, array in outputs.items()}
    if len(set(batch_sizes.values())) != 1 or () in batch_sizes.values():
        raise HttpError(400, f"outputs have no common batch size: {batch_sizes}; use 'inputs'")
    if is_single:
        return write({"predictions": next(iter(columns.values()))})
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return write({"predictions": rows})


def _to_json_values(name: str, array: npt.NDArray[Any]) -> Any:
    """Return the array of an output in a form that orjson takes; strings as nested lists."""
    if array.dtype != object:
        # orjson takes contiguous arrays only, and scalars instead of arrays without axes.
        return np.ascontiguousarray(array) if array.ndim else array[()]
    json_values = np.empty(array.size, object)
    if name.endswith("_bytes"):
        json_values[:] = [{"b64": base64.b64encode(value).decode()} for value in array.ravel()]
    else:
        json_values[:] = [value.decode("utf-8", "replace") for value in array.ravel()]
    return json_values.reshape(array.shape).tolist()


def _write_with_orjson(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def _write_with_json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_to_lists)
    return text.encode()


def _to_lists(array: npt.NDArray[Any] | np.generic) -> Any:
    """Return nested lists; json writes their floats with as few digits as orjson writes."""
    if array.dtype.kind != "f":
        return array.tolist()
    is_finite = np.isfinite(array)
    # json writes a float32 number with the digits of a double. So read the number back as a double
    # from the digits that orjson writes.
    finite_array = np.where(is_finite, array, array.dtype.type(0))
    doubles = orjson.loads(_write_with_orjson(finite_array[()]))
    return np.where(is_finite, doubles, array).tolist()
