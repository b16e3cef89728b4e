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
        columns: the header; the first column names the row.
        rows: as many cells as columns each, already formatted.
        words: cells hold words rather than numbers, and start at the left.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: bool = False


@dataclass(frozen=True)
class Sound:
    """A sound that the page can play.

    Attributes:
        caption: what it is.
        mp3: its bytes.
    """

    caption: str
    mp3: bytes


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        title: its heading.
        text: paragraphs.
        tables: shown before the figures.
        figures: name of the picture file to figure and caption.
        sounds: by heading, to be played one beside the other; behind the figures.
    """

    title: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Mapping[str, tuple[Figure, str]] = field(default_factory=dict)
    sounds: Mapping[str, Sequence[Sound]] = field(default_factory=dict)


def write_report(
    path: Path | str,
    title: str,
    summary: str,
    warnings: Sequence[str],
    sections: Sequence[Section],
) -> None:
    """Write the page, and every figure as PNG and SVG into ``figures/`` beside it.

    Args:
        path: of the HTML file.
        title: heading of the page.
        summary: the answer, in a sentence or two.
        warnings: what a reader must know before believing the numbers.
        sections: in their order.
    """
    path = Path(path)
    pictures = {}
    for section in sections:
        for name, (figure, _) in section.figures.items():
            pictures[name] = png(figure)
            for suffix, content in {"png": pictures[name], "svg": svg(figure)}.items():
                with replacing(path.parent / "figures" / f"{name}.{suffix}") as partial:
                    partial.write_bytes(content)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("serkit.reporting"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["picture"] = lambda name: _data_uri("image/png", pictures[name])
    environment.globals["playable"] = lambda mp3: _data_uri("audio/mpeg", mp3)
    page = environment.get_template("report.html").render(
        title=title, summary=summary, warnings=warnings, sections=sections
    )
    write_text(path, page)


def png(figure: Figure, dots_per_inch: int = 130) -> bytes:
    """The figure as a PNG; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dots_per_inch, metadata={"Software": None})
    return buffer.getvalue()


def svg(figure: Figure) -> bytes:
    """The figure as an SVG for papers; equal figures give equal bytes."""
    buffer = io.BytesIO()
    # Names of clips in it are otherwise random.
    with matplotlib.rc_context({"svg.hashsalt": "serkit", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64," + base64.b64encode(content).decode()
