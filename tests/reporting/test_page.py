import re
from html.parser import HTMLParser

from serkit.reporting.figures import balance
from serkit.reporting.page import Section, Table, write_report


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
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert (tmp_path / "figures" / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_text_is_escaped(tmp_path):
    page = _write(tmp_path / "report.html")
    assert "A &lt;section&gt;" in page
    assert "Text &amp; more" in page


def test_summary_and_warnings_come_before_the_sections(tmp_path):
    page = _write(tmp_path / "report.html")
    assert page.index("The answer.") < page.index("Beware.") < page.index("<section>")


def test_same_content_same_bytes(tmp_path):
    assert _write(tmp_path / "a" / "report.html") == _write(tmp_path / "b" / "report.html")
