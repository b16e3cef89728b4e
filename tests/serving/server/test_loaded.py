import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from serkit.errors import InputError
from serkit.export import signatures
from serkit.serving.server.http import HttpError
from serkit.serving.server.loaded import load_version


@pytest.fixture(scope="module")
def version(served_model):
    return load_version(3, served_model / "3")


def test_signatures_say_what_they_take_and_give(version):
    assert set(version.signatures) == {
        *(signatures.WAV, signatures.WAVEFORM, signatures.SPECTROGRAM),
        *(signatures.SAMPLED, signatures.FEATURES),
    }
    sampled = version.signatures["sampled"].spec
    assert sampled.inputs["samples"].shape == (None,)
    assert sampled.inputs["wav_bytes"].dtype == "string"
    assert set(sampled.outputs) == set(signatures.OUTPUTS)
    assert all(signature.spec.is_batched for signature in version.signatures.values())
    assert version.details["classes"] == ["angry", "happy", "sad"]
    assert version.metadata["waveform"]["inputs"]["waveform"]["dtype"] == "DT_FLOAT"


def test_a_signature_runs_on_arrays(version, tone):
    model = version.signatures["serving_default"]
    found = model.run({"wav_bytes": np.array([tone(200), b"bad\0", tone(6000)], object)})
    assert found["label"].tolist() == [b"angry", b"", b"sad"]
    assert found["abstain"].tolist() == [False, True, False]
    assert b"not a WAV file" in found["status"][1]


def test_input_that_the_model_rejects_is_an_http_error(tmp_path):
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def positive(x):
        tf.debugging.assert_positive(x, message="only positive\nand more")
        return {"y": x}

    tf.saved_model.save(module, str(tmp_path / "m"), {"serving_default": positive})
    version = load_version(1, tmp_path / "m")
    assert version.details == {}
    assert version.signatures["serving_default"].run({"x": np.ones(2)})["y"].tolist() == [1, 1]
    with pytest.raises(HttpError, match="only positive") as caught:
        version.signatures["serving_default"].run({"x": -np.ones(2)})
    assert caught.value.code == 400
    assert "\n" not in caught.value.message


def test_damaged_models_are_named(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"torn")
    with pytest.raises(InputError, match="cannot be loaded"):
        load_version(1, tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(SavedModel().SerializeToString())
    with pytest.raises(InputError, match="no graph with the tag `serve`"):
        load_version(1, tmp_path)
    tf.saved_model.save(tf.Module(), str(tmp_path / "empty"))
    with pytest.raises(InputError, match="has no signatures"):
        load_version(1, tmp_path / "empty")
