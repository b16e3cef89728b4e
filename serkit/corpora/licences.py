"""What the corpora's owners allow."""

from serkit.corpora.built_in import NAME, synthetic_clips
from serkit.corpora.corpus import Corpus

LICENCES = {
    "ravdess": "CC BY-NC-SA 4.0: not for commerce, say who made it, share alike",
    "tess": "for research; see the archive's own terms",
    "savee": "for research; see the owners' terms",
    "crema-d": "Open Database License (ODbL) 1.0",
}
"""By corpus, in short; the licences themselves count."""
_SYNTHETIC = "made by serkit (Apache-2.0); nobody spoke it, and it holds nothing of other corpora"


def licences_of(corpus: Corpus) -> dict[str, str]:
    """What was heard, by name of the corpus, with its licence; of the built-in one its own."""
    made = synthetic_clips(corpus)
    names = sorted({clip.corpus for clip in corpus.clips if clip not in made})
    found = {name: LICENCES.get(name, "the owner's; ask them") for name in names}
    return found | ({NAME: _SYNTHETIC} if made else {})
