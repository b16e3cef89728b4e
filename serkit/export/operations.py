"""Refuse SavedModels with operations that read or write files, or run Python code."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from serkit.errors import InputError

_FORBIDDEN = re.compile(
    r"(Experimental)?("
    r"(Eager)?PyFunc(Stateless)?|RemoteCall|Print"
    r"|(Read|Write)File|MatchingFiles(Dataset)?|FileSystemSetConfiguration|DistributedSave"
    r"|InitializeTableFromTextFile|CreateSummary(File|Db)Writer|Debug(Identity|NanCount|NumericSummary)"
    r"|(TextLine|TFRecord|FixedLengthRecord|WholeFile|LMDB)Reader"
    r"|(TextLine|TFRecord|FixedLengthRecord|LMDB|CSV|Sql|Cache|Save|Load|DataService|Register)Dataset"
    r"|DatasetToTFRecord|Snapshot(Chunk)?Dataset(Reader)?|ListSnapshotChunksDataset"
    # IO> is tensorflow-io, which reads many formats.
    r")(V\d)?|Save(Slices)?|Restore(Slice)?|IO>.*"
)
# Every SavedModel has these in the two functions that save and restore its variables.
_CHECKPOINT = re.compile("SaveV2|RestoreV2|MergeV2Checkpoints")


def check_operations(model: Path | str) -> None:
    """Raise an error if a SavedModel has operations that reach files, networks or Python code.

    A SavedModel is a program: TensorFlow runs whatever its graph says. This finds the usual
    operations that a model of serkit does not have, by their names. It does not make a model safe.

    Args:
        model: folder of the SavedModel.

    Raises:
        InputError: if there is such an operation, or the file cannot be read; the message names it.

    Source: "TensorFlow models are programs", in TensorFlow's security policy.

    Example:
        .. code-block:: python

            check_operations("saved_models/demo/1")
    """
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    try:
        saved_model = SavedModel.FromString(Path(model, "saved_model.pb").read_bytes())
    except (OSError, DecodeError) as error:
        raise InputError(f"model {model} cannot be loaded: {error}") from error
    found = {name for graph in saved_model.meta_graphs for name in _forbidden_operations(graph)}
    if found:
        raise InputError(
            f"model {model} is not loaded, because it reads or writes files, or runs Python code "
            f"(operations {', '.join(sorted(found))}). If you trust whoever made it, pass --trust, "
            "in Python `trust=True`."
        )


def _forbidden_operations(graph: Any) -> Iterator[str]:
    """Yield the names of the forbidden operations of a MetaGraphDef."""
    functions = {
        function.signature.name: function.node_def for function in graph.graph_def.library.function
    }
    saver = graph.saver_def
    saver_nodes = {
        name.partition(":")[0] for name in (saver.save_tensor_name, saver.restore_op_name)
    }
    nodes = [node for node in graph.graph_def.node if node.name not in saver_nodes]
    callers = {*graph.object_graph_def.concrete_functions, *_called(nodes)}
    reachable: set[str] = set()
    while callers:
        reachable |= callers
        called = {name for caller in callers for name in _called(functions.get(caller, ()))}
        callers = called - reachable
    for name, function_nodes in [(None, nodes), *functions.items()]:
        for node in function_nodes:
            is_checkpoint = _CHECKPOINT.fullmatch(node.op) and name in {None, *reachable}
            if is_checkpoint or _FORBIDDEN.fullmatch(node.op):
                yield node.op


def _called(nodes: Iterable[Any]) -> Iterator[str]:
    """Yield the names of the functions that nodes call."""
    for node in nodes:
        # An operation of a function's name calls this function.
        yield node.op
        for value in node.attr.values():
            for function in (value.func, *value.list.func):
                yield function.name
