"""Sample spectrograms from a trained generator; store and load generators."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from serkit.errors import DamagedFileError, InputError, SerkitError, check_choice, check_range
from serkit.files import file_digest, read_json, replacing, write_json
from serkit.seeds import derive_seed
from serkit.serialization import restored

_BATCH = 32


def sample(
    generator: keras.Model, count: int, seed: int, labels: npt.NDArray[Any] | int | None = None
) -> npt.NDArray[Any]:
    """Generate spectrograms; the first samples do not depend on ``count``.

    Args:
        generator: model from noise ``(batch, latent)`` to ``(batch, frames, bins, 1)``; a generator
            of several classes also takes class numbers ``(batch,)``.
        count: number of samples, at least 1.
        seed: seed of the noise.
        labels: for a generator of several classes, one class number for all samples, or several
            class numbers ``(n,)``. Sample ``i`` is of class ``labels[i % n]``.

    Returns:
        float32 ``(count, frames, bins, 1)`` in [-1, 1].

    Raises:
        InputError: if ``count`` is below 1, or ``labels`` do not fit the generator.

    Example:
        >>> import serkit
        >>> gan = serkit.DCGAN(serkit.DCGANSettings(width=0.02), seed=0)
        >>> serkit.sample(gan.sampler, count=3, seed=1).shape
        (3, 224, 224, 1)
    """
    check_range("count", count, 1)
    stream = sample_stream(generator, seed, labels)
    batches = [next(stream) for _ in range(-(-count // _BATCH))]
    return np.concatenate(batches)[:count]


def sample_stream(
    generator: keras.Model, seed: int, labels: npt.NDArray[Any] | int | None = None
) -> Iterator[npt.NDArray[Any]]:
    """Generate an endless stream of batches, with the same samples as :func:`sample`.

    Args:
        generator: as for :func:`sample`.
        seed: seed of the noise.
        labels: as for :func:`sample`.

    Yields:
        float32 ``(32, frames, bins, 1)`` in [-1, 1].

    Raises:
        InputError: if ``labels`` do not fit the generator.
    """
    class_numbers = _class_numbers(generator, labels)
    rng = np.random.default_rng(derive_seed(seed, "sample"))
    latent = generator.inputs[0].shape[-1]
    for start in itertools.count(0, _BATCH):
        # Always full batches, because rounding in convolutions may depend on the batch size.
        noise = rng.standard_normal((_BATCH, latent), dtype=np.float32)
        inputs = noise
        if class_numbers is not None:
            sample_indices = np.arange(start, start + _BATCH)
            inputs = [noise, class_numbers[sample_indices % len(class_numbers)]]
        yield np.asarray(generator(inputs, training=False))


def classes_of(generator: keras.Model) -> int:
    """Return the number of classes of a conditional generator; 0 for an unconditional one."""
    return generator.get_layer("class_vector").input_dim if len(generator.inputs) > 1 else 0


def _class_numbers(
    generator: keras.Model, labels: npt.NDArray[Any] | int | None
) -> npt.NDArray[Any] | None:
    """Check ``labels``; return them as int32 ``(n,)``, or None for a generator of one class."""
    classes = classes_of(generator)
    if not classes:
        if labels is not None:
            raise InputError(
                f"`labels` must be None for a generator of one class. Received: {labels!r}."
            )
        return None
    numbers = np.atleast_1d(np.asarray([] if labels is None else labels, dtype=np.int32))
    if numbers.ndim != 1 or not len(numbers) or numbers.min() < 0 or numbers.max() >= classes:
        raise InputError(
            f"`labels` must be numbers between 0 and {classes - 1}. Received: {labels!r}."
        )
    return numbers


_NETWORK_FILE, _CARD_FILE = "generator.keras", "generator.json"


@dataclass(frozen=True)
class GeneratorCard:
    """Metadata of a generator.

    Attributes:
        labels: names of the classes that the generator can generate, in the order of its class
            numbers.
        speakers: speakers of the clips that the generator was trained on, sorted. Like these clips,
            the samples must be used in the training partition only.
        clips: number of clips that the generator was trained on.
        kind: kind of GAN, such as ``dcgan``.
        spectrograms: settings of the spectrograms, as JSON values.
        sha256: SHA-256 of the network's file.
    """

    labels: tuple[str, ...]
    speakers: tuple[str, ...]
    clips: int
    kind: str
    spectrograms: dict[str, Any]
    sha256: str = ""


@dataclass(frozen=True)
class StoredGenerator:
    """A generator's network and card, as :func:`load_generator` returns them.

    Attributes:
        network: see :func:`serkit.gans.networks.generator`.
        card: metadata of the generator.
    """

    network: keras.Model
    card: GeneratorCard

    def class_number(self, label: str) -> int | None:
        """Return the class number of a class, or None for a generator of one class.

        Raises:
            InputError: if the generator cannot generate this class.
        """
        check_choice("label", label, self.card.labels)
        return self.card.labels.index(label) if len(self.card.labels) > 1 else None


def store_generator(network: keras.Model, card: GeneratorCard, folder: Path) -> None:
    """Write a generator into a folder.

    If the process is killed, the folder holds either the previous generator or none that can be
    loaded.
    """
    path = folder / _NETWORK_FILE
    with replacing(path) as partial:
        network.save(partial)
    # The card is written last, because a folder without a card holds no generator.
    write_json(folder / _CARD_FILE, asdict(card) | {"sha256": file_digest(path)})


def load_generator(folder: Path) -> StoredGenerator:
    """Read a generator that :func:`store_generator` wrote.

    Raises:
        SerkitError: if a file is missing or cannot be read, or the network's file does not match
            the card.
    """
    path = folder / _NETWORK_FILE
    try:
        card = restored(GeneratorCard, read_json(folder / _CARD_FILE))
        if file_digest(path) != card.sha256:
            raise SerkitError(f"{path} is not the file that {folder / _CARD_FILE} was written for")
        return StoredGenerator(keras.models.load_model(path), card)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SerkitError(f"no generator can be read from {folder}: {error}") from error


def find_generators(folder: Path) -> dict[str, Path]:
    """Find all generators below ``folder``.

    Returns:
        The folder of a generator for each class.

    Raises:
        InputError: if there is no generator, or two generators are for the same class.
        DamagedFileError: if a card cannot be read.
    """
    folder_by_label: dict[str, Path] = {}
    for card in sorted(folder.rglob(_CARD_FILE)):
        for label in _read_labels(card):
            if label in folder_by_label:
                raise InputError(
                    f"{folder_by_label[label]} and {card.parent} both make {label}; "
                    "valid is one for each class"
                )
            folder_by_label[label] = card.parent
    if not folder_by_label:
        raise InputError(f"there is no generator below {folder}")
    return folder_by_label


def _read_labels(card: Path) -> Sequence[str]:
    try:
        return restored(GeneratorCard, read_json(card)).labels
    except ValueError as error:
        reason = error.reason if isinstance(error, DamagedFileError) else str(error)
        advice = "give the command that trained the generator again"
        raise DamagedFileError(card, reason, advice) from error
