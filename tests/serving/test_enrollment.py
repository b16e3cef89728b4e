"""Enrollment with an exported model: in Python, by its signatures, and on the command line."""

import json

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from scipy.special import softmax

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.cli.main import main
from serkit.errors import InputError
from serkit.export import signatures
from serkit.export.exportable_model import Enrollment, ExportableModel, PredictionSettings
from serkit.models.compact import CompactSettings, compact
from serkit.models.speaker_adaptive import UNKNOWN
from serkit.serving.local import load_model
from serkit.serving.server.loaded import load_version, warm_up

TEMPERATURE = 0.5


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Recordings of one second."""
    folder, rng = tmp_path_factory.mktemp("voice"), np.random.default_rng(0)
    for number in range(4):
        tone = np.sin(np.arange(16_000) * (0.02 + 0.03 * number)) + rng.normal(0, 0.1, 16_000)
        soundfile.write(folder / f"{number}.wav", tone / 4, 16_000)
    return sorted(folder.glob("*.wav"))


def _features(spec, files) -> np.ndarray:
    return np.stack([spec.load(tf.io.read_file(str(file))).waveform for file in files])


@pytest.mark.parametrize(("label", "number"), [(None, UNKNOWN), ("neutral", 1)])
def test_the_exported_model_adapts_as_the_classifier_does(
    adaptive_version, adaptive_classifier, small_encoder, files, label, number
):
    model = load_model(adaptive_version)
    speaker = model.enroll(files[:3], label)
    features = _features(small_encoder, files)
    expected = adaptive_classifier.enroll(features[:3], np.full(3, number))
    np.testing.assert_allclose(speaker, expected, rtol=1e-4, atol=1e-4)
    prediction = model.predict(files[3], speaker=speaker)
    probabilities = softmax(adaptive_classifier(features[3:], expected)[0].numpy() / TEMPERATURE)
    np.testing.assert_allclose(list(prediction.probabilities.values()), probabilities, atol=1e-4)
    assert prediction.abstain == (prediction.entropy > 0.7)
    assert list(model.predict(files[3:], speaker=speaker)) == [prediction]
    # One recording needs no list.
    np.testing.assert_array_equal(model.enroll(files[0]), model.enroll([files[0]]))


def test_an_unusable_recording_does_not_change_the_others(adaptive_version, files):
    enroll = load_version(1, adaptive_version).signatures[signatures.ENROLL]
    contents = [file.read_bytes() for file in files[:3]]
    rows = enroll.run(_enroll_inputs([*contents, b"no sound"]))
    alone = enroll.run(_enroll_inputs(contents))
    assert rows["status"].tolist()[:3] == [b""] * 3
    assert rows["status"][3] != b""
    np.testing.assert_allclose(rows["speaker"][0], alone["speaker"][0], rtol=1e-5, atol=1e-6)
    assert len(rows["speaker"]) == 4
    assert (rows["speaker"] == rows["speaker"][0]).all()


def _enroll_inputs(contents) -> dict[str, np.ndarray]:
    numbers = np.full(len(contents), UNKNOWN, np.int32)
    return {"wav_bytes": np.array(contents, object), "class_number": numbers}


def test_a_server_warms_both_signatures_up(adaptive_version):
    loaded = load_version(1, adaptive_version)
    names = {signatures.ENROLL, signatures.ENROLLED}
    assert names <= loaded.signatures.keys()
    used = []
    for name in names:
        signature = loaded.signatures[name]
        run = signature.run
        signature.run = lambda tensors, name=name, run=run: used.append(name) or run(tensors)
    assert warm_up(loaded) > 2
    assert set(used) == names


def test_what_cannot_be_used_is_named(adaptive_version, files, exported, tmp_path):
    model = load_model(adaptive_version)
    with pytest.raises(InputError, match=r"missing\.wav cannot be used for enrollment: no such"):
        model.enroll([*files, tmp_path / "missing.wav"])
    with pytest.raises(InputError, match=r"`recordings`.*none"):
        model.enroll([])
    with pytest.raises(InputError, match=r"`label`.*'happy'"):
        model.enroll(files, "happy")
    with pytest.raises(InputError, match=r"`speaker`.*\(9,\).*\(3,\)"):
        model.predict(files[0], speaker=np.zeros(3))
    with pytest.raises(InputError, match=r"`speaker`.*finite"):
        model.predict(files[0], speaker=np.full(9, np.nan))
    with pytest.raises(InputError, match="speaker"):
        model.predict(np.zeros(16_000, np.float32), speaker=model.enroll(files))
    with pytest.raises(InputError, match="cannot adapt"):
        load_model(exported[1]).enroll(files)
    with pytest.raises(InputError, match="cannot adapt"):
        load_model(exported[1]).predict(files[0], speaker=np.zeros(9))


def test_a_model_of_spectrograms_has_no_enrollment(adaptive_classifier):
    spec = SpectrogramSpec(frames=32, bins=32)
    network = compact(3, spec.shape, CompactSettings(pool=(1, 1), channels=(4, 8)))
    with pytest.raises(InputError, match="`enrollment`"):
        ExportableModel(
            [network],
            spec,
            ("angry", "neutral", "sad"),
            enrollment=Enrollment(adaptive_classifier, PredictionSettings()),
        )


@pytest.mark.parametrize("option", ["--enroll", "--enroll-neutral"])
def test_predict_adapts_to_the_speaker(option, adaptive_version, files, capsys):
    model = load_model(adaptive_version)
    speaker = model.enroll(files[:3], "neutral" if option == "--enroll-neutral" else None)
    expected = model.predict(files[3], speaker=speaker)
    call = ["predict", str(adaptive_version), str(files[3]), "--json", option, *map(str, files[:3])]
    assert main(call) == 0
    printed = capsys.readouterr()
    assert "adapted to the speaker of 3 recordings" in printed.err
    found = json.loads(printed.out)
    # The command does not optimise the graph, so the last bits may differ.
    assert found["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)
    assert found["probabilities"] != pytest.approx(model.predict(files[3]).probabilities, abs=1e-3)


def test_a_folder_without_recordings_is_an_error(adaptive_version, files, tmp_path, capsys):
    call = ["predict", str(adaptive_version), str(files[0]), "--enroll", str(tmp_path)]
    assert main([*call, str(files[1])]) == 2
    assert f"for enrollment, {tmp_path}" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["http://127.0.0.1:1/v1/models/m", "saved --engine ray"])
def test_predict_says_where_enrollment_is_possible(model, files, capsys):
    assert main(["predict", *model.split(), str(files[0]), "--enroll", str(files[1])]) == 2
    assert "--enroll needs the folder of a model" in capsys.readouterr().err
