import os
import shutil

import numpy as np
import pytest
import soundfile

from serkit.corpora.audit import audit, describe, measure
from serkit.errors import InputError, RecordingError

RATE = 16_000


def _name(emotion: int, actor: int = 1, repetition: int = 1) -> str:
    return f"03-01-{emotion:02}-01-01-{repetition:02}-{actor:02}.wav"


@pytest.fixture
def root(tmp_path, rng, wav_bytes):
    """One good clip and one of everything that must be rejected."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    noise = rng.normal(0, 0.1, RATE).astype("float32")
    files = {
        _name(3): wav_bytes(noise),
        _name(4): wav_bytes(np.zeros(RATE)),
        _name(5): b"<html><body>404</body></html>",
        _name(6): b"",
        _name(7): wav_bytes(noise[:100]),
        _name(8): wav_bytes(np.full(RATE, np.nan), subtype="FLOAT"),
        _name(9): wav_bytes(noise),
        _name(1): wav_bytes(noise * 0.9, subtype="ULAW"),
        "holiday.wav": wav_bytes(noise * 0.8),
        "notes.txt": b"not audio, not looked at",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_every_fault_is_found_with_its_reason(root):
    found = audit([root])
    assert [clip.path for clip in found.corpus.clips] == [_name(3)]
    reasons = {item.path: item.reason for item in found.rejected}
    expected = {
        _name(4): "silent",
        _name(5): "cannot be read",
        _name(6): "cannot be read",
        _name(7): "only 0.006 s long",
        _name(8): "not finite",
        _name(9): "out of range",
        _name(1): "codec ULAW",
        "holiday.wav": "name is not one of",
    }
    assert set(reasons) == set(expected)
    for name, words in expected.items():
        assert words in reasons[name]
    assert all("\n" not in reason for reason in reasons.values())


def test_measured_values_are_right(tmp_path):
    tone = 0.5 * np.sin(2 * np.pi * 100 * np.arange(2 * 8000) / 8000)
    path = tmp_path / "tone.wav"
    soundfile.write(path, np.stack([tone, tone], axis=1), 8000, "PCM_24")
    values = measure(path)
    assert (values["sample_rate"], values["channels"], values["duration"]) == (8000, 2, 2.0)
    assert values["peak"] == pytest.approx(0.5, abs=1e-6)
    assert values["rms"] == pytest.approx(0.5 / np.sqrt(2), abs=1e-6)


def test_hash_is_of_samples_not_of_bytes(tmp_path, rng):
    samples = rng.normal(0, 0.1, 4000)
    soundfile.write(tmp_path / "a.wav", samples, 8000, "PCM_16")
    content = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "b.wav").write_bytes(content + b"LIST\x04\x00\x00\x00abcd")
    soundfile.write(tmp_path / "c.wav", samples, 16000, "PCM_16")
    hashes = [measure(tmp_path / name)["sha256"] for name in ("a.wav", "b.wav", "c.wav")]
    assert hashes[0] == hashes[1] != hashes[2]


def test_duplicates_with_one_label_keep_one_and_with_two_keep_none(tmp_path, rng, wav_bytes):
    same, torn = (wav_bytes(rng.normal(0, 0.1, RATE)) for _ in range(2))
    for name, content in {
        _name(3, 1, 1): same,
        _name(3, 1, 2): same,
        _name(4, 2): torn,
        _name(5, 2): torn,
    }.items():
        (tmp_path / name).write_bytes(content)
    found = audit([tmp_path])
    assert [clip.path for clip in found.corpus.clips] == [_name(3, 1, 1)]
    reasons = {item.path: item.reason for item in found.rejected}
    assert reasons[_name(3, 1, 2)] == f"same samples and label as {_name(3, 1, 1)}"
    assert all("different labels" in reasons[_name(code, 2)] for code in (4, 5))


def test_roots_of_one_name_stay_apart(root, tmp_path):
    shutil.copytree(root, tmp_path / "other" / "corpus")
    found = audit([root, tmp_path / "other" / "corpus"])
    assert set(found.corpus.roots) == {"corpus", "corpus-2"}
    assert len(found.corpus) == 1
    assert {item.root for item in found.rejected} == {"corpus", "corpus-2"}


def test_written_tables_can_be_read_and_are_the_same_every_time(root, tmp_path):
    for folder in ("one", "two"):
        audit([root]).write(tmp_path / folder)
    for name in ("manifest.csv", "rejected.csv"):
        first, second = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
        assert first == second
    assert (tmp_path / "one" / "rejected.csv").read_text().count("\n") == 9


def test_names_that_are_not_utf8_are_rejected_not_fatal(root, tmp_path):
    (root / os.fsdecode(b"fr\xf6hlich.wav")).write_bytes(b"RIFF")
    found = audit([root])
    found.write(tmp_path / "out")
    (odd,) = [item for item in found.rejected if "UTF-8" in item.reason]
    assert odd.path == "fr\\xf6hlich.wav"


@pytest.mark.parametrize("kind", ["AIFF", "FLAC", "W64"])
def test_other_formats_under_a_wav_name_are_rejected(tmp_path, rng, wav_bytes, kind):
    (tmp_path / "x.wav").write_bytes(wav_bytes(rng.uniform(-0.5, 0.5, RATE), format=kind))
    with pytest.raises(RecordingError, match=f"not a WAV file but {kind}"):
        measure(tmp_path / "x.wav")


def test_nothing_to_use_is_one_clear_error(tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        audit([tmp_path / "nowhere"])
    with pytest.raises(InputError, match="no recordings"):
        audit([tmp_path])
    (tmp_path / "x.wav").write_bytes(b"RIFF")
    with pytest.raises(InputError, match=r"1 rejected, the first x\.wav: name is not one of"):
        audit([tmp_path])
    with pytest.raises(InputError, match="is a file"):
        audit([tmp_path / "x.wav"])


def test_unknown_names_and_unreadable_files_raise(tmp_path):
    with pytest.raises(InputError, match="RAVDESS, TESS, SAVEE or CREMA-D"):
        describe(tmp_path / "x.wav")
    with pytest.raises(RecordingError, match="cannot be read"):
        measure(tmp_path / "missing.wav")


@pytest.mark.recordings
def test_real_recordings_hold_one_duplicate(recordings):
    found = audit([recordings])
    assert len(found.corpus) == 1199
    (duplicate,) = found.rejected
    assert "same samples and label as" in duplicate.reason
