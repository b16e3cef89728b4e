import os

import numpy as np
import pytest

from serkit.audio.decoding import decode_wav
from serkit.serving.prediction import Example, read_example


def test_files_and_what_is_wrong_with_them(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF")
    assert read_example(path) == Example(str(path), b"RIFF")
    assert read_example(tmp_path / "no.wav").problem == "no such file or directory"
    assert "is a directory" in read_example(tmp_path).problem
    assert "null" in read_example("a\0.wav").problem


def test_flac_becomes_wav_whatever_its_name(tmp_path, wav_bytes):
    samples = np.linspace(-0.5, 0.5, 999)
    (tmp_path / "a.wav").write_bytes(wav_bytes(samples, format="FLAC"))
    found = read_example(tmp_path / "a.wav")
    assert found.problem == ""
    np.testing.assert_allclose(decode_wav(found.value).waveform, samples, atol=2**-15)


@pytest.mark.parametrize("linked", [False, True])
def test_what_may_have_no_end_is_not_read(tmp_path, linked):
    """Nobody writes into the pipe: who opens it waits for ever."""
    os.mkfifo(tmp_path / "pipe.wav")
    for kind, target in {"a pipe": tmp_path / "pipe.wav", "a device": "/dev/zero"}.items():
        given = tmp_path / f"link-to-{kind[2:]}.wav" if linked else target
        if linked:
            os.symlink(target, given)
        assert f"is {kind}; valid is a file" in read_example(given).problem
