"""Read a recording once, check that it is complete and not silent, and measure it."""

import hashlib
import io
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from serkit.audio.containers import (
    COMPRESSED,
    MAX_COMPRESSED_SAMPLES,
    MAX_MAGNITUDE,
    NO_LENGTH,
    TOO_LONG,
    VALID_SAMPLE_RATES,
    describe_error,
    mend_mp3,
    mend_wav,
    read_all,
)
from serkit.datasets.findings import UnusableError
from serkit.datasets.headers import TOLERATED_SECONDS, Header, read_header

# Loudness is measured in windows of 25 ms. Four windows make up 0.1 s.
_WINDOWS_PER_SECOND, _LOUDEST_WINDOWS = 40, 4
# Fraction of a window's energy above which a constant offset dominates the window.
_OFFSET_FRACTION = 0.99
# -80 dB of full scale. Dither lies below; the quietest of 1,200 RAVDESS recordings is at -55 dB.
_SILENCE = 1e-4
# The second largest 16-bit value. 8-bit samples are coarser: their largest value lies below it.
_FULL_SCALE, _FULL_SCALE_8_BIT = 32_766 / 32_768, 127 / 128
# Shorter runs at full scale are peaks that just reach full scale, not clipping.
_MIN_CLIPPED_RUN = 3
_INT16_SCALE = 32_768


class Meter:
    """Accumulate measurements of a recording block by block.

    Samples are int16, or float32 with 1.0 as full scale.

    Attributes:
        window: samples per channel in 25 ms. The length of every block but the last must be a
            multiple of it.
        clipped: number of samples so far in runs of three or more at full scale.
    """

    def __init__(self, rate: int, channels: int, eight_bits: bool = False) -> None:
        self._full_scale = _FULL_SCALE_8_BIT if eight_bits else _FULL_SCALE
        self.window: int = max(1, rate // _WINDOWS_PER_SECOND)
        self._channels = channels
        start = f"{rate}/{channels}/".encode()
        self._int16_digest, self._float32_digest = hashlib.sha256(start), hashlib.sha256(start)
        self._all_16_bit = True
        self._low, self._high = np.inf, -np.inf
        self._energy, self._count = 0.0, 0
        self._loudest_levels = np.zeros(_LOUDEST_WINDOWS)
        self.clipped: int = 0

    def add(self, block: npt.NDArray[Any]) -> None:
        """Add a block of samples, int16 or float32 ``(frames, channels)``.

        Raises:
            UnusableError: if a sample is not finite, or too large to be a sample (above 2 ** 32).
        """
        samples = block.reshape(-1)
        scale = 1 / _INT16_SCALE if samples.dtype == np.int16 else 1.0
        self._add_range(float(samples.min()) * scale, float(samples.max()) * scale)
        if samples.dtype == np.int16:
            self._int16_digest.update(samples.data)
            samples = samples.astype(np.float32)
        else:
            self._add_float32(samples)
        self._add_loudness(samples, scale)
        if self.peak >= self._full_scale:
            for channel in samples.reshape(-1, self._channels).T:
                self.clipped += _count_clipped(channel * scale, self._full_scale)

    def _add_loudness(self, samples: npt.NDArray[Any], scale: float) -> None:
        window_size = self.window * self._channels
        windows = samples[: len(samples) // window_size * window_size].reshape(-1, window_size)
        last_samples = samples[windows.size :].astype(np.float64)
        energies = np.einsum("ij,ij->i", windows, windows).astype(np.float64)
        last_energy = float(last_samples @ last_samples)
        self._energy += (float(energies.sum()) + last_energy) * scale**2
        self._count += len(samples)
        # A constant offset is not sound. If it is most of a window's energy, float32 sums are
        # too coarse for the remainder. Compute the variance of such windows in float64.
        window_sums = (windows @ np.ones(window_size, np.float32)).astype(np.float64)
        is_mostly_offset = np.square(window_sums) / window_size > _OFFSET_FRACTION * energies
        if is_mostly_offset.any():
            energies[is_mostly_offset] = (
                windows[is_mostly_offset].var(axis=1, dtype=np.float64) * window_size
            )
        last_energy -= float(last_samples.sum()) ** 2 / max(last_samples.size, 1)
        levels = np.append(energies, last_energy) * (scale**2 / window_size)
        levels = np.concatenate([self._loudest_levels, levels])
        self._loudest_levels = np.partition(levels, -_LOUDEST_WINDOWS)[-_LOUDEST_WINDOWS:]

    def _add_range(self, low: float, high: float) -> None:
        # If one sample is NaN, both `low` and `high` are NaN.
        if not math.isfinite(low) or not math.isfinite(high):
            raise UnusableError("not-finite", "holds samples that are not finite numbers")
        self._low, self._high = min(self._low, low), max(self._high, high)
        if self.peak > MAX_MAGNITUDE:
            raise UnusableError(
                "unreadable", f"cannot be read: samples of {self.peak:.0e} x full scale"
            )

    def _add_float32(self, samples: npt.NDArray[Any]) -> None:
        self._float32_digest.update(samples.data)
        if self._all_16_bit:
            scaled = samples * _INT16_SCALE
            rounded = scaled.round().clip(-_INT16_SCALE, _INT16_SCALE - 1)
            self._all_16_bit = bool((scaled == rounded).all())
            self._int16_digest.update(rounded.astype(np.int16).data)

    def require_sound(self) -> None:
        """Raise UnusableError unless at least 0.1 s is louder than silence.

        A click or a constant offset does not count as sound.
        """
        level = float(np.sqrt(self._loudest_levels.min()))
        if level < _SILENCE:
            raise UnusableError(
                "silent", f"silent: its loudest 0.1 s have {level:.1e} of full scale"
            )

    @property
    def peak(self) -> float:
        """Largest magnitude of a sample; 1.0 is full scale."""
        return max(-self._low, self._high)

    @property
    def rms(self) -> float:
        """Root mean square over all channels; 1.0 is full scale."""
        return float(np.sqrt(self._energy / self._count))

    def sha256(self) -> str:
        """Return the SHA-256 of ``rate/channels/`` and the samples; see :func:`probe`."""
        return (self._int16_digest if self._all_16_bit else self._float32_digest).hexdigest()


def _count_clipped(samples: npt.NDArray[Any], full_scale: float) -> int:
    """Count the samples in runs of at least three at full scale with the same sign."""
    total = 0
    for is_full_scale in (samples >= full_scale, samples <= -full_scale):
        edges = np.flatnonzero(
            np.diff(np.concatenate([[False], is_full_scale, [False]]).astype(np.int8))
        )
        run_lengths = edges[1::2] - edges[::2]
        total += int(run_lengths[run_lengths >= _MIN_CLIPPED_RUN].sum())
    return total


# Formats and codecs that serkit.audio.decoding and serkit.audio.compressed decode.
_DECODABLE = {
    "WAV": frozenset({"PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"}),
    **COMPRESSED,
}
_MIN_SECONDS = 0.1
# Most recordings are read in one block. The block size bounds the memory for very long ones.
_BLOCK = 1 << 22


@dataclass(frozen=True, slots=True)
class Probe:
    """Result of :func:`probe`; see :class:`~serkit.datasets.corpus.Clip` for the units.

    Attributes:
        clipped: number of samples in runs of three or more at full scale.
        length_unknown: whether the header gives no length, as in a streamed recording.
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

    The digest is the SHA-256 of ``rate/channels/`` and the samples: as little-endian int16 if all
    are 16-bit values, else as float32. Containers, chunks and sample widths do not change it.

    Raises:
        UnusableError: if the file is not a WAV, FLAC, MP3 or Ogg Vorbis file that serkit decodes,
            or if the recording cannot be read, is truncated, too short or silent, or holds samples
            that are not finite.
    """
    with _opened(path) as (sound, declared_frames, header):
        return _measure(sound, declared_frames, header.length_unknown)


def read_waveform(path: Path | str) -> tuple[npt.NDArray[Any], int]:
    """Read the samples of a recording, decoded as in :func:`probe`.

    Returns:
        The mean of the channels, float32 ``(samples,)`` with 1.0 as full scale, and the sample rate
        in Hz.

    Raises:
        UnusableError: if serkit does not decode the file's format, or if the file cannot be read
            or is truncated.
    """
    with _opened(path) as (sound, _, _):
        return read_all(sound)[:, 0], sound.samplerate


@contextmanager
def _opened(path: Path | str) -> Iterator[tuple[soundfile.SoundFile, int | None, Header]]:
    """Open a recording for reading.

    Yields:
        The open file, the number of frames if the file declares it (else None), and the header.

    Raises:
        UnusableError: if serkit does not decode the file's format, or if the file cannot be read
            or its header shows that it is truncated.
    """
    header = read_header(path)
    try:
        sound_source, has_length = _sound_source(path, header)
        with soundfile.SoundFile(sound_source) as sound:
            codecs = _DECODABLE[header.kind]
            if sound.subtype not in codecs:
                valid = ", ".join(sorted(codecs))
                raise UnusableError("format", f"codec {sound.subtype} is not one of {valid}")
            if header.missing_seconds > 0:
                raise UnusableError("truncated", header.describe_missing())
            # A damaged header may declare any length. No WAV file holds more samples than bytes.
            if header.kind == "WAV" and sound.frames * sound.channels > os.path.getsize(path):
                raise UnusableError("unreadable", "cannot be read: its header is damaged")
            if sound.frames == NO_LENGTH:
                raise UnusableError("unreadable", "cannot be read: it does not say how long it is")
            if sound.samplerate not in VALID_SAMPLE_RATES:
                raise UnusableError(
                    "format",
                    f"sample rate {sound.samplerate} Hz; valid is from {VALID_SAMPLE_RATES[0]} to "
                    f"{VALID_SAMPLE_RATES[-1]} Hz",
                )
            yield sound, sound.frames if has_length else None, header
    except (soundfile.SoundFileError, OSError) as error:
        raise UnusableError("unreadable", f"cannot be read: {describe_error(error)}") from error


def _sound_source(path: Path | str, header: Header) -> tuple[Path | str | io.BytesIO, bool]:
    """Return the input for libsndfile, and whether its reported length comes from the file."""
    if header.data_start:
        return io.BytesIO(mend_wav(Path(path).read_bytes(), header.data_start)), True
    if header.kind == "MP3":
        mended, has_length = mend_mp3(Path(path).read_bytes())
        return io.BytesIO(mended), has_length
    return path, True


def _measure(
    sound: soundfile.SoundFile, declared_frames: int | None, length_unknown: bool
) -> Probe:
    rate, channels = sound.samplerate, sound.channels
    eight_bits = sound.subtype in ("PCM_U8", "PCM_S8")
    meter = Meter(rate, channels, eight_bits)
    frame_count = _read_into_meter(
        sound, meter, "int16" if eight_bits or sound.subtype == "PCM_16" else "float32"
    )
    missing_seconds = (
        (frame_count if declared_frames is None else declared_frames) - frame_count
    ) / rate
    if missing_seconds > TOLERATED_SECONDS:
        header = Header(seconds=declared_frames / rate, missing_seconds=missing_seconds)
        raise UnusableError("truncated", header.describe_missing())
    duration = frame_count / rate
    if duration < _MIN_SECONDS:
        raise UnusableError("short", f"only {duration:.3f} s long")
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


def _read_into_meter(sound: soundfile.SoundFile, meter: Meter, dtype: str) -> int:
    """Add all samples to the meter; return the number of samples per channel."""
    # A multiple of the window, so that no window crosses the end of a block.
    block_frames, frame_count = max(_BLOCK // meter.window, 1) * meter.window, 0
    while len(block := sound.read(block_frames, dtype=dtype, always_2d=True)):
        frame_count += len(block)
        if frame_count > MAX_COMPRESSED_SAMPLES and sound.format != "WAV":
            raise UnusableError("format", TOO_LONG)
        meter.add(block)
        if len(block) < block_frames:
            break
    return frame_count
