"""Markdown tables, numbers and plurals in sentences."""

from collections.abc import Sequence


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a Markdown table whose first column is text and whose other columns are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def percent(fraction: float, digits: int = 1) -> str:
    """Format a fraction in per cent, such as ``12.3 %``.

    Example:
        >>> percent(0.1234), percent(0.1234, 0)
        ('12.3 %', '12 %')
    """
    return f"{100 * fraction:.{digits}f} %"


def points(fraction: float) -> str:
    """Format a difference of fractions in points with its sign, such as ``+1.2``.

    Example:
        >>> points(0.0123), points(-0.5)
        ('+1.2', '-50.0')
    """
    return f"{100 * fraction:+.1f}"


def counted(number: int, noun: str) -> str:
    """Format a number with its noun, such as ``1 speaker`` or ``3 speakers``.

    Args:
        number: the count.
        noun: in the singular. The plural is formed with s.

    Example:
        >>> counted(1, "test speaker"), counted(0, "clip")
        ('1 test speaker', '0 clips')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def too_few(number: int, noun: str) -> str:
    """Format a phrase such as ``1 speaker is too few`` or ``3 speakers are too few``."""
    return f"{counted(number, noun)} {'is' if number == 1 else 'are'} too few"
