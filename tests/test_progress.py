from serkit.progress import Progress, SilentProgress


def test_a_stage_is_named_before_and_timed_after(capsys):
    progress = Progress()
    with progress.stage("1/2 audit"):
        progress.say("inside [not markup]")
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0].startswith("== 1/2 audit")
    assert lines[1] == "inside [not markup]"
    assert lines[2].strip().startswith("done in")


def test_a_progress_bar_yields_every_item_and_is_a_line_where_there_is_no_terminal(capsys):
    assert list(Progress().progress_bar("reading")([3, 1, 2], 3)) == [3, 1, 2]
    assert capsys.readouterr().out == "   reading: 0 s\n"


def test_jupyter_asks_for_colours_and_gets_lines(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    progress = Progress()
    list(progress.progress_bar("reading")([3], 1))
    progress.class_counts_table("clips", {"rare": 2})
    assert "\x1b" not in capsys.readouterr().out


def test_class_counts_show_the_largest_first(capsys):
    Progress().class_counts_table("clips", {"rare": 2, "common": 40})
    out = capsys.readouterr().out
    assert out.index("common") < out.index("rare")
    assert "40" in out


def test_silent_progress_prints_nothing_and_keeps_keras_silent(capsys):
    progress = SilentProgress()
    with progress.stage("1/2 audit"):
        progress.class_counts_table("clips", {"rare": 2})
        assert list(progress.progress_bar("reading")([3], 1)) == [3]
    assert capsys.readouterr().out == ""
    assert progress.verbose == 0
