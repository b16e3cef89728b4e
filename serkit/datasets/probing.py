"""Read one recording once: is it whole, is there sound, and its peak, level and digest."""

import hashlib
import io
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from serkit.audio.containers import COMPRESSED, NO_LENGTH, describe_error, mend_mp3, mend_wav
from serkit.datasets.findings import Unusable
from serkit.datasets.headers import TOLERATED_SECONDS, Header, read_header

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
        """Digest of ``rate/channels/`` and the samples, as serkit.datasets.probing says."""
        return (self._narrow if self._all_16_bit else self._wide).hexdigest()


def _clipped(values: np.ndarray, full_scale: float) -> int:
    """Number of samples in runs of at least three at full scale, of one sign."""
    total = 0
    for full in (values >= full_scale, values <= -full_scale):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], full, [False]]).astype(np.int8)))
        runs = edges[1::2] - edges[::2]
        total += int(runs[runs >= _CLIPPED_RUN].sum())
    return total


# What serkit.audio.decoding and serkit.audio.compressed decode.
_DECODABLE = {
    "WAV": frozenset({"PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"}),
    **COMPRESSED,
}
_SHORTEST_SECONDS = 0.1
_RATES = range(1_000, 1_000_001)
# One read for all but very long recordings, which then take no more memory than this.
_BLOCK = 1 << 22


@dataclass(frozen=True, slots=True)
class Probe:
    """What :func:`probe` measured; see :class:`~serkit.datasets.corpus.Clip` for the units.

    Attributes:
        clipped: number of samples in runs of three or more at full scale.
        length_unknown: the header gives no length, as when a recording was streamed.
    """

    sample_rate: int
    channels: int
    duration: float
    peak: float
    rms: float
    sha256: str
    clipped: int
    length_unknown: bool


def probe(path: Path | str) -> Probe:
    """Read a recording and measure it.

    The digest is of the samples, so that containers, chunks and sample widths do not matter: it is
    of ``rate/channels/`` and the samples as little-endian int16 if all are 16-bit values, else as
    float32.

    Raises:
        Unusable: if it is no WAV, FLAC, MP3 or Ogg Vorbis file that serkit decodes, cannot be
            read, is truncated, too short, silent, or holds samples that are not finite.
    """
    with _opened(path) as (sound, announced, header):
        return _measure(sound, announced, header.length_unknown)


def read_waveform(path: Path | str) -> tuple[np.ndarray, int]:
    """Read a recording as :func:`probe` does.

    Returns:
        The mean of its channels, float32 ``(samples,)``, 1.0 being full scale, and the rate in Hz.

    Raises:
        Unusable: if it is no file that serkit decodes, cannot be read or is truncated.
    """
    with _opened(path) as (sound, _, _):
        blocks = [block.mean(axis=1) for block in _read_blocks(sound, _BLOCK, "float32")]
        return np.concatenate([np.zeros(0, np.float32), *blocks]), sound.samplerate


@contextmanager
def _opened(path: Path | str) -> Iterator[tuple[soundfile.SoundFile, int | None, Header]]:
    """A recording that can be read, its number of samples if it tells, and its header."""
    header = read_header(path)
    try:
        source, tells_length = _open(path, header)
        with soundfile.SoundFile(source) as sound:
            decodable = _DECODABLE[header.kind]
            if sound.subtype not in decodable:
                valid = ", ".join(sorted(decodable))
                raise Unusable("format", f"codec {sound.subtype} is not one of {valid}")
            if header.missing_seconds > 0:
                raise Unusable("truncated", header.describe_missing())
            # A damaged header may announce anything; what is read is never more than the file.
            if header.kind == "WAV" and sound.frames * sound.channels > os.path.getsize(path):
                raise Unusable("unreadable", "cannot be read: its header is damaged")
            if sound.frames == NO_LENGTH:
                raise Unusable("unreadable", "cannot be read: it does not say how long it is")
            if sound.samplerate not in _RATES:
                raise Unusable(
                    "format",
                    f"sample rate {sound.samplerate} Hz; valid is from {_RATES[0]} to "
                    f"{_RATES[-1]} Hz",
                )
            yield sound, sound.frames if tells_length else None, header
    except (soundfile.SoundFileError, OSError) as error:
        raise Unusable("unreadable", f"cannot be read: {describe_error(error)}") from error


def _open(path: Path | str, header: Header) -> tuple[Path | str | io.BytesIO, bool]:
    """What libsndfile is to read, and whether the length that it will tell is the file's own."""
    if header.data_start:
        return io.BytesIO(mend_wav(Path(path).read_bytes(), header.data_start)), True
    if header.kind == "MP3":
        data, tells_length = mend_mp3(Path(path).read_bytes())
        return io.BytesIO(data), tells_length
    return path, True


def _measure(sound: soundfile.SoundFile, announced: int | None, length_unknown: bool) -> Probe:
    rate, channels = sound.samplerate, sound.channels
    eight_bits = sound.subtype in ("PCM_U8", "PCM_S8")
    meter = Meter(rate, channels, eight_bits)
    found = _read(sound, meter, "int16" if eight_bits or sound.subtype == "PCM_16" else "float32")
    missing = ((found if announced is None else announced) - found) / rate
    if missing > TOLERATED_SECONDS:
        header = Header(seconds=announced / rate, missing_seconds=missing)
        raise Unusable("truncated", header.describe_missing())
    duration = found / rate
    if duration < _SHORTEST_SECONDS:
        raise Unusable("short", f"only {duration:.3f} s long")
    meter.require_sound()
    return Probe(
        sample_rate=rate,
        channels=channels,
        duration=round(duration, 6),
        peak=round(meter.peak, 6),
        rms=round(meter.rms, 6),
        sha256=meter.sha256(),
        clipped=meter.clipped,
        length_unknown=length_unknown,
    )


def _read(sound: soundfile.SoundFile, meter: Meter, dtype: str) -> int:
    """Pass all samples on to the meter; their number in each channel."""
    # Whole windows, so that none is cut by the end of a block.
    frames, found = max(_BLOCK // meter.window, 1) * meter.window, 0
    for block in _read_blocks(sound, frames, dtype):
        found += len(block)
        meter.add(block)
    return found


def _read_blocks(sound: soundfile.SoundFile, frames: int, dtype: str) -> Iterator[np.ndarray]:
    while len(block := sound.read(frames, dtype=dtype, always_2d=True)):
        yield block
        if len(block) < frames:
            return
