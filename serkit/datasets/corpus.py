"""Clips, labels, and the corpus that holds clips: serkit's manifest."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from serkit.errors import DamagedFileError, InputError, check_choice, short_repr
from serkit.files import read_json_object, replacing, write_json

# pandas is imported where it is used: the options of most commands need LABEL_SETS, not pandas.
if TYPE_CHECKING:
    import pandas as pd

GENDERS = ("female", "male")

EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
"""Emotion classes of the 2021 report.

Neutral and RAVDESS's calm are one class, as in the 2021 report; :attr:`Clip.original_label` keeps
the corpus' own label.
"""

CATEGORIES = tuple(f"{gender}_{emotion}" for gender in GENDERS for emotion in EMOTIONS)

LABEL_SETS: dict[str, tuple[str, ...]] = {"emotion": EMOTIONS, "gender_emotion": CATEGORIES}
"""Classes that a classifier may predict, by the name of the clip attribute with the label."""

_SYNONYMS = {
    "angry": ("anger", "ang"),
    "disgust": ("disgusted", "dis"),
    "fear": ("fearful", "afraid", "anxious", "anxiety", "fea"),
    "happy": ("happiness", "joy", "joyful", "hap"),
    "neutral": ("calm", "neu"),
    "sad": ("sadness",),
    "surprise": ("surprised", "pleasant surprise", "pleasant surprised", "ps", "sur"),
}
_EMOTION_BY_WORD = {word: word for word in EMOTIONS} | {
    word: emotion for emotion, words in _SYNONYMS.items() for word in words
}
_GENDER_BY_WORD = {
    **dict.fromkeys(("female", "f", "woman", "w"), "female"),
    **dict.fromkeys(("male", "m", "man"), "male"),
}
_MISSING_VALUE_WORDS = frozenset(
    {"", "?", "-", "unknown", "unspecified", "n/a", "na", "nan", "none", "null"}
)


def emotion_of(word: str) -> str | None:
    """Return the emotion of :data:`EMOTIONS` that a word means; return None for any other word.

    The word is English or a common abbreviation. Case is ignored; hyphens and underscores count
    as spaces: ``Pleasant_Surprise`` is ``surprise``.
    """
    return _EMOTION_BY_WORD.get(re.sub(r"[\s_-]+", " ", word).strip().lower())


def gender_of(word: str) -> str:
    """Return ``female`` or ``male`` for common words and letters that mean them.

    Words for a missing value, such as ``unknown`` or ``n/a``, give the empty string. Any other
    word is returned in lower case.
    """
    word = word.strip().lower()
    return "" if word in _MISSING_VALUE_WORDS else _GENDER_BY_WORD.get(word, word)


UNKNOWN_SPEAKER = "unknown"


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording: labels from its file name or table row, and measurements of the audit.

    Attributes:
        path: POSIX path relative to its root.
        corpus: ``ravdess``, ``tess``, ``savee``, ``crema-d`` or a name that the user chose.
        speaker: unique across corpora, such as ``ravdess-07``. ``<corpus>-unknown`` if the speaker
            is not known, so that all such clips stay in one partition of a split.
        gender: ``female`` or ``male``, or another word that the user chose; empty if not known.
        emotion: one of :data:`EMOTIONS`, or a class that the user defined.
        original_label: the corpus' own word for the emotion, such as ``calm``; for SAVEE and
            CREMA-D the same as ``emotion``.
        root: name of the folder tree that holds the clip, a key of :attr:`Corpus.roots`.
        intensity: the corpus' own word, or empty.
        sentence: code of the sentence or word spoken; empty if not known.
        repetition: number of the take, counted from 1.
        sample_rate: Hz; 0 until the audit measured it. The following attributes are also 0 or
            empty until then.
        channels: number of channels in the file.
        duration: seconds.
        peak: largest absolute sample; full scale is 1.0.
        rms: root mean square of all samples, on the same scale.
        sha256: digest of the decoded samples, their rate and channel count, not of the file's
            bytes; see :func:`serkit.datasets.probing.probe`.

    Example:
        >>> import serkit
        >>> clip = serkit.Clip("01.wav", "mine", "mine-ann", "female", "happy", "joy")
        >>> clip.label("emotion"), clip.label("gender_emotion")
        ('happy', 'female_happy')
    """

    path: str
    corpus: str
    speaker: str
    gender: str
    emotion: str
    original_label: str
    root: str = ""
    intensity: str = ""
    sentence: str = ""
    repetition: int = 1
    sample_rate: int = 0
    channels: int = 0
    duration: float = 0.0
    peak: float = 0.0
    rms: float = 0.0
    sha256: str = ""

    @property
    def gender_emotion(self) -> str:
        """One of the 2021 report's 14 categories (figure 13), such as ``male_surprise``.

        Empty if the gender is not known.
        """
        return f"{self.gender}_{self.emotion}" if self.gender else ""

    def label(self, label_set: str) -> str:
        """Return the clip's label in ``label_set``: ``emotion`` or ``gender_emotion``.

        Args:
            label_set: ``emotion`` or ``gender_emotion``.

        Returns:
            The label.

        Raises:
            InputError: if the label set is not one of these, or the clip has no label in it.
        """
        check_choice("label_set", label_set, LABEL_SETS)
        label = getattr(self, label_set)
        if not label:
            reason = ""
            if label_set == "gender_emotion":
                reason = (
                    f" because the gender of {self.speaker} is not known; pass "
                    "label_set='emotion', or name it by `genders`"
                )
            raise InputError(f"{self.path} has no label in {label_set}{reason}")
        return label

    @property
    def speaker_known(self) -> bool:
        """Whether the speaker is known."""
        return self.speaker != f"{self.corpus}-{UNKNOWN_SPEAKER}"

    @property
    def category(self) -> str:
        """``gender_emotion`` if the gender is known, else the emotion alone."""
        return self.gender_emotion or self.emotion


_COLUMN_TYPES = {field.name: field.type for field in fields(Clip)}
_COLUMNS = [*_COLUMN_TYPES, "gender_emotion"]
_manifest_row = attrgetter(*_COLUMNS)
MANIFEST_HEADER = ",".join(_COLUMNS)
"""First line of every manifest."""


@dataclass(frozen=True)
class Corpus:
    """An ordered set of clips and the folders that their paths start from.

    Attributes:
        clips: in manifest order.
        roots: folder of each root name. The manifest does not contain the folders, so that it
            does not change when recordings move.

    Example:
        >>> import serkit
        >>> ann = serkit.Clip("01.wav", "mine", "ann", "female", "happy", "joy")
        >>> bob = serkit.Clip("02.wav", "mine", "bob", "male", "sad", "sad")
        >>> corpus = serkit.Corpus((ann, bob))
        >>> corpus.counts("gender_emotion")
        {'female_happy': 1, 'male_sad': 1}
        >>> corpus.where(lambda clip: clip.emotion == "sad").speakers()
        {'bob'}
    """

    clips: tuple[Clip, ...]
    roots: Mapping[str, Path] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.clips)

    def file(self, clip: Clip) -> Path:
        """Return the path of a clip's file on this machine.

        Args:
            clip: a clip whose root is in :attr:`roots`.
        """
        return Path(self.roots[clip.root]) / clip.path

    def files(self) -> list[str]:
        """Return the path of each clip's file on this machine, in order."""
        return [str(self.file(clip)) for clip in self.clips]

    def where(self, keep: Callable[[Clip], bool]) -> "Corpus":
        """Return the clips for which ``keep`` is true, in the same order.

        Args:
            keep: function of a clip.

        Returns:
            A corpus with the same roots.
        """
        return Corpus(tuple(clip for clip in self.clips if keep(clip)), self.roots)

    def speakers(self) -> set[str]:
        """Return the names of all speakers."""
        return {clip.speaker for clip in self.clips}

    def labels(self, label_set: str) -> list[str]:
        """Return each clip's label, in order; see :meth:`Clip.label`.

        Args:
            label_set: ``emotion`` or ``gender_emotion``.

        Raises:
            InputError: as :meth:`Clip.label`.
        """
        return [clip.label(label_set) for clip in self.clips]

    def classes(self, label_set: str) -> tuple[str, ...]:
        """Return the labels that occur, in the label set's order.

        Labels that the user defined follow, sorted by name.

        Args:
            label_set: ``emotion`` or ``gender_emotion``.

        Raises:
            InputError: as :meth:`Clip.label`.
        """
        present = set(self.labels(label_set))
        ordered = [label for label in LABEL_SETS[label_set] if label in present]
        return (*ordered, *sorted(present.difference(ordered)))

    def counts(self, label_set: str) -> dict[str, int]:
        """Count the clips of each label that occurs, in the order of :meth:`classes`.

        Args:
            label_set: ``emotion`` or ``gender_emotion``.

        Raises:
            InputError: as :meth:`Clip.label`.
        """
        count_by_label = Counter(self.labels(label_set))
        return {label: count_by_label[label] for label in self.classes(label_set)}

    def to_frame(self) -> "pd.DataFrame":
        """Return one row per clip, with the clip's attributes and ``gender_emotion`` as columns."""
        import pandas as pd

        return pd.DataFrame(map(_manifest_row, self.clips), columns=_COLUMNS)

    def write(self, path: Path | str) -> None:
        """Write the manifest CSV, and the roots as ``roots.json`` in the same folder.

        Args:
            path: CSV file to write; an existing file is replaced.
        """
        path = Path(path)
        # Write the roots first: a manifest without its roots cannot be read.
        write_json(
            path.with_name("roots.json"),
            {name: str(Path(root).resolve()) for name, root in self.roots.items()},
        )
        # Write row by row, because a data frame of 100,000 clips would double the memory.
        with replacing(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_COLUMNS)
            writer.writerows(map(_manifest_row, self.clips))

    @classmethod
    def read(cls, path: Path | str, roots: Mapping[str, Path] | None = None) -> "Corpus":
        """Read a manifest and the ``roots.json`` in its folder.

        Args:
            path: manifest that :meth:`write` wrote.
            roots: folder of each root name; default: those of ``roots.json``.

        Returns:
            The corpus.

        Raises:
            DamagedFileError: if ``roots.json`` cannot be read.
            InputError: if the manifest does not exist, is no CSV, lacks a column or has text where
                a number belongs, or if there is neither ``roots`` nor a ``roots.json``.
        """
        import pandas as pd

        path = Path(path)
        if not path.is_file():
            raise InputError(f"manifest {path} does not exist")
        try:
            frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        except ValueError as error:
            # Errors of pandas' parser and of the encoding.
            raise InputError(f"manifest {path} is not a CSV: {error}") from error
        missing = [name for name in _COLUMN_TYPES if name not in frame.columns]
        if missing:
            raise InputError(f"manifest {path} lacks the columns: {', '.join(missing)}")
        for name, column_type in _COLUMN_TYPES.items():
            try:
                frame[name] = frame[name].astype(column_type)
            except (ValueError, OverflowError) as error:
                raise InputError(
                    f"column {name} of manifest {path} must have numbers: {short_repr(str(error))}"
                ) from error
        rows: Sequence[dict] = frame[list(_COLUMN_TYPES)].to_dict("records")
        return cls(
            tuple(Clip(**row) for row in rows), _read_roots(path) if roots is None else roots
        )


def _read_roots(manifest: Path) -> dict[str, Path]:
    path = manifest.with_name("roots.json")
    if not path.is_file():
        raise InputError(f"{path} does not exist: pass roots= for manifest {manifest}")
    roots = read_json_object(path)
    for name, root in roots.items():
        if not isinstance(root, str):
            reason = f"{name!r} must be a folder, not {short_repr(root)}"
            raise DamagedFileError(path, reason, "audit the recordings again")
    return {name: Path(root) for name, root in roots.items()}
