import pytest

from serkit.errors import InputError
from serkit.progress import SilentProgress
from serkit.studies.comparison_inputs import open_corpus


def test_recordings_are_audited_once(synthetic_root, settings_of, tmp_path):
    found = open_corpus(settings_of(synthetic_root), tmp_path, SilentProgress())
    assert (tmp_path / "rejected.csv").exists()
    # Elsewhere there is only the manifest.
    assert open_corpus(settings_of("/nowhere"), tmp_path, SilentProgress()).clips == found.clips


def test_corpora_can_be_left_out(synthetic_root, settings_of, tmp_path):
    settings = settings_of(synthetic_root, without=("tess", "savee"))
    found = open_corpus(settings, tmp_path, SilentProgress())
    assert {clip.corpus for clip in found.clips} == {"ravdess", "crema-d"}
    wrong = settings_of(synthetic_root, without=("iemocap",))
    with pytest.raises(InputError, match=r"`without`.*crema-d.*iemocap"):
        open_corpus(wrong, tmp_path, SilentProgress())
