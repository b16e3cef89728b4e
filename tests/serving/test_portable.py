"""Conversion to ONNX and LiteRT: the files give the probabilities of the exported model."""

import json
import re
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from serkit.audio.decoding import Decoded
from serkit.audio.loading import load_segments, trim_silence
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.cli.main import main
from serkit.errors import InputError
from serkit.export import portable
from serkit.export.exportable_model import ExportableModel, PredictionSettings
from serkit.export.portable import convert_model
from serkit.export.saved_model import export_model
from serkit.models.compact import CompactSettings, compact
from serkit.models.speech_features import SpeechFeatures
from serkit.models.whisper import WhisperSettings, whisper_encoder

RATE = 16_000
CLASSES = ("angry", "happy", "sad")


def _sound(seconds: float, *, silent_ends: bool = True) -> np.ndarray:
    """Noise with a slow rise and fall, and near silence for a fifth of the length at each end."""
    rng = np.random.default_rng(int(1000 * seconds))
    wave = rng.uniform(-0.5, 0.5, int(RATE * seconds)) * np.hanning(int(RATE * seconds))
    if silent_ends:
        wave[: len(wave) // 5] *= 1e-4
        wave[-len(wave) // 5 :] *= 1e-4
    return wave.astype(np.float32)


# A segment of a model of spectrograms has 1.1 seconds, and trimming leaves 0.6 of the length.
SOUNDS = [_sound(seconds) for seconds in (0.02, 0.7, 1.0, 1.9, 2.0, 3.0, 9.3)]
SOUNDS += [_sound(1.0, silent_ends=False), np.zeros(RATE, np.float32), np.ones(1, np.float32)]


@pytest.fixture(scope="module", params=["trimmed", "ensemble", "speech"])
def version(request, tmp_path_factory):
    """Folder of an exported model."""
    keras.utils.set_random_seed(1)
    trim_db = 0.0 if request.param == "ensemble" else 30.0
    spec = SpectrogramSpec(frames=64, bins=32, window=512, trim_db=trim_db)
    small = CompactSettings(pool=(1, 1), channels=(4, 8))
    networks = [compact(3, spec.shape, small, seed) for seed in (1, 2)]
    networks = networks if request.param == "ensemble" else networks[:1]
    if request.param == "speech":
        spec = SpeechFeatures(whisper_encoder(WhisperSettings(depth=2, width=64)))
        networks = [keras.Sequential([keras.Input(spec.shape), keras.layers.Dense(3)])]
    for network in networks:
        # So that the probabilities differ between recordings.
        network.layers[-1].kernel.assign(4 * network.layers[-1].kernel)
    model = ExportableModel(networks, spec, CLASSES, PredictionSettings(1.5, threshold=0.8))
    return export_model(model, tmp_path_factory.mktemp(request.param) / "mine")


def _expected(version) -> list[np.ndarray]:
    signature = tf.saved_model.load(str(version)).signatures["waveform"]
    return [signature(waveform=wave[np.newaxis])["probabilities"][0].numpy() for wave in SOUNDS]


def _predict(file) -> list[np.ndarray]:
    if file.suffix == ".onnx":
        runtime = pytest.importorskip("onnxruntime")
        session = runtime.InferenceSession(str(file))
        return [session.run(["probabilities"], {"waveform": wave})[0] for wave in SOUNDS]
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(str(file))
    run = interpreter.get_signature_runner()
    return [run(waveform=wave)["probabilities"] for wave in SOUNDS]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["onnx", "litert"])
def test_a_converted_model_gives_the_same_probabilities(version, form, tmp_path):
    if form == "onnx":
        pytest.importorskip("tf2onnx")
    file = convert_model(version, tmp_path / "mine", form)
    expected = np.stack(_expected(version))
    np.testing.assert_allclose(np.stack(_predict(file)), expected, atol=1e-4)
    assert np.ptp(expected, axis=0).max() > 0.05
    facts = json.loads(file.with_suffix(".json").read_text())
    assert facts == {"classes": list(CLASSES), "sample_rate": RATE, "threshold": 0.8}
    # The matrices of the Fourier transform, 640 kB of the encoder's, are not in the file.
    weights = sum(path.stat().st_size for path in (version / "variables").iterdir())
    assert file.stat().st_size < weights + 250_000


@pytest.mark.slow
def test_weights_of_8_bits_take_less_space_and_keep_the_spectrogram(tmp_path):
    """Fourier transform and bands are not in 8 bits, so that the probabilities change little."""
    spec = SpectrogramSpec(frames=64, bins=32)
    network = compact(3, spec.shape, CompactSettings(pool=(2, 2), channels=(24, 48, 96)), seed=1)
    model = ExportableModel([network], spec, CLASSES)
    version = export_model(model, tmp_path / "mine")
    expected = np.stack(_expected(version))
    whole = convert_model(version, tmp_path / "whole", "litert")
    small = convert_model(version, tmp_path / "small", "litert", int8=True)
    assert small.stat().st_size < 0.7 * whole.stat().st_size
    np.testing.assert_allclose(np.stack(_predict(small)), expected, atol=0.02)


def test_segments_and_trimming_are_those_of_the_exported_model():
    spec = SpectrogramSpec(frames=64, bins=32)
    for wave in SOUNDS:
        decoded = Decoded(*map(tf.constant, (wave, RATE, "", "")))
        expected = load_segments(tf.constant(""), spec, lambda _, decoded=decoded: decoded)
        padded, starts = portable._segments(tf.constant(wave), spec.samples, 10**7)
        found = portable._slices(padded, starts, spec.samples)
        np.testing.assert_array_equal(found, expected.waveform)
        trimmed = portable._trim(tf.constant(wave), 30.0)
        np.testing.assert_array_equal(trimmed, trim_silence(tf.constant(wave), 30.0))


def test_the_command_converts_an_exported_model(exported, tmp_path, capsys):
    _, folder = exported
    assert main(["export", str(folder), "--format", "litert", "--out", str(tmp_path / "x")]) == 0
    assert (tmp_path / "x.tflite").exists()
    assert f"{tmp_path / 'x.tflite'}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--int8"], "--int8 must not be given without --format"),
        (["--format", "onnx", "--arm", "none"], "--arm must not be given with --format"),
        (["--format", "tflite"], "for tflite, did you mean|invalid choice: 'tflite'"),
    ],
)
def test_options_that_do_not_fit_are_refused(exported, options, message, tmp_path, capsys):
    try:
        status = main(["export", str(exported[1]), "--out", str(tmp_path / "x"), *options])
    except SystemExit as error:
        status = error.code
    assert status == 2
    assert re.search(message, capsys.readouterr().err)
    assert not list(tmp_path.iterdir())


def test_a_model_that_cannot_be_converted_is_refused(bayesian_export, tmp_path):
    with pytest.raises(InputError, match="draws random numbers"):
        convert_model(bayesian_export, tmp_path / "x", "litert")
    with pytest.raises(InputError, match=r"form.*litert, onnx.*tflite"):
        convert_model(bayesian_export, tmp_path / "x", "tflite")


def test_an_operation_that_onnx_has_not_is_an_error(tmp_path, monkeypatch):
    pytest.importorskip("tf2onnx")
    monkeypatch.setattr(tf, "cos", tf.math.bessel_i0)
    spec = SpectrogramSpec(frames=64, bins=32)
    network = compact(3, spec.shape, CompactSettings(pool=(1, 1), channels=(4, 8)))
    version = export_model(ExportableModel([network], spec, CLASSES), tmp_path / "mine")
    with pytest.raises(InputError, match=r"cannot be converted to ONNX.*Bessel"):
        convert_model(version, tmp_path / "x", "onnx")
    assert not list(tmp_path.glob("x.*"))


def test_a_missing_package_is_named(exported, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx.convert", None)
    with pytest.raises(InputError, match=r"tf2onnx is not installed; pip install 'serkit\[onnx\]'"):
        convert_model(exported[1], tmp_path / "x", "onnx")
    assert not list(tmp_path.iterdir())
