import filecmp
import io
import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from serkit.datasets import synthetic
from serkit.datasets.audit import audit
from serkit.datasets.synthetic import (
    SyntheticSettings,
    synthesise_clip,
    write_synthetic_corpus,
)
from serkit.errors import InputError

TINY = SyntheticSettings(size=0.001, ravdess_speakers=2, cremad_speakers=2)


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path):
    """An interrupted corpus, of which a file is missing, is finished with the same bytes, too."""
    one, two = tmp_path / "a", tmp_path / "b"
    count = write_synthetic_corpus(one, TINY)
    shutil.copytree(one, two)
    for number, path in enumerate(sorted(two.rglob("*.wav"))):
        if number % 2:
            path.unlink()
    assert write_synthetic_corpus(two, TINY) == count
    names = [path.relative_to(one) for path in one.rglob("*.wav")]
    assert len(filecmp.cmpfiles(one, two, names, shallow=False)[0]) == len(names) == count
    takes, others = list(synthetic._plan(TINY)), list(synthetic._plan(replace(TINY, seed=1)))
    assert [take.path for take in takes] == [take.path for take in others]
    for take in takes[::10]:
        recorded, other = (synthetic._synthesise_take(take, replace(TINY, seed=n)) for n in (0, 1))
        assert not np.array_equal(recorded, other)


def test_every_file_is_usable_and_distinct(synthetic_root):
    found = audit([synthetic_root])
    assert found.rejected == ()
    assert len(found.corpus.speakers()) == 23


def test_layouts_rates_and_imbalance_are_the_four_corpora_s(synthetic_corpus):
    rates = {clip.corpus: clip.sample_rate for clip in synthetic_corpus.clips}
    assert rates == {"ravdess": 48_000, "tess": 24_414, "savee": 44_100, "crema-d": 16_000}
    pairs = {(clip.corpus, clip.emotion) for clip in synthetic_corpus.clips}
    assert ("crema-d", "surprise") not in pairs
    genders = {(clip.corpus, clip.gender) for clip in synthetic_corpus.clips}
    assert ("tess", "male") not in genders
    assert ("savee", "female") not in genders
    speakers = Counter(clip.corpus for clip in synthetic_corpus.clips if clip.emotion == "sad")
    assert speakers["tess"] >= 2


def test_default_size_has_the_reports_rare_classes(tmp_path):
    """By the plan alone, without a sound: male surprise is rarest, female surprise next."""
    from serkit.datasets.synthetic import _plan

    counts = Counter((take.female, take.emotion) for take in _plan(SyntheticSettings()))
    total = {key: n for key, n in counts.items() if key[1] not in ("neutral", "calm")}
    (rarest, least), (second, _), *_ = sorted(total.items(), key=lambda item: item[1])
    assert (rarest, second) == ((False, "surprise"), (True, "surprise"))
    # The report's figure 13: 156 of 827.
    assert least / total[False, "sad"] == pytest.approx(156 / 827, abs=0.03)


def test_recordings_begin_and_end_with_a_pause(synthetic_corpus):
    for clip in synthetic_corpus.clips[:10]:
        samples, rate = soundfile.read(synthetic_corpus.file(clip))
        edge = int(0.2 * rate)
        loudest = np.abs(samples).max()
        assert np.abs(samples[:edge]).max() < 0.1 * loudest
        assert np.abs(samples[-edge:]).max() < 0.1 * loudest


def test_settings_are_checked():
    with pytest.raises(InputError, match="cremad_speakers=92"):
        SyntheticSettings(cremad_speakers=92)
    with pytest.raises(InputError, match="size=0"):
        SyntheticSettings(size=0)


def test_a_clip_has_its_emotions_one_after_the_other():
    def samples(*emotions: str) -> np.ndarray:
        content = synthesise_clip(emotions)
        assert content == synthesise_clip(emotions)
        return soundfile.read(io.BytesIO(content))[0]

    angry, both = samples("angry"), samples("angry", "sad")
    assert np.array_equal(both[: len(angry)], angry)
    sad = both[len(angry) :]
    assert len(sad) > 16_000
    assert np.abs(angry).max() > 2 * np.abs(sad).max()
    with pytest.raises(InputError, match="bored"):
        synthesise_clip(["bored"])
