import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from serkit.export import signatures
from serkit.export.warm_up import WARM_UP_FILE


def _logs(version):
    for record in tf.data.TFRecordDataset(str(version / WARM_UP_FILE)):
        yield prediction_log_pb2.PredictionLog.FromString(record.numpy())


def test_the_model_answers_every_request_and_none_is_refused(exported, loaded):
    version = exported[1] / "1"
    asked, sizes = set(), set()
    for log in _logs(version):
        request = log.predict_log.request
        assert request.model_spec.name == "tiny"
        inputs = {key: tf.constant(tf.make_ndarray(value)) for key, value in request.inputs.items()}
        name = request.model_spec.signature_name
        outputs = loaded[name](**inputs)
        for text in outputs.get("status", tf.constant([""])).numpy():
            assert text == b""
        asked.add(name)
        sizes.add(next(iter(inputs.values())).shape[0])
    assert asked == set(loaded)
    assert signatures.WAV in asked
    assert len(sizes) > 1


def test_they_are_few_and_small(exported):
    path = exported[1] / "1" / WARM_UP_FILE
    # TF Serving takes no more than a thousand.
    assert 10 <= len(list(_logs(exported[1] / "1"))) <= 1000
    assert path.stat().st_size < 5_000_000
