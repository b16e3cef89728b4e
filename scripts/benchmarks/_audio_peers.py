"""What bench_audio.py compares with: the same spectrograms made by others, and their bare parts."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

# Children of the pool read these before they load anything.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_FFT, _WINDOW, _HOP, _BANDS, _FRAMES, _RATE = 2048, 1024, 256, 224, 224, 16_000
_SAMPLES = (_FRAMES - 1) * _HOP + _WINDOW


def by_librosa(files: Sequence[str]) -> int:
    """Load, resample by its default (soxr HQ), mel, decibels: what librosa's guide does."""
    for file in files:
        decibels(file)
    return len(files)


def decibels(file: str) -> np.ndarray:
    import librosa

    wave, _ = librosa.load(file, sr=_RATE)
    wave = librosa.util.fix_length(wave, size=_SAMPLES)
    mel = librosa.feature.melspectrogram(
        **{"y": wave, "sr": _RATE, "n_fft": _FFT, "win_length": _WINDOW, "hop_length": _HOP},
        **{"n_mels": _BANDS, "fmin": 20, "fmax": 8000, "htk": True, "norm": None, "center": False},
    )
    return librosa.power_to_db(mel, ref=np.max, top_db=80)


def by_pictures(files: Sequence[str], folder: Path) -> None:
    """The report's way: a picture of 224 x 224 points drawn by matplotlib for each clip."""
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
    """Two processes of one thread each, which keep what they have loaded."""

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
    """Bytes to samples and nothing else: ours and TensorFlow's own, which reads 16 bits only."""
    import tensorflow as tf

    from serkit.audio.decoding import decode_wav

    def work(decode: Callable) -> Callable[[], None]:
        dataset = tf.data.Dataset.from_tensor_slices(list(files))
        # One sample of each comes out, so that copying the rest is not measured.
        dataset = dataset.map(lambda path: decode(tf.io.read_file(path)), workers).batch(32)
        return lambda: [None for _ in dataset]

    return {
        "serkit's decoder": work(lambda data: decode_wav(data).waveform[0]),
        "tf.audio.decode_wav": work(lambda data: tf.audio.decode_wav(data)[0][0, 0]),
    }


def resampler(files: Sequence[str], workers: int) -> Callable[[], None]:
    """soxr HQ alone, as librosa uses it, on samples that are in memory."""
    import soundfile
    import soxr

    waves = [soundfile.read(file, dtype="float32") for file in files]
    pool = ThreadPoolExecutor(workers)
    return lambda: list(pool.map(lambda known: len(soxr.resample(*known, _RATE)), waves))


def transforms(workers: int, count: int = 32) -> dict[str, Callable[[], None]]:
    """The bare real FFT of the frames of ``count`` clips, by all that is installed."""
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
    """Seconds of the fastest of several rounds, in turn, after one that does not count."""
    best = dict.fromkeys(works, float("inf"))
    for number in range(rounds + 1):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            if number:
                best[name] = min(best[name], time.perf_counter() - began)
    return best
