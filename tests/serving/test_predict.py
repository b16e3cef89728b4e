import shutil

import pytest

from serkit.errors import InputError
from serkit.serving.predict import Predictor


@pytest.fixture(scope="module")
def predictor(exported):
    return Predictor(exported[1])


@pytest.fixture
def files(recordings_in_memory, tmp_path):
    for number, content in enumerate(recordings_in_memory):
        (tmp_path / f"{number}.wav").write_bytes(content)
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    names = ["0.wav", "bad.wav", "1.wav", "missing.wav", "2.wav"]
    return [tmp_path / name for name in names]


def test_good_files_get_probabilities_and_bad_ones_a_reason(predictor, files):
    found = list(predictor.predict(files))
    assert [prediction.file for prediction in found] == [str(file) for file in files]
    assert [bool(prediction.problem) for prediction in found] == [False, True, False, True, False]
    assert "not a WAV file" in found[1].problem
    assert found[3].problem == "no such file or directory"
    for prediction in (found[0], found[2], found[4]):
        assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert prediction.label == max(prediction.probabilities, key=prediction.probabilities.get)


def test_more_files_than_a_batch_keep_their_order(predictor, files):
    many = files * 8
    assert [prediction.file for prediction in predictor.predict(many)] == [str(f) for f in many]


def test_newest_version_or_the_one_named(exported, tmp_path):
    _, folder = exported
    assert Predictor(folder).path == folder / "1"
    assert Predictor(folder / "1").path == folder / "1"


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        Predictor(tmp_path / "gone")
    with pytest.raises(InputError, match="is not a model exported by serkit"):
        Predictor(tmp_path)


def test_a_damaged_model_is_refused(exported, tmp_path):
    shutil.copytree(exported[1] / "1", tmp_path / "1")
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"torn")
    with pytest.raises(InputError, match="cannot be loaded"):
        Predictor(tmp_path)
