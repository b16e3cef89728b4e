"""Trained generators on disk, with what has to be known of them to use them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras

from serkit.errors import InputError, SerkitError, check_choice
from serkit.files import file_digest, read_json, replacing, write_json

_NETWORK, _CARD = "generator.keras", "generator.json"


@dataclass(frozen=True)
class GeneratorCard:
    """What is known of a generator besides its weights.

    Attributes:
        labels: names of the classes that it makes, in the order of its class numbers.
        speakers: everybody whose voice is in the clips that it was trained on, sorted: samples
            belong where these belong, in the training part.
        clips: how many it was trained on.
        kind: of the GAN, such as ``dcgan``.
        spectrograms: settings of the spectrograms, as JSON values.
        sha256: of the network's file.
    """

    labels: tuple[str, ...]
    speakers: tuple[str, ...]
    clips: int
    kind: str
    spectrograms: dict[str, Any]
    sha256: str = ""


@dataclass(frozen=True)
class StoredGenerator:
    """A generator's network and card, as :func:`load_generator` gives them.

    Attributes:
        network: see :func:`serkit.gans.networks.generator`.
        card: what is known of it.
    """

    network: keras.Model
    card: GeneratorCard

    def number(self, label: str) -> int | None:
        """The class number to ask the network for, None if it makes one class only.

        Raises:
            InputError: if it does not make that class.
        """
        check_choice("label", label, self.card.labels)
        return self.card.labels.index(label) if len(self.card.labels) > 1 else None


def store_generator(network: keras.Model, card: GeneratorCard, folder: Path) -> None:
    """Write a generator into a folder; a killed call leaves the old one or none."""
    path = folder / _NETWORK
    with replacing(path) as partial:
        network.save(partial)
    # The card last: without one there is no generator.
    write_json(folder / _CARD, asdict(card) | {"sha256": file_digest(path)})


def load_generator(folder: Path) -> StoredGenerator:
    """Read what :func:`store_generator` wrote.

    Raises:
        SerkitError: if it is not there, cannot be read, or the network is not the card's.
    """
    path = folder / _NETWORK
    try:
        values = read_json(folder / _CARD)
        for name in ("labels", "speakers"):
            values[name] = tuple(values[name])
        card = GeneratorCard(**values)
        if file_digest(path) != card.sha256:
            raise SerkitError(f"{path} is not the file that {folder / _CARD} was written for")
        return StoredGenerator(keras.models.load_model(path), card)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SerkitError(f"no generator can be read from {folder}: {error}") from error


def find_generators(folder: Path) -> dict[str, Path]:
    """Folders of all generators somewhere below ``folder``, by the classes that they make.

    Raises:
        InputError: if there is none, or two make the same class.
        SerkitError: if a card cannot be read.
    """
    found: dict[str, Path] = {}
    for card in sorted(folder.rglob(_CARD)):
        for label in _labels(card):
            if label in found:
                raise InputError(
                    f"{found[label]} and {card.parent} both make {label}; "
                    "valid is one for each class"
                )
            found[label] = card.parent
    if not found:
        raise InputError(f"there is no generator below {folder}")
    return found


def _labels(card: Path) -> Sequence[str]:
    try:
        return read_json(card)["labels"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SerkitError(f"{card} cannot be read: {error}") from error
