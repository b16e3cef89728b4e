import contextlib
import gc
import inspect
import itertools
import logging
import os
import signal
import subprocess
import sys
import zlib

import numpy as np
import pytest

from serkit.errors import InputError
from serkit.training import cache as cache_module
from serkit.training.cache import ArrayCache
from serkit.training.shards import _MAGIC, _TAIL, Rows

SHAPE = (4, 3, 1)


def spectrogram(key: str) -> np.ndarray:
    """What a clip's spectrogram is, exact in float16; also used by the processes below."""
    steps = (np.arange(12) * 37 + int(key, 16) * 101) % 2049
    return (steps / 1024 - 1).astype(np.float32).reshape(4, 3, 1)


def _spectrograms(keys: list[str]) -> np.ndarray:
    return np.stack([spectrogram(key) for key in keys])


def _keys(count: int, first: int = 1) -> list[str]:
    return [f"{number:064x}" for number in range(first, first + count)]


def _fill(cache: ArrayCache, keys: list[str]) -> tuple[Rows, list[str]]:
    """As the cache's docstring says; also which keys had to be computed."""
    computed = []
    while (rows := cache.read(keys)) is None:
        missing = cache.missing(keys)
        for start in range(0, len(missing), cache.shard_clips):
            batch = [keys[i] for i in missing[start : start + cache.shard_clips]]
            cache.write(batch, _spectrograms(batch))
            computed += batch
    np.testing.assert_array_equal(rows, _spectrograms(keys))
    return rows, computed


def _shards(folder) -> list:
    return sorted(folder.glob("*.npy"))


@pytest.fixture
def make(tmp_path):
    """A cache of small shards in the same folder, as another run would open it."""

    def cache(spec_key="spec", shape=SHAPE, dtype="float16", **options) -> ArrayCache:
        options = {"shard_clips": 4, **options}
        return ArrayCache(tmp_path, spec_key, shape, dtype, **options)

    return cache


def test_computed_once_and_read_in_the_order_asked_for(make, tmp_path):
    keys = _keys(10)
    rows, computed = _fill(make(), keys)
    assert (computed, rows.shape, rows.dtype) == (keys, (10, *SHAPE), np.float32)
    assert len(_shards(tmp_path)) == 3
    other_run = make()
    assert other_run.missing(keys) == []
    _, computed = _fill(other_run, [keys[7], keys[0], keys[7], keys[9]])
    assert computed == []


@pytest.mark.parametrize(
    ("dtype", "settings_digest"),
    [("float16", "ce986c6f8e2c531a2f142748"), ("uint8", "2cf28fe2bac5322daa9c4b66")],
)
def test_spectrograms_are_found_where_the_first_version_wrote_them(
    make, tmp_path, dtype, settings_digest
):
    """The names are those that the code wrote before it could keep features."""
    make(dtype=dtype).write(_keys(1), _spectrograms(_keys(1)))
    (shard,) = _shards(tmp_path)
    assert shard.name.startswith(f"spectrograms-{settings_digest}-")


def test_only_what_is_missing_is_computed(make):
    cache, keys = make(), _keys(6)
    cache.write(keys[2:4], _spectrograms(keys[2:4]))
    # A repeated key is to be computed once.
    assert cache.missing([*keys, keys[5], keys[2]]) == [0, 1, 4, 5]
    assert cache.read(keys) is None
    _, computed = _fill(cache, [*keys, keys[5]])
    assert computed == [keys[0], keys[1], keys[4], keys[5]]


def test_existing_entries_are_not_written_again(make, tmp_path):
    keys = _keys(4)
    make().write(keys, _spectrograms(keys))
    before = _shards(tmp_path)
    make().write([*keys, *keys], _spectrograms([*keys, *keys]))
    assert _shards(tmp_path) == before


def test_any_other_setting_finds_nothing(make, monkeypatch):
    keys = _keys(3)
    _fill(make(), keys)
    for other in (make("spec 2"), make(shape=(3, 4, 1)), make(dtype="uint8")):
        assert other.missing(keys) == [0, 1, 2]
    monkeypatch.setattr(cache_module, "_FORMAT_VERSION", 2)
    assert make().missing(keys) == [0, 1, 2]


@pytest.mark.parametrize(("dtype", "bound"), [("float16", 2.0**-12), ("uint8", 1 / 255 + 1e-7)])
def test_values_are_rounded_as_documented(make, rng, dtype, bound):
    values = rng.uniform(-1, 1, (9, *SHAPE)).astype(np.float32)
    cache = make(dtype=dtype)
    cache.write(_keys(9), values)
    rows = cache.read(_keys(9))
    np.testing.assert_allclose(rows, values, rtol=0, atol=bound)
    np.testing.assert_array_equal(rows[[8, 1]], np.asarray(rows)[[8, 1]])


@pytest.mark.parametrize(("dtype", "bound"), [("wide-float16", 2.0**-11), ("bfloat16", 2.0**-8)])
def test_features_are_kept_in_the_same_folder_as_spectrograms(make, rng, dtype, bound):
    values = rng.normal(scale=100, size=(9, *SHAPE)).astype(np.float32)
    values[0, 0, :, 0] = 0, 3e4, -3e4
    cache = make(dtype=dtype)
    cache.write(_keys(9), values)
    rows = make(dtype=dtype).read(_keys(9))
    np.testing.assert_allclose(rows, values, rtol=bound, atol=2.0**-25)
    np.testing.assert_array_equal(rows[[8, 1]], np.asarray(rows)[[8, 1]])
    with pytest.raises(InputError, match=f"for {dtype}"):
        cache.write(_keys(1, 10), np.full((1, *SHAPE), np.inf, np.float32))
    assert cache.missing(_keys(10)) == [9]
    # All settings share one limit.
    del rows, cache
    gc.collect()
    _fill(make(limit_bytes=1), _keys(4))
    assert make(dtype=dtype).missing(_keys(9)) == list(range(9))


def _truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def _empty(path):
    os.truncate(path, 0)


def _other_array(path):
    np.save(path, np.zeros((4, 2, 2), np.float16))


def _flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)


def _flip_array(path):
    _flip(path, 150)


def _flip_index(path):
    _flip(path, -40)


def _hostile_index(path):
    content = path.read_bytes()
    index = b'{"entry": 3}'
    path.write_bytes(content + index + _TAIL.pack(_MAGIC, len(index), zlib.crc32(index)))


@pytest.mark.parametrize(
    "damage", [_truncate, _empty, _other_array, _flip_array, _flip_index, _hostile_index]
)
def test_a_damaged_shard_is_named_removed_and_made_again(make, tmp_path, caplog, damage):
    keys = _keys(12)
    _fill(make(), keys)
    bad = _shards(tmp_path)[1]
    lost = [key for key in keys if key in bad.read_text("latin-1")]
    damage(bad)
    cache = make()
    _, computed = _fill(cache, keys)
    assert computed == lost
    assert [str(bad) in text and "is damaged" in text for text in caplog.messages] == [True]
    assert not bad.exists()
    caplog.clear()
    assert make().missing(keys) == []
    assert caplog.messages == []


def test_a_damaged_shard_that_cannot_be_deleted_is_opened_once(make, tmp_path, caplog, monkeypatch):
    """As in a folder that only another user can write to."""
    keys = _keys(4)
    _fill(make(), keys)
    (shard,) = _shards(tmp_path)
    _truncate(shard)

    def refuse(path, missing_ok=False):
        raise PermissionError(path)

    monkeypatch.setattr(type(shard), "unlink", refuse)
    cache = make()
    assert cache.missing(keys) == cache.missing(keys) == [0, 1, 2, 3]
    assert cache.read(keys) is None
    assert len(caplog.messages) == 1
    assert shard.exists()


def test_missing_reads_no_array(make, tmp_path, caplog):
    keys = _keys(4)
    _fill(make(), keys)
    _flip_array(_shards(tmp_path)[0])
    cache = make()
    assert cache.missing(keys) == []
    assert caplog.messages == []
    assert cache.read(keys) is None
    assert cache.missing(keys) == [0, 1, 2, 3]


def test_the_least_recently_used_is_evicted_first_whatever_its_settings(make, tmp_path):
    groups = [_keys(4, first) for first in (1, 11, 21)]
    for age, (spec, keys) in enumerate(zip("aba", groups, strict=True)):
        _fill(make(spec), keys)
        newest = max(_shards(tmp_path), key=os.path.getmtime)
        os.utime(newest, (1000 + age, 1000 + age))
    assert make("a").read(groups[0]) is not None  # now it is the one used last
    # Lengths of shards differ by a digit or two.
    limit = 3 * newest.stat().st_size + 50
    _fill(make("c", limit_bytes=limit), _keys(4, 31))
    assert make("b").missing(groups[1]) == [0, 1, 2, 3]
    assert make("a").missing(groups[0] + groups[2]) == []
    assert limit - 100 < sum(path.stat().st_size for path in _shards(tmp_path)) <= limit


def test_shards_are_not_evicted_while_their_rows_exist(make, tmp_path, caplog):
    keys = _keys(4)
    rows, _ = _fill(make(), keys)
    (shard,) = _shards(tmp_path)
    _fill(make("other", limit_bytes=1), _keys(4, 11))
    assert shard.exists()
    np.testing.assert_array_equal(rows, _spectrograms(keys))
    del rows
    gc.collect()
    _fill(make("third", limit_bytes=1), _keys(4, 21))
    assert not shard.exists()
    assert len(caplog.messages) == 2


def test_a_cache_above_its_limit_warns_once(make, tmp_path, caplog):
    keys = _keys(12)
    _, computed = _fill(make(limit_bytes=600), keys)
    assert computed == keys
    assert len(_shards(tmp_path)) == 3
    (message,) = caplog.messages
    assert "more than its limit of 0.0 MB" in message
    assert str(tmp_path) in message


def test_found_entries_stay_readable_after_their_file_is_removed(make, tmp_path):
    """Somebody empties the folder between two calls."""
    keys = _keys(8)
    _fill(make(), keys)
    cache = make()
    assert cache.missing(keys[:4]) == []
    for path in _shards(tmp_path):
        path.unlink()
    np.testing.assert_array_equal(cache.read(keys[:4]), _spectrograms(keys[:4]))
    assert cache.missing(keys) == [4, 5, 6, 7]


def test_nothing_is_made_before_the_first_write(tmp_path):
    cache = ArrayCache(tmp_path / "deep" / "cache", "spec", SHAPE)
    assert cache.missing(_keys(2)) == [0, 1]
    assert cache.read([]).shape == (0, *SHAPE)
    assert list(tmp_path.iterdir()) == []
    _fill(cache, _keys(2))


def test_arguments_that_are_not_valid_are_refused(make):
    for options in (
        {"dtype": "float64"},
        {"limit_bytes": -1},
        {"shard_clips": 0},
        {"spec_key": ""},
    ):
        with pytest.raises(InputError, match=next(iter(options))):
            make(**options)
    cache = make()
    with pytest.raises(InputError, match=r"`keys`.* 2 spectrograms.* 1"):
        cache.write(_keys(1), np.zeros((2, *SHAPE)))
    for call in (cache.missing, cache.read, lambda keys: cache.write(keys, np.zeros((2, *SHAPE)))):
        with pytest.raises(InputError, match=r"`keys`.*''"):
            call(["a", ""])


# What the processes below begin with: arguments are the folder, then what is said at each.
_PROGRAM = f"""
import os, resource, signal, sys
import numpy as np
from serkit.training.cache import ArrayCache
{inspect.getsource(spectrogram)}
def write(cache, keys):
    cache.write(keys, np.stack([spectrogram(key) for key in keys]))
folder = sys.argv[1]
print("ready", flush=True)
sys.stdin.readline()
"""

# Arguments: a seed and the limit. Each round is a run of its own on some of 200 clips.
_RUNS = """
rng = np.random.default_rng(int(sys.argv[2]))
computed = 0
for number in range(20):
    cache = ArrayCache(folder, "spec", (4, 3, 1), limit_bytes=int(sys.argv[3]))
    keys = [f"{clip:x}" for clip in rng.permutation(np.arange(1, 201))[:20]]
    missing = cache.missing(keys)
    computed += len(missing)
    for start in range(0, len(missing), 8):
        write(cache, [keys[i] for i in missing[start : start + 8]])
    rows = cache.read(keys)
    assert rows is not None, "what was written is gone"
    for batch in rng.integers(0, 20, (5, 7)):
        assert (rows[batch] == np.stack([spectrogram(keys[i]) for i in batch])).all()
    del cache, rows
print(computed)
"""


@contextlib.contextmanager
def _process(program: str, *arguments):
    command = [sys.executable, "-c", _PROGRAM + program, *map(str, arguments)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("limit", [4 * 2**30, 3_000], ids=["room for all", "always evicting"])
def test_processes_that_write_and_read_at_once(make, tmp_path, limit):
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(_process(_RUNS, tmp_path, s, limit)) for s in range(3)]
        for process in started:
            assert process.stdout.readline() == "ready\n"
        for process in started:
            process.stdin.write("\n")
            process.stdin.flush()
        computed = 0
        for process in started:
            out, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
            assert "damaged" not in errors
            computed += int(out)
    # Where all clips stay, no process computes one twice.
    assert (computed > 3 * 200) == (limit == 3_000)
    every = [f"{clip:x}" for clip in range(1, 201)]
    kept = sum(len(np.load(path)) for path in _shards(tmp_path))
    assert kept == 200 - len(make().missing(every))  # no clip is there twice
    _fill(make(), every)
    assert not list(tmp_path.glob(".partial-*"))


def test_a_clip_that_is_held_is_not_lost_with_another_process_s_copy(make, tmp_path, monkeypatch):
    ours = make()
    _fill(ours, ["1"])
    _shards(tmp_path)[0].unlink()
    _fill(make(), ["1"])
    # The copy is evicted when it has been seen and is not held yet.
    monkeypatch.setattr(ours, "_keep_open", lambda path: path.unlink())
    assert ours.missing(["1"]) == []
    assert ours.read(["1"]) is not None


# The kernel's signal for a file that grows too large comes within the write of the array.
_KILLED_IN_THE_ARRAY = """
cache = ArrayCache(folder, "spec", (4, 3, 1), shard_clips=4000)
write(cache, [f"{clip:x}" for clip in range(1, 9)])
signal.signal(signal.SIGXFSZ, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
write(cache, [f"{clip:x}" for clip in range(9, 4000)])
"""
_KILLED_BEFORE_IT_IS_RENAMED = """
cache = ArrayCache(folder, "spec", (4, 3, 1), shard_clips=4000)
write(cache, [f"{clip:x}" for clip in range(1, 9)])
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
write(cache, [f"{clip:x}" for clip in range(9, 4000)])
"""


@pytest.mark.parametrize(
    ("program", "half"),
    [(_KILLED_IN_THE_ARRAY, True), (_KILLED_BEFORE_IT_IS_RENAMED, False)],
    ids=["in the array", "before it is renamed"],
)
def test_killed_while_writing(make, tmp_path, caplog, program, half):
    with _process(program, tmp_path) as process:
        process.communicate("\n", timeout=60)
        assert process.returncode == -signal.SIGKILL
    (partial,) = tmp_path.glob(".partial-*")
    assert (partial.stat().st_size <= 40_000) == half
    every = [f"{clip:x}" for clip in range(1, 21)]
    assert make().missing(every) == list(range(8, 20))
    _, computed = _fill(make(), every)
    assert computed == every[8:]
    assert not list(tmp_path.glob(".partial-*"))
    assert caplog.messages == []


_WRITES_WITHOUT_END = """
cache = ArrayCache(folder, "spec", (4, 3, 1))
for clip in range(1, 10**9, 50):
    write(cache, [f"{number:x}" for number in range(clip, clip + 50)])
"""


def test_killed_at_any_time(make, tmp_path, caplog):
    """Three times, while a reader looks on."""
    caplog.set_level(logging.WARNING)
    for _ in range(3):
        wanted = len(_shards(tmp_path)) + 3
        with _process(_WRITES_WITHOUT_END, tmp_path) as process:
            process.stdin.write("\n")
            process.stdin.flush()
            while len(_shards(tmp_path)) < wanted:
                assert process.poll() is None
                there = list(itertools.takewhile(lambda key: not make().missing([key]), _keys(5)))
                if there:
                    np.testing.assert_array_equal(make().read(there), _spectrograms(there))
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
    every = [f"{clip:x}" for clip in range(1, 401)]
    before = len(make().missing(every))
    rows, computed = _fill(make(), every)
    assert len(computed) == before < 400
    assert len(rows) == 400
    assert caplog.messages == []
