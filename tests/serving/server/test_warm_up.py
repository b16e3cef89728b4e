from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from serkit.serving.server import loaded
from serkit.serving.server import loaded as warm_up
from serkit.serving.server.http import HttpError


@pytest.fixture(scope="module")
def loaded_version(served_model):
    return loaded.load_version(3, served_model / "3")


@pytest.fixture
def version(loaded_version, tmp_path, monkeypatch):
    """With an empty folder, and all calls of its signatures written down in ``calls``."""
    (tmp_path / "assets.extra").mkdir()
    version = replace(loaded_version, path=tmp_path)
    calls = []
    run = loaded.Signature.run

    def noted(self, tensors):
        calls.append((self.name, {name: value.shape for name, value in tensors.items()}))
        return run(self, tensors)

    monkeypatch.setattr(loaded.Signature, "run", noted)
    return version, calls


def _write(path, *requests):
    apis = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    with tf.io.TFRecordWriter(str(path / warm_up.WARM_UP_FILE)) as writer:
        for name, tensors in requests:
            log = apis.PredictionLog()
            request = log.predict_log.request
            request.model_spec.signature_name = name
            for key, value in tensors.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
            writer.write(log.SerializeToString())


def test_recorded_requests_are_replayed(version):
    version, calls = version
    waves = np.zeros((2, version.details["spec"]["sample_rate"]), "float32")
    samples = 223 * 256 + 1024
    waves = np.zeros((2, samples), "float32")
    _write(version.path, ("", {"wav_bytes": [b"x"]}), ("waveform", {"waveform": waves}))
    assert warm_up.warm_up(version) == 2
    assert calls == [
        ("serving_default", {"wav_bytes": (1,)}),
        ("waveform", {"waveform": (2, samples)}),
    ]


def test_without_a_file_it_is_a_second_of_silence(version):
    version, calls = version
    assert warm_up.warm_up(version) == 1
    assert calls == [("serving_default", {"wav_bytes": (1,)})]


def test_a_bad_file_is_told_and_does_not_matter(version, caplog):
    version, calls = version
    (version.path / warm_up.WARM_UP_FILE).write_bytes(b"torn" * 100)
    assert warm_up.warm_up(version) == 1
    assert "tf_serving_warmup_requests" in caplog.text
    _write(version.path, ("gone", {"wav_bytes": [b"x"]}))
    assert warm_up.warm_up(version) == 1
    _write(version.path, ("waveform", {"waveform": np.zeros((1, 7), "float32")}))
    assert warm_up.warm_up(version) == 1
    assert {name for name, _ in calls} == {"serving_default"}


def test_a_record_of_another_kind_is_logged(version, caplog):
    version, _ = version
    pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    with tf.io.TFRecordWriter(str(version.path / warm_up.WARM_UP_FILE)) as writer:
        writer.write(b"\xff no PredictionLog")
    assert warm_up.warm_up(version) == 1
    assert "stopped after 0 requests: DecodeError" in caplog.text


def test_a_model_that_fails_on_silence_is_logged(version, monkeypatch, caplog):
    def fail(self, tensors):
        raise HttpError(503, "not enough memory")

    version, _ = version
    monkeypatch.setattr(loaded.Signature, "run", fail)
    assert warm_up.warm_up(version) == 0
    assert "silence stopped after 0 requests: HttpError: not enough memory" in caplog.text
