from serkit.progress import Progress


def test_a_stage_is_named_before_and_timed_after(capsys):
    progress = Progress()
    with progress.stage("1/2 audit"):
        progress.say("inside [not markup]")
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0].startswith("== 1/2 audit")
    assert lines[1] == "inside [not markup]"
    assert lines[2].strip().startswith("done in")


def test_track_hands_every_item_on():
    assert list(Progress().track("reading")([3, 1, 2], 3)) == [3, 1, 2]


def test_counts_show_the_largest_first(capsys):
    Progress().counts("clips", {"rare": 2, "common": 40})
    out = capsys.readouterr().out
    assert out.index("common") < out.index("rare")
    assert "40" in out
