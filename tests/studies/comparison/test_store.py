import os
from pathlib import Path

import pytest

from serkit.studies.comparison_spectrograms import link, remove_dead_links, take_in

NAME = "spectrograms-entry-1.npy"


@pytest.fixture
def kept(tmp_path):
    """A file of the store."""
    path = tmp_path / "spectrograms" / NAME
    path.parent.mkdir()
    path.write_bytes(b"one")
    return path


def test_a_piece_has_links_that_stay_right_where_the_folder_is_moved(kept, tmp_path):
    for _ in range(2):
        link(kept, tmp_path / "audio" / "piece")
    moved = tmp_path.rename(tmp_path.with_name(f"{tmp_path.name}-moved"))
    here = moved / "audio" / "piece" / NAME
    assert here.is_symlink()
    assert here.read_bytes() == b"one"


def test_where_there_are_no_links_it_has_copies(kept, tmp_path, monkeypatch):
    def refuse(self, target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    link(kept, tmp_path / "audio" / "piece")
    here = tmp_path / "audio" / "piece" / NAME
    assert here.read_bytes() == b"one"
    assert os.listdir(here.parent) == [NAME]
    take_in(tmp_path)
    assert here.read_bytes() == kept.read_bytes() == b"one"


def test_dead_links_alone_are_removed(kept, tmp_path):
    place = tmp_path / "audio" / "piece"
    other = kept.with_name("spectrograms-entry-2.npy")
    other.write_bytes(b"two")
    for path in (kept, other):
        link(path, place)
    other.unlink()
    remove_dead_links(place)
    assert os.listdir(place) == [NAME]


def test_what_came_from_other_machines_is_taken_into_the_store(tmp_path):
    place = tmp_path / "audio" / "piece"
    place.mkdir(parents=True)
    (place / NAME).write_bytes(b"one")
    (place / "seconds.json").write_text("{}")
    for _ in range(2):
        take_in(tmp_path)
    assert (tmp_path / "spectrograms" / NAME).read_bytes() == b"one"
    assert not (tmp_path / "spectrograms" / NAME).is_symlink()
    assert (place / NAME).is_symlink()
    assert (place / NAME).read_bytes() == b"one"
    assert not (place / "seconds.json").is_symlink()
