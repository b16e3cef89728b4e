"""Progress of a long command: stages, times, tables, progress bars."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import rich.box
import rich.progress
import rich.table
from rich.console import Console
from rich.text import Text


class Progress:
    """Print progress to standard output.

    Progress bars move on a terminal. Elsewhere each bar prints one line.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        # Piped output has a fixed line width that does not depend on the terminal.
        self._console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)

    @property
    def verbose(self) -> int:
        """Value of ``verbose`` for Keras' ``fit``: a bar on a terminal, else a line per epoch."""
        return 1 if sys.stdout.isatty() else 2

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """Print the title at the start of a stage and the elapsed time at its end."""
        began = time.monotonic()
        self.say(f"\n== {title}   (after {_clock(began - self._started)})")
        yield
        self.say(f"   done in {_clock(time.monotonic() - began)}")

    def track(self, what: str) -> Callable[[Iterable[Any], int], Iterable[Any]]:
        """Return a progress bar function, for the ``track`` argument of functions on many files."""

        def tracked(items: Iterable, total: int) -> Iterable:
            return rich.progress.track(
                items, description=f"   {what}", total=total, console=self._console
            )

        return tracked

    def table(self, title: str, columns: list[str], rows: Iterable[Iterable[object]]) -> None:
        """Print a table; the first column is text, the others are aligned to the right."""
        table = rich.table.Table(title=Text(title), title_justify="left", box=rich.box.SIMPLE_HEAD)
        for number, column in enumerate(columns):
            table.add_column(column, justify="right" if number else "left")
        for row in rows:
            table.add_row(*(Text(str(cell)) for cell in row))
        self._console.print(table)

    def counts(self, title: str, counts: Mapping[str, int]) -> None:
        """Print a table of classes with their number of clips, largest first."""
        rows = sorted(counts.items(), key=lambda item: -item[1])
        self.table(title, ["class", "clips"], rows)


class Silent(Progress):
    """Progress that prints nothing, for worker processes."""

    def __init__(self) -> None:
        super().__init__()
        self._console.quiet = True


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"
