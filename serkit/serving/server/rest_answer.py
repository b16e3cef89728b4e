"""An answer as TF Serving's REST interface gives it: tensors in, JSON out."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from serkit.serving.server.refusal import Refusal


def write_answer(outputs: Mapping[str, np.ndarray], rows: bool) -> bytes:
    """``{"predictions": [...]}`` of rows, else ``{"outputs": ...}``.

    Of a signature with a single output the values stand bare, else by name. Text is decoded from
    UTF-8, but for outputs whose name ends in ``_bytes``, which become ``{"b64": "…"}``. Numbers of
    float32 have as many digits as it takes to tell them from their neighbours; NaN and Infinity are
    written so.

    Raises:
        Refusal: 400, if rows are asked for and the outputs' first axes differ.
    """
    values = {name: _plain(name, array) for name, array in outputs.items()}
    if not rows:
        found: Any = values if len(values) != 1 else next(iter(values.values()))
        return _written({"outputs": found})
    sizes = {name: array.shape[:1] for name, array in outputs.items()}
    if len(set(sizes.values())) != 1 or () in sizes.values():
        raise Refusal(400, f"outputs have no common batch size: {sizes}; ask with 'inputs'")
    if len(values) == 1:
        return _written({"predictions": next(iter(values.values()))})
    names = list(values)
    listed = [dict(zip(names, row, strict=True)) for row in zip(*values.values(), strict=True)]
    return _written({"predictions": listed})


def _written(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _plain(name: str, array: np.ndarray) -> Any:
    if array.dtype == object:
        write = _base64 if name.endswith("_bytes") else _text
        flat = np.empty(array.size, object)
        flat[:] = [write(value) for value in array.ravel()]
        return flat.reshape(array.shape).tolist()
    if array.dtype in (np.float16, np.float32):
        return _shortest(array.astype("float32")).tolist()
    return array.tolist()


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _base64(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode()}


def _shortest(array: np.ndarray) -> np.ndarray:
    """The doubles with the fewest decimal digits that are nearest to float32 numbers.

    A float32 of 0.2 is 0.20000000298… as a double, three times as long in JSON. Nine digits always
    tell neighbours apart, fewer often do.
    """
    wide = array.astype("float64")
    with np.errstate(all="ignore"):
        exponent = np.floor(np.log10(np.abs(wide)))
        for digits in (9, 8, 7, 6):
            places = digits - 1 - exponent
            # Up to 22 powers of ten are exact, so that the quotient is the number's nearest.
            scale = 10.0 ** np.clip(places, 0, 22)
            short = np.rint(wide * scale) / scale
            usable = (places >= 0) & (places <= 22) & (short.astype("float32") == array)
            wide = np.where(usable, short, wide)
    return wide
