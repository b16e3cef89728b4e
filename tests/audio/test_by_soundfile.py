import subprocess
import sys

import numpy as np
import pytest

from serkit.audio import compressed, containers
from serkit.audio.compressed import decode_any
from serkit.audio.containers import as_wav, decode_file
from serkit.audio.decoding import decode_wav

# As tests/data/test_compressed.py has it between the two decoders.
TOLERANCE = 5e-6


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
def test_a_model_gets_of_flac_what_training_has(wav_bytes, rng, subtype, channels):
    data = wav_bytes(rng.uniform(-1, 1, (5_000, channels)), 44_100, subtype, format="FLAC")
    heard, problem = as_wav(data)
    found, trained = decode_wav(heard), decode_any(data)
    assert (problem, int(found.sample_rate), found.note.numpy()) == ("", 44_100, b"")
    np.testing.assert_array_equal(found.waveform.numpy(), trained.waveform.numpy())
    exact = subtype == "PCM_S8" or (channels == 1 and subtype == "PCM_16")
    assert len(heard) == (44 + 2 * 5_000 if exact else 58 + 4 * 5_000)


def test_full_scale_stays_what_it_is(wav_bytes):
    samples = np.array([-(2**15), 2**15 - 1, 0, -1, 1], np.int16)
    heard, _ = as_wav(wav_bytes(samples, 16_000, "PCM_16", format="FLAC"))
    assert heard[44:] == samples.astype("<i2").tobytes()


@pytest.mark.parametrize(("form", "subtype"), [("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS")])
def test_a_model_gets_of_lossy_files_nearly_what_training_has(wav_bytes, rng, form, subtype):
    # Louder than full scale, which is not cut off.
    data = wav_bytes(rng.normal(0, 0.5, (20_000, 2)), 16_000, subtype, format=form)
    heard, problem = as_wav(data)
    found, trained = decode_wav(heard).waveform.numpy(), decode_any(data).waveform.numpy()
    assert problem == ""
    assert np.abs(found).max() > 1
    np.testing.assert_allclose(found, trained, atol=TOLERANCE)


@pytest.mark.parametrize(("form", "subtype"), [("FLAC", "PCM_16"), ("OGG", "VORBIS")])
def test_little_data_cannot_become_any_amount_of_sound(wav_bytes, monkeypatch, form, subtype):
    data = wav_bytes(np.zeros((30_000, 2)), 16_000, subtype, format=form)
    for module in (containers, compressed):
        monkeypatch.setattr(module, "MAX_COMPRESSED_SAMPLES", 29_999)
    assert "samples: split it" in as_wav(data)[1]
    found = decode_any(data)
    assert b"samples: split it" in found.status.numpy()
    assert found.waveform.shape == (0,)
    monkeypatch.setattr(containers, "MAX_COMPRESSED_SAMPLES", 30_000)
    assert as_wav(data)[1] == ""


def test_wav_is_left_as_it_is():
    for data in (b"RIFF", b"RIFF....WAVEfmt "):
        assert as_wav(data) == (data, "")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "an empty file"),
        (b"hello there", "not a WAV, FLAC, MP3 or Ogg Vorbis file"),
        (b"....ftypM4A ", "MPEG-4"),
        (b"fLaC" + bytes(40), "FLAC file that cannot be decoded"),
        (b"\xff\xfb\x90\x00", "MP3 file that cannot be decoded"),
    ],
)
def test_what_cannot_be_decoded_has_a_reason(data, words):
    waveform, rate, problem = decode_file(data)
    assert words in problem
    assert (waveform.shape, rate) == ((0,), 1)
    assert as_wav(data) == (b"", problem)


@pytest.mark.parametrize(
    ("samples", "rate", "words"),
    [
        (np.array([[0.1], [np.nan]], np.float32), 16_000, "not finite"),
        (np.array([[0.1], [1e19]], np.float32), 16_000, "far above full scale"),
        (np.zeros((0, 1), np.float32), 16_000, "without samples"),
        (np.zeros((9, 1), np.float32), 100, "without a usable rate"),
    ],
)
def test_samples_that_cannot_be_used_are_a_problem(wav_bytes, samples, rate, words):
    data = wav_bytes(np.zeros(9), format="FLAC")
    waveform, found, problem = decode_file(data, lambda *_: (samples, rate))
    assert words in problem
    assert (len(waveform), found) == (0, 1)


def test_it_works_without_tensorflow():
    code = "import sys, serkit.audio.containers; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
