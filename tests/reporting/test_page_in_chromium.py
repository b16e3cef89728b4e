"""The page as a browser shows it; skipped where there is no Chromium."""

import numpy as np
import pytest

from serkit.reporting import comparison_figures, figures
from serkit.reporting.gan_figures import mp3
from serkit.reporting.page import Section, Sound, Table, write_report


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    rows = [["one", "9.5 [1, 2]"], ["two", "10.1 [3, 4]"], ["three", "−3.0"], ["four", ""]]
    apart = {"arm": {"value": 0.01, "low": -0.01, "high": 0.02}}
    wide = [[f"a-very-long-name-{n}" * 3 for n in range(8)]] * 3
    tone = np.sin(np.arange(8000) / 10)
    sections = [
        Section("first", ["text"], [Table(["", "value"], rows)]),
        Section(
            "second",
            tables=[Table(list("abcdefgh"), wide, True), Table(list("abcdefgh"), wide)],
            figures={
                "forest": (comparison_figures.forest(apart, "UAR"), "a forest"),
                "balance": (figures.balance({"sad": 3}), "a balance"),
            },
            sounds={"sounds": [Sound("a tone", mp3(tone, 16_000))]},
        ),
    ]
    write_report(path, "Title", "Summary.", ["A warning."], sections)
    return path


@pytest.mark.parametrize("width", [1200, 500])
def test_every_figure_shows_nothing_overflows_and_the_console_is_silent(page, chromium, width):
    found = chromium(page, f"--window-size={width},900")
    assert found["errors"] == []
    assert found["images"] == [True, True]
    assert len(found["playable"]) == 1
    assert set(found["playable"]) <= {"maybe", "probably"}
    assert found["wide"] == []
    assert found["scroll"] <= found["width"]


@pytest.mark.parametrize(("width", "cut_off"), [(1200, 1), (500, 4)])
def test_where_something_is_cut_off_it_says_so(page, chromium, width, cut_off):
    """On a desk the table of long names alone; on a phone all tables and figures."""
    assert chromium(page, f"--window-size={width},900")["hints"] == cut_off


def test_names_in_a_table_of_words_are_not_broken(chromium, tmp_path):
    """As narrow as a phone, one line each: the first column and others but that of values."""
    rows = [["validation", ", ".join(f"crema-d-{n}" for n in range(1001, 1015)), "79"]]
    table = Table(["part", "speakers", "clips"], rows, True)
    write_report(tmp_path / "report.html", "", "", [], [Section("s", tables=[table])])
    seen = chromium(tmp_path / "report.html", "--window-size=500,900")
    assert seen["lines"][0] == 1


def test_tables_sort_by_what_stands_before_a_bracket(page, chromium):
    as_written, descending, ascending = chromium(page)["orders"]
    assert as_written == ["one", "two", "three", "four"]
    assert descending == ["two", "one", "three", "four"]
    assert ascending == descending[::-1]


def test_it_is_dark_where_that_is_wanted(page, chromium):
    light = chromium(page)["ground"]
    dark = chromium(page, "--blink-settings=preferredColorScheme=0")["ground"]
    assert light == "rgb(255, 255, 255)"
    assert dark == "rgb(16, 21, 28)"


def test_it_prints(page, chromium, tmp_path):
    out = tmp_path / "page.pdf"
    chromium(page, f"--print-to-pdf={out}")
    assert out.read_bytes().startswith(b"%PDF")
