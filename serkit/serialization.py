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
    """Tuples as lists, all the way down: as a value comes back from JSON."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def recorded(settings: Any, later: Sequence[str]) -> Any:
    """Settings as JSON values, for a run folder.

    Args:
        settings: a dataclass.
        later: fields that folders of earlier versions do not know; left out at their defaults, so
            that those folders stay valid.
    """
    found = plain(dataclasses.asdict(settings))
    for field in dataclasses.fields(settings):
        made = field.default_factory is not dataclasses.MISSING
        default = field.default_factory() if made else field.default
        if field.name in later and getattr(settings, field.name) == default:
            del found[field.name]
    return found


def restored(kind: type, values: Any) -> Any:
    """A frozen dataclass from what :func:`plain` made of ``dataclasses.asdict`` of one.

    Args:
        kind: the dataclass; its fields are numbers, words, tuples, such dataclasses, or any of
            these by name.
        values: fields by name; those that are missing keep their defaults.

    Raises:
        InputError: for a name that is not a field, or a value that the dataclass refuses.
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
        if dataclasses.is_dataclass(kind) and isinstance(value, dict):
            return restored(kind, value)
    return _tuples(value)


def _tuples(value: Any) -> Any:
    """Lists as tuples, all the way down."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


# To be counted up when the same content gives other results than before.
_RECIPE = 1


def content_key(**parts: Any) -> str:
    """A name of 16 hexadecimal digits for JSON values by name."""
    text = json.dumps({"recipe": _RECIPE, **parts}, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
