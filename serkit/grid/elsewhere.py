"""What is done on the nodes of a cluster."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from serkit.content import content_key
from serkit.files import alone_in
from serkit.grid.engine import Workshop
from serkit.grid.share import Share
from serkit.grid.work import Work, do


def do_elsewhere(
    kind: str,
    workshop: Workshop,
    name: str,
    needs: list[str],
    address: str,
    sources: Sequence[str] = (),
) -> str | None:
    """Do a piece of work, opened again from its name.

    Args:
        kind: of the work.
        workshop: how it is opened.
        name: of the piece.
        needs: names of those that it needs.
        address: of a share, if this machine does not see the workshop's folders; they are then
            folders of this machine's own, with what is needed fetched. Empty if it does.
        sources: names of copies, on the share, of what else it reads.

    Returns:
        Why it failed; None if it did not.
    """
    if not address:
        return do(kind, workshop.reopen(workshop.out, workshop.cache, name), 0)
    share = Share(address)
    scratch = Path(tempfile.gettempdir()) / f"serkit-{content_key(share=address)}"
    folders = {"out": scratch / "out", "cache": scratch / "cache"}
    with alone_in(scratch):
        wanted = [*workshop.inputs, *(("cache", need) for need in needs)]
        for folder, inner in wanted:
            if not share.is_same(f"{folder}/{inner}", folders[folder] / inner):
                share.get(f"{folder}/{inner}", folders[folder] / inner)
    share.get_files("out", sources, folders["out"])
    work = workshop.reopen(folders["out"], folders["cache"], name)
    why = do(kind, work, 0)
    share.put(work.place, f"cache/{name}")
    return why


def name_of(work: Work, workshop: Workshop) -> str:
    """The path of a piece's place below that of all results."""
    return work.place.relative_to(workshop.cache).as_posix()


def needs_of(work: Work, workshop: Workshop) -> list[str]:
    """The same of what it needs."""
    return [place.relative_to(workshop.cache).as_posix() for place in work.needs]
