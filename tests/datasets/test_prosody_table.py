import pickle

import joblib
import numpy as np
import pandas as pd
import pytest

from serkit.datasets import prosody as module
from serkit.datasets.corpus import Clip, Corpus
from serkit.datasets.prosody import (
    MEASURES,
    PROSODY_HEADER,
    measure_corpus,
    summarise_prosody,
    write_prosody,
)

RATE = 16_000


@pytest.fixture
def corpus(plant, wav_bytes, rng) -> Corpus:
    """A high voice in two channels, a low one, noise, a file that is none, and one that is not."""
    times = np.arange(RATE) / RATE
    high, low = (0.2 * np.sin(2 * np.pi * f0 * times) for f0 in (250, 100))
    root = plant(
        {
            "high.wav": wav_bytes(np.stack([high, 0 * high], axis=1)),
            "low.wav": wav_bytes(low),
            "noise.wav": wav_bytes(rng.normal(0, 0.1, RATE)),
            "nan.wav": wav_bytes(np.full(RATE, np.nan), subtype="FLOAT"),
            "page.wav": b"<html>",
        }
    )
    names = ("high", "low", "noise", "nan", "page", "gone")
    clips = [
        Clip(f"{name}.wav", "c", f"c-{name}", "female" * (name == "high"), "sad", "sad", "r")
        for name in names
    ]
    return Corpus(tuple(clips), {"r": root})


def test_every_clip_has_a_row_with_numbers_or_the_reason_why_not(corpus, tmp_path):
    bars = []
    found = measure_corpus(corpus, lambda items, total: bars.append(total) or items)
    assert bars == [6]
    assert found["path"].tolist() == [clip.path for clip in corpus.clips]
    assert found["f0_hz"].tolist()[:2] == pytest.approx([250, 100], rel=0.01)
    # Half the amplitude, as the other channel is silent.
    assert found["level_db"].tolist()[:2] == pytest.approx([-23, -17], abs=0.1)
    assert found.loc[2, "voiced_fraction"] == 0
    assert found[list(MEASURES)][3:].isna().all(axis=None)
    problems = ["", "", "no frame is voiced", "`waveform` must hold", "a web page", "cannot be"]
    assert all(map(str.startswith, found["problem"], problems))
    assert (found["problem"] == "").tolist() == [True, True, *[False] * 4]
    write_prosody(tmp_path / "prosody.csv", found)
    assert (tmp_path / "prosody.csv").read_text("utf-8").splitlines()[0] == PROSODY_HEADER
    read = pd.read_csv(tmp_path / "prosody.csv", keep_default_na=False, na_values={"f0_hz": ""})
    assert read["f0_hz"].isna().sum() == 4


def test_several_workers_give_the_same_as_one(corpus, monkeypatch):
    """In threads; test_workers.py starts the processes, which need a function that they import."""
    assert pickle.loads(pickle.dumps(module._measure_file)) is module._measure_file
    one = measure_corpus(corpus)
    monkeypatch.setattr(module, "_MIN_FILES_FOR_PROCESSES", 1)
    monkeypatch.setattr(module, "_CHUNK_SIZE", 2)
    with joblib.parallel_config("threading"):
        pd.testing.assert_frame_equal(measure_corpus(corpus), one)


def test_quartiles_are_by_corpus_gender_and_class_and_problems_are_counted():
    rows = [
        ("a", "female", "sad", 200.0, ""),
        ("a", "female", "sad", 220.0, ""),
        ("a", "female", "angry", 300.0, ""),
        ("a", "male", "sad", np.nan, "no frame is voiced"),
        ("b", "", "sad", 100.0, ""),
    ]
    columns = ["corpus", "gender", "emotion", "f0_hz", "problem"]
    table = pd.DataFrame(rows, columns=columns)
    table[["level_db", "voiced_fraction", "syllables_per_second"]] = -20.0, 0.5, 4.0
    found = summarise_prosody(table, ("angry", "sad"))
    keys = [(group["corpus"], group["gender"], group["emotion"]) for group in found["groups"]]
    assert keys == [
        *(("a", "female", None), ("a", "female", "angry"), ("a", "female", "sad")),
        *(("a", "male", None), ("a", "male", "sad"), ("b", "", None), ("b", "", "sad")),
    ]
    assert [group["clips"] for group in found["groups"]] == [3, 1, 2, 1, 1, 1, 1]
    assert found["groups"][0]["f0_hz"] == [210.0, 220.0, 260.0]
    assert found["groups"][2]["f0_hz"] == [205.0, 210.0, 215.0]
    assert found["groups"][3]["f0_hz"] is None
    assert found["groups"][3]["level_db"] == [-20.0, -20.0, -20.0]
    assert found["problems"] == {"no frame is voiced": 1}
