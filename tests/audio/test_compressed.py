import io
import logging
import struct
import sys

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from serkit.audio import compressed
from serkit.audio.compressed import decode_any
from serkit.audio.containers import mend_mp3
from serkit.audio.decoding import decode_wav
from serkit.datasets.findings import UnusableError
from serkit.datasets.probing import probe

RATE = 16_000
LOSSY = {"MP3": "MPEG_LAYER_III", "OGG": "VORBIS"}
# Of the two decoders, relative to a signal of at most 1.5; measured: 2.9e-6 (MP3), 6e-7 (Vorbis).
TOLERANCE = 5e-6
ID3 = b"ID3\x04\0\0\0\0\x01\x02" + bytes(130)


@pytest.fixture(params=["soundfile", "tensorflow-io"])
def backend(request, monkeypatch) -> str:
    """The decoder of MP3 and Ogg Vorbis."""
    if request.param == "soundfile":
        monkeypatch.setattr(compressed, "_tensorflow_io", lambda: None)
    elif compressed._tensorflow_io() is None:
        pytest.skip("tensorflow-io's library does not load with this TensorFlow")
    return request.param


@pytest.fixture
def speechlike(rng):
    """A chirp over noise, so that no two places are alike."""

    def make(seconds: float = 1.3, rate: int = RATE, channels: int = 1) -> np.ndarray:
        time = np.arange(round(seconds * rate) + 17) / rate
        chirp = 0.4 * np.sin(2 * np.pi * (200 * time + 300 * time**2))
        return (chirp[:, None] + rng.normal(0, 0.02, (len(time), channels))).squeeze()

    return make


@pytest.fixture
def alone(monkeypatch, backend) -> None:
    """The decoder without the other one."""
    if backend == "tensorflow-io":
        monkeypatch.setattr(compressed, "read_all", None)


def _decode(data: bytes) -> tuple[np.ndarray, int, str]:
    waveform, rate, status, _ = decode_any(data)
    assert (waveform.dtype, rate.dtype, status.dtype) == (tf.float32, tf.int32, tf.string)
    return waveform.numpy(), int(rate), status.numpy().decode()


def _peer(data: bytes) -> np.ndarray:
    return soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0].mean(axis=1)


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize(("subtype", "bits"), [("PCM_S8", 8), ("PCM_16", 16), ("PCM_24", 24)])
@pytest.mark.parametrize("rate", [8_000, 24_414, 96_000])
def test_flac_is_exact(wav_bytes, rng, subtype, bits, channels, rate):
    full = 2 ** (bits - 1)
    samples = rng.integers(-full, full, (5_000, channels))
    left = (samples << 32 - bits).astype(np.int32)
    waveform, found, status = _decode(wav_bytes(left, rate, subtype, format="FLAC"))
    assert (found, status) == (rate, "")
    expected = (samples / full).astype(np.float32).mean(axis=1, dtype=np.float32)
    np.testing.assert_array_equal(waveform, expected)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("form", LOSSY)
def test_lossy_formats_keep_length_and_position(wav_bytes, speechlike, alone, form, rate, channels):
    samples = speechlike(rate=rate, channels=channels)
    data = wav_bytes(samples, rate, LOSSY[form], format=form)
    waveform, found, status = _decode(data)
    assert (found, status) == (rate, "")
    # Encoders' and decoders' delays are taken off: it is where it was before it was coded.
    assert len(waveform) == len(samples)
    mono = samples.reshape(len(samples), -1).mean(axis=1)
    lags = range(-40, 41)
    products = [mono[100:-100] @ waveform[100 + lag : len(mono) - 100 + lag] for lag in lags]
    assert lags[int(np.argmax(products))] == 0
    np.testing.assert_allclose(waveform, _peer(data), atol=TOLERANCE)


def test_loud_signals_are_not_cut_off_by_either(wav_bytes, alone):
    square = 0.99 * np.sign(np.sin(2 * np.pi * 300 * np.arange(RATE) / RATE))
    for form, subtype in LOSSY.items():
        data = wav_bytes(square, RATE, subtype, format=form)
        waveform, _, _ = _decode(data)
        assert np.abs(waveform).max() > 1.1
        np.testing.assert_allclose(waveform, _peer(data), atol=TOLERANCE)


def test_an_mp3_of_variable_bit_rate_without_a_tag_is_whole(untagged_mp3, backend):
    data, samples = untagged_mp3
    for content in (data, ID3 + data, data + b"TAG" + bytes(125)):
        waveform, rate, status = _decode(content)
        assert (len(waveform), rate, status) == (samples, 44_100, "")
        # Loud again at its end, which libsndfile alone would have left out.
        assert waveform[-8_000:].std() > 0.05


def test_the_decoders_delay_is_taken_off_where_only_the_frames_are_told(untagged_mp3, alone):
    """libsndfile takes 529 samples off, tensorflow-io's decoder none."""
    data, samples = untagged_mp3
    tag = bytearray(417)
    tag[:4], tag[21:33] = b"\xff\xfb\x90\xc4", b"Xing" + struct.pack(">II", 1, samples // 1152)
    waveform, _, status = _decode(bytes(tag) + data)
    assert (len(waveform), status) == (samples - 529, "")
    plain, _ = soundfile.read(io.BytesIO(mend_mp3(data)[0]), dtype="float32")
    np.testing.assert_allclose(waveform, plain[529:], atol=TOLERANCE)


def test_both_ways_agree_on_what_is_cut_off(wav_bytes, speechlike, monkeypatch):
    """What is whole up to there is there; FLAC breaks off within a frame and is refused."""
    for form, subtype in {**LOSSY, "FLAC": "PCM_16"}.items():
        data = wav_bytes(speechlike(3.0), RATE, subtype, format=form)
        for share in (0, 0.02, 0.3, 0.9, 0.999):
            cut = data[: int(share * len(data))]
            other = _decode(cut)
            with monkeypatch.context() as only:
                only.setattr(compressed, "_tensorflow_io", lambda: None)
                one = _decode(cut)
            assert one[1:] == other[1:]
            np.testing.assert_allclose(one[0], other[0], atol=TOLERANCE)
            assert (one[2] == "") == (len(one[0]) > 0)


def test_headers_that_announce_what_is_not_there(wav_bytes, speechlike, backend):
    """tensorflow-io's op would wait for the samples for ever, or make room for all of them."""
    flac = bytearray(wav_bytes(speechlike(), format="FLAC"))
    for announced in (RATE * 10, 2**31, 2**36 - 1, 0):
        flac[21:26] = bytes([flac[21] & 0xF0 | announced >> 32]) + struct.pack(
            ">I", announced & 0xFFFFFFFF
        )
        waveform, rate, status = _decode(bytes(flac))
        assert (len(waveform), rate) == (0, 1)
        assert status.startswith("FLAC file that cannot be decoded")
    mp3 = bytearray(wav_bytes(speechlike(), subtype="MPEG_LAYER_III", format="MP3"))
    place = mp3.index(b"Xing") + 8
    mp3[place : place + 4] = b"\x7f\xff\xff\xff"
    waveform, _, status = _decode(bytes(mp3))
    assert status == ""
    assert len(waveform) >= RATE


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "an empty file"),
        (b"<html>not found</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"\0\0\0\x20ftypM4A ", "MPEG-4"),
        (b"\xff\xf1\x50\x80" + bytes(100), "AAC"),
        (b"FORM\0\0\0\0AIFF", "AIFF"),
        (bytes(100), "not a WAV, FLAC, MP3 or Ogg Vorbis file"),
        (b"\xff\xfe\xfd", "not a WAV, FLAC, MP3 or Ogg Vorbis file"),
        (b"RIFF", "not a WAV file"),
        (b"fLaC" + bytes(100), "FLAC file"),
        (b"\xff\xfb\x90\0" + bytes(1000), "MP3 file"),
        (b"OggS" + bytes(22) + b"\1\x1e\1vorbis" + bytes(200), "Ogg Vorbis file"),
    ],
)
def test_bad_bytes_give_a_status_and_nothing_else(data, words, backend):
    waveform, rate, status = _decode(data)
    assert words in status
    assert (waveform.shape, rate) == ((0,), 1)


def test_wav_stays_with_the_graph(wav_bytes, speechlike, monkeypatch):
    monkeypatch.setattr(compressed, "_decode", None)
    data = wav_bytes(speechlike(channels=2))
    for mine, plain in zip(decode_any(data), decode_wav(data), strict=True):
        np.testing.assert_array_equal(mine, plain)


def test_in_a_pipeline_bad_files_do_not_stop_the_others(wav_bytes, speechlike, backend):
    good = [wav_bytes(speechlike(), subtype=s, format=f) for f, s in LOSSY.items()]
    good += [wav_bytes(speechlike(), format="FLAC"), wav_bytes(speechlike())]
    files = [data for one in good for data in (one, one[:40], b"bad")]
    dataset = tf.data.Dataset.from_tensor_slices(files)
    dataset = dataset.map(decode_any, num_parallel_calls=2)
    assert [spec.shape.rank for spec in dataset.element_spec] == [1, 0, 0, 0]
    found = list(dataset)
    assert [status.numpy() == b"" for _, _, status, _ in found] == [True, False, False] * 4
    for data, (waveform, rate, *_) in zip(files[::3], found[::3], strict=True):
        assert int(rate) == RATE
        np.testing.assert_allclose(waveform, _decode(data)[0], atol=TOLERANCE)


def test_without_tensorflow_io_soundfile_decodes_and_the_log_says_so_once(
    wav_bytes, speechlike, monkeypatch, caplog
):
    monkeypatch.setitem(sys.modules, "tensorflow_io", None)
    compressed._load_tensorflow_io.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            for form, subtype in LOSSY.items():
                data = wav_bytes(speechlike(), subtype=subtype, format=form)
                np.testing.assert_allclose(_decode(data)[0], _peer(data), atol=TOLERANCE)
        # MP3 and Ogg, and one line.
        (line,) = caplog.messages
        assert line.startswith("MP3 and Ogg Vorbis are decoded by soundfile: tensorflow-io fails")
        assert "tensorflow_io" in line.partition("fails")[2]
    finally:
        compressed._load_tensorflow_io.cache_clear()


def _forms(wav_bytes, samples) -> dict[str, bytes]:
    """One file of each form that the audit accepts."""
    wav = wav_bytes(samples)
    made = {
        **{f"WAV {s}": wav_bytes(samples, subtype=s) for s in ("PCM_U8", "PCM_24", "DOUBLE")},
        "WAVEX": wav_bytes(samples, format="WAVEX"),
        **{f"FLAC {s}": wav_bytes(samples, subtype=s, format="FLAC")
           for s in ("PCM_S8", "PCM_16", "PCM_24")},
        **{form: wav_bytes(samples, subtype=s, format=form) for form, s in LOSSY.items()},
    }  # fmt: skip
    for length in (0, 0x7FFFFFFF, 0xFFFFFFFF):
        made[f"WAV of length {length}"] = wav[:40] + length.to_bytes(4, "little") + wav[44:]
    return made | {"ID3 FLAC": ID3 + made["FLAC PCM_16"], "ID3 MP3": ID3 + made["MP3"]}


def test_what_the_audit_accepts_is_decoded(wav_bytes, speechlike, untagged_mp3, tmp_path, backend):
    path = tmp_path / "any.wav"
    forms = _forms(wav_bytes, speechlike(channels=2)) | {"untagged": untagged_mp3[0]}
    for form, data in forms.items():
        path.write_bytes(data)
        found = probe(path)
        waveform, rate, status = _decode(data)
        assert (status, rate) == ("", found.sample_rate), form
        assert len(waveform) == round(found.duration * rate), form
        assert found.length_unknown == ("of length" in form), form


def test_what_is_not_decoded_the_audit_rejects(wav_bytes, speechlike, tmp_path):
    path, samples = tmp_path / "any.flac", speechlike()
    files = [wav_bytes(samples, format=form) for form in ("AIFF", "W64", "RF64", "AU", "CAF")]
    files += [wav_bytes(samples, subtype="OPUS", format="OGG"), wav_bytes(samples, subtype="ULAW")]
    files += [b"", b"\xff\xf1\x50\x80", wav_bytes(samples, format="FLAC")[:5_000]]
    for data in files:
        path.write_bytes(data)
        assert _decode(data)[2] != ""
        with pytest.raises(UnusableError):
            probe(path)
