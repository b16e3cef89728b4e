import errno
import pickle

import pytest

from serkit.errors import (
    InputError,
    RecordingError,
    check_choice,
    check_range,
    describe_os_error,
)


def test_check_choice_names_argument_value_and_choices():
    check_choice("label_set", "emotion", ["emotion", "gender_emotion"])
    with pytest.raises(InputError, match=r"`label_set`.* emotion, gender_emotion\..*'mood'"):
        check_choice("label_set", "mood", ["gender_emotion", "emotion"])


@pytest.mark.parametrize("value", [-1, 11, float("nan")])
def test_check_range_refuses_values_outside(value):
    with pytest.raises(InputError, match=rf"`epochs`.* 0 and 10\..*epochs={value}"):
        check_range("epochs", value, 0, 10)


def test_check_range_takes_both_ends_and_may_be_open():
    check_range("x", 0, 0, 10)
    check_range("x", 10, 0, 10)
    check_range("x", 10**9, 0)
    with pytest.raises(InputError, match="0 or more"):
        check_range("x", -1, 0)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError("other words"), "other words"),
        (OSError(errno.ENOSPC, "No space left on device", "a"), "a: no space left on device; make"),
        (OSError(errno.EACCES, "Permission denied", "a", None, "b"), "a to b: permission denied; "),
        (OSError(errno.EIO, "Input/output error"), "input/output error"),
        (
            OSError(errno.ENOENT, "No such", "/a/.partial-my-pc-42-x-7-b.png"),
            "/a/x-7-b.png: no such",
        ),
    ],
)
def test_errors_of_the_system_are_a_path_a_cause_and_advice(error, line):
    assert describe_os_error(error).startswith(line)


def test_an_error_of_another_process_says_the_same():
    error = pickle.loads(pickle.dumps(RecordingError("a.wav: not a WAV file")))
    assert (type(error), str(error)) == (RecordingError, "a.wav: not a WAV file")
