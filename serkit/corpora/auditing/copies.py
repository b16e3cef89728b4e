"""The same recording as WAV or FLAC and again as MP3 or Ogg, as CREMA-D's archive has it."""

import os
from collections.abc import Callable, Sequence

from serkit.corpora.corpus import Clip
from serkit.corpora.findings import Finding
from serkit.corpora.suffixes import LOSSY, READ
from serkit.errors import InputError


def drop_lossy_copies(
    root: str, files: Sequence[str], read: Callable[[str], Clip]
) -> tuple[list[str], list[Finding]]:
    """Leave out lossy files beside lossless ones of the same name, label and speaker.

    Their samples differ, so that no digest finds them; counted twice, they would weigh double.

    Args:
        root: name of the folder tree, for the findings.
        files: paths relative to it.
        read: reads a clip off a path; raises InputError if it cannot.

    Returns:
        the files that stay, and a finding for each that does not. Where nobody knows who speaks,
        only files in one folder are taken for the same.
    """
    lossy = [file for file in files if _suffix(file) in LOSSY]
    lossless = [file for file in files if _suffix(file) in READ - LOSSY]
    if not lossy or not lossless:
        return list(files), []
    originals = {key: file for file in lossless if (key := _key(file, read))}
    found = {file: original for file in lossy if (original := originals.get(_key(file, read)))}
    findings = [
        Finding(root, file, "duplicate", f"a lossy copy of {original}, by name, label and speaker")
        for file, original in found.items()
    ]
    return [file for file in files if file not in found], findings


def _suffix(file: str) -> str:
    return os.path.splitext(file)[1].lower()


def _key(file: str, read: Callable[[str], Clip]) -> tuple[str, ...] | None:
    try:
        clip = read(file)
    except InputError:
        return None
    folder, name = os.path.split(os.path.splitext(file)[0].lower())
    return name, clip.corpus, clip.emotion, clip.speaker if clip.speaker_known else f"/{folder}"
