import shutil

import numpy as np
import pytest

from serkit.errors import InputError
from serkit.export.versions import DETAILS_FILE, find_version
from serkit.files import write_json
from serkit.serving.local import ExportedModel


@pytest.fixture(scope="module")
def predictor(contract_model):
    return ExportedModel(contract_model)


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
    assert "not a WAV, FLAC" in found[1].problem
    assert found[3].problem == "no such file or directory"
    for prediction in (found[0], found[2], found[4]):
        assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert prediction.label == max(prediction.probabilities, key=prediction.probabilities.get)


def test_one_file_or_waveform_gets_one_prediction(predictor, files):
    first = predictor.predict(files[0])
    assert first == predictor.predict(str(files[0])) == next(predictor.predict(files[:1]))
    assert predictor.predict(files[1]).problem
    waveform = np.sin(np.arange(16_000) / 9).astype("float32")
    from_array = predictor.predict(waveform)
    assert sum(from_array.probabilities.values()) == pytest.approx(1, abs=1e-5)
    with pytest.raises(InputError, match="`recordings`"):
        predictor.predict(waveform[np.newaxis])
    with pytest.raises(InputError, match="`recordings`"):
        predictor.predict(waveform, samples=2)
    with pytest.raises(InputError, match=r"`recordings` must have floats.*an array of int16"):
        predictor.predict((32767 * waveform).astype("int16"))
    with pytest.raises(InputError, match=r"`recordings` must be a path.*Received: 3\."):
        predictor.predict(3)


def test_bytes_and_folders_are_answered_with_the_method_that_takes_them(predictor, files):
    with pytest.raises(InputError, match="`predict_wav`"):
        predictor.predict(files[0].read_bytes())
    assert "`predict_folder`" in predictor.predict(files[0].parent).problem


def test_a_model_describes_itself(predictor, contract_model):
    assert predictor.sample_rate == 16_000
    assert repr(predictor) == (
        f"ExportedModel({contract_model.name}, version 1: {', '.join(predictor.classes)})"
    )


def test_a_folder_is_predicted_in_the_order_of_its_paths(predictor, files):
    found = list(predictor.predict_folder(files[0].parent))
    assert [prediction.file for prediction in found] == sorted(
        str(file) for file in files if file.exists()
    )
    with pytest.raises(InputError, match="`folder`"):
        predictor.predict_folder(files[0])


def test_waveforms_in_memory_are_predicted_like_files(predictor, files):
    usable = [files[0], files[2]]
    contents = [file.read_bytes() for file in usable]
    for from_bytes, from_file in zip(
        predictor.predict_wav(contents), predictor.predict(usable), strict=True
    ):
        assert from_bytes.probabilities == from_file.probabilities


def test_more_files_than_a_batch_keep_their_order(predictor, files):
    many = files * 8
    assert [prediction.file for prediction in predictor.predict(many)] == [str(f) for f in many]


def test_newest_version_or_the_one_named(predictor, contract_model):
    assert predictor.path == contract_model / "1"
    assert find_version(contract_model / "1") == contract_model / "1"


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        ExportedModel(tmp_path / "gone")
    with pytest.raises(InputError, match="not a model exported"):
        ExportedModel(tmp_path)


def test_a_damaged_model_is_refused(contract_model, tmp_path):
    shutil.copytree(contract_model / "1", tmp_path / "1")
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"torn")
    with pytest.raises(InputError, match="cannot be loaded"):
        ExportedModel(tmp_path)


def test_all_that_the_model_tells(predictor, files):
    found = next(predictor.predict(files))
    values = np.array(list(found.probabilities.values()))
    assert found.entropy == pytest.approx(-(values * np.log(values)).sum(), abs=1e-6)
    assert 0 < found.mutual_information < found.entropy
    assert found.abstain is (found.entropy > 0.9)


def test_as_often_as_is_asked_for(predictor, files):
    usual, often, again = (next(predictor.predict(files, n)) for n in (None, 40, 40))
    assert often == again != usual
    with pytest.raises(InputError, match=r"samples.*0"):
        next(predictor.predict(files, 0))


def test_a_model_that_does_not_draw(plain_contract_model, files):
    with pytest.raises(InputError, match=r"`samples` must not be given.*9"):
        next(ExportedModel(plain_contract_model).predict(files, 9))


def test_a_model_of_an_older_serkit(tmp_path):
    import tensorflow as tf

    module = tf.Module()
    module.serve = tf.function(lambda wav_bytes: {"label": wav_bytes, "status": wav_bytes})
    text = tf.TensorSpec([None], tf.string, name="wav_bytes")
    tf.saved_model.save(module, str(tmp_path), module.serve.get_concrete_function(text))
    write_json(tmp_path / DETAILS_FILE, {"classes": ["sad"], "spec": {}})
    with pytest.raises(InputError, match="abstain, entropy"):
        ExportedModel(tmp_path)
