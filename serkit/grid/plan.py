"""What there is to do, what of it is done, and how long the rest will take."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from serkit.files import read_json
from serkit.grid.work import SECONDS, Work


class Plan:
    """Pieces of work in their order, each with the kind of work that it is.

    Args:
        pieces: kind and work, what is needed before what needs it; the same kind takes about the
            same time. What several ask for comes once: pieces in one folder are one.
        later: how many pieces of which kind will come that are not known yet.
    """

    def __init__(
        self, pieces: Iterable[tuple[str, Work]], later: dict[str, int] | None = None
    ) -> None:
        unique = {work.place: (kind, work) for kind, work in pieces}
        self.pieces = list(unique.values())
        self._later = Counter(later or {})

    def open(self) -> list[tuple[str, Work]]:
        """What is neither done nor has failed, in order."""
        return [(kind, work) for kind, work in self.pieces if not (work.is_done or work.failure)]

    def failed(self) -> set[Path]:
        """Folders of the pieces that cannot be done."""
        return {work.place for _, work in self.pieces if work.failure}

    def progress(self) -> str:
        """How many pieces are done, and how long the rest will take."""
        done = len(self.pieces) - len(self.open())
        total = len(self.pieces) + sum(self._later.values())
        return f"{done} of {total} done; {self.left()}"

    def left(self) -> str:
        """How long the rest will take, by what pieces of the same kind took, here or before."""
        open_ = Counter(kind for kind, _ in self.open()) + self._later
        if not open_:
            return "nothing left"
        measured = {kind: self._measured(kind) for kind in open_}
        known = {kind: np.mean(times) for kind, times in measured.items() if times}
        unknown = [f"{open_[kind]} x {kind}" for kind in open_ if kind not in known]
        minutes = sum(open_[kind] * seconds for kind, seconds in known.items()) / 60
        parts = [_spoken(minutes)] if known else []
        if unknown:
            parts.append(f"not measured yet: {', '.join(unknown)}")
        return "left: " + "; ".join(parts)

    def _measured(self, kind: str) -> Sequence[float]:
        files = (work.place / SECONDS for mine, work in self.pieces if mine == kind)
        return [read_json(file)["seconds"] for file in files if file.exists()]


def _spoken(minutes: float) -> str:
    if minutes < 1:
        return "less than a minute"
    return f"about {minutes:.0f} min" if minutes < 90 else f"about {minutes / 60:.1f} h"
