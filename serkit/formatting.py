"""Format Markdown tables, percentages and phrases with counts; make text safe to print."""

import re
import unicodedata
from collections.abc import Sequence


def printable(text: str) -> str:
    """Escape all characters that could control a terminal, line breaks included.

    Names of files, cells of a CSV and answers of a server may hold them.

    Example:
        >>> print(printable("a\\x1b[2J.wav"))
        a\\x1b[2J.wav
    """
    return "".join(
        char
        if char.isprintable() or unicodedata.category(char) == "Zs"
        else char.encode("unicode_escape").decode()
        for char in text
    )


# Characters with a meaning in Markdown where they stand: of links and HTML the decisive one.
_MARKDOWN = re.compile(r"[\\`*|]|\](?=[(\[])|<(?=[A-Za-z/!?])")


def markdown_text(text: str) -> str:
    """Escape text that a Markdown document quotes, such as a class or the name of a corpus.

    Example:
        >>> print(markdown_text("<b>a|b</b>"))
        \\<b>a\\|b\\</b>
    """
    return _MARKDOWN.sub(r"\\\g<0>", printable(text))


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a Markdown table: the first column aligned left, the others right.

    The cells are plain text: what has a meaning in Markdown is escaped.
    """
    alignments = ["---", *["---:"] * (len(header) - 1)]
    lines = [list(map(markdown_text, cells)) for cells in (header, *rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (lines[0], alignments, *lines[1:]))


def percent(fraction: float, decimals: int = 1) -> str:
    """Format a fraction in per cent, such as ``12.3 %``.

    Example:
        >>> percent(0.1234), percent(0.1234, 0)
        ('12.3 %', '12 %')
    """
    return f"{100 * fraction:.{decimals}f} %"


def percentage_points(difference: float) -> str:
    """Format a difference of fractions in percentage points with its sign, such as ``+1.2``.

    Example:
        >>> percentage_points(0.0123), percentage_points(-0.5)
        ('+1.2', '-50.0')
    """
    return f"{100 * difference:+.1f}"


def counted(count: int, noun: str) -> str:
    """Format a count with its noun, such as ``1 speaker`` or ``3 speakers``.

    Args:
        count: the number of things.
        noun: singular noun; the plural adds s.

    Example:
        >>> counted(1, "test speaker"), counted(0, "clip")
        ('1 test speaker', '0 clips')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def too_few(count: int, noun: str) -> str:
    """Format a phrase such as ``1 speaker is too few`` or ``3 speakers are too few``."""
    return f"{counted(count, noun)} {'is' if count == 1 else 'are'} too few"
