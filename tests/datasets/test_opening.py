import shutil

import pytest

from serkit.datasets.audit import audit, open_recordings, require_other_folder
from serkit.datasets.custom import Naming
from serkit.errors import InputError


@pytest.fixture
def halves(synthetic_root, tmp_path):
    """Two folders, each with the recordings of some corpora."""
    folders = sorted(path for path in synthetic_root.iterdir() if path.is_dir())
    for number, folder in enumerate(folders):
        shutil.copytree(folder, tmp_path / f"half-{number % 2}" / folder.name)
    return tmp_path / "half-0", tmp_path / "half-1"


def test_a_manifest_stands_for_its_recordings_without_reading_them(halves, tmp_path):
    audited = audit([halves[0]])
    audited.write(tmp_path / "run")
    for path in halves[0].rglob("*.wav"):
        path.write_bytes(b"")
    found = open_recordings([tmp_path / "run" / "manifest.csv"])
    assert found.corpus.clips == audited.corpus.clips
    assert found.corpus.file(found.corpus.clips[0]).is_relative_to(halves[0].resolve())


def test_folders_and_manifests_together(halves, tmp_path):
    audit([halves[0]]).write(tmp_path / "run")
    both = open_recordings([tmp_path / "run" / "manifest.csv", halves[1]]).corpus
    wanted = audit(list(halves)).corpus
    assert {clip.sha256 for clip in both.clips} == {clip.sha256 for clip in wanted.clips}
    assert all(both.file(clip).is_file() for clip in both.clips)


def test_a_recording_in_two_manifests_is_refused(halves, tmp_path):
    audit([halves[0]]).write(tmp_path / "run")
    manifest = tmp_path / "run" / "manifest.csv"
    with pytest.raises(InputError, match="half-0"):
        open_recordings([manifest, halves[0]])
    renamed = tmp_path / "renamed"
    halves[0].rename(renamed)
    with pytest.raises(InputError, match=r"\.wav, the same as .*\.wav"):
        open_recordings([manifest, renamed])


def test_recordings_of_the_users_own_beside_a_manifest(halves, tmp_path):
    audit([halves[0]]).write(tmp_path / "run")
    mine = tmp_path / "mine"
    for number, path in enumerate(sorted(halves[1].rglob("*.wav"))[:4]):
        (mine / "x").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, mine / "x" / f"who-{'WV'[number % 2]}-{number}.wav")
    naming = Naming("(?P<speaker>who)-(?P<label>[WV])", {"W": "angry", "V": "sad"})
    given = [tmp_path / "run" / "manifest.csv", f"own={mine}"]
    found = open_recordings(given, naming=naming).corpus
    own = [clip for clip in found.clips if clip.corpus == "own"]
    assert sorted(clip.emotion for clip in own) == ["angry", "angry", "sad", "sad"]
    assert len(found) == len(own) + len(audit([halves[0]]).corpus)


def test_tables_are_not_written_beside_a_manifest_that_is_read(halves, tmp_path):
    audit([halves[0]]).write(tmp_path / "run")
    manifest = tmp_path / "run" / "manifest.csv"
    require_other_folder(tmp_path / "other", [manifest, halves[1]])
    with pytest.raises(InputError, match="another folder"):
        require_other_folder(tmp_path / "run", [manifest])
