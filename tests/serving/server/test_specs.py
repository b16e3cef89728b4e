import numpy as np
import pytest

from serkit.serving.server.http import HttpError
from serkit.serving.server.tensors import SignatureSpec, TensorSpec

WAVES = TensorSpec("string", (None,))
ANSWER = TensorSpec("float32", (None, 3))


def test_shapes_are_admitted_where_sizes_agree_or_are_open():
    assert ANSWER.admits((5, 3))
    assert not ANSWER.admits((5, 4))
    assert not ANSWER.admits((3,))
    assert TensorSpec("float32", None).admits((1, 2, 3))
    assert TensorSpec("int32", ()).admits(())


def test_what_can_be_put_together():
    assert SignatureSpec({"w": WAVES, "n": TensorSpec("int32", ())}, {"p": ANSWER}).is_batched
    assert not SignatureSpec({"n": TensorSpec("int32", ())}, {"p": ANSWER}).is_batched
    assert not SignatureSpec({"w": WAVES}, {"p": TensorSpec("float32", ())}).is_batched
    assert not SignatureSpec({"w": WAVES}, {"p": TensorSpec("float32", None)}).is_batched
    assert not SignatureSpec({"w": TensorSpec("string", (2,))}, {"p": ANSWER}).is_batched


def test_tensors_are_checked_before_the_model_sees_them():
    spec = SignatureSpec({"w": WAVES, "x": ANSWER}, {"p": ANSWER})
    words = np.array([b"a", b"b"], object)
    spec.check({"w": words, "x": np.zeros((2, 3))})
    with pytest.raises(HttpError, match=r"x.*\[2, 4\].*\['any', 3\]"):
        spec.check({"w": words, "x": np.zeros((2, 4))})
    with pytest.raises(HttpError, match="different sizes"):
        spec.check({"w": words, "x": np.zeros((3, 3))})
    with pytest.raises(HttpError, match="no examples"):
        spec.check({"w": words[:0], "x": np.zeros((0, 3))})


def test_examples_are_counted_past_scalars():
    spec = SignatureSpec({"n": TensorSpec("int32", ()), "w": WAVES}, {"p": ANSWER})
    tensors = {"n": np.array(3), "w": np.array([b"a"] * 4, object)}
    assert spec.example_count(tensors) == 4
    assert SignatureSpec({"n": TensorSpec("int32", ())}, {}).example_count({"n": np.array(3)}) == 1
