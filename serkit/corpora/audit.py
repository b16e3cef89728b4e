"""What is in these folders, and can it be trusted? Every file is read once; nothing is changed."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from serkit.corpora import cremad, ravdess, savee, tess
from serkit.corpora.corpus import Clip, Corpus
from serkit.errors import InputError, RecordingError
from serkit.files import replacing

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".ogg", ".aif", ".aiff", ".m4a"})
GRAMMARS = (ravdess.parse, tess.parse, savee.parse, cremad.parse)
# What serkit.audio.decoding decodes in the graph; other codecs hide inside .wav files too.
_DECODABLE = frozenset({"PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"})
_SILENCE_PEAK = 1e-4
_SHORTEST_SECONDS = 0.1


@dataclass(frozen=True)
class Rejected:
    """A file that is no usable recording.

    Attributes:
        root: name of the folder tree, as in :class:`~serkit.corpora.corpus.Clip`.
        path: POSIX path relative to it.
        reason: why, in words for a person.
    """

    root: str
    path: str
    reason: str


@dataclass(frozen=True)
class Audit:
    """The result of :func:`audit`: what can be used, and what cannot with the reason."""

    corpus: Corpus
    rejected: tuple[Rejected, ...]

    def write(self, folder: Path | str) -> None:
        """Write ``manifest.csv``, ``roots.json`` and ``rejected.csv`` into ``folder``."""
        folder = Path(folder)
        self.corpus.write(folder / "manifest.csv")
        with replacing(folder / "rejected.csv") as partial:
            rows = [vars(item) for item in self.rejected]
            frame = pd.DataFrame(rows, columns=["root", "path", "reason"])
            frame.to_csv(partial, index=False, lineterminator="\n")


def audit(
    roots: Sequence[Path | str],
    *,
    track: Callable[[Iterable, int], Iterable] = lambda items, total: items,
) -> Audit:
    """Find and measure every recording below ``roots``.

    Args:
        roots: folders; each is searched at any depth, following no links to folders.
        track: wraps the iteration over files, for a progress bar; gets their number.

    Raises:
        InputError: if a root does not exist or is no folder, or holds no usable recording.
    """
    named = _name_roots(roots)
    files = [(name, path) for name, root in named.items() for path in _find(root)]
    clips, rejected = [], []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        results = pool.map(lambda item: _examine(*item, named[item[0]]), files)
        for result in track(results, len(files)):
            (clips if isinstance(result, Clip) else rejected).append(result)
    clips, duplicates = _drop_duplicates(clips)
    rejected = sorted([*rejected, *duplicates], key=lambda item: (item.root, item.path))
    if not clips:
        raise InputError(_nothing_usable(list(named.values()), rejected))
    return Audit(Corpus(tuple(clips), named), tuple(rejected))


def _name_roots(roots: Sequence[Path | str]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for root in map(Path, roots):
        if not root.exists():
            raise InputError(f"{root} does not exist")
        if not root.is_dir():
            raise InputError(f"{root} is a file; a folder with recordings is expected")
        base = root.resolve().name or "root"
        name, number = base, 2
        while name in named:
            name, number = f"{base}-{number}", number + 1
        named[name] = root
    return named


def _find(root: Path) -> Iterator[Path]:
    for folder, subfolders, names in os.walk(root):
        subfolders.sort()
        for name in sorted(names):
            if Path(name).suffix.lower() in AUDIO_SUFFIXES and not name.startswith("."):
                yield Path(folder, name)


def _examine(root_name: str, path: Path, root: Path) -> Clip | Rejected:
    relative = path.relative_to(root).as_posix()
    try:
        relative.encode()
    except UnicodeEncodeError:
        # As old archives leave them; no table or pipeline could hold such a name.
        shown = relative.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        return Rejected(root_name, shown, "its name is not UTF-8")
    try:
        clip = replace(describe(path.absolute()), root=root_name, path=relative)
        return replace(clip, **measure(path))
    except (InputError, RecordingError) as error:
        return Rejected(root_name, relative, str(error))


def describe(path: Path) -> Clip:
    """Read a clip's labels off its file name (and, for SAVEE, its folder).

    Raises:
        InputError: if no corpus' grammar knows the name.
    """
    for parse in GRAMMARS:
        clip = parse(path)
        if clip is not None:
            return clip
    raise InputError("name is not one of RAVDESS, TESS, SAVEE or CREMA-D")


def measure(path: Path) -> dict[str, int | float | str]:
    """Read a recording and return its measured attributes; see :class:`Clip` for their units.

    Raises:
        RecordingError: if it cannot be read, or is empty, too short, silent or not finite.
    """
    try:
        with soundfile.SoundFile(path) as sound:
            kind, subtype, sample_rate = sound.format, sound.subtype, sound.samplerate
            samples = sound.read(dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise RecordingError(f"cannot be read: {_cause(error)}") from error
    if kind not in ("WAV", "WAVEX"):
        raise RecordingError(f"not a WAV file but {kind}, whatever its name says")
    if subtype not in _DECODABLE:
        raise RecordingError(f"codec {subtype} is not one of {', '.join(sorted(_DECODABLE))}")
    duration = len(samples) / sample_rate
    if duration < _SHORTEST_SECONDS:
        raise RecordingError(f"only {duration:.3f} s long")
    if not np.isfinite(samples).all():
        raise RecordingError("holds samples that are not finite numbers")
    peak = float(np.abs(samples).max())
    if peak < _SILENCE_PEAK:
        raise RecordingError(f"silent: its peak is {peak:.1e} of full scale")
    digest = hashlib.sha256(f"{sample_rate}/{samples.shape[1]}/".encode())
    digest.update(np.ascontiguousarray(samples))
    return {
        "sample_rate": sample_rate,
        "channels": samples.shape[1],
        "duration": round(duration, 6),
        "peak": round(peak, 6),
        "rms": round(float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))), 6),
        "sha256": digest.hexdigest(),
    }


def _cause(error: Exception) -> str:
    # libsndfile's message starts with the file's whole path, which the table already has.
    return (getattr(error, "error_string", "") or str(error)).strip().rstrip(".")


def _drop_duplicates(clips: Sequence[Clip]) -> tuple[list[Clip], list[Rejected]]:
    """Same samples, same label: keep the first. Same samples, other labels: trust none."""
    groups: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        groups[clip.sha256].append(clip)
    kept, rejected = [], []
    for first, *others in groups.values():
        same = {clip.label("gender_emotion") for clip in others} <= {first.gender_emotion}
        if same:
            kept.append(first)
            reason = f"same samples and label as {first.path}"
        else:
            names = ", ".join(sorted(clip.path for clip in (first, *others)))
            reason = f"same samples under different labels: {names}"
        dropped = others if same else [first, *others]
        rejected += [Rejected(clip.root, clip.path, reason) for clip in dropped]
    return kept, rejected


def _nothing_usable(roots: list[Path], rejected: Sequence[Rejected]) -> str:
    where = ", ".join(map(str, roots))
    if not rejected:
        suffixes = ", ".join(sorted(AUDIO_SUFFIXES))
        return f"no recordings ({suffixes}) below {where}"
    first = rejected[0]
    return (
        f"no usable recording below {where}: {len(rejected)} rejected, "
        f"the first {first.path}: {first.reason}"
    )
