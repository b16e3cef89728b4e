"""FLAC, MP3 and Ogg Vorbis by libsndfile, without TensorFlow, and as WAV for an exported model."""

import io
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import soundfile

from serkit.corpora.auditing.containers import (
    COMPRESSED,
    NO_LENGTH,
    describe_error,
    identify,
    mend_mp3,
)

_RATES = range(1_000, 1_000_001)
_BLOCK = 1 << 20
_PCM, _FLOAT, _HEADER = 1, 3, struct.Struct("<4sI4s4sIHHIIHH4sI")


@contextmanager
def open_sound(data: bytes, kind: str) -> Iterator[tuple[soundfile.SoundFile, bool]]:
    """A recording that can be read to its end, and whether it says how long it is.

    Args:
        data: the whole file.
        kind: a key of :data:`serkit.corpora.auditing.containers.COMPRESSED`.

    Raises:
        ValueError: for a codec that serkit does not decode, or a length that nobody knows.
        soundfile.SoundFileError: if libsndfile cannot read it.
    """
    source, tells_length = mend_mp3(data) if kind == "MP3" else (data, True)
    with soundfile.SoundFile(io.BytesIO(source)) as sound:
        if sound.subtype not in COMPRESSED[kind]:
            raise ValueError(f"its codec is {sound.subtype}")
        if sound.frames == NO_LENGTH:
            raise ValueError("its header does not say how long it is")
        yield sound, tells_length


def read_all(sound: soundfile.SoundFile) -> np.ndarray:
    """All samples; in blocks, as a header may announce any number of them."""
    blocks = []
    while not blocks or len(blocks[-1]) == _BLOCK:
        blocks.append(sound.read(_BLOCK, dtype="float32", always_2d=True))
    return np.concatenate(blocks)


def read_samples(data: bytes, kind: str) -> tuple[np.ndarray, int]:
    """Samples, float32 ``(samples, channels)``, and the rate in Hz; as :func:`open_sound`."""
    with open_sound(data, kind) as (sound, _):
        return read_all(sound), sound.samplerate


def decode_file(
    data: bytes, read: Callable[[bytes, str], tuple[np.ndarray, int]] = read_samples
) -> tuple[np.ndarray, int, str]:
    """A whole file to a mono waveform; never raises for what is in it.

    Args:
        data: the file.
        read: gets it and its kind, and gives samples ``(samples, channels)`` and the rate.

    Returns:
        The mean of the channels, float32 ``(samples,)``, which in lossy formats may exceed full
        scale; the rate in Hz; and an empty text, or what is wrong, with no samples and a rate of 1.
    """
    problem, waveform, rate = "", np.zeros(0, np.float32), 1
    kind = identify(io.BytesIO(data))
    if kind not in COMPRESSED:
        problem = f"not WAV, FLAC, MP3 or Ogg Vorbis but {kind or 'of no format that is known'}"
    else:
        try:
            samples, rate = read(data, kind)
            waveform = samples.mean(axis=1, dtype=np.float32)
            problem = _problem(waveform, rate)
        # Whatever a decoder raises: one bad file must not be the end of an epoch.
        except Exception as error:
            problem = f"that cannot be decoded: {describe_error(error)}"
        problem = problem and f"{kind} file {problem}"
    return (waveform[:0], 1, problem) if problem else (waveform, rate, "")


def as_wav(data: bytes) -> tuple[bytes, str]:
    """What an exported model takes, which hears WAV alone.

    Of FLAC it gets the samples that training has, of MP3 and Ogg Vorbis the same within 5e-6 of
    full scale, whether tensorflow-io is installed or not.

    Args:
        data: a whole file.

    Returns:
        A WAV file as it is, or one of one channel, of 32-bit floats, or of 16 bits where these
        hold the samples exactly; and an empty text, or why there is none.
    """
    if data.startswith(b"RIFF"):
        return data, ""
    waveform, rate, problem = decode_file(data)
    whole = waveform * np.float32(2**15)
    # Half the bytes for a server, and the same samples: of FLAC of 16 bits and one channel.
    if (whole == np.rint(whole)).all() and (np.abs(whole + 0.5) < 2**15).all():
        code, width, samples = _PCM, 2, whole.astype("<i2").tobytes()
    else:
        code, width, samples = _FLOAT, 4, waveform.astype("<f4").tobytes()
    sizes = 36 + len(samples), len(samples)
    if not problem and max(sizes) > 0xFFFFFFFF:
        problem = "longer than what fits into a WAV file, 4 GiB"
    if problem:
        return b"", problem
    form = (16, code, 1, rate, width * rate, width, 8 * width)
    return _HEADER.pack(b"RIFF", sizes[0], b"WAVE", b"fmt ", *form, b"data", sizes[1]) + samples, ""


def _problem(waveform: np.ndarray, rate: int) -> str:
    if rate not in _RATES:
        return "without a usable rate"
    if not len(waveform):
        return "without samples"
    return "" if np.isfinite(waveform).all() else "with samples that are not finite"
