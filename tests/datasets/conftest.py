"""The complete official file lists, by rule, and ways to make small corpora of noise."""

import itertools
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

# Tillman & Carhart (1966), Northwestern University Auditory Test No. 6, lists 1 to 4.
_NU6 = re.findall(
    r"\w+",
    """
    laud boat pool nag limb shout sub vine dime goose whip tough puff keen death sell take fall
    raise third gap fat met jar door love sure knock choice hash lot raid hurl moon page yes reach
    king home rag which week size mode bean tip chalk jail burn kite pick room nice said fail south
    white keep dead loaf dab numb juice chief merge wag rain witch soap young ton keg calm tool pike
    mill hush shack read rot hate live book voice gaze pad thought bought turn chair lore bite haze
    match learn shawl deep gin goal far bar base beg cab cause chat cheek cool date ditch dodge five
    germ good gun half hire hit jug late lid life luck mess mop mouse name note pain pearl phone
    pole rat ring road rush search seize shall sheep soup talk team tell thin void walk when wire
    youth back bath bone came chain check dip dog doll fit food gas get hall have hole join judge
    kick kill lean lease long lose make mob mood near neat pass peg perch red ripe rose rough sail
    shirt should sour such tape thumb time tire vote wash wheat wife yearn
    """,
)
# What the rule gives and the official repository does not have.
_NOT_IN_CREMAD = {
    *(("1002", "TIE", "NEU"), ("1076", "ITS", "NEU")),
    *itertools.product(("1008",), ("WSI",), ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")),
    *itertools.product(("1009",), ("MTI",), ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")),
    *itertools.product(("1019",), ("ITH",), ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")),
}


def _ravdess():
    for actor, emotion, level, sentence, take in itertools.product(
        range(1, 25), range(1, 9), (1, 2), (1, 2), (1, 2)
    ):
        if (emotion, level) != (1, 2):
            name = f"03-01-{emotion:02}-{level:02}-{sentence:02}-{take:02}-{actor:02}.wav"
            yield f"Actor_{actor:02}/{name}"


def _tess():
    folders = {"ps": ("Pleasant_surprise", "pleasant_surprised"), "fear": ("Fear", "fear")}
    folders |= {"sad": ("Sad", "sad")}
    for (number, speaker), word, emotion in itertools.product(
        enumerate(("OAF", "YAF")),
        _NU6,
        ("angry", "disgust", "fear", "happy", "neutral", "ps", "sad"),
    ):
        folder = folders.get(emotion, (emotion, emotion))[number]
        # As it is in the archive, a letter short.
        short = (speaker, word, emotion) == ("OAF", "bite", "neutral")
        yield f"{speaker}_{folder}/{'OA' if short else speaker}_{word}_{emotion}.wav"


def _savee():
    for speaker, code in itertools.product(
        ("DC", "JE", "JK", "KL"), ("a", "d", "f", "h", "n", "sa", "su")
    ):
        for number in range(1, 31 if code == "n" else 16):
            yield f"{speaker}/{code}{number:02}.wav"


def _cremad():
    sentences = re.findall(r"\w+", "IEO TIE IOM IWW TAI MTI IWL ITH DFA ITS TSI WSI")
    for actor, sentence, emotion in itertools.product(
        map(str, range(1001, 1092)), sentences, ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
    ):
        if (actor, sentence, emotion) in _NOT_IN_CREMAD:
            continue
        levels = ("LO", "MD", "HI") if sentence == "IEO" and emotion != "NEU" else ("XX",)
        for level in levels:
            # In older copies one name has a single X.
            if (actor, sentence, emotion) == ("1040", "ITH", "SAD"):
                level = "X"
            yield f"AudioWAV/{actor}_{sentence}_{emotion}_{level}.wav"


@pytest.fixture(scope="session")
def official_names() -> Mapping[str, list[str]]:
    """Every recording of the four official sets, as its archive lays them out."""
    lists = {"ravdess": _ravdess, "tess": _tess, "savee": _savee, "crema-d": _cremad}
    return {name: list(make()) for name, make in lists.items()}


@pytest.fixture
def noise() -> Callable[..., np.ndarray]:
    """Half a second of quiet noise, another one with every call: ``noise(seconds, rate)``."""
    rng = np.random.default_rng(1)

    def make(seconds: float = 0.5, rate: int = 16_000, channels: int = 1) -> np.ndarray:
        samples = rng.normal(0, 0.1, (round(seconds * rate), channels))
        return samples.clip(-0.9, 0.9).astype("float32").squeeze()

    return make


@pytest.fixture
def plant(tmp_path, noise, wav_bytes) -> Callable[..., Path]:
    """Writes files below a folder: ``plant({"a.wav": None, …})``; None is noise of its own."""

    def write(files: Mapping[str, bytes | None], folder: str = "corpus") -> Path:
        for name, content in files.items():
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(wav_bytes(noise()) if content is None else content)
        return tmp_path / folder

    return write
