"""Models and servers for the tests of this folder."""

import functools
import io
import re
import resource
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

from serkit.audio.loading import LoadedRecording, load_waveform
from serkit.audio.spectrogram import SpectrogramSpec, to_spectrogram
from serkit.files import write_json
from serkit.serving.server.tensors import SignatureSpec, TensorSpec

CLASSES = ("angry", "happy", "sad")


class _Bands(tf.Module):
    """A model with the signatures of an exported model; it needs no training.

    Its classes are low, middle and high sounds. It abstains if no band is louder than the others.
    """

    def __init__(self) -> None:
        self.spec = SpectrogramSpec()
        third = self.spec.bins / 3
        self.weights = tf.Variable(
            np.eye(3, dtype="float32")[(np.arange(self.spec.bins) / third).astype(int)] * 12 / third
        )

    def _load(self, wav_bytes: tf.Tensor) -> LoadedRecording:
        text = tf.TensorSpec([], tf.string)
        waveform = tf.TensorSpec([self.spec.samples], tf.float32)
        return tf.map_fn(
            lambda data: load_waveform(data, self.spec),
            wav_bytes,
            fn_output_signature=LoadedRecording(waveform, text, text),
        )

    def _predict(self, spectrograms, status=None, note=None):
        empty_texts = tf.fill(tf.shape(spectrograms)[:1], "")
        status = empty_texts if status is None else status
        is_usable = tf.equal(status, "")
        logits = tf.reduce_mean(spectrograms[..., 0], axis=1) @ self.weights
        probabilities = tf.where(is_usable[:, None], tf.nn.softmax(logits), 0.0)
        entropy = -tf.reduce_sum(tf.math.xlogy(probabilities, probabilities), axis=1)
        entropy = tf.maximum(entropy, 0.0)
        label = tf.gather(tf.constant(CLASSES), tf.argmax(logits, -1))
        return {
            "probabilities": probabilities,
            "label": tf.where(is_usable, label, ""),
            "entropy": entropy,
            "mutual_information": entropy / 4,
            "abstain": tf.logical_or(entropy > 1.0, tf.logical_not(is_usable)),
            "status": status,
            "note": empty_texts if note is None else note,
        }

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="wav_bytes")], autograph=False
    )
    def wav(self, wav_bytes):
        waveform, status, note = self._load(wav_bytes)
        return self._predict(to_spectrogram(waveform, self.spec), status, note)

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
        return self._predict(to_spectrogram(waveform, self.spec))

    def save(self, folder: Path) -> None:
        waveform = tf.TensorSpec([None, self.spec.samples], tf.float32, name="waveform")
        spectrogram = tf.TensorSpec([None, *self.spec.shape], tf.float32, name="spectrogram")
        signatures = {
            "serving_default": self.wav,
            "sampled": self.sampled,
            "features": self.features,
            "spectrogram": tf.function(self._predict, [spectrogram], autograph=False),
            "waveform": self.waveform.get_concrete_function(waveform),
        }
        tf.saved_model.save(self, str(folder), signatures)
        write_json(
            folder / "assets.extra/serkit.json", {"classes": CLASSES, "spec": asdict(self.spec)}
        )


@pytest.fixture(scope="session")
def served_model(tmp_path_factory) -> Path:
    """Folder of versions 1 and 3 of a small model with all signatures."""
    folder = tmp_path_factory.mktemp("served") / "tones"
    _Bands().save(folder / "3")
    shutil.copytree(folder / "3", folder / "1")
    return folder


@pytest.fixture(scope="session")
def tone() -> Callable[..., bytes]:
    """Function that returns a WAV file with a sine: ``tone(hertz, seconds)``."""

    def make(hertz: float, seconds: float = 3.0, rate: int = 16_000) -> bytes:
        samples = 0.3 * np.sin(2 * np.pi * hertz / rate * np.arange(round(seconds * rate)))
        buffer = io.BytesIO()
        soundfile.write(buffer, samples, rate, "PCM_16", format="WAV")
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def start_server() -> Iterator[Callable[..., tuple[str, subprocess.Popen]]]:
    """Function that starts ``serkit serve`` with arguments; returns its address and the process.

    The function returns when the server is ready, or with ``ready=False`` when it listens. The
    standard error stream of the server goes to the file ``log``. It may open ``open_files`` files.
    """
    pytest.importorskip("uvicorn", reason="no web server; it is in the extra serve")
    started = []

    def start(
        *arguments: object,
        ready: bool = True,
        log: Path | None = None,
        open_files: int | None = None,
    ) -> tuple[str, subprocess.Popen]:
        command = [sys.executable, "-m", "serkit", "serve", *map(str, arguments), "--port", "0"]
        with open(log, "w") if log else nullcontext() as errors:
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                preexec_fn=open_files and functools.partial(_limit_open_files, open_files),
            )
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


def _limit_open_files(count: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


@pytest.fixture(scope="session")
def server_log(tmp_path_factory) -> Path:
    """File with the standard error stream of :func:`server`."""
    return tmp_path_factory.mktemp("server") / "log"


@pytest.fixture(scope="session")
def server(start_server, served_model, server_log) -> str:
    """Address of a server of both versions of the small model."""
    return start_server(served_model, "--versions", "all", log=server_log)[0]


@pytest.fixture
def run_app() -> Iterator[Callable[..., str]]:
    """Function that runs a service in a thread of this process and returns its address."""
    uvicorn = pytest.importorskip("uvicorn", reason="no web server; it is in the extra serve")
    from serkit.serving.server.app import build_app
    from serkit.serving.server.protocol import Protocol

    running = []

    def run(service, wait: bool = True) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        protocol = functools.partial(
            Protocol, time_out=service.settings.time_out, max_connections=100
        )
        config = uvicorn.Config(
            build_app(service), http=protocol, log_config=None, log_level="error"
        )
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
    """Function that returns a service of a FakeModel: ``fake_service(run, **settings)``."""
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
    """A signature that calls a Python function from ``x`` to ``y``, float32 ``(batch, any)``."""

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
