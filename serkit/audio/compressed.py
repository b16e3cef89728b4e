"""Decode the bytes of a WAV, FLAC, MP3 or Ogg Vorbis file in a TensorFlow graph.

TensorFlow ops decode WAV, as in TF Serving. tensorflow-io decodes MP3 and Ogg Vorbis if its native
library loads; otherwise libsndfile decodes them through soundfile. libsndfile decodes FLAC because
tensorflow-io's FLAC op hangs on a file with fewer samples than its header says. A hanging op cannot
be reported as a status.
"""

import functools
import logging
import threading
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serkit.audio.containers import MAX_COMPRESSED_SAMPLES, decode_file, open_sound, read_all
from serkit.audio.decoding import Decoded, decode_wav, not_inlined

_LOG = logging.getLogger(__name__)
_LOAD_LOCK = threading.Lock()
# Delay of any MPEG decoder, in samples. libsndfile removes it if a Xing tag gives the number of
# frames. tensorflow-io removes it only if there is a LAME tag, too.
_DECODER_DELAY = 529
# At the lowest bit rates 24 bytes hold 576 samples.
_MAX_SAMPLES_PER_BYTE = 24


def decode_any(data: tf.Tensor) -> Decoded:
    """Decode one audio file of any format that the audit accepts.

    Invalid contents never raise an error; the returned status describes the problem. The first
    bytes of the file, after any ID3 tags, determine its format; its file name does not matter.

    TensorFlow ops decode WAV. tensorflow-io decodes Ogg Vorbis, and MP3 with a Xing tag, if its
    library loads; if the library does not load, one warning is logged. soundfile decodes all other
    files, and the files that tensorflow-io refuses. Both return the same number of samples at the
    same positions, equal within 5e-6 of full scale (measured: 2.9e-6 and 6e-7 on signals with a
    peak of 1.4). They may differ only in damaged MP3 frames.

    Args:
        data: scalar string, the whole file.

    Returns:
        A :class:`serkit.audio.decoding.Decoded`, as from
        :func:`serkit.audio.decoding.decode_wav`. The waveform is the mean of the channels; in
        lossy formats it may exceed full scale. Only WAV files can have a note.
    """
    data = tf.convert_to_tensor(data, tf.string)
    return tf.cond(
        tf.strings.substr(data, 0, 4) == b"RIFF",
        lambda: decode_wav(data),
        lambda: Decoded(*_decode_compressed(data)),
    )


@not_inlined
def _decode_compressed(data: tf.Tensor) -> Decoded:
    kinds = (tf.float32, tf.int32, tf.string)
    # With a stateful function, tf.data would read files one at a time in deterministic mode.
    waveform, rate, status = tf.numpy_function(_decode, [data], kinds, stateful=False)
    return Decoded(
        waveform=tf.ensure_shape(waveform, [None]),
        sample_rate=tf.ensure_shape(rate, []),
        status=tf.ensure_shape(status, []),
        note=tf.constant(""),
    )


def _decode(data: bytes | npt.NDArray[Any]) -> tuple[npt.NDArray[Any], np.int32, bytes]:
    # Outside graphs `data` is an object array of one element; item() returns its bytes. NumPy byte
    # strings would lose trailing zeros.
    content = data if isinstance(data, bytes) else data.item()
    waveform, rate, problem = decode_file(content, _read)
    return waveform, np.int32(rate), problem.encode()


def _read(data: bytes, kind: str) -> tuple[npt.NDArray[Any], int]:
    with open_sound(data, kind) as (sound, tells_length):
        samples = None
        # Without a declared length nothing can show whether tensorflow-io read the whole file.
        if kind != "FLAC" and tells_length:
            samples = _decode_by_tensorflow_io(data, kind, sound.frames)
        return read_all(sound) if samples is None else samples, sound.samplerate


def _decode_by_tensorflow_io(data: bytes, kind: str, length: int) -> npt.NDArray[Any] | None:
    """Return the samples as libsndfile would, or None if libsndfile has to decode the file."""
    library = _tensorflow_io()
    # The op allocates memory for the length in the header before it reads the samples.
    too_long = kind == "MP3" and length > _MAX_SAMPLES_PER_BYTE * len(data)
    too_long |= length > MAX_COMPRESSED_SAMPLES
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


def _tensorflow_io() -> ModuleType | None:
    with _LOAD_LOCK:
        return _load_tensorflow_io()


@functools.cache
def _load_tensorflow_io() -> ModuleType | None:
    """Import tensorflow-io at its first use. Return None if its native library does not load."""
    try:
        import tensorflow_io

        # Test with empty data whether the op exists. decode_vorbis would end the process here.
        tensorflow_io.audio.decode_flac(b"", dtype=tf.int16)
    except tf.errors.OpError:
        # The op exists and refuses the empty data.
        return tensorflow_io
    except Exception as error:
        cause = str(error).partition("\n")[0]
        _LOG.warning("MP3 and Ogg Vorbis are decoded by soundfile: tensorflow-io fails: %s", cause)
    return None
