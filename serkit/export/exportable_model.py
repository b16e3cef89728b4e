"""The computation of an exported model: from spectrograms or features to predictions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.errors import InputError, check_range
from serkit.export import signatures
from serkit.formatting import printable

# Importing these modules registers the custom layers that a .keras file may hold.
from serkit.layers import dropout, variational  # noqa: F401
from serkit.models.speaker_adaptive import SpeakerAdaptiveLDA
from serkit.models.speech_features import SpeechFeatures
from serkit.uncertainty.ood import TrainingDistance
from serkit.uncertainty.predictors import SampledNetwork, has_random_layers

MAX_SAMPLES = 1000
"""Maximum number of Monte Carlo samples.

An exported model that is asked for more computes this many.
"""
BATCH_SIZE = 32
"""Number of rows per batch of :func:`map_in_batches`. A row is the spectrogram of a segment of a
recording; a recording of ten minutes can have over three hundred segments."""


FAR_NOTE = "unlike all recordings of the training set"
"""Note on a recording that is far from the training clips."""


def load_network(file: Path | str) -> keras.Model:
    """Load a Keras model that may contain serkit's random layers.

    Args:
        file: path of a ``.keras`` file.

    Raises:
        InputError: if the file does not exist, or Keras cannot load it.
    """
    if not Path(file).is_file():
        raise InputError(f"`file` must be a .keras file. Received: {file}, which is no file.")
    try:
        return keras.models.load_model(file)
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{file} is no model that Keras can load: {reason}") from error


@dataclass(frozen=True)
class PredictionSettings:
    """Settings of the step from logits to predictions.

    Attributes:
        temperature: divisor of the logits, from 0.05 to 20; see
            :mod:`serkit.uncertainty.temperature`.
        threshold: entropy in nats above which the model abstains. None: it never abstains because
            of the entropy. See :mod:`serkit.uncertainty.abstention`.
        samples: number of Monte Carlo samples of a network with random layers, 1 to 1,000.
        seed: seed of the Monte Carlo samples. All calls use the same seed, so that the same
            recording always gets the same prediction.

    Raises:
        InputError: if ``temperature`` or ``samples`` is out of range.

    Example:
        >>> from serkit.export.exportable_model import PredictionSettings
        >>> PredictionSettings(temperature=1.5, threshold=0.8).samples
        30
    """

    temperature: float = 1.0
    threshold: float | None = None
    samples: int = 30
    seed: int = 0

    def __post_init__(self) -> None:
        check_range("temperature", self.temperature, 0.05, 20.0)
        check_range("samples", self.samples, 1, MAX_SAMPLES)


@dataclass(frozen=True)
class Enrollment:
    """How a model adapts to speakers of whom it gets some recordings first.

    Attributes:
        classifier: classifier of the features of the model's encoder.
        settings: settings of the step from its logits to predictions.
    """

    classifier: SpeakerAdaptiveLDA
    settings: PredictionSettings


class ExportableModel:
    """Predictions from spectrograms or features, computed with TensorFlow ops only.

    Args:
        networks: one or more Keras models from spectrograms or features of ``spec`` to logits
            ``(batch, classes)``. Several networks are an ensemble; each network is one sample. A
            single network may have random layers: variational layers or Monte Carlo dropout.
        spec: settings of the spectrograms that the networks were trained on, or the encoder of the
            features.
        classes: labels in the order of the logits.
        settings: settings of the step from logits to predictions.
        enrollment: how the model adapts to speakers; only for a model of an encoder's features.
        distance: how far features are from those of the training clips; above its threshold the
            model abstains. Only for a model of an encoder's features.

    Raises:
        InputError: if there is no network, if a network does not match the classes or the spec,
            if there are several networks and one of them has random layers, or if a label has a
            line break or another control character.

    Example:
        >>> import serkit, tensorflow as tf
        >>> spec = serkit.SpectrogramSpec(frames=32, bins=32)
        >>> small = serkit.CompactSettings(pool=(1, 1), channels=(2, 2), squeeze=1, attention=2)
        >>> network = serkit.compact(2, spec.shape, small)
        >>> model = serkit.ExportableModel([network], spec, ("happy", "sad"))
        >>> tuple(model.logits(tf.zeros((3, *spec.shape)), tf.constant(1)).shape)
        (3, 1, 2)
    """

    def __init__(
        self,
        networks: Sequence[keras.Model],
        spec: SpectrogramSpec | SpeechFeatures,
        classes: Sequence[str],
        settings: PredictionSettings | None = None,
        enrollment: Enrollment | None = None,
        distance: TrainingDistance | None = None,
    ) -> None:
        self.networks: tuple[keras.Model, ...] = tuple(networks)
        self.spec: SpectrogramSpec | SpeechFeatures = spec
        self.classes: tuple[str, ...] = tuple(classes)
        for label in self.classes:
            if not label or printable(label) != label:
                raise InputError(
                    "`classes` must be labels without line breaks and other control characters. "
                    f"Received: {label!r}."
                )
        self.settings: PredictionSettings = settings or PredictionSettings()
        for network in self.networks:
            _check_network(network, spec, self.classes)
        self.has_random_layers: bool = any(map(has_random_layers, self.networks))
        if self.has_random_layers and len(self.networks) > 1:
            raise InputError(
                "`networks` must be one network with random layers, or any number without."
            )
        if not self.networks:
            raise InputError("`networks` must have one or more networks. Received: 0.")
        for name, value in (("enrollment", enrollment), ("distance", distance)):
            if value and isinstance(spec, SpectrogramSpec):
                raise InputError(
                    f"`{name}` must be given only for a model of an encoder's features. "
                    "Received: one for a model of spectrograms."
                )
        self.enrollment: Enrollment | None = enrollment
        self.distance: TrainingDistance | None = distance
        self._sampled = SampledNetwork(self.networks[0]) if self.has_random_layers else None

    def logits(self, inputs: tf.Tensor, samples: tf.Tensor) -> tf.Tensor:
        """Compute the logits of each sample.

        Args:
            inputs: float32 spectrograms ``(rows, frames, bins, 1)`` in [-1, 1], or features
                ``(rows, features)``.
            samples: int32 scalar, number of samples of a network with random layers. Ignored for
                other networks.

        Returns:
            float32 ``(rows, samples, classes)``.
        """
        if self._sampled:
            seed = tf.constant(self.settings.seed)
            logits = self._sampled.sample(inputs, samples, seed)
        else:
            logits = tf.stack([network(inputs, training=False) for network in self.networks])
        # From (samples, rows, classes) to (rows, samples, classes).
        return tf.transpose(tf.cast(logits, tf.float32), [1, 0, 2])

    def outputs(
        self,
        logits: tf.Tensor,
        status: tf.Tensor,
        note: tf.Tensor,
        settings: PredictionSettings | None = None,
        features: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """Compute the outputs that :mod:`serkit.export.signatures` describes.

        Args:
            logits: float32 ``(batch, samples, classes)``. An example of the batch is a spectrogram
                or a recording, with the mean of the logits of its segments.
            status: string ``(batch,)``, the reason why an example cannot be used, else empty.
            note: string ``(batch,)``, passed to the outputs.
            settings: temperature and threshold; default: those of the model.
            features: float32 ``(batch, features)``, for the distance from the training clips.

        Returns:
            Tensors by the names in :mod:`serkit.export.signatures`: probabilities float32
            ``(batch, classes)``; label, entropy and mutual information in nats, abstention, status
            and note ``(batch,)``.
        """
        settings = settings or self.settings
        # The loop in map_in_batches loses the static number of classes, and TensorFlow would report
        # this on each call.
        logits = tf.ensure_shape(logits, [None, None, len(self.classes)])
        is_usable = tf.equal(status, "")
        sample_probabilities = tf.nn.softmax(logits / tf.constant(settings.temperature))
        probabilities = tf.reduce_mean(sample_probabilities, axis=1)
        entropy = _entropy(probabilities)
        mean_entropy = tf.reduce_mean(_entropy(sample_probabilities), axis=1)
        mutual_information = tf.maximum(entropy - mean_entropy, 0.0)
        if len(self.networks) == 1 and not self.has_random_layers:
            # The mutual information of a single sample is 0. Remove its rounding error.
            mutual_information = tf.zeros_like(mutual_information)
        threshold = settings.threshold
        abstains = tf.zeros_like(is_usable) if threshold is None else entropy > threshold
        if self.distance and features is not None:
            is_far = is_usable & self.distance.is_far(features)
            separator = tf.where(is_far & (note != ""), "; ", "")
            note = tf.strings.join([note, separator, tf.where(is_far, FAR_NOTE, "")])
            abstains |= is_far
        label = tf.gather(tf.constant(self.classes), tf.argmax(probabilities, axis=-1))
        return {
            signatures.PROBABILITIES: tf.where(is_usable[:, tf.newaxis], probabilities, 0.0),
            signatures.LABEL: tf.where(is_usable, label, ""),
            signatures.ENTROPY: tf.where(is_usable, entropy, 0.0),
            signatures.MUTUAL_INFORMATION: tf.where(is_usable, mutual_information, 0.0),
            signatures.ABSTAIN: tf.logical_or(abstains, tf.logical_not(is_usable)),
            signatures.STATUS: status,
            signatures.NOTE: note,
        }


def map_in_batches(function: Callable[[tf.Tensor], tf.Tensor], rows: tf.Tensor) -> tf.Tensor:
    """Apply a function to batches of rows, one batch after the other.

    The memory for intermediate values is that of one batch, for any number of rows.

    Args:
        function: from ``(batch, …)`` to float32 ``(batch, …)``.
        rows: ``(rows, …)``.

    Returns:
        float32 ``(rows, …)``.
    """
    row_count = tf.shape(rows)[0]
    # Without rows, compute a batch of one row of zeros, and drop its result: TensorFlow cannot
    # concatenate zero batches, and convolutions by oneDNN fail with an empty one.
    one_row = tf.concat([[1], tf.shape(rows)[1:]], axis=0)
    rows = tf.cond(row_count > 0, lambda: rows, lambda: tf.zeros(one_row))
    batch_count = tf.maximum(-(-row_count // BATCH_SIZE), 1)
    results = tf.TensorArray(tf.float32, batch_count, infer_shape=False, element_shape=None)

    def compute_batch(index, results):
        first = index * BATCH_SIZE
        return index + 1, results.write(index, function(rows[first : first + BATCH_SIZE]))

    # Parallel iterations would need the memory of several batches.
    _, results = tf.while_loop(
        lambda index, _: index < batch_count, compute_batch, (0, results), parallel_iterations=1
    )
    return results.concat()[:row_count]


def _entropy(probabilities: tf.Tensor) -> tf.Tensor:
    """Compute the entropy in nats over the last axis."""
    return -tf.reduce_sum(tf.math.xlogy(probabilities, probabilities), axis=-1)


def _check_network(
    network: keras.Model, spec: SpectrogramSpec | SpeechFeatures, classes: Sequence[str]
) -> None:
    outputs = network.output_shape[-1]
    if outputs != len(classes):
        raise InputError(
            f"`classes` must have one label for each of the {outputs} outputs of the model. "
            f"Received: {len(classes)} labels."
        )
    input_shape = tuple(network.input_shape[1:])
    if input_shape != spec.shape:
        raise InputError(
            "`spec` must be that of the model's training, with inputs of "
            f"{input_shape}. Received: inputs of {spec.shape}."
        )
