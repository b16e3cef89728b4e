"""What TF Serving's REST interface takes and refuses; its own rules, found in its source."""

import base64
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from serkit.serving.server.http import HttpError
from serkit.serving.server.rest_json import (
    check_example_count,
    read_document,
    read_tensors,
    signature_name,
    write_answer,
)
from serkit.serving.server.tensors import TensorSpec

WORDS = {"w": TensorSpec("string", (None,))}
NUMBERS = {"x": TensorSpec("float32", (None, None))}
BOTH = {"w": TensorSpec("string", (None,)), "x": TensorSpec("float32", (None, None))}


def _b64(data: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(data).decode()}


def _one(value, dtype="float32"):
    return read_tensors({"inputs": value}, {"x": TensorSpec(dtype, None)})[0]["x"]


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b" ",
            b"<html></html>",
            b"[1]",
            b'"text"',
            b"1",
            b"null",
            b"{",
            b'{"a":1}{}',
            b"\xff",
        ),
        *(b'{"instances":' * 200_000, b"[" * 5_000_000, b'{"a":' + b"9" * 5000 + b"}"),
        *(b'{"instances": [' + b"{}," * 3_000_000 + b"{}]}", b'{"instances": [1e999]}'),
        *(b"\x00", b'{"instances": [-1e400]}', b"\xef\xbb\xbf"),
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_no_json_object_is_refused(body):
    with pytest.raises(HttpError) as caught:
        read_document(body)
    assert caught.value.code == 400
    assert len(caught.value.message) <= 500


@pytest.mark.parametrize("body", [b"RIFF\xff\xff", b"[1]"])
def test_the_refusal_of_another_body_names_the_expected_form(body):
    with pytest.raises(HttpError, match=r'"wav_bytes": ."b64"'):
        read_document(body)


def test_nan_and_infinity_are_taken_as_tf_serving_does():
    document = read_document(b'\xef\xbb\xbf{"inputs": [NaN, Infinity, -Infinity, 1e308]}')
    found = _one(document["inputs"], "float64")
    assert math.isnan(found[0])
    np.testing.assert_array_equal(found[1:], [np.inf, -np.inf, 1e308])


def test_the_signature_is_the_default_unless_named():
    assert signature_name({}) == signature_name({"signature_name": ""}) == "serving_default"
    assert signature_name({"signature_name": "features"}) == "features"
    with pytest.raises(HttpError, match="must be a string"):
        signature_name({"signature_name": ["x"] * 1000})


def test_rows_are_values_or_objects_with_all_inputs():
    found, rows = read_tensors({"instances": [_b64(b"a\0"), "bé"]}, WORDS)
    assert rows
    assert found["w"].tolist() == [b"a\0", "bé".encode()]
    named = [{"w": _b64(b"a"), "x": [1, 2.5]}, {"x": [3, 4], "w": "b"}]
    found, _ = read_tensors({"instances": named}, BOTH)
    assert found["w"].tolist() == [b"a", b"b"]
    np.testing.assert_array_equal(found["x"], np.array([[1, 2.5], [3, 4]], "float32"))
    assert found["x"].dtype == np.float32
    found, _ = read_tensors({"instances": [{"w": _b64(b"a")}]}, WORDS)
    assert found["w"].tolist() == [b"a"]


def test_columns_are_a_value_or_an_object_with_all_inputs():
    found, rows = read_tensors({"inputs": {"w": ["a"], "x": [[1]], "more": 3}}, BOTH)
    assert not rows
    assert found["w"].tolist() == [b"a"]
    assert read_tensors({"inputs": _b64(b"a")}, WORDS)[0]["w"].shape == ()
    assert read_tensors({"inputs": []}, WORDS)[0]["w"].shape == (0,)
    scalar = {"n": TensorSpec("int32", ())}
    assert read_tensors({"inputs": {"n": 3}}, scalar)[0]["n"] == 3


@pytest.mark.parametrize(
    ("document", "inputs", "message"),
    [
        ({}, WORDS, "only one"),
        ({"inputs": ["a"], "instances": ["a"]}, WORDS, "only one"),
        ({"instances": []}, WORDS, "not empty"),
        ({"instances": "a"}, WORDS, "valid is a list"),
        ({"instances": {"w": "a"}}, WORDS, "valid is a list"),
        ({"instances": ["a"]}, BOTH, "objects with the keys w, x"),
        ({"instances": [{"w": "a"}]}, BOTH, "instance 0: keys must be equal to w, x"),
        ({"instances": [{"w": "a"}, "b"]}, WORDS, "instance 1: objects and plain values"),
        ({"instances": ["a", {"w": "a"}]}, WORDS, "instance 1: objects and plain values"),
        ({"instances": [{"v": "a"}]}, WORDS, "keys must be equal to w"),
        ({"instances": [[1.0], [1.0, 2.0]]}, NUMBERS, "different sizes at level 1"),
        ({"instances": [[1.0], 2.0]}, NUMBERS, "different sizes at level 1"),
        ({"instances": [1.0, [2.0]]}, NUMBERS, "a list at level 1"),
        ({"instances": [["a"]]}, NUMBERS, "'a' is not of expected type float32"),
        ({"instances": [[None]]}, NUMBERS, "None is not of expected type"),
        ({"instances": [[True]]}, NUMBERS, "True is not of expected type"),
        ({"instances": [[{"b64": "YQ=="}]]}, NUMBERS, "an object is not of expected type"),
        ({"instances": [[1e39]]}, NUMBERS, "does not fit into float32"),
        ({"instances": [[16_777_216]]}, NUMBERS, "does not fit into float32"),
        ({"instances": [[10**400]]}, NUMBERS, "does not fit into float32"),
        ({"instances": [1]}, WORDS, "1 is not text"),
        ({"instances": [{"b64": "a!"}]}, WORDS, "unable to base64 decode"),
        ({"instances": [{"b64": "é"}]}, WORDS, "unable to base64 decode"),
        ({"instances": [{"b64": "YQ==YQ=="}]}, WORDS, "unable to base64 decode"),
        ({"instances": ["\ud800"]}, WORDS, "half a surrogate pair"),
        ({"inputs": ["a"]}, BOTH, "must be an object with the keys w, x"),
        ({"inputs": {"w": ["a"]}}, BOTH, "no value for x"),
        ({"inputs": {"w": [{"b64": 3}], "x": [[1]]}}, BOTH, "an object is not text"),
    ],
)
def test_what_is_refused(document, inputs, message):
    with pytest.raises(HttpError, match=message) as caught:
        read_tensors(document, inputs)
    assert caught.value.code == 400


def test_examples_are_counted_before_they_are_looked_at():
    inputs = {"w": TensorSpec("string", (None,)), "n": TensorSpec("int32", ())}
    for document in (
        {"instances": ["a"] * 3},
        {"inputs": ["a"] * 3},
        {"inputs": {"w": ["a"] * 3, "n": 1}},
    ):
        check_example_count(document, inputs, 3)
        with pytest.raises(HttpError, match=r"3 examples.*2"):
            check_example_count(document, inputs, 2)
    for document in ({}, {"inputs": 3}, {"instances": None}, {"inputs": {"w": 3, "n": [1] * 9}}):
        check_example_count(document, inputs, 2)


def test_whole_numbers_keep_to_their_type():
    assert _one([1, -2], "int32").dtype == np.int32
    assert _one(2**64 - 1, "uint64") == 2**64 - 1
    assert _one([True, False], "bool").tolist() == [True, False]
    assert _one([16_777_215]) == 16_777_215
    # Beyond 64 bits TF Serving reads a double.
    assert _one([2**64]) == 2.0**64
    for value, dtype in [(2**31, "int32"), (-1, "uint8"), (1.0, "int64"), (True, "int32")]:
        with pytest.raises(HttpError):
            _one([value], dtype)
    for value, dtype in [(1, "bool"), (1, "complex64"), (1, "resource")]:
        with pytest.raises(HttpError):
            _one([value], dtype)


def test_lists_deeper_than_any_tensor_are_refused():
    value = 1.0
    for _ in range(900):
        value = [value]
    with pytest.raises(HttpError, match="a list at level 32"):
        _one(value)


def test_base64_may_lack_padding_and_hold_white_space():
    for text in ("YWI=", "YWI", "Y\nWI =", " YWI="):
        assert read_tensors({"inputs": [{"b64": text}]}, WORDS)[0]["w"].tolist() == [b"ab"]


@given(
    arrays.arrays(
        st.sampled_from(["float32", "float64", "int32", "int64", "uint8", "bool"]),
        arrays.array_shapes(max_dims=4, max_side=4),
    )
)
def test_any_tensor_comes_back_from_json_bit_by_bit(array):
    body = write_answer({"x": array}, is_row_format=False)
    value = read_document(body)["outputs"]
    found = read_tensors({"inputs": value}, {"x": TensorSpec(array.dtype.name, array.shape)})[0][
        "x"
    ]
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5))
def test_any_bytes_come_back_from_base64(contents):
    body = json.dumps({"instances": [_b64(data) for data in contents]}).encode()
    assert read_tensors(read_document(body), WORDS)[0]["w"].tolist() == contents


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def _http_error(function, *arguments):
    """None if there is none."""
    try:
        function(*arguments)
    except HttpError as error:
        return error
    return None


@given(
    st.dictionaries(
        st.sampled_from(["instances", "inputs", "signature_name", "x"]), _JSON, max_size=3
    ),
    st.sampled_from([WORDS, NUMBERS, BOTH, {}]),
)
def test_anything_else_is_refused_with_400(document, inputs):
    found = read_document(json.dumps(document).encode())
    error = _http_error(read_tensors, found, inputs)
    if error:
        assert error.code == 400
        assert len(error.message) <= 500
    else:
        assert read_tensors(found, inputs)[0].keys() == inputs.keys()


@given(st.binary(max_size=60))
def test_any_bytes_are_a_document_or_refused(body):
    error = _http_error(read_document, body)
    assert error.code == 400 if error else isinstance(read_document(body), dict)
