import shutil
from dataclasses import replace

import numpy as np
import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.datasets.corpus import Corpus
from serkit.errors import RecordingError
from serkit.studies.comparison_inputs import InputTask
from serkit.training import spectrograms as module
from serkit.training.spectrograms import compute_spectrograms

SPEC = SpectrogramSpec(frames=32, bins=16)


@pytest.fixture
def few(synthetic_corpus, tmp_path) -> Corpus:
    """Six clips in a folder of their own."""
    clips = []
    for clip in synthetic_corpus.clips[:6]:
        shutil.copy(synthetic_corpus.file(clip), tmp_path)
        clips.append(replace(clip, root="r", path=synthetic_corpus.file(clip).name))
    return Corpus(tuple(clips), {"r": tmp_path})


@pytest.fixture
def part_of(tmp_path):
    """Makes a piece of work."""

    def make(clips, speed=1.0, spec=SPEC, cache="cache"):
        return InputTask(clips, 1, speed, spec, tmp_path / cache)

    return make


@pytest.fixture
def computed(monkeypatch):
    """Files whose spectrograms were computed."""
    files, real = [], module.spectrogram_dataset

    def watched(given, *arguments, **options):
        files.extend(given)
        return real(given, *arguments, **options)

    monkeypatch.setattr(module, "spectrogram_dataset", watched)
    return files


def test_it_gives_what_is_computed_without_it(few, part_of, tmp_path):
    part = part_of(few, 1.1)
    assert not part.is_done
    part.run(0)
    assert part.is_done
    expected = compute_spectrograms(few, SPEC, cache=tmp_path / "other", speed=1.1)
    np.testing.assert_array_equal(part.rows()[:], expected[:])
    # Another process finds it.
    assert part_of(few, 1.1).is_done
    assert part.title == "spectrograms-1-to-6-speed-1.1"


def test_what_is_damaged_or_removed_is_computed_again(few, part_of, computed):
    part = part_of(few)
    part.run(0)
    before = part.rows()[:]
    (path,) = part.folder.rglob("*.npy")
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    np.testing.assert_array_equal(part_of(few).rows()[:], before)
    assert len(computed) == 2 * len(few)
    assert part_of(few).is_done
    for path in part.folder.rglob("*.npy"):
        path.unlink()
    assert not part_of(few).is_done
    np.testing.assert_array_equal(part_of(few).rows()[:], before)
    assert len(computed) == 3 * len(few)


def test_its_place_is_of_the_sound_the_spec_and_the_speed(few, part_of):
    known = part_of(few).folder
    other = Corpus(tuple(replace(clip, emotion="x", path="y") for clip in few.clips), few.roots)
    assert part_of(other).folder == known
    changed = [
        part_of(few, 1.1),
        part_of(few, spec=replace(SPEC, bins=8)),
        part_of(Corpus(few.clips[::-1], few.roots)),
    ]
    assert len({known, *(part.folder for part in changed)}) == 4


def test_a_bad_or_missing_recording_is_named(few, part_of, tmp_path):
    part_of(few).run(0)
    path = tmp_path / few.clips[3].path
    path.write_bytes(b"RIFF")
    with pytest.raises(RecordingError, match=rf"^{path}: not a WAV file[^\n]*$"):
        part_of(few, cache="other").run(0)
    assert not part_of(few, cache="other").is_done
    path.unlink()
    with pytest.raises(RecordingError, match=f"same path on every machine.* Received: {path}"):
        part_of(few, cache="other").run(0)
    # Only recordings without a spectrogram have to be there.
    part_of(few).run(0)
