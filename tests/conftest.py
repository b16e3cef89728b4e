"""Fixtures that several folders of the tests use."""

import contextlib
import io
import os
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from socketserver import BaseServer
from types import ModuleType

import hypothesis
import numpy as np
import pytest
import soundfile

from serkit.datasets.audit import audit
from serkit.datasets.corpus import Clip, Corpus
from serkit.datasets.protocols import hold_out
from serkit.datasets.synthetic import SyntheticSettings, write_synthetic_corpus

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# As the commands set it.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# Ray's workers have a low priority by default, and starve beside a second process of tests.
os.environ.setdefault("RAY_worker_niceness", "0")
# Runs in this process and in others are compared bit for bit; both must use the same threads.
for _variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ.pop(_variable, None)

# In tests/fixtures: what tests of served models share.
pytest_plugins = ["browser", "contract_model", "exports", "rest_server", "grpc_server"]

# The same examples every time; HYPOTHESIS_PROFILE=default looks for new ones.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

_RECORDINGS = Path(__file__).parents[2] / "shared" / "data" / "ravdess"


@pytest.fixture(scope="session")
def synthetic_root(tmp_path_factory) -> Path:
    """A small built-in corpus on disk; do not write into it."""
    folder = tmp_path_factory.mktemp("synthetic")
    write_synthetic_corpus(folder, SyntheticSettings(size=0.005))
    return folder


@pytest.fixture(scope="session")
def synthetic_corpus(synthetic_root) -> Corpus:
    return audit([synthetic_root]).corpus


@pytest.fixture(scope="session")
def own_features(synthetic_root, tmp_path_factory) -> Path:
    """Features of the clips of RAVDESS that tell some of the classes apart."""
    corpus = audit([synthetic_root / "RAVDESS"]).corpus
    rng = np.random.default_rng(0)
    means = {label: rng.normal(size=12) for label in corpus.classes("emotion")}
    rows = [means[label] + rng.normal(size=12) for label in corpus.labels("emotion")]
    file = tmp_path_factory.mktemp("features") / "own.npy"
    np.save(file, rows)
    return file


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory, synthetic_root) -> Path:
    """Run folder of a finished comparison of one split, whose networks learned nothing."""
    from serkit.audio.spectrogram import SpectrogramSpec
    from serkit.files import write_json
    from serkit.models.compact import CompactSettings, compact
    from serkit.progress import SilentProgress
    from serkit.studies.comparison import open_run_folder
    from serkit.studies.comparison_settings import ComparisonSettings
    from serkit.studies.engine import Comparison

    settings = ComparisonSettings(
        (str(synthetic_root),),
        arms=("none", "noise-images"),
        folds=1,
        rare_below=0.6,
        spec=SpectrogramSpec(frames=32, bins=32, hop=1536),
        keep_models=True,
    )
    folder = tmp_path_factory.mktemp("runs") / "mine"
    with open_run_folder(folder, settings):
        comparison = Comparison(settings, folder, None, SilentProgress())
        arms = {}
        for number, arm in enumerate(comparison.arms):
            training = comparison.classifier_run(comparison.folds[0], "compact", arm, 0)
            training.folder.mkdir(parents=True)
            model = compact(7, settings.spec.shape, CompactSettings(channels=(4, 8)), number)
            model.save(training.model_file)
            uar = 0.1 * (1 + number)
            write_json(training.folder / "record.json", {"validation_uar": uar})
            arms[arm.name] = {
                **{"seeds": [0], "trainings": 1, "validation_uar": uar, "uar_of_speakers": {}},
                **{"uar": {"value": uar, "low": None, "high": None}},
                **{"difference": {"verdict": "noise-images: no effect shown"}},
            }
    found = {"hold-out": {"classifiers": {"compact": {"arms": arms}}}}
    values = {"settings": settings.to_json(), "protocols": found}
    write_json(folder / "comparison.json", values)
    return folder


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The real recordings that measurements are made on."""
    root = Path(os.environ.get("SERKIT_RAVDESS", _RECORDINGS))
    if not root.is_dir():
        pytest.skip(f"no recordings at {root}; set SERKIT_RAVDESS to a folder of RAVDESS speech")
    return root


@pytest.fixture
def deterministic() -> None:
    """For tests that compare two trainings bit by bit."""
    import keras
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    # It cannot be switched off again, and then refuses unseeded random ops in later tests.
    keras.utils.set_random_seed(0)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def wav_bytes() -> Callable[..., bytes]:
    """Makes a WAV file in memory, written by libsndfile: ``wav_bytes(samples, rate, subtype)``."""

    def make(samples: np.ndarray, rate: int = 16_000, subtype: str = "PCM_16", **options) -> bytes:
        buffer = io.BytesIO()
        soundfile.write(buffer, samples, rate, subtype, format=options.get("format", "WAV"))
        return buffer.getvalue()

    return make


@pytest.fixture
def untagged_mp3(rng) -> tuple[bytes, int]:
    """Loud, quiet, loud, at a variable bit rate, without a Xing tag; and its samples."""
    noise = rng.normal(0, 0.1, 88_200) * np.repeat([1, 1e-5, 1], [9_000, 70_200, 9_000])
    buffer = io.BytesIO()
    options = {"format": "MP3", "bitrate_mode": "VARIABLE", "compression_level": 0.3}
    soundfile.write(buffer, noise, 44_100, **options)
    data = buffer.getvalue()
    (frames,) = struct.unpack(">I", data[29:33])
    assert data[21:25] == b"Xing"
    return data[data.index(data[:2], 4) :], 1152 * frames


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of a megabyte, and what makes that sixteen."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system may be mounted here")
    larger = ["mount", "-o", "remount,size=16m", str(folder)]
    yield folder, lambda: subprocess.run(larger, check=True)
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def partitions():
    """Parts of a corpus of twelve speakers and two emotions; pictures carry the clip's number."""
    from serkit.studies.partitions import Partitions

    clip = Clip("x.wav", "c", "s", "male", "sad", "sad")
    clips = [
        replace(clip, path=f"{n}.wav", speaker=f"s{n // 2:02}", emotion=("sad", "angry")[n % 2])
        for n in range(24)
    ]
    corpus = Corpus(tuple(clips))
    pictures = np.arange(24, dtype="float32").reshape(24, 1, 1, 1)
    return Partitions(corpus, hold_out(corpus, "emotion", 0), pictures, "emotion")


@pytest.fixture
def running(monkeypatch) -> Iterator[Callable[[BaseServer], BaseServer]]:
    """Runs a server on 127.0.0.1 in a thread until the test is over: ``running(Server())``."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with contextlib.ExitStack() as stack:

        def run(server: BaseServer) -> BaseServer:
            stack.enter_context(server)
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return server

        yield run


@pytest.fixture
def kill_at(monkeypatch) -> Callable[[ModuleType, str, int], list[tuple]]:
    """Ends a call of a function, by its number, as Ctrl-C does; returns a list of all calls."""

    def replace(module: ModuleType, name: str, number: int) -> list[tuple]:
        function, calls = getattr(module, name), []

        def killed(*arguments):
            calls.append(arguments)
            if len(calls) == number:
                raise KeyboardInterrupt
            return function(*arguments)

        monkeypatch.setattr(module, name, killed)
        return calls

    return replace
