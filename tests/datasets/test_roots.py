import os
from collections import Counter
from pathlib import Path

import pytest

from serkit.datasets.corpus import CATEGORIES, Clip
from serkit.datasets.custom import Naming
from serkit.datasets.roots import Root, open_roots, require_roots_exist
from serkit.errors import InputError

COUNTS = {"ravdess": 1440, "tess": 2800, "savee": 480, "crema-d": 7442}
# Gender by emotion over all four sets: angry, disgust, fear, happy, neutral, sad, surprise. The
# report's figure 13 has the same men and, for women, 26 clips more than the official sets have.
EXPECTED = {
    "female": (1096, 1096, 1096, 1096, 1056, 1096, 496),
    "male": (827, 827, 827, 827, 839, 827, 156),
}
REPORTED = {
    "female": (1105, 1098, 1098, 1101, 1059, 1101, 496),
    "male": (827, 827, 827, 827, 839, 827, 156),
}


def _touch(folder: Path, names: list[str]) -> None:
    for parent in {(folder / name).parent for name in names}:
        parent.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def _read(root: Root) -> list[Clip]:
    return [root.read(path) for path in root.files]


def _open(*roots, **naming) -> list[Root]:
    return open_roots(roots, Naming(**naming))


@pytest.fixture(scope="module")
def everything(tmp_path_factory, official_names) -> Path:
    """All 12,162 names under one root, in layouts that are passed around."""
    root = tmp_path_factory.mktemp("everything")
    for corpus, folder in {
        "ravdess": "archive/audio_speech_actors_01-24",
        "tess": "tess/TESS Toronto emotional speech set data",
        "savee": "SAVEE/AudioData",
        "crema-d": "CREMA-D-master",
    }.items():
        _touch(root / folder, official_names[corpus])
    return root


def test_complete_sets_give_the_official_counts(everything):
    (root,) = _open(everything)
    clips = _read(root)
    assert Counter(clip.corpus for clip in clips) == COUNTS
    assert len(clips) == 12_162
    table = Counter(clip.gender_emotion for clip in clips)
    expected = [n for gender in ("female", "male") for n in EXPECTED[gender]]
    assert [table[category] for category in CATEGORIES] == expected
    assert sum(REPORTED["female"]) - sum(EXPECTED["female"]) == 26
    assert REPORTED["male"] == EXPECTED["male"]


def test_complete_sets_have_their_speakers_and_rarer_labels(everything):
    (root,) = _open(everything)
    clips = _read(root)
    speakers = {clip.corpus: set() for clip in clips}
    for clip in clips:
        speakers[clip.corpus].add(clip.speaker)
    assert {corpus: len(names) for corpus, names in speakers.items()} == {
        "ravdess": 24,
        "tess": 2,
        "savee": 4,
        "crema-d": 91,
    }
    assert Counter(c.original_label for c in clips if c.corpus == "ravdess")["calm"] == 192
    assert sum(clip.emotion == "surprise" for clip in clips if clip.corpus == "crema-d") == 0
    assert {clip.gender for clip in clips if clip.corpus == "tess"} == {"female"}
    assert {clip.gender for clip in clips if clip.corpus == "savee"} == {"male"}


@pytest.mark.parametrize("corpus", COUNTS)
@pytest.mark.parametrize("deeper", ["", "data/one deeper"])
def test_each_set_alone_however_deep_and_by_its_name(corpus, deeper, official_names, tmp_path):
    _touch(tmp_path / deeper, official_names[corpus])
    for given in (tmp_path, f"{corpus}={tmp_path}"):
        (root,) = _open(given)
        assert {clip.corpus for clip in _read(root)} == {corpus}
        assert len(root.files) == COUNTS[corpus]


def test_flat_savee_and_a_speakers_own_folder_as_root(official_names, tmp_path):
    flat = [name.replace("/", "_") for name in official_names["savee"]]
    _touch(tmp_path / "flat", flat)
    _touch(tmp_path, official_names["savee"])
    (root,) = _open(tmp_path / "flat")
    assert len(_read(root)) == 480
    (root,) = _open(tmp_path / "DC")
    assert {clip.speaker for clip in _read(root)} == {"savee-DC"}


def test_a_named_corpus_reads_no_other_names(tmp_path):
    _touch(tmp_path, ["DC/a01.wav", "03-01-03-01-01-01-01.wav"])
    (root,) = _open(f"savee={tmp_path}")
    assert root.read("DC/a01.wav").corpus == "savee"
    with pytest.raises(InputError, match="not one of savee's"):
        root.read("03-01-03-01-01-01-01.wav")


def test_a_folder_per_label_is_recognised(tmp_path):
    _touch(tmp_path / "mine", ["angry/ann/1.wav", "Sadness/2.wav", "boredom/3.wav"])
    (root,) = _open(tmp_path / "mine")
    clip = root.read("angry/ann/1.wav")
    assert (clip.corpus, clip.speaker, clip.emotion) == ("mine", "mine-ann", "angry")
    clip = root.read("Sadness/2.wav")
    assert (clip.emotion, clip.original_label, clip.speaker_known) == ("sad", "Sadness", False)
    with pytest.raises(InputError, match="label 'boredom'"):
        root.read("boredom/3.wav")


def test_names_of_ones_own_need_a_hint(tmp_path):
    _touch(tmp_path, ["x/1.wav"])
    (root,) = _open(tmp_path)
    with pytest.raises(InputError, match="a folder per label, a CSV or --pattern"):
        root.read("x/1.wav")


def test_a_pattern_is_for_names_of_no_corpus(tmp_path):
    _touch(tmp_path / "berlin", ["wav/03a01Wa.wav"])
    _touch(tmp_path / "savee", ["DC/a01.wav"])
    pattern = r"(?P<speaker>\d\d)(?P<sentence>[ab]\d\d)(?P<label>[A-Z])"
    given = (f"emodb={tmp_path / 'berlin'}", f"savee={tmp_path / 'savee'}")
    berlin, savee = _open(*given, pattern=pattern, labels={"W": "angry"})
    clip = berlin.read("wav/03a01Wa.wav")
    assert (clip.speaker, clip.sentence, clip.emotion) == ("emodb-03", "a01", "angry")
    assert savee.read("DC/a01.wav").corpus == "savee"


def test_a_csv_is_a_root(tmp_path):
    _touch(tmp_path, ["x.wav"])
    (tmp_path / "clips.csv").write_text("path,label,speaker\nx.wav,sad,s1\n")
    for given, corpus in ((tmp_path / "clips.csv", "clips"), (f"a={tmp_path}/clips.csv", "a")):
        (root,) = _open(given)
        assert root.read("x.wav").speaker == f"{corpus}-s1"


def test_roots_get_names_of_their_own(tmp_path):
    for folder in ("one/wav", "two/wav"):
        _touch(tmp_path / folder, ["sad/1.wav"])
    first, second = _open(tmp_path / "one/wav", tmp_path / "two/wav")
    assert (first.name, second.name) == ("wav", "wav-2")
    assert first.read("sad/1.wav").speaker != second.read("sad/1.wav").speaker


def test_an_existing_path_with_an_equals_sign_is_a_path(tmp_path, monkeypatch):
    _touch(tmp_path / "snr=20", ["sad/1.wav"])
    monkeypatch.chdir(tmp_path)
    (root,) = _open("snr=20")
    assert len(root.files) == 1


def test_a_corpus_beside_names_of_ones_own_is_read_as_itself(tmp_path):
    _touch(tmp_path / "known", ["03-01-05-01-01-01-01.wav"])
    _touch(tmp_path / "own", ["03a01Wa.wav"])
    pattern = r"(?P<speaker>\d\d)(?P<sentence>[ab]\d\d)(?P<label>[A-Z])"
    known, own = _open(tmp_path / "known", tmp_path / "own", pattern=pattern, labels={"W": "angry"})
    assert known.read("03-01-05-01-01-01-01.wav").corpus == "ravdess"
    assert own.read("03a01Wa.wav").speaker == "own-03"


def test_a_name_of_ones_own_is_never_one_of_the_four_corpora(tmp_path):
    _touch(tmp_path, ["DC/a01.wav"])
    (root,) = _open(f"my data={tmp_path}")
    with pytest.raises(InputError, match="label 'DC'"):
        root.read("DC/a01.wav")


def test_folders_that_are_not_searched_are_findings(tmp_path, monkeypatch):
    _touch(tmp_path / "root", ["sad/1.wav", ".git/2.wav"])
    _touch(tmp_path / "elsewhere", ["3.wav"])
    (tmp_path / "root" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "empty").mkdir()
    root, empty = _open(tmp_path / "root", tmp_path / "empty")
    assert root.files == ["sad/1.wav"]
    assert [(f.path, f.kind) for f in root.rejected] == [("linked/", "folder")]
    assert "a link to a folder" in root.rejected[0].reason
    assert empty.rejected[0].reason.startswith("no recordings (.flac, .mp3, .og")

    def refuse(folder, onerror, **_):
        onerror(PermissionError(13, "Permission denied", f"{folder}/secret"))
        yield from ()

    monkeypatch.setattr("serkit.datasets.roots.os.walk", refuse)
    (root,) = _open(tmp_path / "root")
    (finding,) = root.rejected
    assert (finding.path, finding.reason) == ("secret/", "cannot be searched: Permission denied")


def test_a_speakers_folder_is_known_from_inside_and_by_a_link(tmp_path, monkeypatch):
    _touch(tmp_path, ["DC/a01.wav", "DC/sub/x.txt"])
    (tmp_path / "link").symlink_to(tmp_path / "DC")
    monkeypatch.chdir(tmp_path / "DC" / "sub")
    for given in ("..", tmp_path / "link"):
        (root,) = _open(given)
        assert root.read("a01.wav").speaker == "savee-DC"


def test_digits_of_other_scripts_are_no_codes(tmp_path):
    _touch(tmp_path, ["１００１_DFA_ANG_XX.wav"])
    (root,) = _open(tmp_path)
    with pytest.raises(InputError, match="name is not one of"):
        root.read(root.files[0])


def test_other_formats_by_their_names(tmp_path):
    _touch(tmp_path, ["1001_DFA_ANG_XX.m4a"])
    (root,) = _open(tmp_path)
    with pytest.raises(InputError, match=r"ends in none of \.flac, \.mp3.*convert it"):
        root.read(root.files[0])


@pytest.mark.parametrize("suffix", [".flac", ".mp3", ".ogg", ".FLAC", ".Ogg"])
def test_official_names_of_compressed_recordings(suffix, official_names, tmp_path):
    firsts = [names[0].removesuffix(".wav") + suffix for names in official_names.values()]
    _touch(tmp_path, firsts)
    (root,) = _open(tmp_path)
    assert {clip.corpus for clip in _read(root)} == set(COUNTS)


def test_lossy_copies_are_not_counted_twice(tmp_path):
    """CREMA-D's archive has AudioWAV and AudioMP3."""
    name = "1001_DFA_ANG_XX"
    _touch(
        tmp_path, [f"AudioMP3/{name}.mp3", f"AudioWAV/{name}.wav", "AudioMP3/1001_DFA_HAP_XX.mp3"]
    )
    (root,) = _open(tmp_path)
    assert root.files == ["AudioMP3/1001_DFA_HAP_XX.mp3", f"AudioWAV/{name}.wav"]
    (copy,) = root.rejected
    assert (copy.path, copy.kind) == (f"AudioMP3/{name}.mp3", "duplicate")
    assert f"a lossy copy of AudioWAV/{name}.wav" in copy.reason


def test_notes_that_macos_leaves_are_not_recordings(tmp_path):
    _touch(tmp_path, ["sad/1.wav", "sad/._1.wav", "__MACOSX/sad/._1.wav", "sad/1.txt"])
    assert _open(tmp_path)[0].files == ["sad/1.wav"]


def test_roots_that_are_none(tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        _open(tmp_path / "nowhere")
    (tmp_path / os.fsdecode(b"caf\xe9")).mkdir()
    with pytest.raises(InputError, match="is not UTF-8"):
        _open(tmp_path / os.fsdecode(b"caf\xe9"))
    (tmp_path / "x.wav").touch()
    with pytest.raises(InputError, match="a folder or a CSV"):
        _open(tmp_path / "x.wav")


def test_a_pipe_is_no_root(tmp_path):
    os.mkfifo(tmp_path / "table.csv")
    with pytest.raises(InputError, match="a pipe or a device"):
        open_roots([tmp_path / "table.csv"], Naming())


def test_roots_that_are_not_there_are_known_before_anything_is_read(tmp_path):
    (tmp_path / "there").mkdir()
    require_roots_exist([tmp_path / "there", f"mine={tmp_path / 'there'}"])
    for given in (tmp_path / "gone", f"mine={tmp_path / 'gone'}"):
        with pytest.raises(InputError, match=r"/gone does not exist$"):
            require_roots_exist([given])
