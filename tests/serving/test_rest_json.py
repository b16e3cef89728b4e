import json

import numpy as np
import pytest

from serkit.serving.rest_transport import read_error, read_rows, to_line, write_request


def test_rows_of_base64():
    body = json.loads(write_request("s", {"wav_bytes": [b"\0\xff", b""], "n": [1, 2]}))
    assert body == {
        "signature_name": "s",
        "instances": [
            {"wav_bytes": {"b64": "AP8="}, "n": 1},
            {"wav_bytes": {"b64": ""}, "n": 2},
        ],
    }


def test_floats_are_the_same_at_the_other_end(rng):
    wave = rng.normal(size=1000).astype("float32") * np.float32(1e-3)
    (row,) = json.loads(write_request("s", {"waveform": [wave]}))["instances"]
    np.testing.assert_array_equal(np.array(row["waveform"], "float32"), wave)
    # And back, with the nine digits that TF Serving writes at most.
    text = ", ".join(f"{value:.9g}" for value in wave)
    answer = json.loads(f'{{"predictions": [{{"probabilities": [{text}], "label": "a"}}]}}')
    (row,) = read_rows(answer, ["probabilities", "label"], 1)
    np.testing.assert_array_equal(row["probabilities"], wave)
    assert row["probabilities"].dtype == np.float32


def test_answers_in_rows_with_and_without_a_name():
    expected = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert read_rows({"predictions": expected}, ["a", "b"], 2) == expected
    assert read_rows({"predictions": [["x", "y"]]}, ["classes"], 1) == [{"classes": ["x", "y"]}]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        7,
        {"predictions": 7},
        {"predictions": [1]},
        {"outputs": {"a": [1, 2]}},
        {"predictions": [{"probabilities": "x"}] * 2},
    ],
)
def test_what_is_something_else(answer):
    with pytest.raises((KeyError, TypeError, ValueError)):
        read_rows(answer, ["a"], 2)


def test_reasons_on_one_line():
    assert read_error(b'{"error": "no such model"}') == "no such model"
    assert read_error(b"<html>\n  Hello\n</html>") == "<html> Hello </html>"
    assert read_error(b"") == ""
    assert len(to_line(b"x" * 1000)) == 120
