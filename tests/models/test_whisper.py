import keras
import numpy as np
import pytest
import tensorflow as tf

from serkit.errors import InputError
from serkit.models.whisper import (
    MAX_POSITIONS,
    MaskPadding,
    PositionEmbedding,
    SelfAttention,
    WhisperSettings,
    whisper_encoder,
)

SMALL = WhisperSettings(depth=2, width=64)


def _randomise(model: keras.Model, seed: int = 0) -> keras.Model:
    """Set all weights, biases and positions too, so that each of them counts."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0, 0.15, weight.shape) for weight in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def encoder() -> keras.Model:
    return _randomise(whisper_encoder(SMALL))


def _spectrogram(rng, frames: int, mels: int = 80) -> np.ndarray:
    return rng.uniform(-1, 1, (1, frames, mels)).astype("float32")


def _states(encoder, spectrograms, counts) -> list[np.ndarray]:
    return [state.numpy() for state in encoder([spectrograms, np.array(counts)], training=False)]


@pytest.mark.parametrize("frames", [1, 2, 3, 99, 100, 101])
def test_there_is_one_position_for_two_frames(encoder, rng, frames):
    states = _states(encoder, _spectrogram(rng, frames), [frames])
    assert [state.shape for state in states] == 3 * [(1, -(-frames // 2), 64)]
    assert all(np.isfinite(state).all() for state in states)


def test_the_number_of_outputs_and_their_width_follow_the_settings(rng):
    encoder = whisper_encoder(WhisperSettings(depth=1, width=128, mels=128))
    states = _states(encoder, _spectrogram(rng, 10, mels=128), [10])
    assert [state.shape for state in states] == 2 * [(1, 5, 128)]
    assert encoder.get_layer("block0_attention").heads == 2
    assert whisper_encoder(WhisperSettings(depth=3, width=64)).name == "whisper_encoder"


def test_the_number_of_parameters_is_that_of_whisper_and_the_biases_of_the_keys():
    """Of tiny: 8,208,384 parameters in OpenAI's encoder, whose keys have no bias."""
    encoder = whisper_encoder(WhisperSettings(depth=4, width=384))
    assert encoder.count_params() == 8_208_384 + 4 * 384


def test_the_last_output_is_the_norm_of_the_one_before(encoder, rng):
    *_, block, last = _states(encoder, _spectrogram(rng, 40), [40])
    gamma, beta = encoder.get_layer("norm").get_weights()
    centred = block - block.mean(axis=-1, keepdims=True)
    expected = centred / np.sqrt(block.var(axis=-1, keepdims=True) + 1e-5) * gamma + beta
    np.testing.assert_allclose(last, expected, atol=1e-4)


@pytest.mark.parametrize("value", [0.0, 3.0, -1e3])
def test_padding_of_any_value_does_not_change_the_hidden_states(encoder, rng, value):
    counts = [1, 37, 80, 99, 120]
    alone = [_spectrogram(rng, count) for count in counts]
    padded = np.full((len(counts), max(counts), 80), value, "float32")
    for row, spectrogram in zip(padded, alone, strict=True):
        row[: spectrogram.shape[1]] = spectrogram[0]
    together = _states(encoder, padded, counts)
    for number, (spectrogram, count) in enumerate(zip(alone, counts, strict=True)):
        for found, expected in zip(together, _states(encoder, spectrogram, [count]), strict=True):
            np.testing.assert_allclose(
                found[number, : expected.shape[1]], expected[0], atol=1e-5, rtol=1e-5
            )


def test_frames_count_wherever_they_are(encoder, rng):
    """Else a mask that hides too much would pass unseen."""
    spectrogram = _spectrogram(rng, 41)
    states = _states(encoder, spectrogram, [41])
    for frame in (0, 20, 40):
        changed = spectrogram.copy()
        changed[0, frame] += 1.0
        for before, after in zip(states, _states(encoder, changed, [41]), strict=True):
            assert np.abs(after - before).max(axis=(0, 2)).min() > 0
    assert np.abs(states[0] - _states(encoder, spectrogram, [39])[0])[0, :19].max() > 1e-4


def test_the_order_of_the_frames_counts(encoder, rng):
    """Without the positions, attention would have the same mean for any order of positions."""
    spectrogram = _spectrogram(rng, 40)
    there = _states(encoder, spectrogram, [40])[1].mean(axis=1)
    back = _states(encoder, spectrogram[:, ::-1].copy(), [40])[1].mean(axis=1)
    assert np.abs(there - back).max() > 1e-2


def test_eager_graph_and_predict_agree(encoder, rng):
    spectrogram, count = _spectrogram(rng, 61), np.array([61])
    eager = _states(encoder, spectrogram, count)
    signature = [tf.TensorSpec([None, None, 80]), tf.TensorSpec([None], tf.int32)]
    graph = tf.function(lambda *inputs: encoder(inputs, training=False), input_signature=signature)
    predicted = encoder.predict([spectrogram, count], verbose=0)
    for found in (graph(spectrogram, count), predicted):
        for a, b in zip(eager, found, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-5)


def test_thirty_seconds_are_the_limit(encoder, rng):
    assert MAX_POSITIONS == 1_500
    states = _states(encoder, np.zeros((1, 3_000, 80), "float32"), [3_000])
    assert states[0].shape == (1, 1_500, 64)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match=r"1501.*1500"):
        encoder([np.zeros((1, 3_001, 80), "float32"), np.array([3_001])])


def test_a_saved_encoder_is_the_same(encoder, rng, tmp_path):
    encoder.save(tmp_path / "encoder.keras")
    loaded = keras.models.load_model(tmp_path / "encoder.keras", compile=False)
    spectrogram = _spectrogram(rng, 51)
    for a, b in zip(
        _states(encoder, spectrogram, [51]), _states(loaded, spectrogram, [51]), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_weights_alone_are_saved_and_loaded(encoder, rng, tmp_path):
    encoder.save_weights(tmp_path / "encoder.weights.h5")
    other = _randomise(whisper_encoder(SMALL), seed=1)
    spectrogram = _spectrogram(rng, 20)
    expected = _states(encoder, spectrogram, [20])[-1]
    assert np.abs(_states(other, spectrogram, [20])[-1] - expected).max() > 0.1
    other.load_weights(tmp_path / "encoder.weights.h5")
    np.testing.assert_array_equal(_states(other, spectrogram, [20])[-1], expected)


@pytest.mark.parametrize(
    "layer",
    [
        MaskPadding(name="a"),
        PositionEmbedding(10, name="b"),
        SelfAttention(width=8, heads=2, name="c"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_are_registered_and_come_back_from_their_configuration(layer):
    assert keras.saving.get_registered_name(type(layer)) == f"serkit>{type(layer).__name__}"
    again = type(layer).from_config(layer.get_config())
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    assert again.name == layer.name
    assert (
        keras.saving.deserialize_keras_object(
            keras.saving.serialize_keras_object(layer)
        ).get_config()
        == layer.get_config()
    )


def test_the_arguments_are_in_the_configuration():
    assert PositionEmbedding(10).get_config()["max_positions"] == 10
    config = SelfAttention(width=8, heads=2).get_config()
    assert (config["width"], config["heads"]) == (8, 2)


def test_masked_frames_are_zero_and_the_others_as_they_were(rng):
    x = rng.normal(size=(3, 4, 2)).astype("float32")
    found = MaskPadding()(x, np.array([0, 3, 4])).numpy()
    expected = x.copy()
    expected[0], expected[1, 3:] = 0, 0
    np.testing.assert_array_equal(found, expected)


def test_positions_are_the_first_rows_of_the_embedding(rng):
    layer = PositionEmbedding(10)
    layer.build((None, None, 2))
    embeddings = rng.normal(size=(10, 2)).astype("float32")
    layer.set_weights([embeddings])
    x = rng.normal(size=(3, 4, 2)).astype("float32")
    np.testing.assert_array_equal(layer(x), x + embeddings[:4])


def test_attention_by_hand(rng):
    """One head after the other in NumPy, over the positions that are not padding."""
    layer = SelfAttention(width=6, heads=2)
    x = rng.normal(size=(2, 5, 6)).astype("float32")
    layer.build(x.shape)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    kernel, bias, output_kernel, output_bias = layer.get_weights()
    found = layer(x, np.array([5, 3])).numpy()
    for row, count in zip(range(2), (5, 3), strict=True):
        query, key, value = np.split(x[row, :count] @ kernel + bias, 3, axis=1)
        heads = []
        for part in (slice(0, 3), slice(3, 6)):
            scores = query[:, part] @ key[:, part].T / np.sqrt(3)
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            weights /= weights.sum(axis=1, keepdims=True)
            heads.append(weights @ value[:, part])
        expected = np.concatenate(heads, axis=1) @ output_kernel + output_bias
        np.testing.assert_allclose(found[row, :count], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"depth": 0}, "depth"),
        ({"depth": -1}, "depth"),
        ({"mels": 0}, "mels"),
        ({"width": 0}, "width"),
        ({"width": 63}, "width"),
        ({"width": 96}, "width"),
        ({"width": -64}, "width"),
    ],
)
def test_settings_are_checked(values, name):
    with pytest.raises(InputError, match=f"`{name}`.*{values[name]}"):
        WhisperSettings(**{"depth": 2, "width": 64} | values)


def _fit_once(trainable: bool) -> list[bool]:
    """Whether each weight of an encoder changes in a training step of its mean state."""
    encoder = _randomise(whisper_encoder(SMALL))
    encoder.trainable = trainable
    pooled = [keras.ops.mean(state, axis=1) for state in encoder.outputs]
    output = keras.layers.Dense(3, name="logits")(keras.layers.Concatenate()(pooled))
    model = keras.Model(encoder.inputs, output)
    before = [np.array(weight) for weight in encoder.weights]
    head = np.array(model.get_layer("logits").kernel)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=True)
    rng = np.random.default_rng(0)
    inputs = [rng.uniform(-1, 1, (4, 30, 80)).astype("float32"), np.array([30, 29, 12, 5])]
    model.fit(inputs, np.array([0, 1, 2, 0]), batch_size=4, epochs=1, verbose=0)
    assert not np.array_equal(head, model.get_layer("logits").kernel)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    return [
        not np.array_equal(weight, old) for weight, old in zip(encoder.weights, before, strict=True)
    ]


def test_a_training_step_changes_every_weight_of_a_trainable_encoder():
    assert all(_fit_once(trainable=True))


def test_a_training_step_changes_no_weight_of_a_frozen_encoder():
    assert not any(_fit_once(trainable=False))


def test_positions_of_padding_get_no_gradient(encoder, rng):
    """The embeddings of positions that no clip reaches stay as they are."""
    positions = encoder.get_layer("positions").embeddings
    with tf.GradientTape() as tape:
        states = encoder([_spectrogram(rng, 20), np.array([20])], training=True)
        loss = tf.reduce_sum(states[-1] ** 3)
    gradient = tf.convert_to_tensor(tape.gradient(loss, positions)).numpy()
    assert (np.abs(gradient[:10]).max(axis=1) > 0).all()
    np.testing.assert_array_equal(gradient[10:], 0)


@pytest.mark.parametrize("name", ["mixed_bfloat16", "mixed_float16"])
def test_in_half_precision_the_padding_is_masked_too(rng, name):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        encoder = _randomise(whisper_encoder(SMALL))
    finally:
        keras.config.set_dtype_policy(policy)
    spectrogram = _spectrogram(rng, 20)
    padded = np.concatenate([spectrogram, np.full((1, 20, 80), 9.0, "float32")], axis=1)
    together = encoder([padded, np.array([20])], training=False)[-1]
    alone = encoder([spectrogram, np.array([20])], training=False)[-1]
    assert np.isfinite(tf.cast(alone, tf.float32)).all()
    difference = tf.cast(together[:, :10], tf.float32) - tf.cast(alone, tf.float32)
    assert np.abs(difference).max() < 0.1
