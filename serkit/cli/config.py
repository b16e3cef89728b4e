"""Option ``--config``: options of a command from a file, or from an earlier run."""

import argparse
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from serkit.errors import DamagedFileError, InputError
from serkit.files import read_json_object, write_json

COMMAND_FILE = "command.json"
"""File of a finished run: the command, and the values of its options by their names."""
# Where a run is written and computed does not belong to what it does.
_OF_THE_CALL = {
    *("address", "cache", "config", "cpus", "dry_run", "engine", "export", "gpus", "help", "json"),
    *("out", "quiet", "retries", "share", "threads", "verbose"),
}


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add ``--config``."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="read options from this file, TOML such as arms = ['none', 'speed'], or repeat a run "
        "by its folder or its settings.json; options given here take precedence; default: none",
    )


def given_options(
    options: argparse.Namespace, actions: Sequence[argparse.Action], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the JSON values of all options that differ from their defaults, by name.

    Args:
        options: parsed options.
        actions: options and arguments of the command's parser.
        defaults: default by destination.

    Returns:
        Values by the name of the option without dashes, or of the argument, such as ``roots``.
    """
    values = {}
    for action in actions:
        value = getattr(options, action.dest, None)
        if action.dest not in _OF_THE_CALL and value != defaults[action.dest]:
            values[_name(action)] = _as_json(value)
    return values


def command_line(
    program: str,
    options: argparse.Namespace,
    actions: Sequence[argparse.Action],
    defaults: Mapping[str, Any],
) -> str:
    """Return the command with all options that differ from their defaults, for a shell.

    Args:
        program: words before the arguments, such as ``serkit compare``.
        options: as for :func:`given_options`, as are the others. Paths are as the user gave them.
        actions: options and arguments of the command's parser.
        defaults: default by destination.
    """
    words, arguments = program.split(), []
    for action in actions:
        value = getattr(options, action.dest, None)
        if action.dest in _OF_THE_CALL or value == defaults[action.dest]:
            continue
        values = [] if action.nargs == 0 else list(value) if isinstance(value, list) else [value]
        if action.option_strings:
            arguments += [f"--{_name(action)}" if value is not False else action.option_strings[-1]]
            arguments += map(str, values)
        else:
            words += map(str, values)
    return shlex.join([*words, *arguments])


def record_command(options: argparse.Namespace, out: Path) -> None:
    """Write :data:`COMMAND_FILE` into the folder of a finished run."""
    write_json(out / COMMAND_FILE, {"command": options.command, **options.given})


def apply_config(path: Path, command: str, actions: Sequence[argparse.Action]) -> None:
    """Make the values of a file the defaults of the options.

    Args:
        path: TOML or JSON file, the folder of a run, or its ``settings.json``.
        command: name of the command.
        actions: options and arguments of the command's parser.

    Raises:
        InputError: if the file cannot be read, is of another command, or has values that are not
            valid.
    """
    values = dict(_read(path))
    if (found := values.pop("command", command)) != command:
        raise InputError(f"--config {path} is of serkit {found}, not of serkit {command}")
    action_by_name = {_name(action): action for action in actions}
    for name, value in values.items():
        action = action_by_name.get(name)
        if action is None or action.dest in ("config", "help"):
            valid = ", ".join(sorted(set(action_by_name) - {"config", "help"}))
            raise InputError(f"--config {path}: no option {name}; valid are {valid}")
        action.default = _parsed(action, value, path)
        if not action.option_strings:
            action.nargs, action.required = "*" if action.nargs else "?", False


def _read(path: Path) -> Mapping[str, Any]:
    if path.name == "settings.json":
        path = path.parent
    if path.is_dir():
        if not (path / COMMAND_FILE).exists():
            raise InputError(f"--config {path} is no finished run of a command: no {COMMAND_FILE}")
        path = path / COMMAND_FILE
    if not path.exists():
        raise InputError(f"--config {path} does not exist")
    if path.suffix == ".json":
        try:
            return read_json_object(path)
        except DamagedFileError as error:
            raise InputError(f"--config {path} is damaged: no JSON object") from error
    import tomllib

    try:
        return tomllib.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise InputError(f"--config {path} is no TOML: {error}") from error


def _parsed(action: argparse.Action, value: Any, path: Path) -> Any:
    """Return a value as argparse would have parsed it."""
    takes_several = action.nargs in ("*", "+") or isinstance(action.nargs, int)
    is_flag = action.nargs == 0
    words = value if isinstance(value, list) else [value]
    right = isinstance(value, bool) if is_flag else isinstance(value, list) == takes_several
    try:
        if not right or not (action.type or is_flag or all(isinstance(w, str) for w in words)):
            raise TypeError
        if is_flag:
            return value
        parsed = [action.type(str(word)) if callable(action.type) else word for word in words]
        if action.choices is not None and not set(parsed) <= set(action.choices):
            raise ValueError
    except argparse.ArgumentTypeError as error:
        raise InputError(f"--config {path}: {_name(action)}: {error}") from error
    except (TypeError, ValueError) as error:
        kind = {int: "a whole number", float: "a number"}.get(action.type, "one value")
        form = "true or false" if is_flag else "a list" if takes_several else kind
        choices = f" of {', '.join(map(str, action.choices))}" if action.choices else ""
        raise InputError(
            f"--config {path}: {_name(action)} must be {form}{choices}. Received: "
            f"{json.dumps(value, default=str)}."
        ) from error
    return parsed if takes_several else parsed[0]


def _name(action: argparse.Action) -> str:
    # The last one of --sample-filter and --no-sample-filter is the negative one.
    long = (option for option in action.option_strings if option.startswith("--"))
    return next(long, action.dest).lstrip("-")


def _as_json(value: Any) -> Any:
    from serkit.datasets.roots import absolute_root

    if isinstance(value, Path):
        return absolute_root(value)
    return [_as_json(item) for item in value] if isinstance(value, list | tuple) else value
