"""Exported models for all tests of this room."""

import io
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import requests
import soundfile
import tensorflow as tf

from serkit.audio.loading import Loaded, load_waveform
from serkit.audio.spectrogram import SpectrogramSpec, to_spectrogram
from serkit.files import write_json
from serkit.serving.server.tensors import SignatureSpec, TensorSpec

CLASSES = ("angry", "happy", "sad")


class _Bands(tf.Module):
    """A model with all that an exported one has: low, middle and high sounds are its classes.

    It abstains where no band is louder than the others. Not more than a batch of 1000 is taken.
    """

    def __init__(self) -> None:
        self.spec = SpectrogramSpec()
        third = self.spec.bins / 3
        self.weights = tf.Variable(
            np.eye(3, dtype="float32")[(np.arange(self.spec.bins) / third).astype(int)] * 12 / third
        )

    def _load(self, wav_bytes: tf.Tensor) -> Loaded:
        text = tf.TensorSpec([], tf.string)
        waves = tf.TensorSpec([self.spec.samples], tf.float32)
        return tf.map_fn(
            lambda data: load_waveform(data, self.spec),
            wav_bytes,
            fn_output_signature=Loaded(waves, text, text),
        )

    def _answer(self, pictures, status=None, note=None):
        empty = tf.fill(tf.shape(pictures)[:1], "")
        status = empty if status is None else status
        used = tf.equal(status, "")
        logits = tf.reduce_mean(pictures[..., 0], axis=1) @ self.weights
        values = tf.where(used[:, None], tf.nn.softmax(logits), 0.0)
        entropy = tf.maximum(-tf.reduce_sum(tf.math.xlogy(values, values), axis=1), 0.0)
        return {
            "probabilities": values,
            "label": tf.where(used, tf.gather(tf.constant(CLASSES), tf.argmax(logits, -1)), ""),
            "entropy": entropy,
            "mutual_information": entropy / 4,
            "abstain": tf.logical_or(entropy > 1.0, tf.logical_not(used)),
            "status": status,
            "note": empty if note is None else note,
        }

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="wav_bytes")], autograph=False
    )
    def wav(self, wav_bytes):
        waveform, status, note = self._load(wav_bytes)
        return self._answer(to_spectrogram(waveform, self.spec), status, note)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="wav_bytes"),
            tf.TensorSpec([None], tf.int32, name="samples"),
        ],
        autograph=False,
    )
    def sampled(self, wav_bytes, samples):
        return self.wav(wav_bytes) | {
            "note": tf.fill(tf.shape(wav_bytes), tf.strings.as_string(tf.reduce_max(samples)))
        }

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="wav_bytes")], autograph=False
    )
    def features(self, wav_bytes):
        waveform, status, _ = self._load(wav_bytes)
        return {"spectrogram": to_spectrogram(waveform, self.spec), "status": status}

    @tf.function(autograph=False)
    def waveform(self, waveform):
        return self._answer(to_spectrogram(waveform, self.spec))

    def save(self, folder: Path) -> None:
        shape = [None, *self.spec.shape]
        waves, pictures = [None, self.spec.samples], tf.TensorSpec(shape, tf.float32, "spectrogram")
        given = {
            "serving_default": self.wav,
            "sampled": self.sampled,
            "features": self.features,
            "spectrogram": tf.function(self._answer, [pictures], autograph=False),
            "waveform": self.waveform.get_concrete_function(
                tf.TensorSpec(waves, tf.float32, name="waveform")
            ),
        }
        tf.saved_model.save(self, str(folder), given)
        write_json(
            folder / "assets.extra/serkit.json", {"classes": CLASSES, "spec": asdict(self.spec)}
        )


@pytest.fixture(scope="session")
def served_model(tmp_path_factory) -> Path:
    """A folder with versions 1 and 3 of a small model that has all signatures."""
    folder = tmp_path_factory.mktemp("served") / "tones"
    _Bands().save(folder / "3")
    shutil.copytree(folder / "3", folder / "1")
    return folder


@pytest.fixture(scope="session")
def tone() -> Callable[..., bytes]:
    """A WAV file with a sine: ``tone(hertz, seconds)``."""

    def make(hertz: float, seconds: float = 3.0, rate: int = 16_000) -> bytes:
        samples = 0.3 * np.sin(2 * np.pi * hertz / rate * np.arange(round(seconds * rate)))
        buffer = io.BytesIO()
        soundfile.write(buffer, samples, rate, "PCM_16", format="WAV")
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def start_server() -> Iterator[Callable[..., tuple[str, subprocess.Popen]]]:
    """Runs ``serkit serve`` with arguments; gives its address and the process.

    It returns once the server is ready, or with ``ready=False`` once it listens. What it complains
    about goes to ``log``.
    """
    pytest.importorskip("uvicorn", reason="no web server; it is in the extra serve")
    started = []

    def start(
        *arguments: object, ready: bool = True, log: Path | None = None
    ) -> tuple[str, subprocess.Popen]:
        command = [sys.executable, "-m", "serkit", "serve", *map(str, arguments), "--port", "0"]
        with open(log, "w") if log else nullcontext() as errors:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        started.append(process)
        line = process.stdout.readline()
        address = re.search(r"http://\S+", line)
        assert address, f"no address in {line!r}"
        if ready:
            assert "ready after" in process.stdout.readline()
        return address[0], process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="session")
def server_log(tmp_path_factory) -> Path:
    """What :func:`server` complains about."""
    return tmp_path_factory.mktemp("server") / "log"


@pytest.fixture(scope="session")
def server(start_server, served_model, server_log) -> str:
    """Address of a server of both versions of the small model."""
    return start_server(served_model, "--versions", "all", log=server_log)[0]


@pytest.fixture
def run_app() -> Iterator[Callable[..., str]]:
    """Runs a service in a thread of this process; gives its address."""
    uvicorn = pytest.importorskip("uvicorn", reason="no web server; it is in the extra serve")
    from serkit.serving.server.app import build_app

    running = []

    def run(service, wait: bool = True) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(build_app(service), log_config=None, log_level="error")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        running.append((server, thread))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        while wait and requests.get(f"{address}readyz", timeout=10).status_code != 200:
            time.sleep(0.02)
        return address

    yield run
    for server, thread in running:
        server.should_exit = server.force_exit = True
        thread.join(20)


@pytest.fixture
def fake_service(tmp_path) -> Callable[..., object]:
    """Makes a service of a model that is a Python function: ``fake_service(run, **settings)``.

    The function takes and gives ``x`` and ``y``, float32 ``(batch, any)``.
    """
    pytest.importorskip("starlette", reason="no web server; it is in the extra serve")
    from serkit.serving.server.loaded import LoadedVersion
    from serkit.serving.server.service import Service
    from serkit.serving.server.settings import ServeSettings

    def make(run: Callable, **settings) -> Service:
        (tmp_path / "fake" / "1").mkdir(parents=True, exist_ok=True)
        (tmp_path / "fake" / "1" / "saved_model.pb").touch()
        service = Service(tmp_path / "fake", ServeSettings(**settings))
        model = FakeModel(run)

        async def load() -> None:
            service.versions[1] = LoadedVersion(
                1, tmp_path, {"serving_default": model}, {}, {"classes": ["a", "b"]}
            )

        service.load = load
        return service

    return make


class FakeModel:
    """A signature from ``x`` to ``y``, both float32 ``(batch, any)``, that is a function."""

    name = "serving_default"
    spec = SignatureSpec(
        {"x": TensorSpec("float32", (None, None))}, {"y": TensorSpec("float32", (None, None))}
    )

    def __init__(self, run: Callable) -> None:
        self._run = run

    def run(self, tensors):
        return {"y": self._run(tensors["x"])}


@pytest.fixture(scope="session")
def fake_model() -> type:
    return FakeModel
