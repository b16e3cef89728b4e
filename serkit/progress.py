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

from serkit.formatting import printable


class Progress:
    """Print stages, tables and progress bars to standard output.

    A progress bar moves on a terminal. In other output, each bar prints one line.
    """

    def __init__(self) -> None:
        self._start = time.monotonic()
        # Use 100 columns when output is piped.
        # Jupyter sets FORCE_COLOR for its shells, which would draw bars into what it shows.
        is_terminal = sys.stdout.isatty()
        width = None if is_terminal else 100
        self._console = Console(force_terminal=is_terminal, width=width, highlight=False)

    @property
    def verbose(self) -> int:
        """Value of ``verbose`` for Keras' ``fit``: 1 (a bar) on a terminal, else 2 (lines)."""
        return 1 if sys.stdout.isatty() else 2

    def say(self, text: str) -> None:
        """Print one line, or several; control characters in them are escaped."""
        lines = "\n".join(map(printable, text.split("\n")))
        self._console.print(lines, markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """Print title and time since start; on success, the duration of the stage."""
        stage_start = time.monotonic()
        self.say(f"\n== {title}   (after {_format_duration(stage_start - self._start)})")
        yield
        self.say(f"   done in {_format_duration(time.monotonic() - stage_start)}")

    def progress_bar(self, description: str) -> Callable[[Iterable[Any], int], Iterable[Any]]:
        """Return a function ``track(items, total)`` that yields the items and shows a bar.

        Pass it as ``track=`` to functions that process many files.
        """

        def track(items: Iterable[Any], total: int) -> Iterable[Any]:
            if self._console.is_terminal:
                yield from rich.progress.track(
                    items, description=f"   {description}", total=total, console=self._console
                )
            else:
                start = time.monotonic()
                yield from items
                self.say(f"   {description}: {_format_duration(time.monotonic() - start)}")

        return track

    def table(self, title: str, columns: list[str], rows: Iterable[Iterable[object]]) -> None:
        """Print a table; the first column is text, the others are aligned to the right."""
        if title:
            self.say(title)
        table = rich.table.Table(box=rich.box.SIMPLE_HEAD)
        for index, column in enumerate(columns):
            table.add_column(column, justify="right" if index > 0 else "left")
        for row in rows:
            table.add_row(*(Text(printable(str(cell))) for cell in row))
        self._console.print(table)

    def class_counts_table(self, title: str, class_counts: Mapping[str, int]) -> None:
        """Print a table of classes with their number of clips, largest first."""
        rows = sorted(class_counts.items(), key=lambda item: -item[1])
        self.table(title, ["class", "clips"], rows)


class SilentProgress(Progress):
    """Print nothing, in worker processes."""

    def __init__(self) -> None:
        super().__init__()
        self._console.quiet = True

    @property
    def verbose(self) -> int:
        """Value of ``verbose`` for Keras' ``fit``: 0, which prints nothing."""
        return 0


def _format_duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"
