from serkit.formatting import counted, too_few


def test_numbers_with_their_nouns():
    assert [counted(n, "clip") for n in (0, 1, 2)] == ["0 clips", "1 clip", "2 clips"]
    assert too_few(1, "speaker") == "1 speaker is too few"
    assert too_few(3, "speaker") == "3 speakers are too few"
