import pytest

from serkit.datasets.custom import Naming, read_table
from serkit.errors import InputError


@pytest.fixture
def folder(tmp_path):
    for name in ("a.wav", "b.wav", "sub/c.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def _read(folder, text, encoding="utf-8"):
    (folder / "t.csv").write_text(text, encoding=encoding)
    return read_table(folder / "t.csv", "t")


def test_rows_become_clips(folder):
    rows, rejected = _read(
        folder,
        "path,label,speaker,gender,sentence,intensity,repetition,remark\n"
        'a.wav,anger,Ann,F,"Oh, well",high,2,!\nsub/c.wav,sad,Bob,,,,,\n',
    )
    clip = Naming().clip("a.wav", "calls", rows["a.wav"])
    assert (clip.speaker, clip.gender_emotion) == ("calls-Ann", "female_angry")
    assert (clip.sentence, clip.intensity, clip.repetition) == ("Oh, well", "high", 2)
    clip = Naming(genders={"Bob": "male"}).clip("sub/c.wav", "calls", rows["sub/c.wav"])
    assert (clip.gender, clip.repetition) == ("male", 1)
    assert rejected == ()


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_a_mark_in_front_and_windows_line_ends(folder, delimiter):
    text = "path,label,speaker\r\nsub\\c.wav,sad,s\r\n\r\n".replace(",", delimiter)
    assert list(_read(folder, text, "utf-8-sig")[0]) == ["sub/c.wav"]


def test_paths_may_be_absolute(folder):
    assert list(_read(folder, f"path,label,speaker\n{folder}/a.wav,sad,s\n")[0]) == ["a.wav"]


def test_bad_rows_are_rejected_with_their_line(folder):
    rows, rejected = _read(
        folder,
        "path,label,speaker\n"
        "a.wav,sad,s\n"
        "a.wav,sad,s\n"
        "b.wav,sad,s\n"
        "b.wav,happy,s\n"
        "gone.wav,sad,s\n"
        "sub/c.wav,,\n"
        ",sad,s\n"
        "d.wav,sad\n",
    )
    assert list(rows) == ["a.wav"]
    reasons = [(f.path, f.kind, f.reason) for f in rejected]
    assert sorted(reasons) == [
        ("", "missing", "line 8 of t.csv has no path"),
        ("a.wav", "duplicate", "line 3 of t.csv lists it again"),
        (
            *("b.wav", "contradiction"),
            "line 4 of t.csv and line 5 of t.csv say different things of it",
        ),
        ("d.wav", "missing", "line 9 of t.csv has 2 cells, its header 3"),
        ("gone.wav", "missing", "line 6 of t.csv names it; it is not there"),
        ("sub/c.wav", "label", "line 7 of t.csv has no label and no speaker"),
    ]


def test_files_that_are_no_table(folder):
    with pytest.raises(
        InputError, match=r"lacks the columns label, speaker; its columns are: path"
    ):
        _read(folder, "path\nx\n")
    with pytest.raises(InputError, match="path, label, speaker"):
        _read(folder, "")
    with pytest.raises(InputError, match="label more than once"):
        _read(folder, "path,label,label,speaker\n")
    with pytest.raises(InputError, match="is not a CSV"):
        _read(folder, 'path,label,speaker\n"a"b,sad,s\n')
    (folder / "t.csv").write_bytes(b"path,label,speaker\nfr\xf6h.wav,sad,s\n")
    with pytest.raises(InputError, match="not UTF-8"):
        read_table(folder / "t.csv", "t")


def test_a_table_may_be_reached_by_a_link(folder, tmp_path_factory):
    link = tmp_path_factory.mktemp("elsewhere") / "link"
    link.symlink_to(folder)
    (folder / "t.csv").write_text(f"path,label,speaker\n{folder}/a.wav,sad,s\nb.wav,sad,s\n")
    rows, rejected = read_table(link / "t.csv", "t")
    assert (list(rows), rejected) == (["a.wav", "b.wav"], ())
