import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd

from serkit.reporting.clips import surest_mistakes
from serkit.reporting.figures import balance
from serkit.reporting.page import (
    Link,
    Section,
    Table,
    files_section,
    link_to,
    write_report,
)


class _Checker(HTMLParser):
    """Tags that are opened are closed."""

    def __init__(self):
        super().__init__()
        self.open, self.images = [], []

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.images.append(dict(attributes))
        elif tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def _write(path, **options):
    section = Section(
        "A <section>",
        ["Text & more"],
        [Table(["name", "value"], [["a", "1"]]), Table(["x"], [["y"]], words=True)],
        {"picture": (balance({"sad": 3}), "a caption")},
    )
    write_report(path, "Title", "The answer.", ["Beware."], [section], **options)
    return path.read_text("utf-8")


def test_page_is_complete_and_contains_its_figures(tmp_path):
    page = _write(tmp_path / "report.html")
    checker = _Checker()
    checker.feed(page)
    assert checker.open == []
    (image,) = checker.images
    assert image["src"].startswith("data:image/png;base64,iVBOR")
    assert image["alt"] == "a caption"
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert (tmp_path / "figures" / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_text_is_escaped(tmp_path):
    page = _write(tmp_path / "report.html")
    assert "A &lt;section&gt;" in page
    assert "Text &amp; more" in page


def test_summary_and_warnings_come_before_the_sections(tmp_path):
    page = _write(tmp_path / "report.html")
    assert page.index("The answer.") < page.index("Beware.") < page.index("<section id")


def test_of_many_warnings_the_first_are_open(tmp_path):
    warnings = [f"Warning {number}." for number in range(11)]
    write_report(tmp_path / "report.html", "", "", warnings, [])
    page = (tmp_path / "report.html").read_text("utf-8")
    before, folded = page.split("<details><summary>3 more</summary>")
    assert [number for number in range(11) if f"Warning {number}." in before] == [*range(8)]
    assert "Warning 10." in folded


def test_contents_link_to_every_section(tmp_path):
    sections = [Section(title) for title in ("One", "Two & a half", "Three")]
    write_report(tmp_path / "report.html", "", "", [], sections)
    page = (tmp_path / "report.html").read_text("utf-8")
    links = re.findall(r'<li><a href="#(.*?)">(.*?)</a>', page)
    assert [title for _, title in links] == ["One", "Two &amp; a half", "Three"]
    for anchor, title in links:
        assert re.search(rf'<section id="{anchor}">\s*<h2>{title}</h2>', page)
    write_report(tmp_path / "short.html", "", "", [], sections[:2])
    assert "<nav" not in (tmp_path / "short.html").read_text("utf-8")


def test_only_files_that_exist_are_linked_relative_to_the_page(tmp_path):
    page, model = tmp_path / "runs" / "a b" / "report.html", tmp_path / "models" / "m" / "1"
    (page.parent / "tables").mkdir(parents=True)
    model.mkdir(parents=True)
    table = page.parent / "tables" / "50 %.csv"
    table.touch()
    files = {table: "all", page.parent / "none.csv": "", model: "the model"}
    section = files_section(page, files, "serkit compare 'x y' --labels \"a<b\"")
    assert section.tables[0].rows == [
        [Link("tables/50 %.csv", "tables/50%20%25.csv"), "all"],
        [Link("m/1", "../../models/m/1"), "the model"],
    ]
    write_report(page, "", "", [], [section])
    text = page.read_text("utf-8")
    assert '<a href="../../models/m/1">m/1</a>' in text
    assert "<pre>serkit compare &#39;x y&#39; --labels &#34;a&lt;b&#34;</pre>" in text
    assert link_to(page.parent / "a:b", page, "x").target == "a%3Ab"


def test_a_folded_table_has_its_heading(tmp_path):
    table = Table(["setting"], [["x"]], words=True, folded="Settings")
    write_report(tmp_path / "report.html", "", "", [], [Section("s", tables=[table])])
    page = (tmp_path / "report.html").read_text("utf-8")
    assert re.search(r"<details><summary>Settings</summary>.*<table.*</details>", page, re.S)


def _predictions(**probabilities) -> pd.DataFrame:
    table = pd.DataFrame(probabilities).add_prefix("p_")
    paths = [f"{number}.wav" for number in range(len(table))]
    return table.assign(root="r", path=paths, speaker="ann", truth="sad")


def test_the_wrong_predictions_with_the_highest_probability_are_heard(tmp_path, wav_bytes):
    sound = 0.1 * np.sin(np.arange(22_050))
    for number in (0, 1, 3):
        (tmp_path / f"{number}.wav").write_bytes(wav_bytes(sound, 22_050))
    table = _predictions(
        sad=[0.1, 0.3, 0.9, 0.2], angry=[0.7, 0.4, 0.1, 0.8], fear=[0.2, 0.3, 0, 0]
    )
    found = list(surest_mistakes(table, ("sad", "angry", "fear"), {"r": tmp_path}))
    assert [clip.sound.caption.split(". ")[1] for clip in found] == [
        f"{number}.wav, speaker ann" for number in (3, 0, 1)
    ]
    assert found[0].sound.caption.startswith("sad, predicted as angry. ")
    assert list(found[1].probabilities.items()) == [("angry", 0.7), ("fear", 0.2), ("sad", 0.1)]
    assert all(clip.picture.startswith(b"\x89PNG") and clip.sound.mp3 for clip in found)
    # A recording that is gone is left out.
    (tmp_path / "0.wav").unlink()
    assert len(list(surest_mistakes(table, ("sad", "angry", "fear"), {"r": tmp_path}))) == 2


def test_the_true_class_is_shown_however_improbable_it_is(tmp_path, wav_bytes):
    (tmp_path / "0.wav").write_bytes(wav_bytes(np.zeros(8000)))
    table = _predictions(a=[0.4], b=[0.3], c=[0.2], d=[0.1], sad=[0.0])
    (clip,) = surest_mistakes(table, ("a", "b", "c", "d", "sad"), {"r": tmp_path})
    assert list(clip.probabilities) == ["a", "b", "c", "sad"]
    write_report(tmp_path / "x.html", "", "", [], [Section("s", clips=[clip])])
    page = (tmp_path / "x.html").read_text("utf-8")
    assert page.count("<audio") == page.count("<img") == 1
    assert page.count("<dt") == 4


def test_same_content_same_bytes(tmp_path):
    assert _write(tmp_path / "a" / "report.html") == _write(tmp_path / "b" / "report.html")
