"""Peers of bench_audio.py: spectrograms by other libraries, and decoding, resampling, FFT alone."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

# Processes of the pool read these variables before they load a library.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_FFT, _WINDOW, _HOP, _BANDS, _FRAMES, _RATE = 2048, 1024, 256, 224, 224, 16_000
_SAMPLES = (_FRAMES - 1) * _HOP + _WINDOW


def by_librosa(files: Sequence[str]) -> int:
    """Compute spectrograms as in librosa's guide; return the number of files."""
    for file in files:
        decibels(file)
    return len(files)


def decibels(file: str) -> np.ndarray:
    """Load a file, resample by librosa's default (soxr HQ), and return mel bands in decibels."""
    import librosa

    wave, _ = librosa.load(file, sr=_RATE)
    wave = librosa.util.fix_length(wave, size=_SAMPLES)
    mel = librosa.feature.melspectrogram(
        **{"y": wave, "sr": _RATE, "n_fft": _FFT, "win_length": _WINDOW, "hop_length": _HOP},
        **{"n_mels": _BANDS, "fmin": 20, "fmax": 8000, "htk": True, "norm": None, "center": False},
    )
    return librosa.power_to_db(mel, ref=np.max, top_db=80)


def by_pictures(files: Sequence[str], folder: Path) -> None:
    """Draw each clip's spectrogram with matplotlib, 224 x 224 pixels, as the 2021 report did."""
    import librosa.display
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    for number, file in enumerate(files):
        figure = Figure(figsize=(2.24, 2.24), dpi=100)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        librosa.display.specshow(
            decibels(file), sr=_RATE, hop_length=_HOP, y_axis="mel", cmap="gray", ax=axes
        )
        figure.savefig(folder / f"{number}.png")


class LibrosaProcesses:
    """Processes of one thread each that compute spectrograms with librosa, and are started once."""

    def __init__(self, count: int) -> None:
        os.environ.update(_ONE_THREAD)
        self._count = count
        self._pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"))

    def run(self, files: Sequence[str]) -> None:
        pieces = [files[number :: self._count] for number in range(self._count)]
        list(self._pool.map(by_librosa, pieces))

    def close(self) -> None:
        self._pool.shutdown()


def decoders(files: Sequence[str], workers: int) -> dict[str, Callable[[], None]]:
    """Return functions that only decode: by serkit and by TensorFlow, which reads 16 bits only."""
    import tensorflow as tf

    from serkit.audio.decoding import decode_wav

    def work(decode: Callable) -> Callable[[], None]:
        dataset = tf.data.Dataset.from_tensor_slices(list(files))
        # Only one sample of each file is copied to the batch, so copying is not measured.
        dataset = dataset.map(lambda path: decode(tf.io.read_file(path)), workers).batch(32)
        return lambda: [None for _ in dataset]

    return {
        "serkit's decoder": work(lambda data: decode_wav(data).waveform[0]),
        "tf.audio.decode_wav": work(lambda data: tf.audio.decode_wav(data)[0][0, 0]),
    }


def resampler(files: Sequence[str], workers: int) -> Callable[[], None]:
    """Return a function that only resamples waveforms in memory, by soxr HQ as in librosa."""
    import soundfile
    import soxr

    waves = [soundfile.read(file, dtype="float32") for file in files]
    pool = ThreadPoolExecutor(workers)
    return lambda: list(
        pool.map(lambda wave_and_rate: len(soxr.resample(*wave_and_rate, _RATE)), waves)
    )


def transforms(workers: int, count: int = 32) -> dict[str, Callable[[], None]]:
    """Return functions that only compute the real FFT of the frames of ``count`` clips."""
    import scipy.fft
    import tensorflow as tf

    frames = np.random.default_rng(0).standard_normal((count, _FRAMES, _FFT)).astype("float32")
    tensor = tf.constant(frames)
    compiled = tf.function(tf.signal.rfft, jit_compile=True)
    plain = tf.function(tf.signal.rfft)
    return {
        "tf.signal.rfft": lambda: plain(tensor),
        "tf.signal.rfft by XLA": lambda: compiled(tensor),
        "scipy.fft.rfft": lambda: scipy.fft.rfft(frames, workers=workers),
    }


def fastest(works: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Run the functions in turns; return the seconds of the fastest round, without the first."""
    best = dict.fromkeys(works, float("inf"))
    for round_number in range(rounds + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if round_number > 0:
                best[name] = min(best[name], time.perf_counter() - start)
    return best
