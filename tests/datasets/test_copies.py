from serkit.datasets.corpus import Clip
from serkit.datasets.duplicates import drop_lossy_copies
from serkit.errors import InputError


def _read(file: str) -> Clip:
    """Speaker is the first folder; ``x`` is one that is not known, ``bad`` no recording's."""
    speaker, *_ = file.split("/")
    if speaker == "bad":
        raise InputError("no")
    return Clip(file, "c", "c-unknown" if speaker == "x" else f"c-{speaker}", "", "sad", "sad")


def test_only_the_lossy_copy_of_the_same_name_and_speaker_goes():
    files = ["a/1.mp3", "a/1.wav", "a/2.mp3", "b/1.ogg", "b/3.FLAC", "b/more/3.OGG"]
    kept, findings = drop_lossy_copies("r", files, _read)
    assert kept == ["a/1.wav", "a/2.mp3", "b/1.ogg", "b/3.FLAC"]
    assert [(f.root, f.path, f.kind) for f in findings] == [
        ("r", "a/1.mp3", "duplicate"),
        ("r", "b/more/3.OGG", "duplicate"),
    ]


def test_without_a_speaker_only_one_folder_tells():
    files = ["x/s/1.wav", "x/s/1.mp3", "x/t/1.mp3"]
    assert drop_lossy_copies("r", files, _read)[0] == ["x/s/1.wav", "x/t/1.mp3"]


def test_names_that_cannot_be_read_stay_for_the_audit_to_reject():
    files = ["bad/1.mp3", "bad/1.wav", "x/1.m4a"]
    assert drop_lossy_copies("r", files, _read) == (files, [])
