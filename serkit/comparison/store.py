"""One store of all spectrograms, and links to what of it a piece of work gives.

The store goes by clips' content, so that comparisons which share a folder of results find what any
of them computed, however it was parted. A piece's own folder has links to the files of the store
that its clips are in, or, if it was done on a machine that has another disk, the files themselves.
So what is removed from the store is no longer done, and other machines get what they need alone.
"""

import shutil
from pathlib import Path

from serkit.files import replacing

AUDIO, STORE = "audio", "spectrograms"
"""Names of the folders of all such pieces and of the store, in that of all results."""
_FILES = "spectrograms-*.npy"


def link(path: Path, place: Path) -> None:
    """Have a link to a file of the store in a piece's folder; a copy, where there are no links.

    Args:
        path: of the file.
        place: a folder in that of all pieces; made if it is not there.
    """
    place.mkdir(parents=True, exist_ok=True)
    here = place / path.name
    try:
        here.symlink_to(Path("..", "..", STORE, path.name))
    except FileExistsError:
        # From before, or of another process.
        return
    except OSError:
        with replacing(here) as partial:
            shutil.copyfile(path, partial)


def remove_dead_links(place: Path) -> None:
    """Remove links to files that are not in the store any more."""
    for path in place.glob(_FILES):
        if not path.exists():
            path.unlink(missing_ok=True)


def take_in(folder: Path) -> None:
    """Move what came from other machines into the store, with links in its place.

    Args:
        folder: of all results; no other process works in it.
    """
    for path in list((folder / AUDIO).glob(f"*/{_FILES}")):
        if not path.is_symlink():
            kept = folder / STORE / path.name
            kept.parent.mkdir(parents=True, exist_ok=True)
            path.replace(kept)
            link(kept, path.parent)
