"""Facts about corpora: licences, human recognition rates, and whether one is synthetic."""

from pathlib import Path
from typing import Any

from serkit.datasets.corpus import Clip, Corpus
from serkit.files import write_text

BUILT_IN_CORPUS = "built-in corpus"
"""Name of the synthetic corpus in lists of corpora."""
SYNTHETIC_WARNING = (
    "The recordings are serkit's built-in corpus of synthetic voices. They show that everything "
    "works; they say nothing about people's speech."
)
"""Warning in every result that is computed from the built-in corpus."""
_MARKER_FILE = "SYNTHETIC.txt"
_MARKER_TEXT = (
    "The voices below this folder are made by serkit, in the file names of RAVDESS, TESS, SAVEE "
    "and CREMA-D.\nNobody spoke them. This file tells serkit so: leave it where it is.\n"
)


def mark_as_synthetic(folder: Path | str) -> None:
    """Mark all recordings below a folder as synthetic by a text file in it."""
    if not (marker := Path(folder, _MARKER_FILE)).exists():
        write_text(marker, _MARKER_TEXT)


def synthetic_clips(corpus: Corpus) -> frozenset[Clip]:
    """Return the clips below a folder that :func:`mark_as_synthetic` marked.

    Clips whose root is not in ``corpus.roots`` are left out.
    """
    marked_by_folder: dict[Path, bool] = {}

    def is_marked(folder: Path) -> bool:
        if folder not in marked_by_folder:
            is_parent_marked = folder.parent != folder and is_marked(folder.parent)
            marked_by_folder[folder] = is_parent_marked or (folder / _MARKER_FILE).is_file()
        return marked_by_folder[folder]

    clips_with_root = [clip for clip in corpus.clips if clip.root in corpus.roots]
    return frozenset(
        clip for clip in clips_with_root if is_marked(corpus.file(clip).absolute().parent)
    )


LICENCES = {
    "ravdess": "CC BY-NC-SA 4.0: not for commerce, say who made it, share alike",
    "tess": "CC BY-NC-ND 4.0; see the archive's page",
    "savee": "for research; see the owners' terms",
    "crema-d": "Open Database License (ODbL) 1.0",
}
"""Short description of each corpus' licence; only the text of the licence itself is binding."""
_SYNTHETIC_LICENCE = (
    "made by serkit (Apache-2.0); nobody spoke it, and it holds nothing of other corpora"
)


def licences_of(corpus: Corpus) -> dict[str, str]:
    """Return the licence of each corpus that has clips in ``corpus``, by the corpus' name.

    Synthetic clips count as the built-in corpus, whatever the corpus of their file names.
    """
    synthetic = synthetic_clips(corpus)
    corpus_names = sorted({clip.corpus for clip in corpus.clips if clip not in synthetic})
    licences = {name: LICENCES.get(name, "the owner's; ask them") for name in corpus_names}
    return licences | ({BUILT_IN_CORPUS: _SYNTHETIC_LICENCE} if synthetic else {})


LISTENERS: dict[str, dict[str, Any]] = {
    "crema-d": {
        "source": "CREMA-D's own listeners, audio alone (Cao et al. 2014)",
        "accuracy": 0.40,
        "recalls": {
            "neutral": 0.76,
            "angry": 0.53,
            "fear": 0.32,
            "happy": 0.29,
            "disgust": 0.29,
            "sad": 0.25,
        },
    }
}
"""Human recognition by corpus: accuracy and recall per emotion, from 0 to 1.

The reference label is the emotion that the actor intended.

Source: Cao et al. (2014), CREMA-D: Crowd-Sourced Emotional Multimodal Actors Dataset, IEEE
Transactions on Affective Computing 5(4).
"""
