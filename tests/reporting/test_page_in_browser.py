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


@pytest.mark.parametrize(("width", "hints"), [(1200, 1), (500, 4)])
def test_every_figure_shows_and_nothing_overflows(page, layout_of, width, hints):
    """A hint says where something is cut off: at 1200 pixels only at the table of long names."""
    found = layout_of(page, width)
    assert found["images"] == [True, True]
    assert found["wide"] == []
    assert found["scroll"] <= found["width"]
    assert found["hints"] == hints


def test_sounds_can_be_played(page, new_page):
    opened = new_page()
    opened.goto(page.as_uri())
    playable = opened.locator("audio").evaluate_all(
        "sounds => sounds.map(s => s.canPlayType('audio/mpeg'))"
    )
    assert len(playable) == 1
    assert playable[0] in ("maybe", "probably")
    # The bytes themselves are decoded, not only their type.
    seconds = opened.locator("audio").evaluate(
        """async sound => {
        const loaded = new Promise((good, bad) => { sound.onloadedmetadata = good;
          sound.onerror = bad; });
        sound.preload = "metadata"; sound.load(); await loaded; return sound.duration; }"""
    )
    assert seconds == pytest.approx(0.5, abs=0.2)


def test_names_in_a_table_of_words_are_not_broken(new_page, tmp_path):
    """On a narrow page the first column has one line, and only the second may be broken."""
    rows = [["validation", ", ".join(f"crema-d-{n}" for n in range(1001, 1015)), "79"]]
    table = Table(["part", "speakers", "clips"], rows, True)
    write_report(tmp_path / "report.html", "", "", [], [Section("s", tables=[table])])
    opened = new_page(500)
    opened.goto((tmp_path / "report.html").as_uri())
    lines = opened.locator("tbody td").evaluate_all(
        """cells => cells.map(cell => { const range = document.createRange();
        range.selectNodeContents(cell);
        return new Set([...range.getClientRects()].map(r => Math.round(r.top))).size; })"""
    )
    assert lines[0] == lines[2] == 1
    assert lines[1] > 1


def test_tables_sort_by_the_number_before_a_bracket(page, new_page):
    opened = new_page()
    opened.goto(page.as_uri())
    first = opened.locator("table").first
    button = first.locator("th").nth(1).get_by_role("button")

    def order() -> list[str]:
        return first.locator("tbody tr td:first-child").all_text_contents()

    assert order() == ["one", "two", "three", "four"]
    button.click()
    assert order() == ["two", "one", "three", "four"]
    # The keyboard sorts as well.
    button.press("Enter")
    assert order() == ["four", "three", "one", "two"]
    assert first.locator("th").nth(1).get_attribute("aria-sort") == "ascending"


@pytest.mark.parametrize(("dark", "ground"), [(False, "255, 255, 255"), (True, "16, 21, 28")])
def test_dark_colour_scheme(page, new_page, dark, ground):
    opened = new_page(dark=dark)
    opened.goto(page.as_uri())
    found = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    assert found == f"rgb({ground})"


def test_printing(page, new_page):
    opened = new_page()
    opened.goto(page.as_uri())
    assert opened.pdf().startswith(b"%PDF")
