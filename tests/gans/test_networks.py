import keras
import numpy as np
import pytest

from serkit.errors import InputError
from serkit.gans.networks import DISCRIMINATORS, critic, discriminator1, discriminator2, generator


def _sides(model: keras.Model, kind: type) -> list[int]:
    """Side after each convolution, behind its cropping where there is one."""
    found = []
    for layer in model.layers:
        if isinstance(layer, kind):
            found.append(layer.output.shape[1])
        elif isinstance(layer, keras.layers.Cropping2D):
            found[-1] = layer.output.shape[1]
    return found


def _parameters(model: keras.Model) -> int:
    """As PyTorch counts: without batch norm's moving statistics."""
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


@pytest.mark.parametrize(
    ("build", "kind", "sides", "parameters"),
    [
        (generator, keras.layers.Conv2DTranspose, [4, 8, 18, 55, 112, 224], 3_763_200),
        (discriminator1, keras.layers.Conv2D, [75, 25, 8, 1], 5_330_688),
        (discriminator2, keras.layers.Conv2D, [113, 57, 29, 15, 8, 3, 1], 63_194_624),
        (critic, keras.layers.Conv2D, [110, 53, 16, 6, 1], 6_216_769),
    ],
)
def test_side_lengths_and_parameters_are_those_of_the_2021_report(build, kind, sides, parameters):
    model = build()
    # Conv2DTranspose is a class of its own, not a Conv2D.
    assert _sides(model, kind) == sides
    assert _parameters(model) == parameters


def test_normalisation_activation_and_dropout_are_those_of_the_2021_report():
    for model in (generator(0.05), discriminator1(0.05), discriminator2(0.05)):
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                assert (layer.epsilon, layer.momentum) == (1e-5, 0.9)
            if isinstance(layer, keras.layers.LeakyReLU):
                assert layer.negative_slope == pytest.approx(0.2)
            assert not getattr(layer, "use_bias", False)
    kinds = [type(layer).__name__ for layer in discriminator1(0.05).layers]
    # The listing: behind the second block, before the third convolution; none after the first BN.
    assert kinds.index("SpatialDropout2D") == kinds.index("BatchNormalization") + 2
    assert kinds.count("BatchNormalization") == 2
    assert "SpatialDropout2D" not in [type(layer).__name__ for layer in discriminator2(0.05).layers]


def test_the_critic_scores_each_example_by_itself(rng):
    """The gradient penalty needs it; batch normalisation would break it."""
    model = critic(0.05)
    spectrograms = rng.uniform(-1, 1, (3, 224, 224, 1)).astype("float32")
    others = spectrograms.copy()
    others[1:] = 5 * rng.uniform(-1, 1, others[1:].shape)
    first, second = model(spectrograms, training=True), model(others, training=True)
    np.testing.assert_allclose(first[0], second[0], rtol=1e-5)
    assert not np.allclose(first[1:], second[1:], rtol=1e-2)
    kinds = {type(layer).__name__ for layer in model.layers}
    assert "BatchNormalization" not in kinds
    assert all(layer.use_bias for layer in model.layers if isinstance(layer, keras.layers.Conv2D))


def test_output_ranges():
    noise = np.random.default_rng(0).normal(size=(3, 5)).astype("float32") * 10
    spectrograms = generator(0.05).predict(noise, verbose=0)
    assert spectrograms.shape == (3, 224, 224, 1)
    assert np.abs(spectrograms).max() <= 1
    logits = discriminator1(0.05).predict(spectrograms, verbose=0)
    assert logits.shape == (3, 1)


def test_initial_weights_are_the_dcgan_papers():
    model = discriminator1(0.5, seed=3)
    kernel = np.concatenate([np.ravel(v) for v in model.trainable_variables if v.name == "kernel"])
    assert kernel.std() == pytest.approx(0.02, rel=0.02)
    assert abs(kernel.mean()) < 1e-3
    gamma = np.concatenate([np.ravel(v) for v in model.trainable_variables if v.name == "gamma"])
    assert gamma.mean() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("build", [generator, critic, *DISCRIMINATORS.values()])
def test_same_seed_same_weights_and_no_two_layers_alike(build):
    first, second, other = build(0.05, seed=1), build(0.05, seed=1), build(0.05, seed=2)
    for a, b, c in zip(first.weights, second.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a, b)
        if a.name == "kernel":
            assert not np.array_equal(a, c)
    kernels = [np.ravel(v)[:8].tolist() for v in first.weights if v.name == "kernel"]
    assert len({tuple(values) for values in kernels}) == len(kernels)


def test_a_saved_network_loads_as_plain_keras(tmp_path):
    model = generator(0.05)
    model.save(tmp_path / "generator.keras")
    noise = np.ones((2, 5), "float32")
    loaded = keras.models.load_model(tmp_path / "generator.keras")
    np.testing.assert_array_equal(loaded.predict(noise, verbose=0), model.predict(noise, verbose=0))


@pytest.mark.parametrize("width", [0.0, 5.0])
def test_width_is_checked(width):
    with pytest.raises(InputError, match="width"):
        generator(width)
    with pytest.raises(InputError, match="width"):
        discriminator2(width)


@pytest.mark.parametrize(
    ("build", "extra"),
    [
        # Three class vectors as long as the noise, which the first kernel takes beside it.
        (generator, 3 * 5 + 4 * 4 * 5 * 26),
        # Three class vectors as long as the last features.
        (discriminator1, 3 * 26),
        (discriminator2, 3 * 51),
        (critic, 3 * 26),
    ],
)
def test_classes_add_their_vectors_and_kernels(build, extra):
    assert _parameters(build(0.05, classes=3)) == _parameters(build(0.05)) + extra


@pytest.mark.parametrize("build", [generator, critic, *DISCRIMINATORS.values()])
def test_without_classes_a_network_has_one_input(build):
    model = build(0.05, classes=0)
    assert len(model.inputs) == 1
    assert not [layer for layer in model.layers if isinstance(layer, keras.layers.Embedding)]


@pytest.mark.parametrize("build", [generator, critic, *DISCRIMINATORS.values()])
def test_one_class_is_refused(build):
    with pytest.raises(InputError, match=r"classes.*1"):
        build(0.05, classes=1)
    with pytest.raises(InputError, match=r"classes.*-1"):
        build(0.05, classes=-1)


def test_classes_give_different_spectrograms_for_the_same_noise(rng):
    model = generator(0.05, classes=3, seed=1)
    noise = np.repeat(rng.standard_normal((1, 5)).astype("float32"), 3, axis=0)
    # Batch norm of the batch: with what a fresh one remembers the spectrograms would be nearly 0.
    spectrograms = model([noise, np.array([0, 1, 2])], training=True)
    assert spectrograms.shape == (3, 224, 224, 1)
    for one, other in ((0, 1), (1, 2), (0, 2)):
        assert np.abs(spectrograms[one] - spectrograms[other]).max() > 0.01
    again = model([noise, np.array([2, 1, 0])], training=True)
    np.testing.assert_allclose(again, spectrograms[::-1], atol=1e-5)


@pytest.mark.parametrize("build", [critic, *DISCRIMINATORS.values()])
def test_a_class_adds_the_product_of_its_vector_with_the_mean_features(build, rng):
    model = build(0.05, classes=3, seed=1)
    spectrograms = rng.uniform(-1, 1, (2, 224, 224, 1)).astype("float32")
    (pooling,) = [
        layer for layer in model.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D)
    ]
    features = np.array(keras.Model(model.inputs[0], pooling.input)(spectrograms)).mean(axis=(1, 2))
    # Those of a new network are nearly 0.
    vectors = rng.standard_normal((3, features.shape[1])) / features.std()
    model.get_layer("class_vector").embeddings.assign(vectors)
    outputs = [np.array(model([spectrograms, np.full(2, number)]))[:, 0] for number in range(3)]
    for one, other in ((0, 1), (1, 2)):
        expected = features @ (vectors[one] - vectors[other])
        np.testing.assert_allclose(outputs[one] - outputs[other], expected, rtol=1e-3)


def test_conditional_networks_load_as_plain_keras(tmp_path):
    for build in (generator, critic):
        model = build(0.05, classes=3)
        model.save(tmp_path / "network.keras")
        loaded = keras.models.load_model(tmp_path / "network.keras")
        inputs = [np.ones((2, *model.inputs[0].shape[1:]), "float32"), np.array([0, 2])]
        np.testing.assert_array_equal(loaded(inputs), model(inputs))
