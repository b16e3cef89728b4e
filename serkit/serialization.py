"""Settings to JSON and back, and content keys made of JSON values."""

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Sequence
from typing import Any

from serkit.errors import InputError


def plain(value: Any) -> Any:
    """Convert tuples to lists, recursively, so that a value equals its copy read from JSON.

    Example:
        >>> plain({"sizes": (1, (2, 3))})
        {'sizes': [1, [2, 3]]}
    """
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def recorded(settings: Any, later: Sequence[str]) -> Any:
    """Convert settings to JSON values, for a run folder.

    Args:
        settings: a dataclass.
        later: names of fields that run folders of earlier versions do not have. A field with its
            default value is left out, so that these folders stay valid.
    """
    found = plain(dataclasses.asdict(settings))
    for field in dataclasses.fields(settings):
        make = field.default_factory
        default = field.default if make is dataclasses.MISSING else make()
        if field.name in later and getattr(settings, field.name) == default:
            del found[field.name]
    return found


def restored(kind: type, values: Any) -> Any:
    """Build a frozen dataclass from JSON values: the inverse of ``plain(dataclasses.asdict(…))``.

    Args:
        kind: the dataclass. Its fields are numbers, strings, tuples, dataclasses of this kind, or
            dictionaries of these.
        values: field values by name. Missing fields keep their defaults.

    Raises:
        InputError: if ``values`` is not a dictionary, has a name that is not a field, or has a
            value that the dataclass rejects.
    """
    if not isinstance(values, dict):
        raise InputError(f"{kind.__name__} from {values!r}; valid are its fields by name")
    hints = typing.get_type_hints(kind)
    known = [field.name for field in dataclasses.fields(kind)]
    if unknown := sorted(set(values) - set(known)):
        raise InputError(
            f"{kind.__name__} has no {', '.join(unknown)}; valid are: {', '.join(known)}"
        )
    try:
        return kind(**{name: _field(hints[name], value) for name, value in values.items()})
    except TypeError as error:
        raise InputError(f"{kind.__name__} from {values!r}: {error}") from error


def _field(hint: Any, value: Any) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is dict and isinstance(value, dict):
        return {name: _field(inner[1], item) for name, item in value.items()}
    for kind in inner if origin in (typing.Union, types.UnionType) else (hint,):
        if isinstance(kind, type) and dataclasses.is_dataclass(kind) and isinstance(value, dict):
            return restored(kind, value)
    return _tuples(value)


def _tuples(value: Any) -> Any:
    """Convert lists to tuples, recursively."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


# Increase when the same content gives results that differ from those of earlier versions.
_RECIPE = 1


def content_key(**parts: Any) -> str:
    """Return a key of 16 hexadecimal digits for named JSON values: a digest of their content.

    Example:
        >>> content_key(seed=1, names=("a", "b")) == content_key(names=["a", "b"], seed=1)
        True
    """
    text = json.dumps({"recipe": _RECIPE, **parts}, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
