from serkit.formatting import counted, time_left, too_few


def test_numbers_with_their_nouns():
    assert [counted(n, "clip") for n in (0, 1, 2)] == ["0 clips", "1 clip", "2 clips"]
    assert too_few(1, "speaker") == "1 speaker is too few"
    assert too_few(3, "speaker") == "3 speakers are too few"


def test_the_time_that_is_left_is_never_no_minutes():
    found = [time_left(seconds) for seconds in (0, 29, 31, 170)]
    assert found == [*["less than a minute left"] * 2, "about 1 min left", "about 3 min left"]
