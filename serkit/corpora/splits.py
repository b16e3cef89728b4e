"""Training, validation and test parts that share no speaker."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from serkit.corpora.corpus import Clip, Corpus
from serkit.errors import InputError, LeakError
from serkit.files import write_json
from serkit.seeds import derive_seed

_SHARES = (0.6, 0.2, 0.2)
_FEWEST_SPEAKERS = 5
_ATTEMPTS = 3000


@dataclass(frozen=True)
class Split:
    """Three parts of a corpus.

    Attributes:
        train: what may be fitted on.
        validation: for early stopping and choices; nothing is fitted on it.
        test: what is reported.

    Raises:
        LeakError: if two parts share a speaker; the message names the speakers.
    """

    train: Corpus
    validation: Corpus
    test: Corpus

    def __post_init__(self) -> None:
        held_out = self.validation.speakers() | self.test.speakers()
        shared = self.train.speakers() & held_out
        shared |= self.validation.speakers() & self.test.speakers()
        if shared:
            raise LeakError(f"speakers in more than one part: {', '.join(sorted(shared))}")

    def parts(self) -> dict[str, Corpus]:
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def require_training(self, clips: Iterable[Clip]) -> None:
        """Refuse to fit on anybody but training speakers.

        Raises:
            LeakError: if a clip's speaker is not one of the training part's.
        """
        strangers = {clip.speaker for clip in clips} - self.train.speakers()
        if strangers:
            raise LeakError(f"not training speakers: {', '.join(sorted(strangers))}")

    def summary(self) -> dict[str, dict]:
        """Each part's speakers and number of clips, as JSON values."""
        return {
            name: {"speakers": sorted(part.speakers()), "clips": len(part)}
            for name, part in self.parts().items()
        }

    def write(self, path: Path | str) -> None:
        """Write :meth:`summary` as JSON."""
        write_json(path, self.summary())


def hold_out(corpus: Corpus, label_set: str, seed: int) -> Split:
    """Split by speaker into about 60 % training, 20 % validation and 20 % test clips.

    Many random assignments of speakers are drawn and the best one is taken: the one with the
    fewest classes missing in a part, then the one that gives every class, rare ones too, most
    nearly those shares. (scikit-learn's StratifiedGroupKFold places speakers in the order of how
    uneven they are, whatever its seed; with the few speakers who have a rare class it left whole
    classes without test clips where this finds a split that has them.)

    Args:
        corpus: at least five speakers.
        label_set: ``emotion`` or ``gender_emotion``; what the parts are stratified by.
        seed: same seed, same split.

    Raises:
        InputError: if there are too few speakers, or no split has every class in training.
    """
    speakers, labels = sorted(corpus.speakers()), corpus.classes(label_set)
    if len(speakers) < _FEWEST_SPEAKERS:
        raise InputError(
            f"{len(speakers)} speaker(s) are too few for a speaker-disjoint split; "
            f"at least {_FEWEST_SPEAKERS} are needed"
        )
    counts = np.zeros((len(speakers), len(labels)), int)
    for clip in corpus.clips:
        counts[speakers.index(clip.speaker), labels.index(clip.label(label_set))] += 1
    rng = np.random.default_rng(derive_seed(seed, "split"))
    draws = (rng.choice(len(_SHARES), size=len(speakers), p=_SHARES) for _ in range(_ATTEMPTS))
    best = min(draws, key=lambda draw: _score(counts, draw))
    empty_parts, missing, *_ = _score(counts, best)
    if empty_parts or missing:
        few = [
            f"{label} ({number})"
            for label, number in zip(labels, (counts > 0).sum(axis=0), strict=True)
            if number < _FEWEST_SPEAKERS
        ]
        raise InputError(
            f"no split of {len(speakers)} speakers has every class of {label_set} in its "
            f"training part; classes with few speakers: {', '.join(few)}"
        )
    part_of = dict(zip(speakers, best.tolist(), strict=True))
    return Split(
        *(
            corpus.where(lambda clip, part=part: part_of[clip.speaker] == part)
            for part in range(len(_SHARES))
        )
    )


def _score(counts: np.ndarray, draw: np.ndarray) -> tuple[int, int, int, int, float]:
    """How bad an assignment of speakers is; compared from left to right.

    Empty parts; classes missing in training, test and validation; then how far each class' shares,
    and the shares of all clips, are from those wanted.
    """
    parts = np.stack([counts[draw == part].sum(axis=0) for part in range(len(_SHARES))])
    empty_parts = int((parts.sum(axis=1) == 0).sum())
    train, validation, test = (int((row == 0).sum()) for row in parts)
    wanted = np.array(_SHARES)
    per_class = np.abs(parts / parts.sum(axis=0) - wanted[:, None]).sum()
    overall = np.abs(parts.sum(axis=1) / parts.sum() - wanted).sum() * counts.shape[1]
    return empty_parts, train, test, validation, float(per_class + overall)
