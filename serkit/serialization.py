"""Convert settings to JSON values and back; compute content keys of JSON values."""

import contextlib
import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Sequence
from typing import Any

from serkit.errors import InputError, short_repr


def plain(value: Any) -> Any:
    """Convert tuples to lists, recursively, so that a value equals its copy read from JSON.

    Example:
        >>> plain({"sizes": (1, (2, 3))})
        {'sizes': [1, [2, 3]]}
    """
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def recorded(settings: Any, added_fields: Sequence[str]) -> Any:
    """Convert settings to JSON values, for a run folder.

    Args:
        settings: a dataclass.
        added_fields: names of fields that run folders of earlier versions do not have. Such a field
            is left out if it has its default value, so that these folders stay valid.
    """
    values = plain(dataclasses.asdict(settings))
    for field in dataclasses.fields(settings):
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if field.name in added_fields and getattr(settings, field.name) == default:
            del values[field.name]
    return values


def restored(dataclass: type, values: Any) -> Any:
    """Build a frozen dataclass from JSON values: the inverse of ``plain(dataclasses.asdict(…))``.

    Args:
        dataclass: the class to build. Its fields are numbers, strings, tuples, other such
            dataclasses, or dictionaries of these.
        values: field values by name. Missing fields keep their defaults.

    Raises:
        InputError: if ``values`` is not a dictionary, has a name that is not a field, or has a
            value that is of another type or that the dataclass rejects.
    """
    if not isinstance(values, dict):
        raise InputError(
            f"{dataclass.__name__} from {short_repr(values)}; valid are its fields by name"
        )
    type_hints = typing.get_type_hints(dataclass)
    field_names = [field.name for field in dataclasses.fields(dataclass)]
    if unknown_names := sorted(set(values) - set(field_names)):
        raise InputError(
            f"{dataclass.__name__} has no {', '.join(unknown_names)}; valid are: "
            f"{', '.join(field_names)}"
        )
    restored_values = {}
    for name, value in values.items():
        try:
            restored_values[name] = _restore_value(type_hints[name], value)
        except TypeError as error:
            raise InputError(
                f"`{name}` of {dataclass.__name__} must be {error}. Received: {short_repr(value)}."
            ) from error
    try:
        return dataclass(**restored_values)
    except TypeError as error:
        raise InputError(f"{dataclass.__name__} from {short_repr(values)}: {error}") from error


def _restore_value(type_hint: Any, value: Any) -> Any:
    """Convert a JSON value to the type of a field.

    Raises:
        TypeError: if the value is not of this type. The message is the valid type.
    """
    origin, arguments = typing.get_origin(type_hint), typing.get_args(type_hint)
    if origin in (typing.Union, types.UnionType):
        for candidate in arguments:
            with contextlib.suppress(TypeError):
                return _restore_value(candidate, value)
        raise TypeError(str(type_hint))
    if dataclasses.is_dataclass(type_hint) and isinstance(value, dict):
        return restored(typing.cast(type, type_hint), value)
    if origin is dict and isinstance(value, dict):
        return {name: _restore_value(arguments[1], item) for name, item in value.items()}
    if origin is tuple and isinstance(value, list | tuple):
        item_types = arguments[:1] * len(value) if arguments[1:] == (...,) else arguments
        if len(item_types) == len(value):
            return tuple(map(_restore_value, item_types, value))
    # In Python 3.11 and later `Any` is a class.
    elif isinstance(type_hint, type) and type_hint is not Any and origin is None:
        valid = (int, float) if type_hint is float else type_hint
        if isinstance(value, valid) and (type_hint is bool or not isinstance(value, bool)):
            return value
    elif origin not in (dict, tuple):
        return _lists_to_tuples(value)
    raise TypeError(getattr(type_hint, "__name__", "") if origin is None else str(type_hint))


def _lists_to_tuples(value: Any) -> Any:
    """Convert lists to tuples, recursively."""
    return tuple(map(_lists_to_tuples, value)) if isinstance(value, list) else value


# Increase when the same settings give results that differ from those of earlier versions.
_RECIPE_VERSION = 1


def content_key(**values: Any) -> str:
    """Compute a key of 16 hexadecimal digits from named JSON values: a digest of their content.

    Example:
        >>> content_key(seed=1, names=("a", "b")) == content_key(names=["a", "b"], seed=1)
        True
    """
    text = json.dumps(
        {"recipe": _RECIPE_VERSION, **values}, sort_keys=True, ensure_ascii=False, default=str
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]
