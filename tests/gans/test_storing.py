import hashlib
import re
from dataclasses import asdict, replace

import numpy as np
import pytest

from serkit.errors import InputError, SerkitError
from serkit.files import read_json, write_json
from serkit.gans import sampling as storing
from serkit.gans.sampling import (
    GeneratorCard,
    find_generators,
    load_generator,
    sample,
    store_generator,
)

CARD = GeneratorCard(("male_sad",), ("ann", "bob"), 12, "dcgan", {"frames": 4, "low_hz": 20.0})


@pytest.fixture
def generator(small_networks):
    """Makes generators of a few weights: ``generator(classes, seed)``."""
    return small_networks[0]


@pytest.mark.parametrize(("classes", "label"), [(0, None), (3, 2)])
def test_a_generator_from_disk_makes_the_same(generator, tmp_path, classes, label):
    network = generator(classes, seed=3)
    store_generator(network, CARD, tmp_path / "gans" / "x")
    loaded = load_generator(tmp_path / "gans" / "x").network
    made = sample(network, 5, 1, label)
    np.testing.assert_array_equal(sample(loaded, 5, 1, label), made)
    assert np.ptp(made) > 0.1


def test_the_card_comes_back_with_the_digest_of_the_networks_file(generator, tmp_path):
    store_generator(generator(), replace(CARD, sha256="of another"), tmp_path)
    (network,) = tmp_path.glob("*.keras")
    digest = hashlib.sha256(network.read_bytes()).hexdigest()
    assert load_generator(tmp_path).card == replace(CARD, sha256=digest)


def test_the_class_number_is_the_place_on_the_card(generator, tmp_path):
    several = replace(CARD, labels=("male_sad", "angry", "calm"))
    store_generator(generator(3), several, tmp_path)
    stored = load_generator(tmp_path)
    assert [stored.class_number(label) for label in several.labels] == [0, 1, 2]
    with pytest.raises(InputError, match="'sad'"):
        stored.class_number("sad")


def test_a_generator_of_one_class_has_no_class_number(generator, tmp_path):
    store_generator(generator(), CARD, tmp_path)
    stored = load_generator(tmp_path)
    assert stored.class_number("male_sad") is None
    with pytest.raises(InputError, match="'angry'"):
        stored.class_number("angry")


def test_a_network_that_is_not_the_cards_is_refused(generator, tmp_path):
    for seed, name in enumerate("ab"):
        store_generator(generator(seed=seed), CARD, tmp_path / name)
    path = tmp_path / "a" / "generator.keras"
    good = path.read_bytes()
    for other in (good + b"\0", good[:-1], (tmp_path / "b" / "generator.keras").read_bytes()):
        path.write_bytes(other)
        with pytest.raises(SerkitError, match=re.escape(str(path))):
            load_generator(tmp_path / "a")
    path.write_bytes(good)
    load_generator(tmp_path / "a")


@pytest.mark.parametrize("name", ["generator.keras", "generator.json"])
def test_a_missing_file_is_an_error(generator, tmp_path, name):
    store_generator(generator(), CARD, tmp_path / "x")
    (tmp_path / "x" / name).unlink()
    with pytest.raises(SerkitError, match=re.escape(str(tmp_path / "x"))):
        load_generator(tmp_path / "x")


def _without(name: str) -> dict:
    return {key: value for key, value in asdict(CARD).items() if key != name}


@pytest.mark.parametrize(
    "card", [[], 7, {}, _without("labels"), _without("clips"), asdict(CARD) | {"speakers": 5}]
)
def test_a_card_that_lacks_something_is_refused(generator, tmp_path, card):
    store_generator(generator(), CARD, tmp_path)
    write_json(tmp_path / "generator.json", card)
    with pytest.raises(SerkitError, match=re.escape(str(tmp_path))):
        load_generator(tmp_path)


@pytest.mark.parametrize("text", [b"", b'{"labels": ["sad"', b"\xff\xfe"])
def test_a_damaged_card_is_refused(generator, tmp_path, text):
    store_generator(generator(), CARD, tmp_path / "x")
    (tmp_path / "x" / "generator.json").write_bytes(text)
    with pytest.raises(SerkitError, match=re.escape(str(tmp_path))):
        load_generator(tmp_path / "x")
    with pytest.raises(SerkitError, match=r"generator\.json"):
        find_generators(tmp_path)


class _Killed(BaseException):
    pass


def _kill(*_):
    raise _Killed


def test_killed_before_the_card_there_is_no_new_network_under_an_old_card(
    generator, tmp_path, monkeypatch
):
    store_generator(generator(seed=0), CARD, tmp_path / "old")
    monkeypatch.setattr(storing, "write_json", _kill)
    for name in ("old", "new"):
        with pytest.raises(_Killed):
            store_generator(generator(seed=1), CARD, tmp_path / name)
        with pytest.raises(SerkitError):
            load_generator(tmp_path / name)
    assert find_generators(tmp_path) == {"male_sad": tmp_path / "old"}
    monkeypatch.undo()
    store_generator(generator(seed=1), CARD, tmp_path / "old")
    again = sample(load_generator(tmp_path / "old").network, 2, 1)
    np.testing.assert_array_equal(again, sample(generator(seed=1), 2, 1))


def test_killed_within_the_network_the_old_one_stays(generator, tmp_path):
    class Killed:
        def save(self, path):
            path.write_bytes(b"half")
            raise _Killed

    store_generator(generator(seed=0), CARD, tmp_path)
    with pytest.raises(_Killed):
        store_generator(Killed(), replace(CARD, clips=99), tmp_path)
    stored = load_generator(tmp_path)
    assert stored.card.clips == 12
    np.testing.assert_array_equal(sample(stored.network, 2, 1), sample(generator(seed=0), 2, 1))


def _card(folder, *labels: str) -> None:
    write_json(folder / "generator.json", asdict(CARD) | {"labels": labels})


def test_generators_are_found_by_their_classes(tmp_path):
    _card(tmp_path / "dcgan" / "sad", "male_sad")
    _card(tmp_path / "wgan", "male_calm", "angry")
    write_json(tmp_path / "other" / "card.json", {"labels": ["happy"]})
    assert find_generators(tmp_path) == {
        "male_sad": tmp_path / "dcgan" / "sad",
        "male_calm": tmp_path / "wgan",
        "angry": tmp_path / "wgan",
    }


def test_two_generators_of_one_class_are_refused(tmp_path):
    _card(tmp_path / "a", "sad", "calm")
    _card(tmp_path / "b", "angry", "calm")
    places = (re.escape(str(tmp_path / name)) for name in "ab")
    with pytest.raises(InputError, match="{}.*{}.*calm".format(*places)):
        find_generators(tmp_path)


def test_no_generator_is_an_error(tmp_path):
    for folder in (tmp_path, tmp_path / "gone"):
        with pytest.raises(InputError, match=re.escape(str(folder))):
            find_generators(folder)


def test_files_are_a_keras_model_and_json(generator, tmp_path):
    store_generator(generator(), CARD, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["generator.json", "generator.keras"]
    card = read_json(tmp_path / "generator.json")
    assert card["labels"] == ["male_sad"]
    assert card["spectrograms"] == {"frames": 4, "low_hz": 20.0}
