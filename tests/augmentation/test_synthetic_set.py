import csv
import re
from dataclasses import asdict

import numpy as np
import pytest

from serkit.augmentation.synthetic_set import (
    PER_SHARD,
    Origin,
    read_synthetic_set,
    write_synthetic_set,
)
from serkit.errors import InputError, SerkitError
from serkit.files import read_json, write_json

ORIGIN = Origin("male_sad", 7, "ab12", ("ann", "bob"), True, 900, 20, 30)


def _numbered(count: int) -> np.ndarray:
    """Pictures that carry their number, in 1024ths, which float16 has up to 1."""
    return np.broadcast_to(np.arange(count).reshape(-1, 1, 1, 1) / 1024, (count, 3, 2, 1))


def _write(folder, count: int) -> None:
    write_synthetic_set(folder, _numbered(count), 2 * np.arange(count), ORIGIN)


def _rows(folder) -> list[list[str]]:
    with open(folder / "manifest.csv", encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_values_come_back_as_near_as_float16_has_them(tmp_path, rng):
    """Of 0.1 it has 1638 / 16384; nowhere in [-1, 1] is it further off than 1 / 4096."""
    spectrograms = rng.uniform(-1, 1, (5, 40, 30, 1)).astype("float32")
    spectrograms[0, 0, :5, 0] = [-1, 1, 0, 0.5, 0.1]
    write_synthetic_set(tmp_path, spectrograms, range(5), ORIGIN)
    found, origin = read_synthetic_set(tmp_path)
    assert found.dtype == np.float32
    assert found[0, 0, :5, 0].tolist() == [-1, 1, 0, 0.5, 1638 / 16384]
    assert 0 < np.abs(found - spectrograms).max() <= 1 / 4096
    assert origin == ORIGIN
    assert np.load(tmp_path / "spectrograms-000.npy").dtype == np.float16


def test_a_shard_has_256(tmp_path):
    _write(tmp_path, 600)
    shards = [np.load(path) for path in sorted(tmp_path.glob("*.npy"))]
    assert [len(shard) for shard in shards] == [256, 256, 88]
    np.testing.assert_array_equal(shards[1][0], _numbered(257)[-1])
    np.testing.assert_array_equal(read_synthetic_set(tmp_path)[0], _numbered(600))


def test_the_manifest_says_where_each_is_and_where_from(tmp_path):
    _write(tmp_path, PER_SHARD + 2)
    header, *rows = _rows(tmp_path)
    assert header == ["shard", "row", "class", "seed", "number", "generator"]
    assert len(rows) == 258
    assert rows[0] == ["spectrograms-000.npy", "0", "male_sad", "7", "0", "ab12"]
    assert rows[255][:2] == ["spectrograms-000.npy", "255"]
    assert rows[256] == ["spectrograms-001.npy", "0", "male_sad", "7", "512", "ab12"]
    for place in (0, 255, 256, 257):
        shard, row = rows[place][:2]
        assert (np.load(tmp_path / shard)[int(row)] == place / 1024).all()


def test_a_full_shard_is_followed_by_none(tmp_path):
    _write(tmp_path, PER_SHARD)
    assert [path.name for path in tmp_path.glob("*.npy")] == ["spectrograms-000.npy"]


def test_a_smaller_set_leaves_nothing_of_a_larger_one(tmp_path):
    _write(tmp_path, 600)
    (tmp_path / "spectrograms-000.npy").unlink()
    write_synthetic_set(tmp_path, _numbered(3) - 1, range(3), ORIGIN)
    names = ["manifest.csv", "origin.json", "spectrograms-000.npy"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    np.testing.assert_array_equal(read_synthetic_set(tmp_path)[0], _numbered(3) - 1)
    assert len(_rows(tmp_path)) == 4


def test_other_files_are_left_alone(tmp_path):
    (tmp_path / "grid.png").write_bytes(b"picture")
    _write(tmp_path, 1)
    assert (tmp_path / "grid.png").read_bytes() == b"picture"


@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_set_that_was_not_written_whole_is_none(tmp_path, monkeypatch, place):
    """Of two shards and the origin, neither the old set nor a mixture is read."""
    _write(tmp_path, 300)
    import serkit.augmentation.synthetic_set as module

    calls, replacing = [], module.replacing

    def killed(path):
        calls.append(path)
        if len(calls) == place:
            raise KeyboardInterrupt
        return replacing(path)

    monkeypatch.setattr(module, "replacing", killed)
    with pytest.raises(KeyboardInterrupt):
        write_synthetic_set(tmp_path, 1 - _numbered(300), range(300), ORIGIN)
    with pytest.raises(SerkitError, match="no set of spectrograms"):
        read_synthetic_set(tmp_path)


@pytest.mark.parametrize(("count", "numbers"), [(2, 3), (3, 2), (0, 0)])
def test_each_spectrogram_has_a_sample_index(tmp_path, count, numbers):
    _write(tmp_path, 5)
    with pytest.raises(InputError, match=f"`sample_indices`.* {count} spectrograms.* {numbers}"):
        write_synthetic_set(tmp_path, _numbered(count), range(numbers), ORIGIN)
    assert len(read_synthetic_set(tmp_path)[0]) == 5


@pytest.mark.parametrize("name", ["spectrograms-001.npy", "manifest.csv", "origin.json"])
@pytest.mark.parametrize("keep", [None, 0, 0.5])
def test_a_set_with_missing_or_truncated_files_is_none(tmp_path, name, keep):
    _write(tmp_path / "set", 300)
    path = tmp_path / "set" / name
    data = path.read_bytes()
    path.unlink()
    if keep is not None:
        path.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(SerkitError, match=re.escape(str(tmp_path / "set"))):
        read_synthetic_set(tmp_path / "set")


def test_as_many_are_there_as_are_listed(tmp_path):
    _write(tmp_path, 300)
    np.save(tmp_path / "spectrograms-001.npy", np.zeros((43, 3, 2, 1), np.float16))
    with pytest.raises(SerkitError, match="lists 300 spectrograms, but the shards hold 299"):
        read_synthetic_set(tmp_path)
    np.save(tmp_path / "spectrograms-001.npy", np.zeros((44, 3, 9, 1), np.float16))
    with pytest.raises(SerkitError, match="no set of spectrograms"):
        read_synthetic_set(tmp_path)


@pytest.mark.parametrize(
    "origin", [[], {}, asdict(ORIGIN) | {"speakers": 3}, asdict(ORIGIN) | {"more": 1}]
)
def test_an_origin_that_is_none_is_refused(tmp_path, origin):
    _write(tmp_path, 1)
    assert read_json(tmp_path / "origin.json")["speakers"] == ["ann", "bob"]
    write_json(tmp_path / "origin.json", origin)
    with pytest.raises(SerkitError, match="no set of spectrograms can be read"):
        read_synthetic_set(tmp_path)


def test_a_folder_without_a_set_is_named(tmp_path):
    for folder in (tmp_path, tmp_path / "gone"):
        with pytest.raises(SerkitError, match=f"from {re.escape(str(folder))}: "):
            read_synthetic_set(folder)
