import asyncio
import struct

import numpy as np
import pytest

from serkit.serving.server.tensors import (
    SignatureSpec,
    TensorSpec,
    decoded_size,
    first_batch,
    run_batch,
    split_request,
)


@pytest.fixture
def loop_around():
    """Pieces carry futures, which belong to a loop."""

    def run(function):
        async def inside():
            return function()

        return asyncio.run(inside())

    return run


def _x(*shape):
    return {"x": np.ones(shape, "float32")}


def test_a_request_is_cut_by_examples_and_by_bytes(fake_model, loop_around):
    model = fake_model(lambda x: x)

    def sizes(count, width, most):
        return [piece.example_count for piece in split_request(model, _x(count, width), most)]

    assert loop_around(lambda: sizes(10, 1, 4)) == [4, 4, 2]
    # Eight mebibytes at a time, and never less than one example.
    assert loop_around(lambda: sizes(5, 2**20, 16)) == [2, 2, 1]
    assert loop_around(lambda: sizes(2, 2**22, 16)) == [1, 1]


def test_strings_cost_what_they_hold(fake_model, loop_around):
    model = fake_model(None)
    model.spec = SignatureSpec(
        {"w": TensorSpec("string", (None,))}, {"y": TensorSpec("float32", (None,))}
    )
    words = {"w": np.array([b"a" * 1000, b"b"], object)}
    (piece,) = loop_around(lambda: list(split_request(model, words, 16)))
    assert piece.size == 1001


def _wav(rate: int, samples: int, width: int = 1, before: bytes = b"") -> bytes:
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * width, width, 8 * width)
    data = struct.pack("<4sI", b"data", samples * width) + bytes(samples * width)
    return b"RIFF\0\0\0\0WAVE" + before + fmt + data


def test_recordings_cost_what_their_samples_take_at_the_rate_of_the_model(fake_model, loop_around):
    """600 KB of eight bits at 1,000 Hz are ten minutes: 38 MB, too many for two in a batch."""
    model = fake_model(None)
    model.spec = SignatureSpec(
        {"w": TensorSpec("string", (None,))}, {"y": TensorSpec("float32", (None,))}
    )

    def counts(*files):
        request = {"w": np.array(files, object)}
        return loop_around(
            lambda: [piece.example_count for piece in split_request(model, request, 8)]
        )

    assert counts(*[_wav(1000, 600_000)] * 3) == [1, 1, 1]
    assert counts(*[_wav(16_000, 48_000, 2)] * 8) == [8]
    # The rate that the decoder finds counts: that of the last fmt before the data.
    high = _wav(1_000_000, 0)[12:36]
    junk = struct.pack("<4sI", b"JUNK", len(high)) + high
    for before in (high, junk, high * 3):
        assert counts(*[_wav(1000, 600_000, before=before)] * 2) == [1, 1]
    assert counts(*[_wav(16_000, 48_000, 2, before=junk)] * 8) == [8]


def test_the_decoded_size_is_never_too_low():
    def seconds(content):
        return decoded_size(content, 16_000) / 64_000

    assert seconds(_wav(8000, 80_000, 2)) == pytest.approx(10, abs=0.01)
    assert seconds(_wav(44_100, 44_100, 3)) == pytest.approx(1, abs=0.01)
    assert seconds(_wav(1000, 10_000_000)) == 600
    # As the lowest rate: none, too many chunks before it, and headers that end.
    for content in (_wav(0, 8000), _wav(48_000, 8000, before=b"JUNK\0\0\0\0" * 20)):
        assert seconds(content) >= 8
    assert seconds(_wav(48_000, 100, 0)) == pytest.approx(0.044, abs=0.001)
    assert decoded_size(b"fLaC" + bytes(1000), 16_000) == 0
    for end in range(60):
        assert decoded_size(_wav(8000, 100)[:end], 16_000) >= 0


def test_only_equal_shapes_scalars_and_models_go_together(fake_model, loop_around):
    model, other = fake_model(None), fake_model(None)
    scalar = fake_model(None)
    scalar.spec = SignatureSpec(
        {"x": TensorSpec("float32", (None, None)), "n": TensorSpec("int32", ())},
        {"y": TensorSpec("float32", (None,))},
    )

    def chosen(*asked, most=16):
        waiting = [piece for model, tensors in asked for piece in split_request(model, tensors, 16)]
        return [waiting.index(piece) for piece in first_batch(waiting, most)]

    def with_number(number):
        return scalar, _x(1, 2) | {"n": np.array(number, "int32")}

    assert loop_around(
        lambda: chosen((model, _x(1, 2)), (model, _x(1, 3)), (other, _x(1, 2)), (model, _x(2, 2)))
    ) == [0, 3]
    assert loop_around(lambda: chosen(with_number(3), with_number(4), with_number(3))) == [0, 2]
    assert loop_around(lambda: chosen(*[(model, _x(2, 1))] * 4, most=5)) == [0, 1]


def test_a_model_without_batches_is_asked_alone(fake_model, loop_around):
    model = fake_model(lambda x: x.sum())
    model.spec = SignatureSpec({"x": TensorSpec("float32", None)}, {"y": TensorSpec("float32", ())})

    def chosen():
        waiting = [*split_request(model, _x(3, 2), 2), *split_request(model, _x(3, 2), 2)]
        return len(waiting), len(first_batch(waiting, 16))

    assert loop_around(chosen) == (2, 1)


def _ask(model, loop_around, *tensors):
    return loop_around(
        lambda: run_batch([piece for one in tensors for piece in split_request(model, one, 16)])
    )


def test_each_gets_its_rows(fake_model, loop_around):
    calls = []

    def double(x):
        calls.append(len(x))
        return 2 * x

    first, second = _ask(fake_model(double), loop_around, _x(1, 2), {"x": np.zeros((2, 2), "f4")})
    assert calls == [3]
    np.testing.assert_array_equal(first["y"], [[2, 2]])
    np.testing.assert_array_equal(second["y"], [[0, 0], [0, 0]])


def test_who_makes_the_model_fail_fails_alone(fake_model, loop_around):
    def refuse_zeros(x):
        if (x == 0).any():
            raise ValueError("a zero")
        return x

    good, bad = _ask(fake_model(refuse_zeros), loop_around, _x(1, 2), {"x": np.zeros((1, 2))})
    assert good["y"].tolist() == [[1, 1]]
    assert isinstance(bad, ValueError)


def test_a_model_that_loses_rows_is_asked_one_by_one(fake_model, loop_around):
    found = _ask(fake_model(lambda x: x[:1] + len(x)), loop_around, _x(1, 1), _x(1, 1))
    assert [one["y"].tolist() for one in found] == [[[2]], [[2]]]
