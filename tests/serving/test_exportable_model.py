import keras
import numpy as np
import pytest
import tensorflow as tf

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.errors import InputError
from serkit.export.exportable_model import ExportableModel, PredictionSettings, map_in_batches
from serkit.metrics.calibration import uncertainty
from serkit.models.bayesian import bayesian_lenet5
from serkit.uncertainty.predictors import SampledNetwork

SPEC = SpectrogramSpec(frames=32, bins=32, hop=1536)
CLASSES = ("angry", "sad")


def _constant(logits, spec=SPEC) -> keras.Model:
    """A network that says the same of everything."""
    pictures = keras.Input(spec.shape)
    means = keras.layers.GlobalAveragePooling2D()(pictures)
    dense = keras.layers.Dense(
        len(logits), kernel_initializer="zeros", bias_initializer=lambda *_, **__: logits
    )
    return keras.Model(pictures, dense(means))


def _answer(model, count=1, status=None):
    logits = model.logits(tf.zeros((count, *SPEC.shape)), tf.constant(3))
    status = tf.constant([""] * count if status is None else status)
    outputs = model.outputs(logits, status, tf.zeros_like(status))
    return {name: value.numpy() for name, value in outputs.items()}


def test_one_network_is_unsure_by_its_entropy_and_never_disagrees():
    found = _answer(ExportableModel([_constant([np.log(3.0), 0.0])], SPEC, CLASSES))
    np.testing.assert_allclose(found["probabilities"], [[0.75, 0.25]], atol=1e-6)
    # -(3/4 ln 3/4 + 1/4 ln 1/4)
    assert found["entropy"][0] == pytest.approx(0.562335, abs=1e-6)
    assert found["mutual_information"][0] == 0
    assert found["label"][0] == b"angry"
    assert not found["abstain"][0]


def test_an_ensemble_that_disagrees_is_sure_in_each_part_and_not_in_all():
    networks = [_constant([20.0, 0.0]), _constant([0.0, 20.0])]
    found = _answer(ExportableModel(networks, SPEC, CLASSES))
    np.testing.assert_allclose(found["probabilities"], [[0.5, 0.5]], atol=1e-6)
    assert found["entropy"][0] == pytest.approx(np.log(2), abs=1e-6)
    assert found["mutual_information"][0] == pytest.approx(np.log(2), abs=1e-5)


def test_it_abstains_above_the_threshold_and_of_what_cannot_be_used():
    network = _constant([np.log(3.0), 0.0])
    for threshold, abstains in ((0.56, True), (0.57, False), (None, False)):
        model = ExportableModel([network], SPEC, CLASSES, PredictionSettings(threshold=threshold))
        found = _answer(model, 2, ["", "broken"])
        np.testing.assert_array_equal(found["abstain"], [abstains, True])
        assert found["label"].tolist() == [b"angry", b""]
        assert found["entropy"][1] == found["probabilities"][1].sum() == 0


def test_the_temperature_divides_logits():
    model = ExportableModel(
        [_constant([2 * np.log(3.0), 0.0])], SPEC, CLASSES, PredictionSettings(temperature=2.0)
    )
    np.testing.assert_allclose(_answer(model)["probabilities"], [[0.75, 0.25]], atol=1e-6)


def test_a_network_that_draws_gives_its_samples_and_the_same_ones_again(rng):
    network = bayesian_lenet5(2, SPEC.shape, seed=3)
    model = ExportableModel([network], SPEC, CLASSES, PredictionSettings(seed=5))
    assert model.has_random_layers
    x = rng.uniform(-1, 1, (4, *SPEC.shape)).astype("float32")
    logits = model.logits(tf.constant(x), tf.constant(7))
    expected = SampledNetwork(network).predict_logits(x, 7, 5)
    np.testing.assert_allclose(tf.transpose(logits, [1, 0, 2]), expected, atol=1e-5)
    found = model.outputs(logits, tf.constant([""] * 4), tf.constant([""] * 4))
    unsure = uncertainty(np.asarray(tf.nn.softmax(expected)))
    np.testing.assert_allclose(found["entropy"], unsure.total, atol=1e-5)
    np.testing.assert_allclose(found["mutual_information"], unsure.epistemic, atol=1e-5)
    assert found["mutual_information"].numpy().min() > 0


@pytest.mark.parametrize("rows", [0, 1, 32, 33, 70])
def test_map_in_batches_gives_what_one_batch_would(rows):
    values = np.arange(3 * rows, dtype="float32").reshape(rows, 3)
    batch_sizes = []

    def double(batch):
        batch_sizes.append(len(batch))
        return 2 * batch

    doubled = map_in_batches(double, tf.constant(values))
    np.testing.assert_array_equal(doubled, 2 * values)
    assert max(batch_sizes) <= 32


def test_what_does_not_go_together_is_refused():
    network, draws = _constant([1.0, 0.0]), bayesian_lenet5(2, SPEC.shape, seed=0)
    cases = [
        ([network], SPEC, ("a", "b", "c"), "`classes`.*2 outputs.*3"),
        ([network], SpectrogramSpec(), CLASSES, r"`spec`.*\(224, 224, 1\)"),
        ([network], SPEC, ("a", "b\nc"), r"`classes`.*line breaks.*b\\nc"),
        ([], SPEC, CLASSES, "`networks`.*0"),
        ([network, draws], SPEC, CLASSES, "`networks`.*random layers"),
    ]
    for networks, spec, classes, words in cases:
        with pytest.raises(InputError, match=words):
            ExportableModel(networks, spec, classes)
    for wrong in ({"temperature": 0.0}, {"samples": 0}, {"samples": 1001}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            PredictionSettings(**wrong)
