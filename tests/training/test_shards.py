import gc
import json
import os
import zlib

import numpy as np
import pytest

from serkit.training.shards import _MAGIC, _TAIL, DamagedShard, Shard, make_room, pack

KEYS = ["a1", "b2", "c3"]
CODES = np.arange(18, dtype=np.uint16).reshape(3, 2, 3)


def _open(path, settings_digest="digest", shape=(2, 3)) -> Shard:
    return Shard(path, settings_digest, shape, np.dtype("<u2"))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "shard.npy"
    path.write_bytes(b"".join(pack("digest", KEYS, CODES)))
    return path


def test_it_comes_back_and_numpy_reads_it_too(path):
    shard = _open(path)
    assert shard.keys == tuple(KEYS)
    assert shard.is_intact
    np.testing.assert_array_equal(shard.codes, CODES)
    np.testing.assert_array_equal(np.load(path), CODES)
    with pytest.raises(ValueError, match="read-only"):
        shard.codes[0] = 0


def test_a_file_cut_off_anywhere_or_too_long_is_damaged(path):
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(DamagedShard):
            _open(path)
    for longer in (whole + b"\0", b"\0" + whole, whole + whole):
        path.write_bytes(longer)
        with pytest.raises(DamagedShard):
            _open(path)


def test_a_flipped_bit_is_found_in_whatever_byte(path):
    whole = path.read_bytes()
    believed = []
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        try:
            if _open(path).is_intact:
                believed.append(place)
        except DamagedShard:
            pass
    assert believed == []


def _rewrite_index(path, whole: bytes | None = None, **changes) -> None:
    """Change values of the index, or all of it, and make its checksum valid; ... removes one."""
    content = path.read_bytes()
    _, size, _ = _TAIL.unpack(content[-_TAIL.size :])
    end = len(content) - _TAIL.size - size
    index = json.loads(content[end : -_TAIL.size]) | changes
    index = {name: value for name, value in index.items() if value is not ...}
    index = json.dumps(index).encode() if whole is None else whole
    path.write_bytes(content[:end] + index + _TAIL.pack(_MAGIC, len(index), zlib.crc32(index)))


@pytest.mark.parametrize(
    "changes",
    [
        *({"whole": text} for text in (b"", b"[]", b"null", b"\xff", b"[" * 100_000, b"{}")),
        *(
            {"keys": keys}
            for keys in (..., None, "abc", 3, {"a": 1}, ["a", "b", 3], ["a", "b", ""])
        ),
        *(
            {"keys": [["a"], ["b"], ["c"]]},
            {"keys": []},
            {"keys": ["a"] * 4},
            {"keys": ["a"] * 9999},
        ),
        *({"start": start} for start in (..., None, "128", 128.0, True, -128, 0, 10**30)),
        *({"crc32": crc32} for crc32 in (..., None, "x", [1], -1, 2**40)),
        *({"entry": entry} for entry in (..., None, 3, ["digest"])),
        {"more": 1},
    ],
)
def test_an_index_with_a_valid_checksum_and_other_values_is_damaged(path, changes):
    _rewrite_index(path)
    assert _open(path).is_intact
    _rewrite_index(path, **changes)
    with pytest.raises(DamagedShard):
        _open(path)


def test_shards_of_other_settings_are_damaged(path):
    with pytest.raises(DamagedShard, match="another setting"):
        _open(path, settings_digest="other")
    with pytest.raises(DamagedShard, match="ends at byte"):
        _open(path, shape=(3, 3))
    np.save(path, CODES)
    with pytest.raises(DamagedShard, match="no index"):
        _open(path)


def test_a_file_that_is_not_there_is_not_called_damaged(tmp_path):
    with pytest.raises(FileNotFoundError):
        _open(tmp_path / "shard.npy")


@pytest.fixture
def five(path):
    """Shards in the order of their last use, which is not that of their names."""
    paths = [path.with_name(f"{name}.npy") for name in "dbeac"]
    for age, copy in enumerate(paths):
        copy.write_bytes(path.read_bytes())
        os.utime(copy, (1000 + age, 1000 + age))
    return paths


def test_room_is_made_from_the_least_recently_used(five):
    size = five[0].stat().st_size
    assert make_room(five, size, 4 * size) == 4 * size
    assert [path.exists() for path in five] == [False, False, True, True, True]
    assert make_room(five, 0, 3 * size) == 3 * size
    assert make_room(five, 1, 3 * size) == 2 * size + 1
    assert [path.exists() for path in five] == [False, False, False, True, True]


@pytest.mark.parametrize("held", ["shard", "array"])
def test_open_shards_stay(five, held):
    size = five[0].stat().st_size
    shard = _open(five[0])
    keep = shard if held == "shard" else shard.codes[1]
    del shard
    gc.collect()
    assert make_room(five, 0, 0) == size
    assert [path.exists() for path in five] == [True, False, False, False, False]
    del keep
    gc.collect()
    assert make_room(five, 0, 0) == 0
    assert not five[0].exists()


def test_a_shard_that_another_process_removed_is_ignored(five):
    five[1].unlink()
    assert make_room(five, 7, 0) == 7


def test_codes_stay_readable_after_the_file_is_gone(path):
    codes = _open(path).codes
    path.unlink()
    np.testing.assert_array_equal(codes, CODES)
