"""Compare resampling with soxr HQ, and spectrograms turned back to sound with librosa.

    python scripts/benchmarks/bench_sound.py ../shared/data/ravdess

Resampling to 16 kHz: the gains of tones in the pass-band give the ripple; the amplitudes of tones
above half the lower rate give the attenuation, both in dB. The time is that of all cores for 3.7 s
of sound, the least of several rounds in turns. Inversion: spectral convergence, and the correlation
of a spectrogram with that of its inversion, compared with librosa's `mel_to_audio`.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import _quick
import librosa
import numpy as np
import soxr
import tensorflow as tf

from serkit.audio.inversion import griffin_lim, spectral_convergence
from serkit.audio.loading import load_waveform
from serkit.audio.resampling import resample
from serkit.audio.spectrogram import SpectrogramSpec, hann, to_spectrogram

_RATE, _SECONDS, _ROUNDS = 16_000, 3.7, 30
_SPEC = SpectrogramSpec()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", help="folder with recordings")
    parser.add_argument("--clips", type=int, default=30)
    options = _quick.parse(parser, clips=2)
    graph = tf.function(lambda wave, rate: resample(wave, rate, _RATE), reduce_retracing=True)
    peers = {
        "serkit": lambda wave, rate: graph(tf.constant(wave), tf.constant(rate)).numpy(),
        "soxr HQ": lambda wave, rate: soxr.resample(wave, rate, _RATE, "HQ"),
    }
    for rate in (48_000, 44_100, 24_414, 22_050, 8_000):
        spent = seconds(peers, rate)
        for name, change in peers.items():
            ripple, left = sweep(change, rate)
            print(
                f"{rate} Hz, {name:8} ripple {ripple:.3f} dB, left {left:7.1f} dB, "
                f"{1000 * spent[name]:.2f} core-ms"
            )
    files = sorted(Path(options.root).rglob("*.wav"))
    files = files[:: max(1, len(files) // options.clips)][: options.clips]
    waves = tf.stack([load_waveform(file.read_bytes(), _SPEC).waveform for file in files])
    wanted = to_spectrogram(waves, _SPEC)
    for iterations in (16, 32, 64):
        made = griffin_lim(wanted, _SPEC, iterations=iterations)
        print(f"{len(files)} clips, {iterations} iterations, serkit:  {quality(wanted, made)}")
    made = np.stack([by_librosa(picture) for picture in wanted.numpy()[..., 0]])
    print(f"{len(files)} clips, 32 iterations, librosa: {quality(wanted, tf.constant(made))}")


def seconds(peers: dict[str, Callable], rate: int) -> dict[str, float]:
    wave = np.random.default_rng(0).standard_normal(int(_SECONDS * rate)).astype("float32")
    best = dict.fromkeys(peers, float("inf"))
    for _ in range(_ROUNDS):
        for name, change in peers.items():
            began = time.process_time()
            change(wave, rate)
            best[name] = min(best[name], time.process_time() - began)
    return best


def sweep(change: Callable, rate: int) -> tuple[float, float]:
    """Return the ripple and the largest amplitude that is left of tones that must vanish, in dB.

    The ripple is the largest gain or loss up to 0.45 of the lower rate. Tones above 0.5 of it must
    vanish. When the rate is increased there are no such tones; then the images of the tones in the
    pass-band must vanish.
    """
    lower, times = min(rate, _RATE), np.arange(rate) / rate
    passed = np.linspace(50, 0.45 * lower, 60)
    gains = [20 * np.log10(amplitude(change(tone(f, times), rate), f)) for f in passed]
    if rate < _RATE:
        left = max(amplitude(change(tone(f, times), rate), rate - f) for f in passed)
    else:
        stopped = np.linspace(0.5 * lower + 50, 0.49 * rate, 60)
        left = max(float(np.abs(inner(change(tone(f, times), rate))).max()) for f in stopped)
    return float(np.abs(gains).max()), 20 * float(np.log10(left))


def tone(hertz: float, times: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * times).astype("float32")


def inner(wave: np.ndarray) -> np.ndarray:
    return wave[len(wave) // 4 : -len(wave) // 4]


def amplitude(wave: np.ndarray, hertz: float) -> float:
    """Return the amplitude of one tone in the middle half of a waveform at 16 kHz."""
    part = inner(wave).astype(np.float64)
    window = np.blackman(len(part))
    turns = np.exp(-2j * np.pi * hertz / _RATE * np.arange(len(part)))
    return float(2 * np.abs((part * window * turns).sum()) / window.sum())


def by_librosa(picture: np.ndarray) -> np.ndarray:
    power = librosa.db_to_power((picture.T - 1) * _SPEC.range_db / 2)
    window = np.pad(hann(_SPEC.window), (0, _SPEC.fft - _SPEC.window))
    wave = librosa.feature.inverse.mel_to_audio(
        **{"M": power, "sr": _RATE, "n_fft": _SPEC.fft, "hop_length": _SPEC.hop, "n_iter": 32},
        **{"win_length": _SPEC.fft, "window": window, "center": False, "htk": True, "norm": None},
        **{"fmin": _SPEC.low_hz, "fmax": _SPEC.high_hz},
    )
    return np.asarray(librosa.util.fix_length(wave, size=_SPEC.samples), np.float32)


def quality(wanted: tf.Tensor, made: tf.Tensor) -> str:
    distance = spectral_convergence(wanted, made, _SPEC).numpy()
    back = to_spectrogram(made, _SPEC).numpy()
    pairs = zip(wanted.numpy(), back, strict=True)
    alike = np.mean([np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in pairs])
    return f"convergence {distance.mean():.4f} ± {distance.std():.4f}, correlation {alike:.4f}"


if __name__ == "__main__":
    main()
