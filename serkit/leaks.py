"""The law above all others: nothing is fitted on a validation or test speaker."""

from collections.abc import Iterable
from dataclasses import dataclass

from serkit.errors import LeakError


@dataclass(frozen=True)
class Speakers:
    """Who is in which part of a split: what every fitting function asks before it begins.

    Attributes:
        train: who may be fitted on.
        validation: whose clips may end a training or choose a model.
        test: whose clips are reported.
        leaky: parts may share speakers, because somebody asked for that by name.

    Raises:
        LeakError: if two parts share a speaker and ``leaky`` is not set; names the speakers.
    """

    train: frozenset[str]
    validation: frozenset[str]
    test: frozenset[str]
    leaky: bool = False

    def __post_init__(self) -> None:
        shared = self.shared()
        if shared and not self.leaky:
            raise LeakError(f"speakers in more than one part: {', '.join(shared)}")

    def shared(self) -> list[str]:
        """Who is in more than one part, sorted."""
        held_out = self.validation | self.test
        return sorted((self.train & held_out) | (self.validation & self.test))

    def require_training(self, speakers: Iterable[str]) -> None:
        """Refuse to fit on anybody but training speakers.

        Raises:
            LeakError: names those who are none.
        """
        _require("training", speakers, self.train)

    def require_validation(self, speakers: Iterable[str]) -> None:
        """Refuse to stop or choose by anybody but validation speakers.

        Raises:
            LeakError: names those who are none.
        """
        _require("validation", speakers, self.validation)

    def require_test(self, speakers: Iterable[str]) -> None:
        """Refuse to report on anybody but test speakers.

        Raises:
            LeakError: names those who are none.
        """
        _require("test", speakers, self.test)


def _require(part: str, speakers: Iterable[str], allowed: frozenset[str]) -> None:
    strangers = sorted(set(speakers) - allowed)
    if strangers:
        raise LeakError(f"not {part} speakers: {', '.join(strangers)}")
