"""The clips of a comparison: audited once, and read from the run folder from then on."""

from pathlib import Path

from serkit.comparison.settings import CompareSettings
from serkit.corpora.corpus import Corpus
from serkit.corpora.opening import open_recordings
from serkit.errors import InputError
from serkit.progress import Progress
from serkit.wording import counted

MANIFEST = "manifest.csv"


def open_corpus(settings: CompareSettings, out: Path, progress: Progress) -> Corpus:
    """Audited clips, without the corpora that are left out.

    Args:
        settings: of the comparison.
        out: the run folder; gets the manifest if it has none.
        progress: says how many there are.

    Raises:
        InputError: if there are no recordings, or a corpus that is to be left out is not there.
    """
    manifest = out / MANIFEST
    if not manifest.exists():
        found = open_recordings(settings.roots, progress.track("reading"), naming=settings.naming)
        found.write(out)
    corpus = Corpus.read(manifest)
    names = {clip.corpus for clip in corpus.clips}
    if unknown := sorted(set(settings.without) - names):
        raise InputError(
            f"without={', '.join(unknown)}; valid are the corpora: {', '.join(sorted(names))}"
        )
    corpus = corpus.where(lambda clip: clip.corpus not in settings.without)
    progress.counts(counted(len(corpus), "clip"), corpus.counts(settings.label_set))
    return corpus
