"""Corrupt recordings to measure how robust a model is: noise, telephone, reverberation, gain."""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, fftconvolve, resample_poly, sosfilt

from serkit.audio.containers import as_wav, to_wav
from serkit.errors import InputError, RecordingError

Waveform = npt.NDArray[np.float64]
_TELEPHONE_RATE = 8_000
_TELEPHONE_BAND = (300.0, 3400.0)
# Mu-law companding of ITU-T G.711: 8 bits, mu = 255.
_MU, _LEVELS = 255.0, 127.0


def _noise(waveform: Waveform, rate: int, snr_db: float, rng: np.random.Generator) -> Waveform:
    """Add white noise, ``snr_db`` decibels below the recording's mean power."""
    deviation = np.sqrt(np.mean(np.square(waveform)) / 10 ** (snr_db / 10))
    return waveform + rng.normal(0.0, 1.0, waveform.shape) * deviation


def _telephone(waveform: Waveform, rate: int, _: float, rng: np.random.Generator) -> Waveform:
    """Keep 300 to 3,400 Hz at 8 kHz, in 8 bits of mu-law."""
    narrow = resample_poly(waveform, _TELEPHONE_RATE, rate)
    sections = butter(4, _TELEPHONE_BAND, "bandpass", fs=_TELEPHONE_RATE, output="sos")
    narrow = np.clip(sosfilt(sections, narrow), -1.0, 1.0)
    companded = np.sign(narrow) * np.log1p(_MU * np.abs(narrow)) / np.log1p(_MU)
    quantised = np.rint(companded * _LEVELS) / _LEVELS
    narrow = np.sign(quantised) * np.expm1(np.abs(quantised) * np.log1p(_MU)) / _MU
    return resample_poly(narrow, rate, _TELEPHONE_RATE)[: len(waveform)]


def _reverb(waveform: Waveform, rate: int, seconds: float, rng: np.random.Generator) -> Waveform:
    """Add reverberation that falls by 60 dB in ``seconds``: noise with an exponential decay."""
    times = np.arange(int(seconds * rate)) / rate
    tail = rng.normal(0.0, 1.0, len(times)) * 10 ** (-3 * times / seconds)
    # The direct sound is as loud as all of the tail.
    response = np.concatenate([[1.0], tail / np.sqrt(np.sum(np.square(tail)))])
    return fftconvolve(waveform, response)[: len(waveform)]


def _gain(waveform: Waveform, rate: int, db: float, rng: np.random.Generator) -> Waveform:
    """Change the level by ``db`` decibels."""
    return waveform * 10 ** (db / 20)


Corruption = Callable[[Waveform, int, float, np.random.Generator], Waveform]
CORRUPTIONS: dict[str, tuple[Corruption, float, float, float]] = {
    "noise": (_noise, 10.0, -20.0, 60.0),
    "telephone": (_telephone, 0.0, 0.0, 0.0),
    "reverb": (_reverb, 0.5, 0.05, 5.0),
    "gain": (_gain, -20.0, -60.0, 40.0),
}
"""By name: the function, the default of its value, and the lowest and highest valid value. The
values: signal-to-noise ratio in dB; none; reverberation time in seconds; gain in dB."""


def parse_corruptions(text: str) -> tuple[tuple[str, float], ...]:
    """Return the corruptions of a text such as ``noise=10,telephone``, in order.

    Raises:
        InputError: if a name is not known, or a value is not a number in the valid range.

    Example:
        >>> parse_corruptions("noise=5,telephone")
        (('noise', 5.0), ('telephone', 0.0))
    """
    corruptions = []
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        try:
            _, default, low, high = CORRUPTIONS[name]
            number = float(value) if value else default
            if not low <= number <= high:
                raise ValueError
        except (KeyError, ValueError) as error:
            valid = ", ".join(
                name if low == high else f"{name}={low:g} to {high:g}"
                for name, (_, _, low, high) in CORRUPTIONS.items()
            )
            raise InputError(
                f"`corrupt` must be a list of {valid}; for example noise=10,telephone. "
                f"Received: {part}."
            ) from error
        corruptions.append((name, number))
    return tuple(corruptions)


def corrupt(content: bytes, corruptions: tuple[tuple[str, float], ...], seed: int) -> bytes:
    """Corrupt a recording.

    Args:
        content: bytes of a WAV, FLAC, MP3 or Ogg Vorbis file.
        corruptions: see :func:`parse_corruptions`; applied in order.
        seed: seed of noise and reverberation, which also depend on the recording.

    Returns:
        A mono WAV file of 32-bit floats, at the rate of the recording.

    Raises:
        RecordingError: if the recording cannot be decoded.

    Example:
        >>> import io, numpy as np, soundfile
        >>> from serkit.audio.containers import to_wav
        >>> quiet = corrupt(to_wav(np.ones(800, np.float32), 8_000), (("gain", -20.0),), seed=0)
        >>> samples, rate = soundfile.read(io.BytesIO(quiet))
        >>> round(float(samples[0]), 3), rate
        (0.1, 8000)
    """
    waveform, rate = _decoded(content)
    digest = hashlib.sha256(content).digest()
    rng = np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])
    for name, value in corruptions:
        function, *_ = CORRUPTIONS[name]
        waveform = function(waveform, rate, value, rng)
    return to_wav(waveform.astype(np.float32), rate)


def _decoded(content: bytes) -> tuple[Waveform, int]:
    import tensorflow as tf

    from serkit.audio.decoding import decode_wav

    wav, problem = as_wav(content)
    if not problem:
        decoded: Any = decode_wav(tf.constant(wav))
        problem = bytes(decoded.status.numpy()).decode()
        if not problem:
            return decoded.waveform.numpy().astype(np.float64), int(decoded.sample_rate)
    raise RecordingError(problem)
