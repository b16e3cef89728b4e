"""The numbers of a recording: peak, level, digest, what is cut off, and whether it has sound."""

import hashlib
import math

import numpy as np

from serkit.corpora.findings import Unusable

# Loudness is measured in windows of 25 ms; four of them make up 0.1 s.
_WINDOWS_PER_SECOND, _LOUD_WINDOWS = 40, 4
_MOSTLY = 0.99
# -80 dB of full scale: dither lies below it; the quietest of 1,200 RAVDESS recordings is at -55.
_SILENCE = 1e-4
# The last value but one of 16 bits; 8 bits are coarser and end below it.
_FULL_SCALE, _FULL_SCALE_8_BIT = 32_766 / 32_768, 127 / 128
# Fewer in a row at full scale are peaks that were just reached, not cut off.
_CLIPPED_RUN = 3
_HALF = 32_768
# Floats may exceed full scale, or hold integers; what is larger still are no samples.
_LOUDEST = 2.0**32


class Meter:
    """Adds up a recording block by block; samples are int16, or float32 with 1.0 full scale.

    Attributes:
        window: samples of each channel in 25 ms; all blocks but the last are multiples of it.
        clipped: number of samples so far in runs of three or more at full scale.
    """

    def __init__(self, rate: int, channels: int, eight_bits: bool = False) -> None:
        self._full_scale = _FULL_SCALE_8_BIT if eight_bits else _FULL_SCALE
        self.window = max(1, rate // _WINDOWS_PER_SECOND)
        self._channels = channels
        start = f"{rate}/{channels}/".encode()
        self._narrow, self._wide = hashlib.sha256(start), hashlib.sha256(start)
        self._all_16_bit = True
        self._low, self._high = np.inf, -np.inf
        self._energy, self._count = 0.0, 0
        self._loudest = np.zeros(_LOUD_WINDOWS)
        self.clipped = 0

    def add(self, block: np.ndarray) -> None:
        """Add frames ``(frames, channels)``.

        Raises:
            Unusable: if there are samples that are not finite, or too large to be any.
        """
        values = block.reshape(-1)
        scale = 1 / _HALF if values.dtype == np.int16 else 1.0
        self._add_range(float(values.min()) * scale, float(values.max()) * scale)
        if values.dtype == np.int16:
            self._narrow.update(values)
            values = values.astype(np.float32)
        else:
            self._add_wide(values)
        self._add_loudness(values, scale)
        if self.peak >= self._full_scale:
            for channel in values.reshape(-1, self._channels).T:
                self.clipped += _clipped(channel * scale, self._full_scale)

    def _add_loudness(self, values: np.ndarray, scale: float) -> None:
        size = self.window * self._channels
        whole = values[: len(values) // size * size].reshape(-1, size)
        rest = values[whole.size :].astype(np.float64)
        energies = np.einsum("ij,ij->i", whole, whole).astype(np.float64)
        rest_energy = float(rest @ rest)
        self._energy += (float(energies.sum()) + rest_energy) * scale**2
        self._count += len(values)
        # An offset is no sound; where it is most of a window, float32 would not tell what is left.
        sums = (whole @ np.ones(size, np.float32)).astype(np.float64)
        offset = np.square(sums) / size > _MOSTLY * energies
        if offset.any():
            energies[offset] = whole[offset].var(axis=1, dtype=np.float64) * size
        rest_energy -= float(rest.sum()) ** 2 / max(rest.size, 1)
        levels = np.append(energies, rest_energy) * (scale**2 / size)
        levels = np.concatenate([self._loudest, levels])
        self._loudest = np.partition(levels, -_LOUD_WINDOWS)[-_LOUD_WINDOWS:]

    def _add_range(self, low: float, high: float) -> None:
        # Both are NaN if one sample is.
        if not math.isfinite(low) or not math.isfinite(high):
            raise Unusable("not-finite", "holds samples that are not finite numbers")
        self._low, self._high = min(self._low, low), max(self._high, high)
        if self.peak > _LOUDEST:
            raise Unusable("unreadable", f"cannot be read: samples of {self.peak:.0e} x full scale")

    def _add_wide(self, values: np.ndarray) -> None:
        self._wide.update(values)
        if self._all_16_bit:
            scaled = values * _HALF
            rounded = scaled.round().clip(-_HALF, _HALF - 1)
            self._all_16_bit = bool((scaled == rounded).all())
            self._narrow.update(rounded.astype(np.int16))

    def require_sound(self) -> None:
        """Raise Unusable unless 0.1 s of it is louder than silence: no click, no offset."""
        level = float(np.sqrt(self._loudest.min()))
        if level < _SILENCE:
            raise Unusable("silent", f"silent: its loudest 0.1 s have {level:.1e} of full scale")

    @property
    def peak(self) -> float:
        """Largest magnitude; 1.0 is full scale."""
        return max(-self._low, self._high)

    @property
    def rms(self) -> float:
        """Root of the mean square over all channels; 1.0 is full scale."""
        return float(np.sqrt(self._energy / self._count))

    def sha256(self) -> str:
        """Digest of ``rate/channels/`` and the samples, as serkit.corpora.auditing.probe says."""
        return (self._narrow if self._all_16_bit else self._wide).hexdigest()


def _clipped(values: np.ndarray, full_scale: float) -> int:
    """Number of samples in runs of at least three at full scale, of one sign."""
    total = 0
    for full in (values >= full_scale, values <= -full_scale):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], full, [False]]).astype(np.int8)))
        runs = edges[1::2] - edges[::2]
        total += int(runs[runs >= _CLIPPED_RUN].sum())
    return total
