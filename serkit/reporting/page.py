"""The self-contained report page: one HTML file, pictures inside, no network."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
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
class Section:
    """A part of the page.

    Attributes:
        title: its heading.
        text: paragraphs.
        tables: shown before the figures.
        figures: name of the picture file to figure and caption.
    """

    title: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Mapping[str, tuple[Figure, str]] = field(default_factory=dict)


def write_report(
    path: Path | str,
    title: str,
    summary: str,
    warnings: Sequence[str],
    sections: Sequence[Section],
) -> None:
    """Write the page, and every figure as PNG into ``figures/`` beside it.

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
            with replacing(path.parent / "figures" / f"{name}.png") as partial:
                partial.write_bytes(pictures[name])
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("serkit.reporting"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["data_uri"] = lambda name: _data_uri(pictures[name])
    page = environment.get_template("report.html").render(
        title=title, summary=summary, warnings=warnings, sections=sections
    )
    write_text(path, page)


def png(figure: Figure, dots_per_inch: int = 130) -> bytes:
    """The figure as a PNG; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dots_per_inch, metadata={"Software": None})
    return buffer.getvalue()


def _data_uri(picture: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(picture).decode()
