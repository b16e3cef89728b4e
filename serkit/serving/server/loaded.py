"""A version of a model in memory, and calls of its signatures."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from serkit.errors import InputError
from serkit.files import read_json
from serkit.serving.server.refusal import Refusal
from serkit.serving.server.specs import SignatureSpec, Spec
from serkit.serving.versions import DETAILS


class Signature:
    """One of a loaded model's signatures.

    Attributes:
        name: as in requests.
        spec: what it takes and gives.
    """

    def __init__(self, name: str, spec: SignatureSpec, model: Any) -> None:
        self.name, self.spec, self._function = name, spec, model.signatures[name]
        # The function does not keep its model alive, which is the owner of the variables.
        self._model = model

    def run(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name, of inputs that the spec admits; strings are arrays of ``bytes``.

        Raises:
            Refusal: 400, if the model says that the input is to blame; 503, if memory ran out.
            tensorflow.errors.OpError: for everything else.
        """
        given = {
            name: tf.constant(tensors[name], tf.dtypes.as_dtype(spec.dtype))
            for name, spec in self.spec.inputs.items()
        }
        try:
            return {name: found.numpy() for name, found in self._function(**given).items()}
        except (
            tf.errors.InvalidArgumentError,
            tf.errors.OutOfRangeError,
            tf.errors.FailedPreconditionError,
        ) as error:
            raise Refusal(400, _reason(error)) from error
        except (tf.errors.ResourceExhaustedError, MemoryError) as error:
            raise Refusal(503, "not enough memory for this request") from error


@dataclass(frozen=True)
class LoadedVersion:
    """A version of a model.

    Attributes:
        number: its version.
        path: its folder.
        signatures: by name.
        metadata: its signatures as TF Serving shows them, as values for JSON.
        details: its ``assets.extra/serkit.json``; empty if it has none.
    """

    number: int
    path: Path
    signatures: Mapping[str, Signature]
    metadata: Mapping[str, Any]
    details: Mapping[str, Any]


def load_version(number: int, path: Path) -> LoadedVersion:
    """Load a SavedModel.

    Raises:
        InputError: if it is damaged, or has no signatures.
    """
    try:
        proto = SavedModel.FromString((path / "saved_model.pb").read_bytes())
        graphs = [graph for graph in proto.meta_graphs if "serve" in graph.meta_info_def.tags]
        definitions = graphs[0].signature_def
        model = tf.saved_model.load(str(path), tags=["serve"])
        specs = {name: _spec(definitions[name]) for name in model.signatures}
        details = read_json(path / DETAILS) if (path / DETAILS).is_file() else {}
    # TensorFlow raises all sorts of errors for damaged files.
    except Exception as error:
        raise InputError(f"model {path} cannot be loaded: {_reason(error)}") from error
    if not specs:
        raise InputError(f"model {path} has no signatures")
    signatures = {name: Signature(name, spec, model) for name, spec in specs.items()}
    shown = {name: _as_json(definition) for name, definition in sorted(definitions.items())}
    return LoadedVersion(number, path, signatures, shown, details)


def _spec(definition: Any) -> SignatureSpec:
    return SignatureSpec(
        {name: _tensor_spec(info) for name, info in sorted(definition.inputs.items())},
        {name: _tensor_spec(info) for name, info in sorted(definition.outputs.items())},
    )


def _tensor_spec(info: Any) -> Spec:
    shape = tf.TensorShape(info.tensor_shape)
    known = None if shape.rank is None else tuple(shape.as_list())
    return Spec(tf.dtypes.as_dtype(info.dtype).name, known)


def _as_json(definition: Any) -> dict[str, Any]:
    # Fields without a value are shown too, as TF Serving does; protobuf 5 has another word for it.
    known = inspect.signature(json_format.MessageToDict).parameters
    words = ("always_print_fields_with_no_presence", "including_default_value_fields")
    word = next(word for word in words if word in known)
    return json_format.MessageToDict(definition, preserving_proto_field_name=True, **{word: True})


def _reason(error: Exception) -> str:
    """One line of an error; of TensorFlow's the one behind where in the graph it came up."""
    text = (getattr(error, "message", "") or str(error)).strip()
    lines = text.partition("\n\t [[")[0].splitlines() or [type(error).__name__]
    return lines[-1 if text.startswith("Graph execution error") else 0]
