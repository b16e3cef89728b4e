import json

import pytest

from serkit.tasks.graph import do, failure_at


@pytest.fixture
def piece(toy, tmp_path):
    """Makes a piece of work."""
    return lambda **given: toy.Piece(tmp_path / "one", (), 7, **given)


def _runs(piece):
    return len((piece.place / "runs.txt").read_text().splitlines())


def test_work_is_done_once_and_timed(piece):
    one = piece()
    assert do("net", one, 0) is None
    assert do("net", one, 0) is None
    assert _runs(one) == 1
    assert json.loads((one.place / "seconds.json").read_text()) == {"kind": "net", "seconds": 0.0}


def test_work_that_went_on_is_no_measure(piece):
    one = piece()
    one.place.mkdir()
    do("net", one, 0)
    assert one.is_done
    assert not (one.place / "seconds.json").exists()


def test_what_diverges_is_noted(piece):
    one = piece(wrong="diverges")
    assert do("net", one, 0) == "a loss is no number"
    assert failure_at(one.place) == one.failure == "a loss is no number"
    assert failure_at(one.place.parent) is None


def test_a_full_disk_is_nothing_that_work_is_to_blame_for(piece):
    one = piece(wrong="No space left on device")
    with pytest.raises(OSError, match="No space left"):
        do("net", one, 0)
    assert one.failure is None
