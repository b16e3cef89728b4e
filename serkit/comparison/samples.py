"""What a fold's GAN made of a class, on disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from serkit.comparison.generators import GanTraining
from serkit.data.synthetic_set import Origin, read_synthetic_set, write_synthetic_set
from serkit.errors import SerkitError
from serkit.files import alone_in, write_json
from serkit.gans.storing import GeneratorCard
from serkit.judging.gated import GatedSamples, sample_gated
from serkit.judging.judge import Judge
from serkit.training.examples import Examples

# Written where a gate let nothing through, so that it is not tried again.
_NOTHING = "nothing.json"


class Gate(Protocol):
    """What samples have to get past."""

    key: str
    """Changes with the judge."""
    place: Path
    """Where its classifier is."""

    def judge(self) -> Judge:
        """The judge."""


@dataclass(frozen=True)
class Samples:
    """Samples of one class.

    Attributes:
        training: of the GAN, which is done.
        label: the class.
        count: how many are wanted.
        seed: of the noise.
        gate: whose judge rejects some, if given; then there may be fewer, or none.
    """

    training: GanTraining
    label: str
    count: int
    seed: int
    gate: Gate | None = None

    @property
    def place(self) -> Path:
        """Folder that they are kept in."""
        # Of a gate the number wanted decides how many are tried.
        gated = f"-{self.gate.key}-{self.count}" if self.gate else ""
        return self.training.place / "samples" / f"{self.label}-{self.seed}{gated}"

    def examples(self, number: int) -> Examples:
        """The samples, as labelled examples with the voices that their GAN has heard.

        Args:
            number: of the class.

        Raises:
            SerkitError: if the generator cannot be read.
        """
        # Of several trainings that need them one makes them.
        with alone_in(self.place):
            found = self._kept()
            if found is None and not (self.place / _NOTHING).exists():
                self._sample()
                found = self._kept()
        if found is None:
            # Nothing got past the gate.
            shape = (0, *self.training.fold.parts.shape)
            return Examples(np.zeros(shape, np.float32), self.training.voices, np.zeros(0, int))
        pictures, origin = found
        return Examples(pictures, frozenset(origin.speakers), np.full(len(pictures), number))

    def _kept(self) -> tuple[np.ndarray, Origin] | None:
        try:
            pictures, origin = read_synthetic_set(self.place)
        except SerkitError:
            return None
        # A gate may leave fewer than are wanted.
        if len(pictures) < self.count and self.gate is None:
            return None
        return pictures[: self.count], origin

    def _sample(self) -> None:
        stored = self.training.load()
        judge = self.gate.judge() if self.gate else None
        samples = sample_gated(
            *(stored.network, self.count, self.seed, self.label, judge),
            number=stored.number(self.label),
            strict=False,
            say=print if self.gate else None,
        )
        if len(samples.numbers):
            origin = self._origin(stored.card, samples)
            write_synthetic_set(self.place, samples.spectrograms, samples.numbers, origin)
        else:
            write_json(self.place / _NOTHING, {"tried": samples.tried})

    def _origin(self, card: GeneratorCard, samples: GatedSamples) -> Origin:
        return Origin(
            label=self.label,
            seed=self.seed,
            generator=card.sha256,
            speakers=card.speakers,
            gated=self.gate is not None,
            tried=samples.tried,
            copies=samples.copies,
            refused=samples.refused,
        )
