"""Who does the work of a plan."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from serkit.errors import SerkitError
from serkit.grid.plan import Plan
from serkit.grid.work import Work, do


class GridError(SerkitError):
    """Work cannot be done where it was to be done; the message says why."""


def no_sources(work: Work) -> Mapping[str, Path]:
    """Of pieces that read nothing else."""
    return {}


@dataclass(frozen=True)
class Workshop:
    """What is needed to do a piece of a plan in another process, maybe on another machine.

    Attributes:
        reopen: from the run folder, the folder of all results, and the piece's name, the path of
            its place below the latter, to the piece. It is pickled: most often a function of a
            module with its first arguments (``functools.partial``).
        out: the run folder.
        cache: the folder that all results are in.
        inputs: what has to be there before any piece is done, paths of files and folders below
            either folder: ``("out", "manifest.csv")``, ``("cache", "spectrograms")``.
        sources: from a piece to the files that it reads which are neither in these folders nor
            given by other pieces, such as recordings, by the names that copies of them get below
            the run folder of a machine that has folders of its own.
    """

    reopen: Callable[[Path, Path, str], Work]
    out: Path
    cache: Path
    inputs: tuple[tuple[str, str], ...] = ()
    sources: Callable[[Work], Mapping[str, Path]] = no_sources


class Engine(Protocol):
    """Something that does all of a plan."""

    def run(self, plan: Plan, workshop: Workshop, say: Callable[[str], None], verbose: int) -> None:
        """Do what is not done, what is needed before what needs it.

        A training that diverges is noted as failed, and the rest goes on; what needs it is left
        out.

        Args:
            plan: what there is to do.
            workshop: for doing it elsewhere.
            say: gets lines.
            verbose: as for Keras' ``fit``.
        """


class LocalEngine:
    """Does one piece after the other, in this process."""

    def run(
        self, plan: Plan, workshop: Workshop | None, say: Callable[[str], None], verbose: int
    ) -> None:
        """See :meth:`Engine.run`."""
        failed = plan.failed()
        for kind, work in plan.open():
            # Meanwhile something that it needs may have failed, or another process been quicker.
            if work.failure or not failed.isdisjoint(work.needs):
                failed.add(work.place)
            elif not work.is_done:
                say(f"   {work.title}: {plan.progress()}")
                if why := do(kind, work, verbose):
                    failed.add(work.place)
                    say(f"   {work.title} failed: {why}")
