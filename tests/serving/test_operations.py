from pathlib import Path

import pytest
import tensorflow as tf

import serkit
from serkit.errors import InputError
from serkit.export.operations import check_operations
from serkit.export.versions import DETAILS_FILE


class _Model(tf.Module):
    """A SavedModel whose signature does something to the path that it gets."""

    def __init__(self, work) -> None:
        self.scale = tf.Variable(2.0)
        self._work = work

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def answer(self, path):
        with tf.control_dependencies([tf.identity(self._work(path))]):
            return {"scale": tf.identity(self.scale)}


def _save(work, folder: Path) -> Path:
    model = _Model(work)
    tf.saved_model.save(model, str(folder), signatures={"serving_default": model.answer})
    return folder


def _write(path):
    tf.io.write_file(path, "x")
    return path


@tf.function
def _read_in_a_function(path):
    return tf.cond(tf.strings.length(path) > 2, lambda: tf.io.read_file(path), lambda: path)


def _read_in_a_dataset(path):
    return next(iter(tf.data.TextLineDataset(path)))


@pytest.mark.parametrize(
    ("work", "operation"),
    [
        (_write, "WriteFile"),
        (_read_in_a_function, "ReadFile"),
        (lambda path: tf.numpy_function(lambda x: x, [path], tf.string), "PyFunc"),
        (lambda path: tf.io.matching_files(path)[0], "MatchingFiles"),
        (
            lambda path: tf.raw_ops.RestoreV2(
                prefix=path, tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.string]
            )[0],
            "RestoreV2",
        ),
        (_read_in_a_dataset, "TextLineDataset"),
    ],
)
def test_files_and_python_code_are_refused(work, operation, tmp_path):
    with pytest.raises(InputError, match=rf"{operation}.*--trust"):
        check_operations(_save(work, tmp_path / "model"))


def test_variables_may_be_saved_and_restored(tmp_path):
    check_operations(_save(tf.strings.lower, tmp_path / "model"))


def test_a_model_of_serkit_is_loaded_and_another_one_is_not(contract_model, tmp_path):
    assert serkit.load_model(contract_model).classes
    model = _save(_write, tmp_path / "1")
    (model / "assets.extra").mkdir()
    (model / DETAILS_FILE).write_text("{}")
    with pytest.raises(InputError, match="WriteFile"):
        serkit.load_model(model)
    # It is read, and is no model of serkit.
    with pytest.raises(InputError, match=r"serkit\.json"):
        serkit.load_model(model, trust=True)


@pytest.mark.parametrize("content", [None, b"\xff" * 9])
def test_a_file_that_cannot_be_read_is_an_error(content, tmp_path):
    if content:
        (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(InputError, match="cannot be loaded"):
        check_operations(tmp_path)
