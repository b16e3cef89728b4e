"""Networks as an exported model runs them: calibrated, with uncertainty."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.errors import InputError, check_range
from serkit.export import signatures

# Loading them registers what Keras files of ours may hold.
from serkit.layers import dropout, variational  # noqa: F401
from serkit.uncertainty.predictors import SampledNetwork, draws


def load_network(file: Path | str) -> keras.Model:
    """A network that Keras saved, serkit's Bayesian layers included.

    Args:
        file: ``.keras``.

    Raises:
        InputError: if it is not there, or Keras cannot load it.
    """
    if not Path(file).is_file():
        raise InputError(f"{file} is no file; a .keras file is expected")
    try:
        return keras.models.load_model(file)
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{file} is no model that Keras can load: {reason}") from error


# Windows that pass the networks at a time; a recording of ten minutes has over three hundred.
_TOGETHER = 32


@dataclass(frozen=True)
class AnswerSettings:
    """How logits become answers.

    Attributes:
        temperature: logits are divided by it, 0.05 to 20; see
            :mod:`serkit.uncertainty.temperature`.
        threshold: entropy in nats above which the model would rather not answer; None: it always
            answers. See :mod:`serkit.uncertainty.abstention`.
        samples: how often a network that draws is asked, 1 to 1,000.
        seed: of the draws: the same recording gets the same answer.

    Raises:
        InputError: for a value out of range.
    """

    temperature: float = 1.0
    threshold: float | None = None
    samples: int = 30
    seed: int = 0

    def __post_init__(self) -> None:
        check_range("temperature", self.temperature, 0.05, 20.0)
        check_range("samples", self.samples, 1, MOST_SAMPLES)


MOST_SAMPLES = 1000
"""More are not taken, however many a request asks for."""


class Answering:
    """Answers to spectrograms, in TensorFlow's own ops.

    Args:
        networks: one or more Keras models from spectrograms of ``spec`` to logits ``(batch,
            classes)``. Several are an ensemble, each of them a sample. One may have layers that
            draw: variational ones, or dropout that goes on.
        spec: what they were trained on.
        classes: labels in the order of the logits.
        settings: how logits become answers.

    Raises:
        InputError: if the networks are not made for the classes or the spec, or several draw.
    """

    def __init__(
        self,
        networks: Sequence[keras.Model],
        spec: SpectrogramSpec,
        classes: Sequence[str],
        settings: AnswerSettings | None = None,
    ) -> None:
        self.networks, self.spec = tuple(networks), spec
        self.classes, self.settings = tuple(classes), settings or AnswerSettings()
        for network in self.networks:
            _require_fit(network, spec, self.classes)
        self.draws = any(map(draws, self.networks))
        if self.draws and len(self.networks) > 1:
            raise InputError("several networks that draw; valid is one such, or any that do not")
        if not self.networks:
            raise InputError("0 networks; valid are one or more")
        self._sampled = SampledNetwork(self.networks[0]) if self.draws else None

    def logits(self, spectrograms: tf.Tensor, samples: tf.Tensor) -> tf.Tensor:
        """Logits of each sample.

        Args:
            spectrograms: float32 ``(rows, frames, bins, 1)`` in [-1, 1].
            samples: int32, how many, of a network that draws.

        Returns:
            float32 ``(rows, samples, classes)``.
        """
        if self._sampled:
            seed = tf.constant(self.settings.seed)
            found = self._sampled.sample(spectrograms, samples, seed)
        else:
            found = tf.stack([network(spectrograms, training=False) for network in self.networks])
        return tf.transpose(tf.cast(found, tf.float32), [1, 0, 2])

    def answer(self, logits: tf.Tensor, status: tf.Tensor, note: tf.Tensor) -> dict[str, tf.Tensor]:
        """What :mod:`serkit.export.signatures` promises.

        Args:
            logits: float32 ``(batch, samples, classes)``.
            status: string ``(batch,)``, why an example cannot be used.
            note: string ``(batch,)``.
        """
        # A loop has forgotten it, and TensorFlow would say so of each call.
        logits = tf.ensure_shape(logits, [None, None, len(self.classes)])
        usable = tf.equal(status, "")
        each = tf.nn.softmax(logits / tf.constant(self.settings.temperature))
        mean = tf.reduce_mean(each, axis=1)
        entropy = _entropy(mean)
        apart = tf.maximum(entropy - tf.reduce_mean(_entropy(each), axis=1), 0.0)
        if len(self.networks) == 1 and not self.draws:
            # One answer does not differ from itself, roundings aside.
            apart = tf.zeros_like(apart)
        threshold = self.settings.threshold
        unsure = tf.zeros_like(usable) if threshold is None else entropy > threshold
        label = tf.gather(tf.constant(self.classes), tf.argmax(mean, axis=-1))
        return {
            signatures.PROBABILITIES: tf.where(usable[:, tf.newaxis], mean, 0.0),
            signatures.LABEL: tf.where(usable, label, ""),
            signatures.ENTROPY: tf.where(usable, entropy, 0.0),
            signatures.MUTUAL_INFORMATION: tf.where(usable, apart, 0.0),
            signatures.ABSTAIN: unsure | ~usable,
            signatures.STATUS: status,
            signatures.NOTE: note,
        }


def in_turn(function: Callable[[tf.Tensor], tf.Tensor], rows: tf.Tensor) -> tf.Tensor:
    """``function`` of many rows, some at a time, so that memory does not grow with their number.

    Args:
        function: from ``(some, …)`` to float32 ``(some, …)``.
        rows: ``(rows, …)``.
    """
    count = tf.shape(rows)[0]
    # One piece of nothing for no rows: no pieces could not be put together.
    pieces = tf.maximum(-(-count // _TOGETHER), 1)
    results = tf.TensorArray(tf.float32, pieces, infer_shape=False, element_shape=None)

    def step(number, results):
        first = number * _TOGETHER
        return number + 1, results.write(number, function(rows[first : first + _TOGETHER]))

    # One at a time is the point.
    _, results = tf.while_loop(
        lambda number, _: number < pieces, step, (0, results), parallel_iterations=1
    )
    return results.concat()


def _entropy(probabilities: tf.Tensor) -> tf.Tensor:
    """In nats, over the last axis."""
    return -tf.reduce_sum(tf.math.xlogy(probabilities, probabilities), axis=-1)


def _require_fit(network: keras.Model, spec: SpectrogramSpec, classes: Sequence[str]) -> None:
    if network.output_shape[-1] != len(classes):
        raise InputError(
            f"{len(classes)} classes for a model with {network.output_shape[-1]} outputs; "
            "valid is one class per output"
        )
    if tuple(network.input_shape[1:]) != spec.shape:
        raise InputError(
            f"spectrograms of {spec.shape} for a model that takes "
            f"{tuple(network.input_shape[1:])}; valid is the spec that it was trained on"
        )
