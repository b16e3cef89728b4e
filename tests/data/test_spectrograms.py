from dataclasses import replace

import numpy as np
import pytest

from serkit.audio.loading import load_waveform
from serkit.audio.spectrogram import SpectrogramSpec, log_mel
from serkit.corpora.corpus import Corpus
from serkit.data.spectrograms import compute_spectrograms, spectrogram_dataset
from serkit.errors import RecordingError

SPEC = SpectrogramSpec()


@pytest.fixture
def few(synthetic_corpus) -> Corpus:
    """A clip of each corpus, so of each sample rate."""
    first = {clip.corpus: clip for clip in synthetic_corpus.clips}
    return Corpus(tuple(first.values()), synthetic_corpus.roots)


def test_pipeline_equals_clip_by_clip(few, tmp_path):
    found = compute_spectrograms(few, SPEC, cache=tmp_path, batch_size=3)
    assert found.shape == (4, 224, 224, 1)
    for row, clip in enumerate(few.clips):
        waveform, _ = load_waveform(few.file(clip).read_bytes(), SPEC)
        np.testing.assert_array_equal(found[row], log_mel(waveform[np.newaxis], SPEC)[0])


def test_cache_goes_by_content_and_spec(few, tmp_path):
    first = compute_spectrograms(few, SPEC, cache=tmp_path)
    moved = Corpus(few.clips, dict.fromkeys(few.roots, "/nowhere"))
    np.testing.assert_array_equal(compute_spectrograms(moved, SPEC, cache=tmp_path), first)
    other = compute_spectrograms(few, replace(SPEC, range_db=60.0), cache=tmp_path)
    assert not np.array_equal(other, first)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_that_went_bad_is_named_and_nothing_is_kept(few, tmp_path, wav_bytes):
    root = tmp_path / "root"
    root.mkdir()
    (root / "bad.wav").write_bytes(b"RIFF")
    corpus = Corpus((replace(few.clips[0], root="r", path="bad.wav"),), {"r": root})
    with pytest.raises(RecordingError, match=r"bad\.wav: not a WAV file"):
        compute_spectrograms(corpus, SPEC, cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_file_that_is_gone_is_named(few, tmp_path):
    corpus = Corpus((replace(few.clips[0], path="gone.wav"),), few.roots)
    with pytest.raises(RecordingError, match=r"cannot be read: .*gone\.wav"):
        compute_spectrograms(corpus, SPEC, cache=tmp_path)


def test_dataset_flags_bad_files_and_goes_on(few, tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"")
    files = [few.files()[0], str(tmp_path / "bad.wav"), few.files()[1]]
    ((pictures, status),) = list(spectrogram_dataset(files, SPEC))
    assert [bool(text) for text in status.numpy()] == [False, True, False]
    assert pictures.numpy()[1].max() == -1
