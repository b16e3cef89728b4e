"""The report page: one self-contained HTML file."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import matplotlib
from matplotlib.figure import Figure

from serkit.files import replacing, write_text


@dataclass(frozen=True)
class Table:
    """A table of text and numbers.

    Attributes:
        columns: header cells; the first column names the row.
        rows: formatted cells, one for each column.
        words: whether the cells hold words instead of numbers; words are aligned left.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: bool = False


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
class Section:
    """A section of the report page.

    Attributes:
        title: heading.
        text: paragraphs.
        tables: tables, shown before the figures.
        figures: ``(figure, caption)``, by the name of the PNG and SVG files without suffix.
        sounds: groups of sounds by heading, shown after the figures; the sounds of a group are side
            by side.
    """

    title: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Mapping[str, tuple[Figure, str]] = field(default_factory=dict)
    sounds: Mapping[str, Sequence[Sound]] = field(default_factory=dict)


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
    environment.globals["playable"] = lambda mp3: _data_uri("audio/mpeg", mp3)
    page = environment.get_template("report.html").render(
        title=title, summary=summary, warnings=warnings, sections=sections
    )
    write_text(path, page)


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
