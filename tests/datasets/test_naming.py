import signal

import pytest

from serkit.datasets import custom
from serkit.datasets.custom import Naming, SlowPatternError
from serkit.errors import InputError


def test_a_pattern_says_what_it_knows():
    naming = Naming(
        r"(?P<speaker>\w+)-(?P<gender>[mf])-(?P<label>\w+)-(?P<repetition>\d)", {"wut": "angry"}
    )
    clip = naming.by_pattern("day1/ann-f-wut-2.wav", "calls")
    assert (clip.speaker, clip.gender, clip.emotion) == ("calls-ann", "female", "angry")
    assert (clip.original_label, clip.repetition) == ("wut", 2)
    with pytest.raises(InputError, match="not found in its name"):
        naming.by_pattern("notes.wav", "calls")


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer")
def test_a_pattern_that_takes_for_ever_is_an_error_and_leaves_no_timer(monkeypatch):
    monkeypatch.setattr(custom, "_PATTERN_SECONDS", 0.05)
    handler = signal.getsignal(signal.SIGALRM)
    naming = Naming(r"(?P<label>(a+)+)b")
    with pytest.raises(SlowPatternError, match=r"`pattern`.*aaaa.*0\.05 s") as found:
        naming.by_pattern(f"{'a' * 40}.wav", "c")
    # Otherwise the audit would wait so long for each file.
    assert not isinstance(found.value, InputError)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) == handler


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(", r"`pattern`.*'\('"),
        (r"(?P<speaker>\d)", "no group label"),
        (r"(?P<label>\d)(?P<mood>\d)", "the groups mood"),
    ],
)
def test_patterns_that_cannot_work_are_refused(pattern, words):
    with pytest.raises(InputError, match=words):
        Naming(pattern)


def test_emo_db_is_one_line():
    """Burkhardt et al. (2005): 03a01Fa.wav is speaker 03, sentence a01, happiness (Freude)."""
    labels = {"W": "angry", "L": "bored", "E": "disgust", "A": "fear", "F": "happy"}
    naming = Naming(
        r"(?P<speaker>\d\d)(?P<sentence>[ab]\d\d)(?P<label>[WLEAFTN])", labels, {"03": "m"}
    )
    clip = naming.by_pattern("wav/03a01Fa.wav", "emodb")
    assert (clip.gender_emotion, clip.sentence) == ("male_happy", "a01")
    clip = naming.by_pattern("wav/08b02La.wav", "emodb")
    assert (clip.emotion, clip.gender, clip.gender_emotion) == ("bored", "", "")


def test_folders_name_the_label_and_below_it_the_speaker():
    naming = Naming()
    assert naming.by_folder("train/angry/x.wav", "c").speaker == "c-unknown"
    assert naming.by_folder("angry/ann/x.wav", "c").speaker == "c-ann"
    with pytest.raises(InputError, match="fear and happy are both labels"):
        naming.by_folder("fear/happy/x.wav", "c")
    for path in ("x.wav", "boredom/x.wav"):
        with pytest.raises(InputError, match=r"label '.*angry"):
            naming.by_folder(path, "c")


def test_a_class_of_ones_own_is_one_that_was_asked_for():
    clip = Naming(labels={"boredom": "bored"}).by_folder("boredom/x.wav", "c")
    assert (clip.emotion, clip.original_label) == ("bored", "boredom")


def test_a_repetition_is_a_number():
    for repetition in ("b", "9" * 5000):
        with pytest.raises(InputError, match=rf"repetition '{repetition[:9]}") as found:
            Naming().clip("x.wav", "c", {"label": "sad", "repetition": repetition})
        assert len(str(found.value)) < 200


def test_a_pattern_that_leaves_the_label_out_is_a_label_that_is_not_known():
    naming = Naming(r"(?P<speaker>\d\d)(?P<label>[A-Z])?")
    with pytest.raises(InputError, match="label ''"):
        naming.by_pattern("03.wav", "c")


def test_a_label_may_be_any_word_for_an_emotion():
    naming = Naming(labels={"A": "Anger", "B": "joy", "C": "Bored"})
    assert [naming.emotion(word) for word in "ABC"] == ["angry", "happy", "Bored"]


@pytest.mark.parametrize("word", ["mixed/other", "a\\b", "..", ".hidden", "a\nb", "\x1b[2J"])
def test_a_class_has_to_be_a_folders_name(word):
    naming = Naming(labels={"X": word})
    with pytest.raises(InputError, match=r"class.* without /"):
        naming.clip("x.wav", "c", {"label": "X"})
    with pytest.raises(InputError, match="cannot be a class"):
        naming.clip("x.wav", "c", {"label": "sad", "gender": word})


def test_one_speaker_is_one_however_the_name_is_encoded():
    composed, decomposed = "Jos\u00e9", "Jose\u0301"
    clips = [Naming().by_folder(f"sad/{name}/x.wav", "c") for name in (composed, decomposed)]
    assert clips[0].speaker == clips[1].speaker
