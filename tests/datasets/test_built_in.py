import shutil

import pytest

from serkit.datasets.audit import audit
from serkit.datasets.corpus import Corpus
from serkit.datasets.corpus_info import (
    BUILT_IN_CORPUS,
    LICENCES,
    licences_of,
    mark_as_synthetic,
    synthetic_clips,
)


@pytest.fixture
def savee(synthetic_root, tmp_path):
    """SAVEE's part of the built-in corpus without its marker file, as if people had spoken it."""
    shutil.copytree(synthetic_root / "SAVEE", tmp_path / "SAVEE")
    return tmp_path / "SAVEE"


def test_it_is_known_by_whatever_leads_to_it(synthetic_root, tmp_path):
    for root in (synthetic_root, synthetic_root / "SAVEE", synthetic_root / "SAVEE" / "DC"):
        corpus = audit([root]).corpus
        assert synthetic_clips(corpus) == frozenset(corpus.clips)
        assert list(licences_of(corpus)) == [BUILT_IN_CORPUS]
    corpus.write(tmp_path / "manifest.csv")
    assert synthetic_clips(Corpus.read(tmp_path / "manifest.csv")) == frozenset(corpus.clips)


def test_recordings_of_people_are_not_taken_for_it(savee):
    corpus = audit([savee]).corpus
    assert synthetic_clips(corpus) == frozenset()
    assert licences_of(corpus) == {"savee": LICENCES["savee"]}


def test_beside_others_both_are_named(synthetic_root, savee):
    corpus = audit([synthetic_root / "TESS", savee]).corpus
    assert {clip.corpus for clip in synthetic_clips(corpus)} == {"tess"}
    assert list(licences_of(corpus)) == ["savee", BUILT_IN_CORPUS]


def test_the_mark_is_no_recording_and_stays(savee):
    before = len(audit([savee]).corpus)
    mark_as_synthetic(savee)
    (place,) = savee.glob("*.txt")
    place.write_text("mine")
    mark_as_synthetic(savee)
    found = audit([savee])
    assert (len(found.corpus), found.rejected, place.read_text()) == (before, (), "mine")
    assert len(synthetic_clips(found.corpus)) == before
