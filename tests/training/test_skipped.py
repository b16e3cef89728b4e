import logging
import os

import pytest
import tensorflow as tf

from serkit.datasets.corpus import Corpus
from serkit.training.recordings import Skipped


def test_every_file_is_logged_and_counted_once(caplog):
    skipped = Skipped()
    for _ in range(3):
        skipped.add("a.wav", "is torn")
    skipped.add("b.wav", "is empty")
    assert len(skipped) == 2
    assert skipped.files == {"a.wav": "is torn", "b.wav": "is empty"}
    assert [record.getMessage() for record in caplog.records] == [
        "skipped a.wav: is torn",
        "skipped b.wav: is empty",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_in_a_graph_good_files_pass_and_bad_ones_are_added():
    skipped = Skipped()
    paths = tf.constant(["ü.wav", "b.wav", "c.wav"])
    status = tf.constant(["", "bad", ""])
    for _ in range(2):
        dataset = tf.data.Dataset.from_tensor_slices((paths, status)).filter(skipped.is_usable)
        assert [path.numpy().decode() for path, _ in dataset] == ["ü.wav", "c.wav"]
    assert skipped.files == {"b.wav": "bad"}


def test_files_that_are_not_there_or_may_not_be_read_are_found(tmp_path):
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).touch()
    skipped = Skipped()
    names = [str(tmp_path / name) for name in ("a.wav", "gone.wav", "b.wav")]
    assert skipped.readable([*names, str(tmp_path)]) == [0, 2]
    assert skipped.files == {names[1]: "is not there", str(tmp_path): "cannot be opened"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_found(tmp_path):
    (tmp_path / "a.wav").touch(mode=0)
    assert Skipped().readable([str(tmp_path / "a.wav")]) == []


def test_the_rest_of_a_corpus(synthetic_corpus):
    skipped = Skipped()
    skipped.add(synthetic_corpus.files()[1], "is torn")
    clips = synthetic_corpus.clips
    assert skipped.remaining(synthetic_corpus) == Corpus(
        (clips[0], *clips[2:]), synthetic_corpus.roots
    )
