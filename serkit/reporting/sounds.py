"""Samples as MP3, which every browser plays."""

import io

import numpy as np
import soundfile

from serkit.errors import InputError


def mp3(samples: np.ndarray, sample_rate: int) -> bytes:
    """Encode mono sound.

    Args:
        samples: floats ``(n,)``, at least one; louder ones than 1 make all of it quieter.
        sample_rate: Hz, one that MPEG knows: 8,000 to 48,000.

    Returns:
        About 6 KB a second or less.

    Raises:
        InputError: if there are no samples, or MP3 does not have the rate.
    """
    samples = np.asarray(samples, np.float32)
    if samples.ndim != 1 or not len(samples):
        raise InputError(f"samples of shape {samples.shape}; valid is (n,) with n of 1 or more")
    loudest = np.abs(samples).max()
    buffer = io.BytesIO()
    try:
        soundfile.write(buffer, samples / max(1.0, loudest), sample_rate, format="MP3")
    except soundfile.LibsndfileError as error:
        raise InputError(f"sample_rate={sample_rate} cannot be MP3: {error}") from error
    return buffer.getvalue()
