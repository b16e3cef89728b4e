"""Anybody's own recordings: how a label, a speaker and the rest are read off their names."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from serkit.corpora.corpus import UNKNOWN_SPEAKER, Clip
from serkit.corpora.labels import EMOTIONS, emotion_of, gender_of
from serkit.errors import InputError

GROUPS = ("label", "speaker", "gender", "sentence", "intensity", "repetition")
"""What a name, a pattern or a table may say of a recording; only the label must be there."""


class UnknownName(InputError):
    """A file's name is of no form that its reader knows."""


@dataclass(frozen=True)
class Naming:
    """How recordings that are not of the four corpora are to be read.

    Attributes:
        pattern: regular expression that is searched in the path below the root, written with
            slashes; its named groups are some of :data:`GROUPS`. Empty: a folder per label.
        labels: emotion of each label that is not an English word for one, such as ``{"W":
            "angry"}``; an emotion that is none of the report's seven becomes a class of its own.
        genders: gender of each speaker, where neither name nor table says it.

    Raises:
        InputError: if the pattern is no regular expression, has no group ``label`` or a group that
            is not known.
    """

    pattern: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    genders: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.pattern:
            return
        try:
            groups = re.compile(self.pattern).groupindex
        except re.error as error:
            raise InputError(
                f"pattern={self.pattern!r} is no regular expression: {error}"
            ) from error
        unknown = sorted(set(groups) - set(GROUPS))
        if unknown or "label" not in groups:
            wrong = f"the groups {', '.join(unknown)}" if unknown else "no group label"
            raise InputError(
                f"pattern={self.pattern!r} has {wrong}; valid are (?P<label>…) and, where known, "
                + ", ".join(GROUPS[1:])
            )

    def by_pattern(self, path: str, corpus: str) -> Clip:
        """Read a clip off its path by :attr:`pattern`.

        Raises:
            UnknownName: if the pattern is not found.
            InputError: if the label is not known.
        """
        match = re.search(self.pattern, path)
        if match is None:
            raise UnknownName("the pattern is not found in its name")
        return self.clip(path, corpus, {k: v or "" for k, v in match.groupdict().items()})

    def by_folder(self, path: str, corpus: str) -> Clip:
        """Read a clip off ``…/<label>/<file>`` or ``…/<label>/<speaker>/<file>``.

        Raises:
            InputError: if neither of the two folders is a label that is known, or both are.
        """
        *_, above, folder = ("", "", *PurePosixPath(path).parent.parts)
        if self.emotion(folder) is not None and self.emotion(above) is not None:
            raise InputError(f"{above} and {folder} are both labels; say in a CSV which is meant")
        if self.emotion(above) is not None:
            return self.clip(path, corpus, {"label": above, "speaker": folder})
        return self.clip(path, corpus, {"label": folder})

    def emotion(self, label: str) -> str | None:
        """The emotion that a label means, or None."""
        meant = self.labels.get(label, label)
        return emotion_of(meant) or (meant if label in self.labels else None)

    def clip(self, path: str, corpus: str, said: Mapping[str, str]) -> Clip:
        """A clip from what was said of it.

        Args:
            path: POSIX path below the root.
            corpus: name of the corpus, which makes the speaker unique.
            said: some of :data:`GROUPS`; ``label`` must be there.

        Raises:
            InputError: if the label is not known, the repetition is no number, or emotion or
                gender cannot be the name of a folder.
        """
        # The same name may be written with one character or two, as é is.
        said = {key: unicodedata.normalize("NFC", value) for key, value in said.items()}
        emotion = self.emotion(said["label"])
        if emotion is None:
            raise InputError(
                f"label {said['label']!r} is not known; valid are {', '.join(EMOTIONS)} and words "
                f"for them, or say what it means: --label-names {said['label'] or 'LABEL'}=EMOTION"
            )
        speaker = said.get("speaker") or UNKNOWN_SPEAKER
        repetition = said.get("repetition") or "1"
        if not repetition.isdecimal():
            raise InputError(f"repetition {repetition!r} is not a number")
        gender = gender_of(said.get("gender") or self.genders.get(speaker, ""))
        for word in (emotion, gender):
            # A class is a folder in a run.
            if word.startswith(".") or any(character in word for character in "/\\\0"):
                raise InputError(
                    f"{word!r} cannot be a class; valid are names without / and \\ that do not "
                    "begin with a dot"
                )
        return Clip(
            path=path,
            corpus=corpus,
            speaker=f"{corpus}-{speaker}",
            gender=gender,
            emotion=emotion,
            original_label=said["label"],
            intensity=said.get("intensity", ""),
            sentence=said.get("sentence", ""),
            repetition=int(repetition),
        )
