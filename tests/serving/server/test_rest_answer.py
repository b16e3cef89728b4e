import json

import numpy as np
import pytest

from serkit.serving.server.http import HttpError
from serkit.serving.server.rest_json import write_answer

TWO = {
    "p": np.array([[0.2, 0.8], [1.0, 0.0]], "float32"),
    "label": np.array([b"angry", "fröhlich".encode()], object),
}


def test_rows_and_columns_have_names_where_there_are_several():
    assert json.loads(write_answer(TWO, is_row_format=True)) == {
        "predictions": [{"p": [0.2, 0.8], "label": "angry"}, {"p": [1, 0], "label": "fröhlich"}]
    }
    assert json.loads(write_answer(TWO, is_row_format=False)) == {
        "outputs": {"p": [[0.2, 0.8], [1, 0]], "label": ["angry", "fröhlich"]}
    }


def test_a_single_output_is_bare():
    alone = {"p": TWO["p"]}
    assert write_answer(alone, is_row_format=True) == b'{"predictions":[[0.2,0.8],[1.0,0.0]]}'
    assert write_answer(alone, is_row_format=False) == b'{"outputs":[[0.2,0.8],[1.0,0.0]]}'


def test_bytes_are_base64_by_the_name_of_the_output():
    outputs = {"sound_bytes": np.array([b"\0\xff"], object), "s": np.array([b"\xff"], object)}
    found = json.loads(write_answer(outputs, is_row_format=True))["predictions"][0]
    assert found == {"sound_bytes": {"b64": "AP8="}, "s": "\N{REPLACEMENT CHARACTER}"}


def test_numbers_are_as_short_as_they_can_be_and_exact():
    values = np.array([0.1, 1 / 3, 1e-30, 3e38, -0.0, 16_777_216, 123456.7, np.nan, np.inf], "f4")
    body = write_answer({"x": values}, is_row_format=False)
    assert body.startswith(b'{"outputs":[0.1,0.33333334,')
    assert body.endswith(b",-0.0,16777216.0,123456.7,NaN,Infinity]}")
    found = np.array(json.loads(body)["outputs"], "float32")
    np.testing.assert_array_equal(found, values)


def test_other_types_and_scalars():
    outputs = {"n": np.array(3), "b": np.array([True]), "h": np.array([0.1], "float16")}
    found = json.loads(write_answer(outputs, is_row_format=False))["outputs"]
    assert (found["n"], found["b"]) == (3, [True])
    assert np.float16(found["h"][0]) == np.float16(0.1)


@pytest.mark.parametrize("other", [np.zeros(3), np.array(1.0)])
def test_rows_need_a_common_batch(other):
    with pytest.raises(HttpError, match="no common batch size"):
        write_answer(TWO | {"x": other}, is_row_format=True)
