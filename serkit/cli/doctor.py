"""``serkit doctor``: check what is installed, and say how to get what is missing."""

import argparse
import importlib.util
import json
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

# Packages that every command needs.
_PACKAGES = (
    *("tensorflow", "keras", "tensorflow-probability", "librosa", "numpy", "pandas"),
    *("keras-tuner", "soundfile"),
)
# Modules of each extra, and what it is for.
_EXTRAS = {
    "serve": (("uvicorn", "starlette", "prometheus_client"), "serkit serve"),
    "tfio": (("tensorflow_io",), "MP3 and Ogg Vorbis by tensorflow-io; soundfile reads them, too"),
    "onnx": (("onnx", "onnxruntime", "tf2onnx"), "serkit export --format onnx"),
    "litert": (("ai_edge_litert",), "to run what serkit export --format litert writes"),
    "ray": (("ray", "fsspec", "pyarrow"), "--engine ray"),
}
_FORMATS = {"WAV": "wav", "FLAC": "flac", "OGG": "ogg", "MP3": "mp3"}
_ENCODER = "whisper-tiny.en"


@dataclass(frozen=True)
class Check:
    """A part of the installation.

    Attributes:
        name: the part.
        works: whether it can be used.
        detail: its version or place, or how to get it.
        is_needed: whether every command needs it.
    """

    name: str
    works: bool
    detail: str
    is_needed: bool = False


def add_to(commands) -> None:
    parser = commands.add_parser(
        "doctor",
        help="check what is installed, and say how to get what is missing",
        description="Lists versions, accelerators, file formats, an encoder's weights and extras, "
        "and computes a spectrogram. Status 1 if something is missing that every command needs.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON; default: a table")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the checks; return 1 if a needed part does not work."""
    checks = list(_checks())
    if options.json:
        print(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        from serkit.progress import Progress

        for check in checks:
            mark = "ok" if check.works else "MISSING" if check.is_needed else "-"
            Progress().say(f"{mark:8}{check.name:24}{check.detail}")
    return 0 if all(check.works or not check.is_needed for check in checks) else 1


def _checks() -> Iterator[Check]:
    import serkit

    yield Check("serkit", True, serkit.__version__, is_needed=True)
    version = platform.python_version()
    is_tried = sys.version_info[:2] == (3, 11)
    yield Check("Python", is_tried, version if is_tried else f"{version}; serkit needs 3.11", True)
    for name in _PACKAGES:
        yield _package(name)
    yield _base()
    yield Check("CPU cores", True, str(os.cpu_count()))
    yield _gpus()
    yield from _formats()
    yield _encoder()
    for name, (modules, purpose) in _EXTRAS.items():
        is_there = all(importlib.util.find_spec(module) for module in modules)
        advice = purpose if is_there else f"{purpose}: pip install 'serkit[{name}]'"
        yield Check(f"extra {name}", is_there, advice)


def _package(name: str) -> Check:
    # This import is slow, and the other commands do not need it.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return Check(name, True, version(name), is_needed=True)
    except PackageNotFoundError:
        return Check(name, False, f"not installed: pip install {name}", is_needed=True)


def _base() -> Check:
    """Compute the spectrogram of noise, as all commands do with recordings."""
    try:
        import numpy as np
        import tensorflow as tf
        import tensorflow_probability as tfp

        from serkit.audio.spectrogram import SpectrogramSpec, to_spectrogram

        spec = SpectrogramSpec()
        waveform = np.random.default_rng(0).normal(0, 0.01, (1, spec.samples)).astype("float32")
        spectrogram = np.asarray(to_spectrogram(tf.constant(waveform), spec))
        works = bool(np.isfinite(spectrogram).all()) and tfp.__version__ != ""
    except Exception as error:
        return Check("spectrogram of noise", False, f"{type(error).__name__}: {error}", True)
    return Check("spectrogram of noise", works, "x".join(map(str, spec.shape)), is_needed=True)


def _gpus() -> Check:
    try:
        import tensorflow as tf
    except ImportError as error:
        return Check("GPU", False, str(error))
    gpus = [gpu.name for gpu in tf.config.list_physical_devices("GPU")]
    advice = "none that TensorFlow can use; for NVIDIA's on Linux: pip install 'serkit[gpu]'"
    return Check("GPU", bool(gpus), ", ".join(gpus) or advice)


def _formats() -> Iterator[Check]:
    try:
        import soundfile
    except (ImportError, OSError) as error:
        yield Check("formats", False, str(error), is_needed=True)
        return
    available, library = soundfile.available_formats(), soundfile.__libsndfile_version__
    for name, suffix in _FORMATS.items():
        works = name in available
        advice = f"libsndfile {library}" + ("" if works else " cannot read it; 1.1 or later can")
        yield Check(f"format {suffix}", works, advice)


def _encoder() -> Check:
    try:
        from serkit.models.whisper_weights import local_weights

        file = local_weights(_ENCODER)
    except Exception as error:
        return Check(_ENCODER, False, str(error))
    advice = "not here: serkit train downloads it (75 MB); without a network --weights FILE"
    return Check(_ENCODER, file is not None, str(file) if file else advice)
