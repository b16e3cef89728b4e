"""What a GAN makes of the same noise, while it is trained: numbers, pictures, the best one kept."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np

from serkit.errors import check_range
from serkit.files import read_json, replacing, write_json
from serkit.gans.sampling import sample

KID = "kid"
BEST = "best-generator.keras"
_NUMBERS = "best-generator.json"

Judge = Callable[[np.ndarray], Mapping[str, float]]
Draw = Callable[[np.ndarray], bytes]


class Watch(keras.callbacks.Callback):
    """Samples from fixed noise after each epoch, has them judged and drawn, keeps the best GAN.

    The judge must not have seen validation or test speakers: it chooses what is kept.

    Args:
        folder: gets ``best-generator.keras`` with its numbers in ``best-generator.json``, and
            ``samples/epoch-00010.png`` every so often. A training that is resumed goes on with
            the best one that is there.
        judge: gives numbers for float32 ``(count, frames, bins, 1)``; they join the history. By
            its ``kid``, lower being better, the best generator is chosen.
        draw: gives a PNG of some pictures.
        count: how many are judged; with classes, they take turns.
        drawn: how many are drawn.
        every: epochs from one picture to the next; the first and the last one have theirs.
        seed: of the noise.

    Raises:
        InputError: for a value out of range.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        judge: Judge | None = None,
        draw: Draw | None = None,
        count: int = 64,
        drawn: int = 16,
        every: int = 5,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_range("count", count, 2)
        check_range("drawn", drawn, 1, count)
        check_range("every", every, 1)
        self._folder, self._judge, self._draw = Path(folder), judge, draw
        self._count, self._drawn, self._every, self._seed = count, drawn, every, seed
        known = self._folder / _NUMBERS
        self._best = read_json(known)[KID] if known.exists() else math.inf

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        if epoch == 0:
            # What is there was left by a training that somebody began anew.
            self._best = math.inf

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        number = epoch + 1
        # fit knows how many there are to be; a training that stops early has a picture near it.
        last = number == self.params["epochs"]
        drawing = self._draw is not None and (number % self._every == 0 or number == 1 or last)
        if self._judge is None and not drawing:
            return
        pictures = self._sample()
        if self._judge is not None:
            found = self._judge(pictures)
            logs.update(found)
            if found.get(KID, math.inf) < self._best:
                self._best = found[KID]
                with replacing(self._folder / BEST) as partial:
                    self.model.sampler.save(partial)
                numbers = {name: float(value) for name, value in found.items()}
                write_json(self._folder / _NUMBERS, {"epoch": number, **numbers})
        if drawing:
            with replacing(self._folder / "samples" / f"epoch-{number:05}.png") as partial:
                partial.write_bytes(self._draw(pictures[: self._drawn]))

    def _sample(self) -> np.ndarray:
        classes = self.model.settings.classes
        labels = np.arange(classes) if classes else None
        return sample(self.model.sampler, self._count, self._seed, labels)
