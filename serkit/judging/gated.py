"""Sampling until enough spectrograms have got past the judge."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from serkit.errors import SerkitError, check_range
from serkit.gans.sampling import sample_stream
from serkit.judging.judge import Judge
from serkit.wording import counted


@dataclass(frozen=True)
class GatedSamples:
    """What was accepted, and what it took.

    Attributes:
        spectrograms: float32 ``(count, frames, bins, 1)`` in [-1, 1].
        numbers: int ``(count,)``, places in the generator's stream of samples for the seed.
        tried: samples that were looked at.
        copies: of these, near-copies of a training clip.
        refused: of these, taken for another class; some may be copies, too.
        gated: whether they were checked for either.
    """

    spectrograms: np.ndarray
    numbers: np.ndarray
    tried: int
    copies: int
    refused: int
    gated: bool = True

    def __str__(self) -> str:
        if not self.gated:
            return f"{counted(len(self.numbers), 'sample')}, not filtered"
        return (
            f"{len(self.numbers)} of {self.tried} samples accepted; {self.copies} were near-copies "
            f"of training clips, {self.refused} taken for another class"
        )


class GateClosed(SerkitError):
    """Too few samples get past the judge; the message has the counts."""


def sample_gated(
    generator: keras.Model,
    count: int,
    seed: int,
    label: str,
    judge: Judge | None,
    *,
    number: int | None = None,
    tries: int = 20,
    strict: bool = True,
    say: Callable[[str], None] | None = None,
) -> GatedSamples:
    """Generate spectrograms of one class that are neither copies nor taken for another class.

    Args:
        generator: of the class, or of several.
        count: how many are wanted, at least 1.
        seed: of the noise; the first ones accepted are the same whatever the count.
        label: name of the class.
        judge: who decides; None accepts everything.
        number: of the class, for a generator of several.
        tries: how many samples are looked at for each one wanted, at most; at least 1.
        strict: False gives what there is, which may be nothing, if that is too little.
        say: gets a line with the counts at the end.

    Raises:
        InputError: if ``count`` or ``tries`` is below 1, or the class does not fit the generator.
        GateClosed: if that many tries did not give enough, and ``strict`` is set.
    """
    check_range("count", count, 1)
    check_range("tries", tries, 1)
    kept, numbers, tried, copies, refused = [], [], 0, 0, 0
    for batch in sample_stream(generator, seed, number):
        accepted = np.ones(len(batch), bool)
        if judge is not None:
            verdicts = judge.verdicts(batch, label)
            accepted = verdicts.accepted
            copies += int(verdicts.copies.sum())
            refused += int(verdicts.refused.sum())
        kept.append(batch[accepted])
        numbers.append(tried + np.flatnonzero(accepted))
        tried += len(batch)
        found = sum(map(len, kept))
        if found >= count or tried >= tries * count:
            break
    if strict and found < count:
        raise GateClosed(
            f"{label}: only {found} of {tried} samples are good enough, {count} were wanted; "
            f"{copies} were near-copies of training clips, {refused} taken for another class. "
            "Train the GAN for longer, or take samples ungated"
        )
    samples = GatedSamples(
        np.concatenate(kept)[:count],
        np.concatenate(numbers)[:count],
        tried,
        copies,
        refused,
        judge is not None,
    )
    if say:
        say(f"{label}: {samples}")
    return samples
