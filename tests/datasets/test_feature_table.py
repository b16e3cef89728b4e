"""Features that the user computed with another program: one row per clip, from three formats."""

import itertools
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from serkit.datasets.corpus import Clip, Corpus
from serkit.datasets.feature_table import FeatureTable
from serkit.errors import InputError

# Sums of powers of 2: exact in each format. Digests are made of digits and begin with 0.
_FEATURES = np.array([[1.5, -2.0], [0.25, 8.0], [-3.0, 0.0]])
_CLIP = Clip("", "c", "s", "male", "sad", "sad", root="r")
_DIGESTS, _PATHS = ("0001", "0002", "0003"), ("a/01.wav", "a/02.wav", "03.wav")


@pytest.fixture
def corpus(tmp_path) -> Corpus:
    clips = [
        replace(_CLIP, path=path, sha256=digest)
        for path, digest in zip(_PATHS, _DIGESTS, strict=True)
    ]
    return Corpus(tuple(clips), {"r": tmp_path / "recordings"})


def _table(names, features=_FEATURES, column: str = "sha256") -> pd.DataFrame:
    columns = {f"f{i}": values for i, values in enumerate(np.transpose(features))}
    return pd.DataFrame({column: list(names), **columns})


@pytest.fixture
def write(tmp_path):
    """Writes a table or an array to a file of a format, and returns the file."""

    def write(content, suffix: str = ".csv", **options) -> Path:
        file = tmp_path / f"features{suffix}"
        if suffix == ".npy":
            np.save(file, content)
        elif suffix == ".parquet":
            pytest.importorskip("pyarrow")
            content.to_parquet(file, **options)
        else:
            content.to_csv(file, **{"index": False} | options)
        return file

    return write


def _lists(names, rows, column: str = "sha256") -> pd.DataFrame:
    return pd.DataFrame({column: list(names), "embedding": list(rows)})


_ALL = {
    "npy": (_FEATURES, ".npy"),
    "npy of float16": (_FEATURES.astype("float16"), ".npy"),
    "npy in columns": (np.asfortranarray(_FEATURES), ".npy"),
    "csv": (_table(_DIGESTS), ".csv"),
    "csv by path": (_table(_PATHS, column="path"), ".csv"),
    "csv in capitals": (_table(_DIGESTS), ".CSV"),
    "parquet": (_table(_DIGESTS), ".parquet"),
    "parquet by path": (_table(_PATHS, column="path"), ".parquet"),
    "parquet of float32": (_table(_DIGESTS, _FEATURES.astype("float32")), ".parquet"),
    "parquet of nullable numbers": (_table(_DIGESTS).convert_dtypes(), ".parquet"),
    "list column": (_lists(_DIGESTS, _FEATURES), ".parquet"),
    "list column by path": (_lists(_PATHS, _FEATURES, "path"), ".parquet"),
}


@pytest.mark.parametrize(("content", "suffix"), _ALL.values(), ids=_ALL)
def test_all_formats_give_the_same_array(corpus, write, content, suffix):
    features = FeatureTable(write(content, suffix)).of(corpus)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, _FEATURES)


def test_whole_numbers_are_features(corpus, write):
    counts = np.array([[3], [1], [2]])
    for content, suffix in ((counts, ".npy"), (_table(_DIGESTS, counts), ".csv")):
        np.testing.assert_array_equal(FeatureTable(write(content, suffix)).of(corpus), counts)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("column", ["sha256", "path"])
def test_rows_may_be_in_another_order_and_of_other_clips(corpus, write, suffix, column):
    names = {"sha256": _DIGESTS, "path": _PATHS}[column]
    more = np.vstack([_FEATURES, [[np.nan, 7.0]]])
    table = _table([*names, "other"], more, column).iloc[[2, 3, 0, 1]]
    features = FeatureTable(write(table, suffix)).of(corpus)
    np.testing.assert_array_equal(features, _FEATURES)
    # Also if only some of the clips are used.
    few = corpus.where(lambda clip: clip.sha256 != "0001")
    np.testing.assert_array_equal(FeatureTable(write(table, suffix)).of(few), _FEATURES[1:])


def test_paths_may_be_absolute(corpus, write):
    absolute = [str(corpus.file(clip)) for clip in corpus.clips]
    for names in (absolute, [absolute[0], *_PATHS[1:]]):
        table = _table(names, column="path")
        np.testing.assert_array_equal(FeatureTable(write(table)).of(corpus), _FEATURES)


def test_the_digest_counts_where_there_are_paths_too(corpus, write):
    table = _table(_DIGESTS).assign(path=_PATHS[::-1])
    np.testing.assert_array_equal(FeatureTable(write(table)).of(corpus), _FEATURES)


def test_clips_of_two_folders_with_the_same_path(corpus, write, tmp_path):
    other = [replace(clip, root="q", sha256=f"9{clip.sha256}") for clip in corpus.clips]
    both = Corpus((*corpus.clips, *other), {**corpus.roots, "q": tmp_path / "other"})
    features = np.vstack([_FEATURES, _FEATURES + 1])
    table = _table([str(both.file(clip)) for clip in both.clips], features, "path")
    np.testing.assert_array_equal(FeatureTable(write(table)).of(both), features)
    with pytest.raises(InputError, match=r"one row for each clip.*path.*several folders"):
        FeatureTable(write(_table(_PATHS, column="path"))).of(both)
    with pytest.raises(InputError, match=r"several of path a/01\.wav"):
        FeatureTable(write(_table([*_PATHS, *_PATHS], features, "path"))).of(both)


def _with_manifest(corpus: Corpus) -> pd.DataFrame:
    """The manifest as it may come back from another program: with labels as numbers."""
    table = corpus.to_frame().assign(label=[0, 1, 2], index=[5, 6, 7], f0=_FEATURES[:, 0])
    return table.assign(**{"class": [2, 0, 1]}, emotion=[2, 0, 1], f1=_FEATURES[:, 1])


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_labels_row_numbers_and_the_manifest_are_no_features(corpus, write, suffix, tmp_path):
    table = _with_manifest(corpus)
    table.index = pd.Index([7, 8, 9])
    features = FeatureTable(write(table, suffix, index=True)).of(corpus)
    np.testing.assert_array_equal(features, _FEATURES)
    # pandas numbers the rows once more each time that it writes a table.
    once = pd.read_csv(write(table, index=True), dtype={"sha256": str})
    once.to_csv(tmp_path / "again.csv")
    assert {"Unnamed: 0", "Unnamed: 0.1"} <= set(pd.read_csv(tmp_path / "again.csv"))
    again = FeatureTable(tmp_path / "again.csv").of(corpus)
    np.testing.assert_array_equal(again, _FEATURES)


def test_a_list_column_may_stand_beside_the_manifest(corpus, write):
    table = _with_manifest(corpus).drop(columns=["f0", "f1"]).assign(hubert=list(_FEATURES))
    features = FeatureTable(write(table, ".parquet")).of(corpus)
    np.testing.assert_array_equal(features, _FEATURES)


_ROW = [1.0, 2.0]
_REFUSED = {
    "two rows of three": (_FEATURES[:2], ".npy", r"a row for each of 3 clips.*: 2 rows"),
    "a row too many": (np.zeros((4, 2)), ".npy", r"a row for each of 3 clips.*: 4 rows"),
    "one dimension": (np.zeros(3), ".npy", r"shape \(clips, features\).*shape \(3,\)"),
    "three dimensions": (np.zeros((3, 2, 2)), ".npy", r"shape \(3, 2, 2\)"),
    "no feature": (np.zeros((3, 0)), ".npy", r"shape \(3, 0\)"),
    "words in an array": (np.full((3, 2), "x"), ".npy", r"numbers.*<U1"),
    "complex numbers": (np.zeros((3, 2), complex), ".npy", "numbers.*complex"),
    "NaN": (np.where(_FEATURES == 8, np.nan, _FEATURES), ".npy", r"finite.*clip a/02\.wav"),
    "infinity": (np.where(_FEATURES == 8, np.inf, _FEATURES), ".npy", r"finite.*a/02\.wav"),
    "too large": (np.where(_FEATURES == 8, 1e39, _FEATURES), ".npy", r"finite.*a/02\.wav"),
    "an empty cell": (_table(_DIGESTS).replace(8.0, None), ".csv", r"finite.*a/02\.wav"),
    "a clip without a row": (_table(_DIGESTS[:2], _FEATURES[:2]), ".csv", r"1 of them.*03\.wav"),
    "a clip with two rows": (
        _table((*_DIGESTS, "0002"), [*_FEATURES, _ROW]),
        ".csv",
        "several of sha256 0002",
    ),
    "no column of names": (_table(_DIGESTS, column="name"), ".csv", "sha256 or path.*name, f0, f1"),
    "only names": (pd.DataFrame({"sha256": _DIGESTS}), ".csv", r"shape \(3, 0\)"),
    "a missing value": (
        _table(_DIGESTS).convert_dtypes().replace(8, pd.NA),
        ".parquet",
        r"finite.*a/02\.wav",
    ),
    "words in a column": (_table(_DIGESTS).assign(note="x"), ".csv", "other values in note"),
    "lists of two lengths": (
        _lists(_DIGESTS, [_ROW, _ROW, [1.0]]),
        ".parquet",
        "lists of several lengths",
    ),
    "a missing list": (_lists(_DIGESTS, [_ROW, _ROW, None]), ".parquet", "several lengths"),
    "lists of lists": (_lists(_DIGESTS, [[_ROW]] * 3), ".parquet", "numbers of shape"),
    "lists of words": (_lists(_DIGESTS, [["x", "y"]] * 3), ".parquet", "numbers of shape"),
    "lists beside a number": (
        _lists(_DIGESTS, [_ROW] * 3).assign(frames=3),
        ".parquet",
        "other values in embedding",
    ),
    "lists as text": (_lists(_DIGESTS, ["[1.0, 2.0]"] * 3), ".csv", "other values in embedding"),
}


@pytest.mark.parametrize(("content", "suffix", "message"), _REFUSED.values(), ids=_REFUSED)
def test_what_is_not_a_row_of_numbers_for_each_clip_is_refused(
    corpus, write, content, suffix, message
):
    file = write(content, suffix)
    with pytest.raises(InputError, match=message) as caught:
        FeatureTable(file).of(corpus)
    assert str(caught.value).startswith(f"{file} must have ")


@pytest.mark.parametrize("name", ["features.txt", "features.npz", "features"])
def test_another_suffix_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match=r"`features`.*\.npy, \.parquet, \.csv.*Received.*" + name):
        FeatureTable(tmp_path / name)


def test_a_missing_file_is_refused_at_once(tmp_path):
    (tmp_path / "folder.npy").mkdir()
    for name in ("gone.npy", "folder.npy"):
        with pytest.raises(InputError, match=rf"`features` must be a file.*{name}"):
            FeatureTable(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "suffix"),
    [(_FEATURES, ".npy"), (_table(_DIGESTS), ".csv"), (_table(_DIGESTS), ".parquet")],
    ids=["npy", "csv", "parquet"],
)
def test_a_file_that_is_cut_off_is_refused_wherever_it_ends(corpus, write, content, suffix):
    file = write(content, suffix)
    data = file.read_bytes()
    # A shorter last number of a CSV file is still a number.
    complete = 4 if suffix == ".csv" else 1
    for size in (0, 1, len(data) // 3, len(data) // 2, len(data) - complete):
        file.write_bytes(data[:size])
        with pytest.raises(InputError, match="features"):
            FeatureTable(file).of(corpus)


def test_a_damaged_header_is_refused(corpus, write):
    file = write(_FEATURES, ".npy")
    file.write_bytes(file.read_bytes().replace(b"(3, 2)", b"(3, (2"))
    with pytest.raises(InputError, match="readable"):
        FeatureTable(file).of(corpus)


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".parquet"])
def test_a_file_of_another_format_is_refused(corpus, tmp_path, suffix):
    file = tmp_path / f"features{suffix}"
    np.savez(tmp_path / "archive.npz", features=_FEATURES)
    for data in ((tmp_path / "archive.npz").read_bytes(), b"RIFF\xff\xfe\x00WAVE", b"\n\n"):
        file.write_bytes(data)
        with pytest.raises(InputError, match=r"features\.\w+ must have "):
            FeatureTable(file).of(corpus)


class _Planted:
    """Writes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def test_nothing_is_unpickled(corpus, tmp_path):
    planted, file = tmp_path / "planted", tmp_path / "features.npy"
    np.save(file, np.full((3, 2), _Planted(planted)), allow_pickle=True)
    for data in (file.read_bytes(), pickle.dumps(_Planted(planted))):
        file.write_bytes(data)
        with pytest.raises(InputError, match="readable"):
            FeatureTable(file).of(corpus)
    assert not planted.exists()
    pickle.loads(data)
    assert planted.exists()


def test_parquet_without_pyarrow_says_what_to_install(corpus, tmp_path, monkeypatch):
    def missing(file):
        raise ImportError("Unable to find a usable engine")

    monkeypatch.setattr(pd, "read_parquet", missing)
    (tmp_path / "features.parquet").touch()
    with pytest.raises(InputError, match="pip install pyarrow"):
        FeatureTable(tmp_path / "features.parquet").of(corpus)


def test_the_key_is_of_the_features_of_the_clips_alone(corpus, write, tmp_path):
    known = FeatureTable(write(_FEATURES, ".npy")).key(corpus)
    table = _table([*_DIGESTS, "9"], [*_FEATURES, _ROW]).iloc[::-1]
    assert FeatureTable(write(table)).key(corpus) == known
    moved = write(table).rename(tmp_path / "moved.csv")
    assert FeatureTable(moved).key(corpus) == known
    fewer = corpus.where(lambda clip: clip.sha256 != "0003")
    others = [FeatureTable(moved).key(fewer)]
    for row, column in itertools.product(range(3), range(2)):
        changed = _FEATURES.copy()
        changed[row, column] += 2.0**-10
        others.append(FeatureTable(write(changed, ".npy")).key(corpus))
    assert len({known, *others}) == len(others) + 1


def test_the_summary_names_what_is_a_feature_and_what_is_not(write):
    table = _table(_DIGESTS).assign(emotion=1)
    said = FeatureTable(write(table)).summary()
    last = len(_FEATURES[0]) - 1
    assert said.endswith(f"features in {last + 1} columns (f0 … f{last}); not: sha256, emotion")
    assert FeatureTable(write(_FEATURES, ".npy")).summary().endswith(f": {last + 1} features")
