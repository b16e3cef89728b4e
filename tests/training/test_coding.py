import numpy as np
import pytest

from serkit.errors import InputError
from serkit.training.cache import DTYPES, decoding_table, encode

SPECTROGRAMS = ("float16", "uint8")
FEATURES = ("wide-float16", "bfloat16")


def _kept(values: np.ndarray, dtype: str) -> np.ndarray:
    codes = encode(values.astype(np.float32), (), dtype)
    return decoding_table(dtype)[codes.view(DTYPES[dtype])]


@pytest.mark.parametrize(("dtype", "bound"), [("float16", 2.0**-12), ("uint8", 1 / 255)])
def test_rounding_errors_are_as_documented(dtype, bound):
    steps = np.linspace(-1, 1, 510 + 1)  # every level of uint8 and every middle between two
    values = np.concatenate([np.linspace(-1, 1, 200_001), steps, [1 - 2.0**-12]])
    values = values.astype(np.float32).astype(np.float64)
    worst = np.abs(_kept(values, dtype).astype(np.float64) - values).max()
    assert 0.999 * bound < worst < bound + 1e-7


@pytest.mark.parametrize("dtype", SPECTROGRAMS)
def test_the_ends_are_exact_and_order_is_kept(dtype):
    np.testing.assert_array_equal(_kept(np.array([-1.0, 1.0]), dtype), [-1, 1])
    beyond = np.array([-1 - 9e-6, 1 + 9e-6])
    np.testing.assert_array_equal(_kept(beyond, dtype), [-1, 1])
    assert (np.diff(_kept(np.linspace(-1, 1, 10_001), dtype)) >= 0).all()


def test_uint8_is_linear():
    np.testing.assert_array_equal(
        encode(np.array([-1, -0.2, 0.2, 1]), (), "uint8"), [0, 102, *(153, 255)]
    )


def test_float16_numbers_come_back_as_they_are():
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    every = every[np.abs(every) <= 1]
    np.testing.assert_array_equal(_kept(every, "float16"), every)


def test_arrays_in_another_memory_order_are_stored_in_rows(rng):
    values = np.asfortranarray(rng.uniform(-1, 1, (5, 4, 3)))
    for dtype in DTYPES:
        codes = encode(values, (4, 3), dtype)
        assert codes.flags.c_contiguous
        np.testing.assert_allclose(
            decoding_table(dtype)[codes.view(DTYPES[dtype])], values, atol=1 / 255
        )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((2, 3)), r"`values`.*\('n', 3, 1\).*\(2, 3\)"),
        (np.zeros((3, 1)), "shape"),
        (np.full((1, 3, 1), 1.01), "-1 and 1 for float16.* 1.01"),
        (np.full((1, 3, 1), -1.01), "-1.01 to"),
        (np.full((1, 3, 1), np.nan), "nan to nan"),
    ],
)
def test_values_that_are_no_spectrogram_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        encode(values, (3, 1), "float16")


def test_an_unknown_type_is_refused():
    with pytest.raises(InputError, match="bfloat16, float16, uint8, wide-float16"):
        encode(np.zeros((1, 2)), (2,), "float32")
    with pytest.raises(InputError, match="dtype='int8'"):
        decoding_table("int8")


@pytest.mark.parametrize(("dtype", "bound"), [("wide-float16", 2.0**-11), ("bfloat16", 2.0**-8)])
def test_features_have_a_relative_rounding_error(dtype, bound, rng):
    values = rng.uniform(0.5, 1, 100_000) * 2.0 ** rng.integers(-13, 16, 100_000)
    values = np.concatenate([values, -values]).astype(np.float32).astype(np.float64)
    share = np.abs(_kept(values, dtype).astype(np.float64) / values - 1)
    assert 0.9 * bound < share.max() <= bound
    assert (_kept(np.zeros(1), dtype) == 0).all()


@pytest.mark.parametrize(
    ("dtype", "smallest", "bound"),
    [("wide-float16", 2.0**-14, 2.0**-25), ("bfloat16", 2.0**-126, 2.0**-134)],
)
def test_tiny_features_are_rounded_by_an_absolute_amount(dtype, smallest, bound, rng):
    values = (rng.uniform(-1, 1, 10_000) * smallest).astype(np.float32).astype(np.float64)
    worst = np.abs(_kept(values, dtype).astype(np.float64) - values).max()
    assert 0.99 * bound < worst <= bound


@pytest.mark.parametrize(("dtype", "largest"), [("wide-float16", 0x7BFF), ("bfloat16", 0x7F7F)])
@pytest.mark.parametrize("sign", [-1, 1])
def test_each_types_largest_number_is_kept_and_nothing_beyond(dtype, largest, sign):
    value = sign * decoding_table(dtype)[largest]
    np.testing.assert_array_equal(_kept(np.array([value, sign]), dtype), [value, sign])
    with pytest.raises(InputError, match=f"for {dtype}"):
        encode(np.nextafter([value], np.float32(sign * np.inf)), (), dtype)


def test_bfloat16_is_tensorflows(rng):
    import tensorflow as tf

    values = (rng.normal(size=10_000) * 10.0 ** rng.integers(-30, 30, 10_000)).astype("float32")
    middles = (np.arange(0x3F80, 0x4080, dtype="<u4") * 0x10000 + 0x8000).view("<f4")
    values = np.concatenate([values, middles, [0.0, -0.0]]).astype("float32")
    expected = tf.cast(tf.cast(values, tf.bfloat16), tf.float32)
    np.testing.assert_array_equal(_kept(values, "bfloat16"), expected)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [(d, v) for d in FEATURES for v in (np.nan, np.inf, -np.inf)] + [("wide-float16", 7e4)],
)
def test_features_that_cannot_be_kept_are_refused(dtype, value):
    with pytest.raises(InputError, match=f"for {dtype}"):
        encode(np.array([1.0, value], "float32"), (), dtype)
