import numpy as np
import pytest

from serkit.errors import LeakError


def test_pictures_and_labels_follow_their_clips(parts):
    for part in parts.split.parts().values():
        numbers = [int(clip.path.removesuffix(".wav")) for clip in part.clips]
        assert parts.of(part).ravel().tolist() == numbers
        assert parts.labels(part).tolist() == [1 - n % 2 for n in numbers]
    assert parts.classes == ("angry", "sad")


def test_generated_ones_stand_behind_the_real(parts):
    found = parts.training({"sad": np.full((3, 1, 1, 1), -1.0, "float32")})
    assert found.spectrograms[-3:].ravel().tolist() == [-1, -1, -1]
    assert found.labels[-3:].tolist() == [1, 1, 1]
    assert len(found) == len(parts.split.train) + 3
    assert found.speakers == parts.split.train.speakers()


def test_some_are_spread_over_the_class(parts):
    rare = parts.of(parts.rare("sad")).ravel().tolist()
    some = parts.some("sad", 3).ravel().tolist()
    assert (some[0], some[-1], len(some)) == (rare[0], rare[-1], 3)
    assert parts.some("sad", 999).ravel().tolist() == rare


def test_fitting_on_a_test_speaker_is_refused(parts):
    assert len(parts.to_fit(parts.rare("sad"))) == len(parts.rare("sad")) > 0
    for part in (parts.corpus, parts.split.test, parts.split.validation):
        with pytest.raises(LeakError, match="not training speakers"):
            parts.to_fit(part)
