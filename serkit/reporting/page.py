"""The report page: one self-contained HTML file."""

import base64
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import jinja2
import matplotlib
from matplotlib.figure import Figure

from serkit.files import replacing, write_text


@dataclass(frozen=True)
class Link:
    """A link to a file beside the report page.

    Attributes:
        text: what is shown.
        target: relative URL, see :func:`link_to`.
    """

    text: str
    target: str


@dataclass(frozen=True)
class Table:
    """A table of text and numbers.

    Attributes:
        columns: header cells; the first column names the row.
        rows: formatted cells, one for each column.
        words: whether the cells hold words instead of numbers; words are aligned left.
        folded: heading of a table that the reader unfolds; empty: the table is open.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str | Link]]
    words: bool = False
    folded: str = ""


@dataclass(frozen=True)
class Sound:
    """A sound that can be played on the report page.

    Attributes:
        caption: description of the sound.
        mp3: MP3 bytes.
    """

    caption: str
    mp3: bytes


@dataclass(frozen=True)
class HeardClip:
    """A clip to hear, with its spectrogram.

    Attributes:
        sound: the sound, whose caption describes the clip.
        picture: the spectrogram as a PNG.
        probabilities: probability by class, in the order shown; empty if nothing was predicted.
    """

    sound: Sound
    picture: bytes
    probabilities: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """A section of the report page.

    Attributes:
        title: heading.
        text: paragraphs.
        tables: tables, shown before the figures.
        figures: ``(figure, caption)``, by the name of the PNG and SVG files without suffix.
        sounds: groups of sounds by heading, shown after the figures, two in a row.
        clips: clips to hear, shown last.
        command: a command of the command line, shown after the text; empty: none.
    """

    title: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Mapping[str, tuple[Figure, str]] = field(default_factory=dict)
    sounds: Mapping[str, Sequence[Sound]] = field(default_factory=dict)
    clips: Sequence[HeardClip] = ()
    command: str = ""


def write_report(
    path: Path | str, title: str, summary: str, warnings: Sequence[str], sections: Sequence[Section]
) -> None:
    """Write the report page, and every figure as PNG and SVG into ``figures/`` in the same folder.

    Args:
        path: path of the HTML file.
        title: heading of the report page.
        summary: the result in one or two sentences.
        warnings: limitations that a reader must know before relying on the numbers.
        sections: sections in their order.
    """
    path = Path(path)
    png_by_name = {}
    for section in sections:
        for name, (figure, _) in section.figures.items():
            png_by_name[name] = png(figure)
            for suffix, content in (("png", png_by_name[name]), ("svg", svg(figure))):
                with replacing(path.parent / "figures" / f"{name}.{suffix}") as partial:
                    partial.write_bytes(content)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("serkit.reporting"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["picture"] = lambda name: _data_uri("image/png", png_by_name[name])
    environment.globals["embedded"] = _data_uri
    page = environment.get_template("report.html").render(
        title=title, summary=summary, warnings=warnings, sections=sections
    )
    write_text(path, page)


def link_to(target: Path, page: Path, text: str) -> Link:
    """Return a link from a page to a file or folder; the link is relative.

    Args:
        target: the file or folder.
        page: path of the page.
        text: what is shown.

    Example:
        >>> link_to(Path("runs/a/50 %.csv"), Path("runs/a/report.html"), "table").target
        '50%20%25.csv'
    """
    relative = os.path.relpath(target.resolve(), page.resolve().parent)
    return Link(text, quote(Path(relative).as_posix()))


def files_section(page: Path, files: Mapping[Path, str], command: str = "") -> Section:
    """Return a section with links to files, and with the command that wrote them.

    Args:
        page: path of the page.
        files: description of each file or folder; those that do not exist are left out.
        command: the command; empty if there was none.
    """
    rows = []
    for file, description in files.items():
        if file.exists():
            is_inside = file.is_relative_to(page.parent)
            text = file.relative_to(page.parent) if is_inside else Path(*file.parts[-2:])
            rows.append([link_to(file, page, text.as_posix()), description])
    title = "Files, and the command that repeats this" if command else "Files"
    return Section(title, [], [Table(["file", ""], rows, True)], command=command)


def png(figure: Figure, dots_per_inch: int = 130) -> bytes:
    """Return the figure as a PNG; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dots_per_inch, metadata={"Software": None})
    return buffer.getvalue()


def write_png(path: Path | str, figure: Figure, dots_per_inch: int = 130) -> None:
    """Write the figure as a PNG; a reader sees the old file or the whole new one."""
    with replacing(path) as partial:
        partial.write_bytes(png(figure, dots_per_inch))


def svg(figure: Figure) -> bytes:
    """Return the figure as an SVG for papers; equal figures give equal bytes."""
    buffer = io.BytesIO()
    # Without a fixed salt, the ids of the clip paths in the SVG are random.
    with matplotlib.rc_context({"svg.hashsalt": "serkit", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _data_uri(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64," + base64.b64encode(content).decode()
