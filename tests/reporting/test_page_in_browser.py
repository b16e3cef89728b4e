"""The page as a browser shows it; skipped where there is no Chromium."""

import numpy as np
import pytest

from serkit.reporting import comparison_figures, figures
from serkit.reporting.clips import clip_to_hear
from serkit.reporting.gan_figures import mp3
from serkit.reporting.page import Section, Sound, Table, files_section, write_report


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


@pytest.fixture(scope="module")
def crowded(tmp_path_factory, wav_bytes):
    """A page with all that a page can have: many classes, long names, many rows."""
    folder = tmp_path_factory.mktemp("crowded")
    emotions = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise", "a$b")
    classes = [f"{g}_{e}" for g in ("female", "male", "unforeseeable") for e in emotions]
    arms = ["none", "class-weights+specaugment+time-shift", "x" * 40]
    recalls = {arm: dict.fromkeys(classes, 0.5) for arm in arms}
    matrix = np.eye(len(classes), dtype=int)
    (folder / "long.wav").write_bytes(wav_bytes(0.1 * np.sin(np.arange(160_000) / 9)))
    long_path = "a_very_long_folder/" + 3 * "and_a_name_without_any_space"
    clip = clip_to_hear(
        folder / "long.wav", f"{long_path}.wav, predicted as x", dict.fromkeys(classes[-4:], 0.25)
    )
    rows = [[f"speaker-{n}", *("50.0 [40.0, 60.0]" for _ in arms)] for n in range(30)]
    reasons = [[long_path, f"duplicate: the same bytes as {long_path}"]] * 3
    tone = Sound("generated 1", mp3(np.sin(np.arange(8000) / 10), 16_000))
    sections = [
        Section(
            "Where they are right and wrong " + "x" * 60,
            ["A paragraph with " + "y" * 90],
            [
                Table(["UAR", *arms], rows, folded="UAR of each speaker"),
                Table(["file", "reason"], reasons, words=True),
            ],
            {
                "recalls": (comparison_figures.recalls(recalls, classes[:2]), "recalls"),
                "confusion": (figures.confusion(matrix, classes, arms[1]), "confusion"),
                "balance": (figures.balance(dict.fromkeys(classes, 10)), "balance"),
            },
            {f"{classes[-1]}: real beside generated": [tone] * 4},
            [clip] * 4,
        ),
        *(Section(f"compact, leave-one-corpus-out: section {n}", ["text"]) for n in range(9)),
        files_section(folder / "x.html", {folder / "long.wav": "sound"}, "serkit compare " * 20),
    ]
    warnings = ["Classes with few clips: " + ", ".join(classes), "z" * 90]
    write_report(folder / "x.html", "Title " + "t" * 50, "s" * 90, warnings, sections)
    return folder / "x.html"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_overflows_or_is_too_small_on_any_screen(crowded, layout_of, width, dark):
    """8 points, the size of most words in figures, are 10 pixels or more."""
    found = layout_of(crowded, width, dark)
    assert found["wide"] == found["broken"] == []
    assert all(found["images"])
    assert found["scroll"] <= found["width"]
    assert found["scale"] >= 90


@pytest.mark.parametrize(("width", "position"), [(390, "static"), (1280, "sticky")])
def test_a_first_column_stays_in_place_if_there_is_room(new_page, tmp_path, width, position):
    rows = [["a_speaker_with_a_very_long_name", *["50.0 [40.0, 60.0]"] * 12]]
    section = Section("s", tables=[Table(["UAR", *"abcdefghijkl"], rows)])
    write_report(tmp_path / "report.html", "", "", [], [section])
    opened = new_page(width)
    opened.goto((tmp_path / "report.html").as_uri())
    first = opened.locator("tbody td").first
    assert first.evaluate("cell => getComputedStyle(cell).position") == position


def test_what_is_folded_is_printed(crowded, new_page):
    opened = new_page()
    opened.goto(crowded.as_uri())
    is_open = "[...document.querySelectorAll('details')].map(each => each.open)"
    assert opened.evaluate(is_open) == [False]
    opened.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert opened.evaluate(is_open) == [True]
    opened.evaluate("dispatchEvent(new Event('afterprint'))")
    assert opened.evaluate(is_open) == [False]


@pytest.mark.parametrize(("width", "hints"), [(1200, 2), (500, 4)])
def test_every_figure_shows_and_nothing_overflows(page, layout_of, width, hints):
    """A hint says where something is cut off: at 1200 pixels only at the tables of long names."""
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
