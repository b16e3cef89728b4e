import struct

import numpy as np
import pytest
import tensorflow as tf

from serkit.audio import decoding
from serkit.audio.decoding import decode_wav


def _chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    header = name + struct.pack("<I", len(body) if size is None else size)
    return header + body + b"\0" * (len(body) % 2)


def _wav(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _fmt(code=1, channels=1, rate=16_000, bits=16) -> bytes:
    frame = channels * bits // 8
    return _chunk(b"fmt ", struct.pack("<HHIIHH", code, channels, rate, rate * frame, frame, bits))


PCM16 = np.array([0, 16384, -32768, 32767], "<i2").tobytes()


@pytest.mark.parametrize(
    ("subtype", "tolerance"),
    [
        *(("PCM_U8", 1 / 100), ("PCM_16", 1e-4), ("PCM_24", 1e-6), ("PCM_32", 1e-6)),
        *(("FLOAT", 1e-7), ("DOUBLE", 1e-7)),
    ],
)
@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
def test_every_codec_equals_what_was_written(wav_bytes, rng, subtype, tolerance, form):
    samples = rng.uniform(-0.9, 0.9, 777)
    waveform, rate, status, _ = decode_wav(wav_bytes(samples, 44_100, subtype, format=form))
    assert (status.numpy(), int(rate)) == (b"", 44_100)
    np.testing.assert_allclose(waveform, samples, atol=tolerance)


def test_channels_are_averaged(wav_bytes, rng):
    samples = rng.uniform(-0.9, 0.9, (500, 3))
    waveform, *_ = decode_wav(wav_bytes(samples, subtype="FLOAT"))
    np.testing.assert_allclose(waveform, samples.mean(axis=1), atol=1e-7)


def test_chunks_around_the_data_are_passed_over():
    data = _wav(
        _chunk(b"LIST", b"odd"), _fmt(), _chunk(b"junk", b""), _chunk(b"data", PCM16),
        _chunk(b"id3 ", b"behind"),
    )  # fmt: skip
    waveform, _, status, _ = decode_wav(data)
    assert status == b""
    np.testing.assert_array_equal(waveform, [0, 0.5, -1, 32767 / 32768])


@pytest.mark.parametrize("claimed", [0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 9_999])
def test_of_a_size_that_lies_all_that_is_there_is_read_and_noted(claimed):
    waveform, _, status, note = decode_wav(_wav(_fmt(), _chunk(b"data", PCM16, claimed)))
    assert status == b""
    assert b"does not give the right length" in note.numpy()
    np.testing.assert_array_equal(waveform, [0, 0.5, -1, 32767 / 32768])


def test_a_right_size_is_not_noted():
    assert decode_wav(_wav(_fmt(), _chunk(b"data", PCM16))).note == b""


def test_an_empty_data_chunk_before_another_chunk_is_empty():
    waveform, _, status, _ = decode_wav(_wav(_fmt(), _chunk(b"data", b""), _chunk(b"LIST", PCM16)))
    assert b"without samples" in status.numpy()
    assert waveform.shape == (0,)


def test_a_thousand_chunks_are_walked_and_no_more():
    """What a hostile file of empty chunks could cost is bounded."""
    empty = _chunk(b"junk", b"")
    data = _chunk(b"data", PCM16)
    assert decode_wav(_wav(_fmt(), *[empty] * 998, data)).status == b""
    assert b"without a data chunk" in decode_wav(_wav(_fmt(), *[empty] * 1000, data)).status.numpy()


def test_twelve_bits_are_read_like_sixteen():
    waveform, _, status, _ = decode_wav(_wav(_fmt(bits=12), _chunk(b"data", PCM16)))
    assert status == b""
    np.testing.assert_array_equal(waveform, [0, 0.5, -1, 32767 / 32768])


def test_a_torn_last_frame_is_left_out():
    waveform, _, status, _ = decode_wav(_wav(_fmt(), b"data" + struct.pack("<I", 7) + PCM16[:7]))
    assert status == b""
    assert waveform.shape == (3,)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no RIFF header"),
        (b"R", "no RIFF header"),
        (b"<html>not found</html>", "no RIFF header"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "no RIFF header"),
        (b"RIFF\0\0\0\0AVI ", "no WAVE header"),
        (b"RIFF\0\0\0\0WAVE", "without a fmt chunk"),
        (_wav(_chunk(b"data", PCM16)), "without a fmt chunk"),
        (_wav(_fmt()), "without a data chunk"),
        (_wav(_fmt(channels=0), _chunk(b"data", PCM16)), "channel count"),
        (_wav(_fmt(rate=0), _chunk(b"data", PCM16)), "usable rate"),
        (_wav(_fmt(code=7, bits=8), _chunk(b"data", PCM16)), "codec"),
        (_wav(_fmt(bits=40), _chunk(b"data", PCM16)), "codec"),
        (_wav(_fmt(rate=999), _chunk(b"data", PCM16)), "usable rate"),
        (_wav(_fmt(), _chunk(b"data", b"")), "without samples"),
        (_wav(_fmt(code=3, bits=32), _chunk(b"data", struct.pack("<f", float("nan")))), "finite"),
        (_wav(_fmt(code=3, bits=32), _chunk(b"data", struct.pack("<f", -1e19))), "far above full"),
    ],
)
def test_bad_bytes_give_a_status_and_nothing_else(data, words):
    waveform, rate, status, _ = decode_wav(data)
    assert words in status.numpy().decode()
    assert waveform.shape == (0,)
    assert int(rate) == 1


def test_eager_equals_map_and_a_bad_file_does_not_stop_the_others(wav_bytes, rng):
    good = wav_bytes(rng.uniform(-0.9, 0.9, 1000))
    dataset = tf.data.Dataset.from_tensor_slices([good, b"bad", good]).map(decode_wav)
    first, bad, last = list(dataset)
    np.testing.assert_array_equal(first[0], decode_wav(good)[0])
    np.testing.assert_array_equal(first[0], last[0])
    assert bad[2] != b""


def test_mutated_headers_never_raise(wav_bytes, rng):
    """A small part of what a fuzz script does: every single byte of a header, changed."""
    good = bytearray(wav_bytes(rng.uniform(-0.5, 0.5, 60)))
    mutants = []
    for position in range(44):
        for value in (0, 1, 0x7F, 0xFF):
            mutant = bytearray(good)
            mutant[position] = value
            mutants.append(bytes(mutant))
    mutants += [bytes(good[:length]) for length in range(0, 60, 3)]
    seen = 0
    for waveform, _, status, _ in tf.data.Dataset.from_tensor_slices(mutants).map(decode_wav):
        assert (status.numpy() == b"") == (len(waveform) > 0)
        seen += 1
    assert seen == len(mutants)


LENGTHS = [1, 2, 100, 0x7FFFFFF7, 0x7FFFFFFF, 0x80000000, 0xFFFFFF9C, 0xFFFFFFFF]


def test_the_short_way_through_usual_files_gives_what_the_long_way_gives(rng, monkeypatch):
    """Whole files without and with a chunk before the data, and all their damaged headers."""
    honest = [(), *((_chunk(b"LIST", body),) for body in (b"", b"odd", b"even"))]
    honest += [(_chunk(b"junk", b"data" + PCM16),)]
    whole = [_wav(_fmt(), *between, _chunk(b"data", PCM16)) for between in honest]
    lying = [_chunk(b"LIST", b"odd", size) for size in LENGTHS]
    files = [
        *whole,
        *(_wav(_fmt(), between, _chunk(b"data", PCM16)) for between in lying),
        # The last format before the data counts.
        _wav(_fmt(), _fmt(rate=8_000), _chunk(b"data", PCM16)),
        _wav(_fmt(), _fmt(bits=8), _chunk(b"data", PCM16)),
        *(_wav(_fmt(), _chunk(b"data", PCM16, size)) for size in LENGTHS),
    ]
    for file in (whole[0], whole[2]):
        for position in range(len(file)):
            for value in (0, 1, 0x10, 0x7F, 0x80, 0xFF, int(rng.integers(256))):
                files.append(file[:position] + bytes([value]) + file[position + 1 :])
        files += [file[:length] for length in range(len(file))]

    def long_way(data: tf.Tensor) -> decoding.Decoded:
        return decoding.Decoded(*decoding._decode_any_wav(data, tf.strings.length(data)))

    usual = decoding._decode_usual
    # A note says where the short way was taken.
    marked = lambda *given: usual(*given)._replace(note=tf.constant("short"))  # noqa: E731
    monkeypatch.setattr(decoding, "_decode_usual", marked)
    dataset = tf.data.Dataset.from_tensor_slices(files)
    dataset = dataset.map(lambda data: (decode_wav(data), long_way(data)), num_parallel_calls=2)
    short = set()
    for data, (mine, other) in zip(files, dataset, strict=True):
        if mine.note == b"short":
            short.add(data)
            mine = mine._replace(note=tf.constant(""))
        for one, same in zip(mine, other, strict=True):
            np.testing.assert_array_equal(one, same, err_msg=repr(data))
    assert set(whole) <= short
    assert len(short) > 100
