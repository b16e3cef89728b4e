"""Identify and decode audio files without TensorFlow.

Sources: RFC 9639 (FLAC), RFC 3533 (Ogg), ID3v2.4.0 section 3.1, ISO/IEC 11172-3 section 2.4.1.3
(MPEG frame header), and for the Xing tag LAME's `mp3-tag specification`.
"""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile

READABLE_SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".ogg"})
"""Suffixes of the formats that serkit decodes."""
LOSSY_SUFFIXES = frozenset({".mp3", ".ogg"})
"""Suffixes in :data:`READABLE_SUFFIXES` of lossy formats."""
AUDIO_SUFFIXES = READABLE_SUFFIXES | {".aif", ".aiff", ".m4a"}
"""Suffixes of all files that count as audio, also if serkit cannot decode them.

A file that serkit cannot decode is thus reported to the user and not silently left out.
"""
SUFFIX_PATTERN = r"\.(?:wav|flac|mp3|ogg)"
""":data:`READABLE_SUFFIXES` as a regular expression."""


COMPRESSED = {
    "FLAC": frozenset({"PCM_S8", "PCM_16", "PCM_24"}),
    "MP3": frozenset({"MPEG_LAYER_III"}),
    "Ogg Vorbis": frozenset({"VORBIS"}),
}
"""Formats besides WAV that serkit decodes, each with its codecs by libsndfile's names."""

NO_LENGTH = (1 << 63) - 1
"""Number of samples that libsndfile reports for a file whose header does not give its length."""

_HTML = re.compile(rb"\s*(<!doctype html|<html|<head|<\?xml)", re.IGNORECASE)
_NAME_BY_FIRST_BYTES = {
    b"version https://git-lfs.github.com/spec/": "a Git LFS pointer",
    b"fLaC": "FLAC",
    b"FORM": "AIFF",
    b"NIST_1A": "NIST SPHERE",
    b"riff": "W64",
    b"RF64": "RF64",
    b"BW64": "BW64",
    b"RIFX": "RIFX (big-endian)",
    b".snd": "AU",
    b"caff": "CAF",
    b"wvpk": "WavPack",
    b"MAC ": "Monkey's Audio",
    b"#!AMR": "AMR",
    b"\x30\x26\xb2\x75": "WMA",
    b"\x1a\x45\xdf\xa3": "Matroska or WebM",
    b"ADIF": "AAC",
}
# Codec of an Ogg file by the first bytes of its first packet.
_OGG_CODECS = {
    b"\x01vorbis": "Ogg Vorbis",
    b"OpusHead": "Opus",
    b"Speex   ": "Ogg Speex",
    b"\x7fFLAC": "Ogg FLAC",
    b"\x80theora": "Ogg Theora",
}
_LAST_PAGE_FLAG = 0x04
_MAX_PAGE_BYTES = 27 + 255 + 255 * 255
_HEADER_BYTES = 512
# Highest bit rate divided by the lowest: 160 / 8 kbit/s; in MPEG-1 it is 320 / 32 kbit/s.
_MAX_BIT_RATE_RATIO = 20


def identify(file: BinaryIO) -> str:
    """Return the name of a file's format, found from its first bytes after any ID3 tags.

    Returns:
        ``"WAV"``, a key of :data:`COMPRESSED`, the name of a format that serkit does not decode
        (``"AAC"``, ``"Opus"``, ``"a web page"``, ``"an empty file"``, …), or ``""`` if unknown.
    """
    first_bytes = _read_at(file, 0, _HEADER_BYTES)
    if first_bytes[:4] == b"RIFF" and first_bytes[8:12] == b"WAVE":
        return "WAV"
    if first_bytes[:3] == b"ID3":
        first_bytes = _read_at(file, _skip_tags(file), _HEADER_BYTES)
    if first_bytes[:4] == b"OggS":
        packet = first_bytes[27 + first_bytes[26] :] if len(first_bytes) > 27 else b""
        return next(
            (name for magic, name in _OGG_CODECS.items() if packet.startswith(magic)), "Ogg"
        )
    if first_bytes[4:8] == b"ftyp":
        return "MPEG-4"
    if len(first_bytes) > 3 and first_bytes[0] == 0xFF and first_bytes[1] & 0xE0 == 0xE0:
        return _mpeg_format(first_bytes)
    if _HTML.match(first_bytes.removeprefix(b"\xef\xbb\xbf")):
        return "a web page"
    names = (name for magic, name in _NAME_BY_FIRST_BYTES.items() if first_bytes.startswith(magic))
    return next(names, "" if first_bytes else "an empty file")


def ogg_is_whole(file: BinaryIO) -> bool:
    """Return whether an Ogg file ends with a complete page that is marked as the last page."""
    file_size = file.seek(0, 2)
    last_bytes = _read_at(file, max(file_size - _MAX_PAGE_BYTES, 0), _MAX_PAGE_BYTES)
    page_start = last_bytes.rfind(b"OggS")
    page = last_bytes[page_start:]
    if page_start < 0 or len(page) < 27 or len(page) < 27 + page[26]:
        return False
    return bool(page[5] & _LAST_PAGE_FLAG) and len(page) >= 27 + page[26] + sum(
        page[27 : 27 + page[26]]
    )


def describe_error(error: Exception) -> str:
    """Return libsndfile's error message without the path of the file."""
    text = (getattr(error, "error_string", "") or str(error)).strip().rstrip(".")
    return text.removeprefix("Error : ") or "it is damaged or cut off"


def mend_mp3(data: bytes) -> tuple[bytes, bool]:
    """Return an MP3 file that libsndfile reads to its end.

    Without a Xing tag libsndfile computes the length from the size of the file and the bit rate of
    the first frame, and does not read beyond this length. In a file of variable bit rate it can
    skip up to nine tenths. To such files this function appends a large ID3 tag. libsndfile does not
    decode the tag, but counts its size. The computed length is then long enough.

    Returns:
        The bytes of the file, and whether a Xing tag gives its length.
    """
    start = _skip_tags(io.BytesIO(data))
    first_frame = data[start : start + 64]
    tag_start = max(first_frame.find(b"Xing"), first_frame.find(b"Info"))
    if tag_start > 0 and len(first_frame) >= tag_start + 8 and first_frame[tag_start + 7] & 1:
        return data, True
    padding_size = min(_MAX_BIT_RATE_RATIO * len(data), (1 << 28) - 1)
    size_bytes = bytes(padding_size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return data + b"ID3\x04\0\0" + size_bytes + bytes(padding_size), False


def mend_wav(data: bytes, start: int) -> bytes:
    """Return a WAV file whose header says that the data chunk lasts to the end of the file.

    Streamed recordings have a length of 0 in their header, which libsndfile takes as correct.

    Args:
        data: the whole file.
        start: position of the first byte of the samples.
    """
    data_length = min(len(data) - start, 0xFFFFFFFF - start)
    size_fields = [
        (start + data_length - 8).to_bytes(4, "little"),
        data_length.to_bytes(4, "little"),
    ]
    return data[:4] + size_fields[0] + data[8 : start - 4] + size_fields[1] + data[start:]


def _skip_tags(file: BinaryIO) -> int:
    """Return the position of the first byte after the ID3v2 tags at the beginning of a file."""
    position = 0
    while (head := _read_at(file, position, 10))[:3] == b"ID3" and len(head) == 10:
        digits_and_shifts = zip(head[6:], (21, 14, 7, 0), strict=True)
        position += 10 + sum((digit & 0x7F) << shift for digit, shift in digits_and_shifts)
    return position


def _read_at(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)


def _mpeg_format(first_bytes: bytes) -> str:
    version, layer = first_bytes[1] >> 3 & 3, first_bytes[1] >> 1 & 3
    if layer == 0:
        return "AAC" if first_bytes[1] & 0xF0 == 0xF0 else ""
    if version == 1 or first_bytes[2] >> 4 == 15 or first_bytes[2] >> 2 & 3 == 3:
        return ""
    return {1: "MP3", 2: "MPEG layer II", 3: "MPEG layer I"}[layer]


VALID_SAMPLE_RATES = range(1_000, 1_000_001)
"""Sample rates in Hz that serkit reads."""
MAX_COMPRESSED_SAMPLES = 1 << 27
"""Samples per channel of a FLAC, MP3 or Ogg Vorbis file that serkit decodes: 46 minutes at 48 kHz.

A megabyte of FLAC can hold gigabytes of silence. A WAV file needs no limit but its size.
"""
TOO_LONG = f"more than {MAX_COMPRESSED_SAMPLES:,} samples: split it, or convert it to WAV"
MAX_MAGNITUDE = 2.0**32
"""Greatest magnitude of a sample, where 1 is full scale. Squares of much larger ones overflow.

Float files may exceed full scale, or hold integer values.
"""
_BLOCK = 1 << 20


@contextmanager
def open_sound(data: bytes, kind: str) -> Iterator[tuple[soundfile.SoundFile, bool]]:
    """Open a compressed file so that it can be read to its end.

    Args:
        data: the whole file.
        kind: a key of :data:`COMPRESSED`.

    Yields:
        The open file, and whether the file itself gives its length.

    Raises:
        ValueError: if serkit does not decode the codec, or the header does not give the length.
        soundfile.SoundFileError: if libsndfile cannot read the file.
    """
    readable_data, has_length = mend_mp3(data) if kind == "MP3" else (data, True)
    with soundfile.SoundFile(io.BytesIO(readable_data)) as sound:
        if sound.subtype not in COMPRESSED[kind]:
            raise ValueError(f"its codec is {sound.subtype}")
        if sound.frames == NO_LENGTH:
            raise ValueError("its header does not say how long it is")
        yield sound, has_length


def read_all(sound: soundfile.SoundFile) -> npt.NDArray[Any]:
    """Read all samples, float32 ``(samples, 1)``, the mean of the channels.

    The function reads in blocks, because a wrong header may announce any number of samples.

    Raises:
        ValueError: if a compressed file has more than :data:`MAX_COMPRESSED_SAMPLES`.
        soundfile.SoundFileError: if libsndfile cannot read the file.
    """
    blocks, sample_count = [], 0
    while not blocks or len(blocks[-1]) == _BLOCK:
        block = sound.read(_BLOCK, dtype="float32", always_2d=True)
        sample_count += len(block)
        if sample_count > MAX_COMPRESSED_SAMPLES and sound.format != "WAV":
            raise ValueError(TOO_LONG)
        blocks.append(block.mean(axis=1, keepdims=True))
    return np.concatenate(blocks)


def read_samples(data: bytes, kind: str) -> tuple[npt.NDArray[Any], int]:
    """Return the samples, float32 ``(samples, 1)``, and the sample rate in Hz.

    Arguments and errors are those of :func:`open_sound` and :func:`read_all`.
    """
    with open_sound(data, kind) as (sound, _):
        return read_all(sound), sound.samplerate


def decode_file(
    data: bytes, read: Callable[[bytes, str], tuple[npt.NDArray[Any], int]] = read_samples
) -> tuple[npt.NDArray[Any], int, str]:
    """Decode a whole compressed file to a mono waveform. Invalid contents never raise an error.

    Args:
        data: the whole file.
        read: function that decodes the file. It takes ``data`` and a key of :data:`COMPRESSED`. It
            returns samples ``(samples, channels)`` and the sample rate in Hz.

    Returns:
        A tuple of the waveform, the sample rate in Hz, and a description of the problem. The
        waveform is the mean of the channels, float32 ``(samples,)``; in lossy formats it may
        exceed full scale. The description is empty if the file was decoded. Otherwise the waveform
        has no samples and the rate is 1.
    """
    problem, waveform, rate = "", np.zeros(0, np.float32), 1
    kind = identify(io.BytesIO(data))
    if kind not in COMPRESSED:
        problem = "not a WAV, FLAC, MP3 or Ogg Vorbis file" + (f" but {kind}" if kind else "")
    else:
        try:
            samples, rate = read(data, kind)
            waveform = samples.mean(axis=1, dtype=np.float32)
            problem = _describe_problem(waveform, rate)
        # Catch every error of a decoder: one bad file must not end an epoch.
        except Exception as error:
            problem = f"that cannot be decoded: {describe_error(error)}"
        problem = problem and f"{kind} file {problem}"
    return (waveform[:0], 1, problem) if problem else (waveform, rate, "")


def as_wav(data: bytes) -> tuple[bytes, str]:
    """Convert an audio file to WAV, the only format that an exported model reads.

    From FLAC the model gets the same samples as in training. From MP3 and Ogg Vorbis it gets the
    same samples within 5e-6 of full scale, whether tensorflow-io is installed or not.

    Args:
        data: a whole file.

    Returns:
        A tuple of a WAV file and a description of the problem. A WAV file is returned unchanged.
        Other files become mono WAV files of 16-bit PCM if it holds the samples exactly, else of
        32-bit floats. If the conversion fails, the WAV file is empty and the description is not.
    """
    if data.startswith(b"RIFF"):
        return data, ""
    waveform, rate, problem = decode_file(data)
    scaled = waveform * np.float32(2**15)
    # 16-bit PCM halves the bytes sent to a server and is exact, for example for mono 16-bit FLAC.
    if (scaled == np.rint(scaled)).all() and (np.abs(scaled + 0.5) < 2**15).all():
        samples = scaled.astype(np.int16)
    else:
        samples = waveform
    # 64 bytes are room for the header.
    if not problem and 64 + samples.nbytes > 0xFFFFFFFF:
        problem = "longer than what fits into a WAV file, 4 GiB"
    return (b"", problem) if problem else (to_wav(samples, rate), "")


def to_wav(samples: npt.NDArray[Any], rate: int) -> bytes:
    """Return the bytes of a WAV file of int16 or float32 samples.

    Args:
        samples: ``(samples,)`` or ``(samples, channels)``.
        rate: sample rate in Hz.
    """
    from scipy.io import wavfile

    buffer = io.BytesIO()
    wavfile.write(buffer, rate, samples)
    return buffer.getvalue()


def _describe_problem(waveform: npt.NDArray[Any], rate: int) -> str:
    if rate not in VALID_SAMPLE_RATES:
        return "without a usable rate"
    if not len(waveform):
        return "without samples"
    # NaN is not less than anything.
    is_sound = (np.abs(waveform) <= MAX_MAGNITUDE).all()
    return "" if is_sound else "with samples that are not finite, or far above full scale"
