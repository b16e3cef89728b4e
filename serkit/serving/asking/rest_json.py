"""TF Serving's REST API as JSON: inputs into it, outputs out of it."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serkit.serving import signatures

_FLOATS = {signatures.PROBABILITIES, signatures.ENTROPY, signatures.MUTUAL_INFORMATION}
_LONGEST = 120


def to_body(signature: str, columns: Mapping[str, Sequence[Any]]) -> bytes:
    """A request in rows.

    Args:
        signature: its name.
        columns: by name, a value per example: bytes, arrays or integers.
    """
    rows = zip(*columns.values(), strict=True)
    instances = [dict(zip(columns, map(_as_json, row), strict=True)) for row in rows]
    return json.dumps({"signature_name": signature, "instances": instances}).encode()


def to_rows(answer: Any, outputs: Sequence[str], count: int) -> list[dict[str, Any]]:
    """Outputs by name, a row per example; what is float32 in :mod:`signatures` is so again.

    Args:
        answer: in rows or in columns. Where a signature has one output, its name is left out.
        outputs: names that are expected.
        count: of examples.

    Raises:
        KeyError, TypeError, ValueError: if it is something else.
    """
    if "outputs" in answer:
        found = answer["outputs"]
        columns = found if isinstance(found, dict) else {outputs[0]: found}
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    else:
        found = answer["predictions"]
        rows = [row if isinstance(row, dict) else {outputs[0]: row} for row in found]
    if len(rows) != count:
        raise ValueError(f"{len(rows)} rows")
    return [
        {name: np.asarray(v, np.float32) if name in _FLOATS else v for name, v in row.items()}
        for row in rows
    ]


def reason_in(content: bytes) -> str:
    """TF Serving's reason for an error, or the beginning of whatever else came."""
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return shortened(content) if content else ""


def shortened(answer: Any) -> str:
    """A line of up to 120 letters, of bytes or of what came as JSON."""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else json.dumps(answer)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _as_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode("ascii")}
    return value.tolist() if isinstance(value, np.ndarray) else value
