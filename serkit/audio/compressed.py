"""Decode the bytes of a WAV, FLAC, MP3 or Ogg Vorbis file in a TensorFlow graph.

WAV stays in TensorFlow's own ops, as in serving. MP3 and Ogg Vorbis are decoded by tensorflow-io
where its native library loads, else by libsndfile through soundfile. FLAC is left to libsndfile:
tensorflow-io's op never returns from a file that has fewer samples than its header says, and an op
that hangs cannot be made into a status.
"""

import functools
import logging
import threading
from functools import partial
from types import ModuleType

import numpy as np
import tensorflow as tf

from serkit.audio.containers import decode_file, open_sound, read_all
from serkit.audio.decoding import Decoded, decode_wav, rare
from serkit.errors import check_choice

BACKENDS = ("auto", "soundfile", "tensorflow-io")
"""Ways to decode; see :func:`decode_any`."""

_LOG = logging.getLogger(__name__)
_LOADING = threading.Lock()
# What the op is told to make of each codec, what it takes off, and full scale.
_FLAC = {
    "PCM_S8": (tf.uint8, 128, 2.0**7),
    "PCM_16": (tf.int16, 0, 2.0**15),
    # Left-justified, of 24 bits as well.
    "PCM_24": (tf.int32, 0, 2.0**31),
}
# Of any MPEG decoder, in samples. libsndfile's takes it off wherever a Xing tag gives the number
# of frames; tensorflow-io's only where there is a LAME tag, too.
_DECODER_DELAY = 529
# The lowest bit rates have 576 samples in 24 bytes.
_MOST_SAMPLES_A_BYTE = 24


def decode_any(data: tf.Tensor, backend: str = "auto") -> Decoded:
    """Decode one recording of any format that the audit accepts; never raises for what is in it.

    The format is told by the first bytes (ID3 tags are passed over), never by a name. All ways
    give FLAC's samples exactly, and those of MP3 and Ogg Vorbis, at the same positions and in the
    same number, within 5e-6 of full scale (measured: 2.9e-6 and 6e-7 on signals of 1.4). Only what
    they make of an MP3 frame that is damaged may differ.

    Args:
        data: scalar string, the whole file.
        backend: ``"auto"``: Ogg Vorbis, and MP3 with a Xing tag, by tensorflow-io if its library
            loads, else, with one warning in the log, and for what it refuses, by soundfile; all
            others by soundfile. ``"soundfile"``: all by soundfile. ``"tensorflow-io"``: as
            ``"auto"``, and FLAC as well, after soundfile has found it whole. WAV is decoded by
            neither.

    Returns:
        As :func:`serkit.audio.decoding.decode_wav`; the mean of the channels, which in lossy
        formats may exceed full scale, and no note but on a WAV file.

    Raises:
        InputError: if ``backend`` is not known.
    """
    check_choice("backend", backend, BACKENDS)
    data = tf.convert_to_tensor(data, tf.string)
    return tf.cond(
        tf.strings.substr(data, 0, 4) == b"RIFF",
        lambda: decode_wav(data),
        lambda: Decoded(*_decode_compressed(data, backend)),
    )


@rare
def _decode_compressed(data: tf.Tensor, backend: str) -> Decoded:
    kinds = (tf.float32, tf.int32, tf.string)
    # Stateful, it would make tf.data read one file after another where ops are deterministic.
    waveform, rate, status = tf.numpy_function(
        partial(_decode, backend=backend), [data], kinds, stateful=False
    )
    shapes = zip((waveform, rate, status), ([None], [], []), strict=True)
    return Decoded(*(tf.ensure_shape(*pair) for pair in shapes), note=tf.constant(""))


def _decode(data: bytes | np.ndarray, backend: str) -> tuple[np.ndarray, np.int32, bytes]:
    # An array of one object comes outside of graphs. NumPy's own strings lose zeros at their ends.
    data = data if isinstance(data, bytes) else data.item()
    waveform, rate, problem = decode_file(data, partial(_read, backend=backend))
    return waveform, np.int32(rate), problem.encode()


def _read(data: bytes, kind: str, backend: str) -> tuple[np.ndarray, int]:
    """Samples, float32 ``(samples, channels)``, and the rate in Hz."""
    with open_sound(data, kind) as (sound, tells_length):
        samples = None
        # Where no tag gives the length, nothing would tell whether both decoders found the same.
        if kind != "FLAC" and backend != "soundfile" and tells_length:
            samples = _by_tensorflow_io(data, kind, sound.frames)
        if samples is None:
            samples = read_all(sound)
        if kind == "FLAC" and backend == "tensorflow-io" and len(samples) == sound.frames:
            samples = _flac_by_tensorflow_io(data, sound.subtype, samples)
        return samples, sound.samplerate


def _by_tensorflow_io(data: bytes, kind: str, length: int) -> np.ndarray | None:
    """Samples as libsndfile would give them, or None where it has to be asked itself."""
    library = _tensorflow_io()
    # The op makes room for what the header announces before it looks whether that is there.
    too_long = kind == "MP3" and length > _MOST_SAMPLES_A_BYTE * len(data)
    if library is None or length == 0 or too_long:
        return None
    decode = library.audio.decode_mp3 if kind == "MP3" else library.audio.decode_vorbis
    try:
        samples = decode(data).numpy()
    except tf.errors.OpError:
        return None
    if kind == "MP3" and len(samples) - length == _DECODER_DELAY:
        samples = samples[_DECODER_DELAY:]
    return samples if len(samples) == length else None


def _flac_by_tensorflow_io(data: bytes, subtype: str, whole: np.ndarray) -> np.ndarray:
    library = _tensorflow_io()
    if library is None:
        return whole
    dtype, offset, scale = _FLAC[subtype]
    samples = library.audio.decode_flac(data, dtype=dtype).numpy().astype(np.float32)
    return (samples - np.float32(offset)) / np.float32(scale)


def _tensorflow_io() -> ModuleType | None:
    with _LOADING:
        return _load_tensorflow_io()


@functools.cache
def _load_tensorflow_io() -> ModuleType | None:
    """tensorflow-io, imported at the first need of it, or None if its library does not load."""
    try:
        import tensorflow_io

        # Of nothing: decode_vorbis would end the process.
        tensorflow_io.audio.decode_flac(b"", dtype=tf.int16)
    except tf.errors.OpError:
        # The op is there; it only has nothing to decode.
        return tensorflow_io
    except Exception as error:
        cause = str(error).partition("\n")[0]
        _LOG.warning("MP3 and Ogg Vorbis are decoded by soundfile: tensorflow-io fails: %s", cause)
    return None
