import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from serkit.audio.loading import load_waveform, split_into_segments
from serkit.audio.spectrogram import SpectrogramSpec, to_spectrogram
from serkit.errors import InputError
from serkit.export.exportable_model import ExportableModel
from serkit.export.saved_model import export_model
from serkit.export.versions import DETAILS_FILE, versions
from serkit.files import read_json
from serkit.models.compact import CompactSettings, compact
from serkit.training.spectrograms import spectrogram_dataset

SPEC = SpectrogramSpec()


@pytest.fixture(scope="module")
def serve(loaded):
    return lambda contents: loaded["serving_default"](wav_bytes=tf.constant(contents))


def test_equals_the_keras_model(exported, serve, recordings_in_memory):
    model, _ = exported
    outputs = serve(recordings_in_memory)
    waves = tf.stack([load_waveform(data, SPEC).waveform for data in recordings_in_memory])
    expected = tf.nn.softmax(model(to_spectrogram(waves, SPEC), training=False))
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-6)
    names = np.array([b"angry", b"happy", b"sad"])
    np.testing.assert_array_equal(outputs["label"], names[np.argmax(expected, axis=1)])


def test_kind_and_rate_are_those_of_training_and_versions_count_up(recordings_in_memory, tmp_path):
    (tmp_path / "m" / "7").mkdir(parents=True)
    (tmp_path / "m" / "notes").mkdir()
    spec = SpectrogramSpec.at_rate(22_050, "log")
    model = compact(3, spec.shape, CompactSettings(channels=(4, 8)), seed=1)
    written = export_model(ExportableModel([model], spec, ("a", "b", "c")), tmp_path / "m")
    assert written == tmp_path / "m" / "8"
    assert list(versions(tmp_path / "m")) == [7, 8]
    assert list((tmp_path / "m" / "7").iterdir()) == []
    files = []
    for number, data in enumerate(recordings_in_memory):
        files.append(str(tmp_path / f"{number}.wav"))
        Path(files[-1]).write_bytes(data)
    ((_, pictures),) = spectrogram_dataset(files, spec)
    expected = tf.nn.softmax(model(pictures, training=False))
    loaded = tf.saved_model.load(str(written))
    outputs = loaded.signatures["serving_default"](wav_bytes=tf.constant(recordings_in_memory))
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-6)
    assert read_json(written / DETAILS_FILE)["spec"] == asdict(spec)


def test_a_bad_file_fails_alone(serve, recordings_in_memory):
    good, *_ = recordings_in_memory
    outputs = serve([b"<html>", good, b""])
    status = [text.decode() for text in outputs["status"].numpy()]
    assert status[1] == ""
    assert all("not a WAV file" in status[n] for n in (0, 2))
    sums = outputs["probabilities"].numpy().sum(axis=1)
    np.testing.assert_allclose(sums, [0, 1, 0], atol=1e-6)
    assert outputs["label"].numpy()[0] == b""
    np.testing.assert_allclose(
        outputs["probabilities"][1], serve([good])["probabilities"][0], atol=1e-6
    )


def test_long_recordings_are_heard_in_segments_whose_logits_are_averaged(
    exported, serve, recordings_in_memory, wav_bytes, rng
):
    model, _ = exported
    # Enough for more than one pass through the network.
    waves = [rng.uniform(-0.5, 0.5, samples).astype("float32") for samples in (200_000, 1_300_000)]
    data = [wav_bytes(wave, subtype="FLOAT") for wave in waves]
    outputs = serve([data[0], recordings_in_memory[0], b"bad", data[1]])
    for wave, row in zip(waves, (0, 3), strict=True):
        heard = split_into_segments(tf.constant(wave), SPEC.samples)
        logits = model(to_spectrogram(heard, SPEC), training=False)
        expected = tf.nn.softmax(tf.reduce_mean(logits, axis=0))
        np.testing.assert_allclose(outputs["probabilities"][row], expected, atol=1e-6)
    alone = serve([recordings_in_memory[0]])["probabilities"][0]
    np.testing.assert_allclose(outputs["probabilities"][1], alone, atol=1e-6)
    assert [bool(text) for text in outputs["status"].numpy()] == [False, False, True, False]
    # The segments of the last recording are more than a batch: its logits are computed alone.
    np.testing.assert_array_equal(serve([data[1]])["probabilities"][0], outputs["probabilities"][3])


def test_a_header_that_lies_is_noted(serve, recordings_in_memory):
    lying = bytearray(recordings_in_memory[0])
    lying[40:44] = b"\0" * 4
    outputs = serve([bytes(lying), recordings_in_memory[0]])
    assert b"right length" in outputs["note"].numpy()[0]
    assert outputs["note"].numpy()[1] == b""
    np.testing.assert_array_equal(outputs["probabilities"][0], outputs["probabilities"][1])


@pytest.mark.slow
def test_tensorflows_own_command_runs_it_without_serkit(
    exported, serve, recordings_in_memory, tmp_path
):
    np.save(tmp_path / "files.npy", np.array(recordings_in_memory[:1]))
    code = (
        "import sys; sys.modules['serkit'] = None;"
        "from tensorflow.python.tools.saved_model_cli import main; main()"
    )
    model = ["--dir", str(exported[1] / "1"), "--tag_set", "serve"]
    inputs = ["--signature_def", "serving_default", "--inputs", f"wav_bytes={tmp_path}/files.npy"]
    command = [sys.executable, "-c", code, "run", *model, *inputs, "--outdir", str(tmp_path)]
    subprocess.run(command, capture_output=True, check=True, cwd=tmp_path)
    expected = serve(recordings_in_memory[:1])
    label = np.load(tmp_path / "label.npy", allow_pickle=True)
    np.testing.assert_array_equal(label, expected["label"])
    np.testing.assert_allclose(
        np.load(tmp_path / "probabilities.npy"), expected["probabilities"], atol=1e-6
    )


def test_what_is_known_lies_beside_the_graph(exported):
    extra = exported[1] / "1" / "assets.extra"
    assert (extra / "labels.txt").read_text() == "angry\nhappy\nsad\n"
    assert (extra / "model-card.md").read_text().startswith("# tiny, version 1\n")
    assert not list(exported[1].glob(".partial-*"))


def test_details_say_what_the_model_is(exported):
    _, folder = exported
    details = read_json(folder / "1" / DETAILS_FILE)
    assert details["classes"] == ["angry", "happy", "sad"]
    assert details["spec"]["bins"] == 224
    assert details["run"] == "test"


def test_graph_holds_plain_tensorflow_ops_only(exported):
    _, folder = exported
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    proto = SavedModel.FromString((folder / "1" / "saved_model.pb").read_bytes())
    graph = proto.meta_graphs[0].graph_def
    used = {node.op for node in graph.node}
    used |= {node.op for function in graph.library.function for node in function.node_def}
    assert not {op for op in used if op.startswith("IO>") or "PyFunc" in op}


def test_what_signatures_share_is_in_the_graph_once(tmp_path):
    """A server holds the graph in memory, and reads it before the first answer."""
    model = ExportableModel([compact(14, SPEC.shape)], SPEC, [str(number) for number in range(14)])
    graph = export_model(model, tmp_path / "m") / "saved_model.pb"
    assert graph.stat().st_size < 1_000_000


def test_wrong_number_of_classes_is_refused(exported):
    model, _ = exported
    with pytest.raises(InputError, match=r"`classes`.*3 outputs.*2"):
        ExportableModel([model], SPEC, ("a", "b"))
