import os

import numpy as np
import pytest
import soundfile
from PIL import Image

from serkit.cli.main import main


@pytest.fixture
def pictures(rng) -> np.ndarray:
    """Two spectrograms: noise in a low band early on, and noise in a high band late."""
    values = np.full((2, 224, 224, 1), -1.0, "float32")
    values[0, 20:80, 20:40] = rng.uniform(0, 1, (60, 20, 1))
    values[1, 150:200, 150:200] = rng.uniform(0, 1, (50, 50, 1))
    return values


def _listen(*arguments) -> int:
    return main(["listen", "--iterations", "2", *map(str, arguments)])


def _save(path, values):
    np.save(path, values)
    return path


def _heard(path) -> tuple[float, float, float]:
    """Where the energy is: seconds and hertz, and the peak; the file is as promised."""
    details = soundfile.info(path)
    assert (details.samplerate, details.subtype, details.frames) == (16_000, "PCM_16", 58_112)
    wave, _ = soundfile.read(path)
    spectrum = np.abs(np.fft.rfft(wave)) ** 2
    seconds = np.average(np.arange(wave.size) / 16_000, weights=wave**2)
    hertz = np.average(np.fft.rfftfreq(wave.size, 1 / 16_000), weights=spectrum)
    return seconds, hertz, np.abs(wave).max()


def _error(capsys) -> str:
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("serkit listen: ")
    return line


def test_an_array_becomes_a_file_per_spectrogram(pictures, tmp_path, capsys):
    file = _save(tmp_path / "generated.npy", pictures)
    assert _listen(file, "--out", tmp_path / "out") == 0
    names = ["generated-000.wav", "generated-001.wav"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert f"{tmp_path / 'out' / names[0]} to {names[1]}" in capsys.readouterr().out
    # Frames of 16 ms; HTK's formula gives 208 to 421 Hz for the low bands, 3132 to 5894 for the
    # high ones.
    seconds, hertz, peak = _heard(tmp_path / "out" / names[0])
    assert 0.3 < seconds < 1.4
    assert 200 < hertz < 430
    assert peak == pytest.approx(0.5, abs=1e-3)
    seconds, hertz, _ = _heard(tmp_path / "out" / names[1])
    assert 2.4 < seconds < 3.3
    assert 3100 < hertz < 5900


@pytest.mark.parametrize("shape", [(224, 224), (224, 224, 1)])
@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_one_spectrogram_alone(pictures, tmp_path, shape, dtype):
    file = _save(tmp_path / "one.npy", pictures[0].reshape(shape).astype(dtype))
    assert _listen(file, "--out", tmp_path) == 0
    assert 200 < _heard(tmp_path / "one-000.wav")[1] < 430


def test_the_first_ones_are_the_same_as_among_all_and_seeds_differ(pictures, tmp_path):
    file = _save(tmp_path / "made.npy", pictures)
    for name, options in {"all": (), "one": ("--first", 1), "other": ("--seed", 5)}.items():
        assert _listen(file, "--out", tmp_path / name, *options) == 0
    assert len(list((tmp_path / "one").iterdir())) == 1
    whole, one, other = (
        (tmp_path / name / "made-000.wav").read_bytes() for name in ("all", "one", "other")
    )
    assert whole == one
    assert whole != other


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
def test_a_png_has_time_to_the_right_and_low_frequencies_below(pictures, tmp_path, mode):
    grey = np.uint8((pictures[1, :, :, 0].T[::-1] + 1) * 127.5)
    Image.fromarray(grey).convert(mode).save(tmp_path / "white.png")
    Image.fromarray(255 - grey).convert(mode).save(tmp_path / "dark.png")
    assert _listen(tmp_path / "white.png", "--out", tmp_path) == 0
    assert _listen(tmp_path / "dark.png", "--out", tmp_path, "--dark-is-loud") == 0
    seconds, hertz, _ = _heard(tmp_path / "white-000.wav")
    assert 2.4 < seconds < 3.3
    assert 3100 < hertz < 5900
    white, dark = ((tmp_path / f"{name}-000.wav").read_bytes() for name in ("white", "dark"))
    assert white == dark


def test_a_recording_is_inverted_with_its_error_printed(tmp_path, wav_bytes, capsys):
    tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(44_100) / 44_100)
    (tmp_path / "tone.wav").write_bytes(wav_bytes(tone, 44_100))
    assert _listen(tmp_path / "tone.wav", "--out", tmp_path / "out") == 0
    words = capsys.readouterr().out.split("spectral convergence ")[1]
    assert 0 < float(words.split()[0]) < 0.3
    # A second of sound in the middle of 3.6.
    seconds, hertz, _ = _heard(tmp_path / "out" / "tone-000.wav")
    assert seconds == pytest.approx(58_112 / 32_000, abs=0.05)
    assert hertz == pytest.approx(1000, rel=0.03)


@pytest.mark.parametrize(
    ("name", "form", "subtype"),
    [("a.flac", "FLAC", "PCM_16"), ("a.mp3", "MP3", "MPEG_LAYER_III"), ("a.ogg", "OGG", "VORBIS")],
)
def test_other_formats_sound_as_wav_does(tmp_path, wav_bytes, name, form, subtype):
    tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(44_100) / 44_100)
    (tmp_path / name).write_bytes(wav_bytes(tone, 44_100, subtype, format=form))
    assert _listen(tmp_path / name, "--out", tmp_path / "out") == 0
    seconds, hertz, _ = _heard(tmp_path / "out" / "a-000.wav")
    assert seconds == pytest.approx(58_112 / 32_000, abs=0.05)
    assert hertz == pytest.approx(1000, rel=0.03)


def test_pipes_and_devices_are_not_read(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "zeros.npy").symlink_to("/dev/zero")
    for name in ("pipe.wav", "zeros.npy"):
        assert _listen(tmp_path / name, "--out", tmp_path / "out") == 1
        assert "is a pipe, a device or a folder" in _error(capsys)
    assert not (tmp_path / "out").exists()


def test_existing_files_stay_without_overwrite(pictures, tmp_path, capsys):
    file = _save(tmp_path / "made.npy", pictures)
    there = tmp_path / "out" / "made-001.wav"
    there.parent.mkdir()
    there.write_text("precious")
    assert _listen(file, "--out", there.parent) == 2
    assert f"{there} exists; --overwrite replaces it" in _error(capsys)
    assert there.read_text() == "precious"
    assert len(list(there.parent.iterdir())) == 1
    assert _listen(file, "--out", there.parent, "--overwrite") == 0
    assert _heard(there)[1] > 3000


def test_two_files_of_one_name_are_refused(pictures, tmp_path, capsys):
    for label in ("sad", "fear"):
        (tmp_path / label).mkdir()
        np.save(tmp_path / label / "generated.npy", pictures[:1])
    files = [tmp_path / label / "generated.npy" for label in ("sad", "fear")]
    assert _listen(*files, "--out", tmp_path / "out") == 2
    assert "would both become generated-000.wav" in _error(capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((3, 128, 224, 1), "float32"), "shape (3, 128, 224, 1); valid are (n, 224, 224"),
        (np.zeros((0, 224, 224, 1), "float32"), "shape (0, 224, 224, 1)"),
        (np.float32(1), "shape ()"),
        (np.zeros((224, 224), "uint8"), "holds uint8; floating point in [-1, 1]"),
        (np.full((224, 224), np.nan), "not finite; valid is -1 to 1"),
        (np.full((224, 224), 1e300), "from 1e+300 to 1e+300; valid is -1 to 1"),
        (np.full((224, 224), -1.01), "from -1.01 to -1.01; valid is -1 to 1"),
    ],
)
def test_arrays_that_are_no_spectrograms(values, words, tmp_path, capsys):
    file = _save(tmp_path / "odd.npy", values)
    assert _listen(file, "--out", tmp_path / "out") == 2
    line = _error(capsys)
    assert str(file) in line
    assert words in line


def _picture(path, mode="L", size=(224, 224), colour=0):
    Image.new(mode, size, colour).save(path, "png")


def _array_of_shape(path, shape):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117)
    path.write_bytes(b"\x93NUMPY\x01\x00v\x00" + header + b"\n" + bytes(224 * 224 * 4))


@pytest.mark.parametrize(
    ("name", "write", "words"),
    [
        ("gone.npy", lambda path: None, "does not exist; valid is a .npy, a .png"),
        ("a.txt", lambda path: path.touch(), "is not a .npy with spectrograms"),
        ("a.npy", lambda path: path.write_text("text"), "is not an array of numbers"),
        ("b.npy", lambda path: path.touch(), "is not an array of numbers"),
        ("c.npy", lambda path: _array_of_shape(path, "(-1, 224, 224, 1)"), "is not an array of n"),
        ("d.npy", lambda path: _array_of_shape(path, f"({10**30},)"), "is not an array of numbers"),
        ("a.png", lambda path: path.write_text("text"), "is no PNG; a grey PNG of 224 x 224"),
        ("b.png", lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n"), "is a damaged PNG"),
        ("c.png", lambda path: _picture(path, size=(300, 224)), "is 300 x 224; a grey PNG"),
        ("d.png", lambda path: _picture(path, "RGB", colour=(9, 0, 0)), "is in colour"),
        ("e.png", lambda path: _picture(path, "RGBA"), "is transparent in places"),
    ],
)
def test_files_that_cannot_be_read(name, write, words, tmp_path, capsys):
    write(tmp_path / name)
    assert _listen(tmp_path / name, "--out", tmp_path / "out") == 2
    line = _error(capsys)
    assert str(tmp_path / name) in line
    assert words in line


def test_a_bad_recording_and_bad_numbers(tmp_path, capsys):
    (tmp_path / "bad.wav").write_bytes(b"RIFF....")
    assert _listen(tmp_path / "bad.wav", "--out", tmp_path / "out") == 1
    assert f"{tmp_path / 'bad.wav'}: not a WAV file" in _error(capsys)
    for option in ("--iterations", "--first"):
        assert _listen(tmp_path / "bad.wav", "--out", tmp_path, option, 0) == 2
        assert f"Received: {option} 0" in _error(capsys)
