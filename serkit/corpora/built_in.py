"""How the built-in corpus is known as such, whoever is given its folders or its manifest."""

from pathlib import Path

from serkit.corpora.corpus import Clip, Corpus
from serkit.files import write_text

NAME = "built-in corpus"
"""What it is called among corpora."""
WARNING = (
    "The recordings are serkit's built-in corpus of synthetic voices. They show that everything "
    "works; they say nothing about people's speech."
)
"""What every result that is made of it says."""
_MARK = "SYNTHETIC.txt"
_TEXT = (
    "The voices below this folder are made by serkit, in the file names of RAVDESS, TESS, SAVEE "
    "and CREMA-D.\nNobody spoke them. This file tells serkit so: leave it where it is.\n"
)


def mark(folder: Path | str) -> None:
    """Mark everything below a folder as made by a program."""
    if not (place := Path(folder, _MARK)).exists():
        write_text(place, _TEXT)


def synthetic_clips(corpus: Corpus) -> frozenset[Clip]:
    """The clips that lie below a folder that is marked; none of those that are not there."""
    known: dict[Path, bool] = {}

    def is_marked(folder: Path) -> bool:
        if folder not in known:
            above = folder.parent != folder and is_marked(folder.parent)
            known[folder] = above or (folder / _MARK).is_file()
        return known[folder]

    here = [clip for clip in corpus.clips if clip.root in corpus.roots]
    return frozenset(clip for clip in here if is_marked(corpus.file(clip).absolute().parent))
