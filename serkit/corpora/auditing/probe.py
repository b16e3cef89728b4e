"""One recording, read once: is it whole, has it sound, and what are its numbers?"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from serkit.corpora.auditing.containers import (
    COMPRESSED,
    NO_LENGTH,
    describe_error,
    mend_mp3,
    mend_wav,
)
from serkit.corpora.auditing.meter import Meter
from serkit.corpora.auditing.riff import TOLERATED_SECONDS, Header, read_header
from serkit.corpora.findings import Unusable

# What serkit.audio.decoding and serkit.data.compressed decode.
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
    """What :func:`probe` measured; see :class:`~serkit.corpora.corpus.Clip` for the units.

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
