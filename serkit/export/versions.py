"""Version folders of a model, as TF Serving expects them: ``NAME/1``, ``NAME/2``, …"""

from pathlib import Path
from typing import Any

from serkit.errors import DamagedFileError, InputError
from serkit.files import read_json_object

DETAILS_FILE = "assets.extra/serkit.json"
"""File in an exported SavedModel with its labels, its spec and other known details."""
MODEL_CARD = "assets.extra/model-card.md"
"""Model card in an exported SavedModel."""
EXPORTED_FILE = "exported.json"
"""File in a run folder of ``serkit train`` that names the exported version."""


def version_number(folder: Path) -> int:
    """Return the version number in the name of a folder; 0 if the name is not a version number.

    A version number is 1 or more, in ASCII digits; TF Serving stores it in 64 bits.

    Example:
        >>> version_number(Path("models/tiny/3")), version_number(Path("models/tiny"))
        (3, 0)
    """
    name = folder.name
    return int(name) if name.isascii() and name.isdecimal() and len(name) < 19 else 0


def versions(folder: Path | str) -> dict[int, Path]:
    """Return the folders of the versions of a model by number, smallest first."""
    folder = Path(folder)
    if not folder.is_dir():
        return {}
    folder_of_version = {version_number(path): path for path in folder.iterdir()}
    return {number: folder_of_version[number] for number in sorted(folder_of_version.keys() - {0})}


def next_version(folder: Path | str) -> Path:
    """Return the folder of the next version of a model."""
    return Path(folder, str(max(versions(folder), default=0) + 1))


def version_for(out: Path) -> Path:
    """Return the folder for an export: ``NAME/3`` itself, or the next version in ``NAME``.

    Raises:
        InputError: if the version exists, because a server may be using it, or if no server would
            load a version of this number.
    """
    if out.name.isdecimal() and not version_number(out):
        raise InputError(
            "`out` must end in a name, or in a version of 1 or more that has at most 18 digits. "
            f"Received: {out}."
        )
    version = out if version_number(out) else next_version(out)
    if version.exists():
        raise InputError(
            f"{version} exists and is not overwritten; the next free version is "
            f"{next_version(version.parent)}"
        )
    return version


def find_version(path: Path) -> Path:
    """Return the folder of a version: ``path`` itself, or the newest version in it.

    Raises:
        InputError: if there is no folder, or serkit did not export the model in it.
    """
    if not path.is_dir():
        raise InputError(f"model {path} does not exist; a SavedModel's folder is expected")
    folder_of_version = versions(path)
    version = folder_of_version[max(folder_of_version)] if folder_of_version else path
    if not (version / "saved_model.pb").is_file() or not (version / DETAILS_FILE).is_file():
        raise InputError(
            f"{path} is not a model exported by serkit: no saved_model.pb, {DETAILS_FILE}"
            + instead_of(path)
        )
    return version


def read_details(version: Path, **types: type) -> dict[str, Any]:
    """Read the ``serkit.json`` of a version.

    Args:
        version: folder of the version.
        **types: see :func:`serkit.files.read_json_object`.

    Raises:
        DamagedFileError: if it is not a JSON object with these values.
    """
    try:
        return read_json_object(version / DETAILS_FILE, **types)
    except DamagedFileError as error:
        advice = "export the model again"
        raise DamagedFileError(error.path, error.reason, advice) from error


def instead_of(path: Path) -> str:
    """Suggest what to give instead of a folder that is not a model, for an error message.

    Returns:
        Text that begins with a semicolon; empty without a suggestion.
    """
    if (path / EXPORTED_FILE).is_file():
        exported = read_json_object(path / EXPORTED_FILE, version=str)
        return f"; it is the run of a model: give {exported['version']}"
    if (path / "comparison.json").is_file():
        run_name = path.resolve().name
        command = f"serkit export {path} --out saved_models/{run_name}"
        return f"; it is a run's: {command} makes a model of it"
    models = sorted(folder.name for folder in path.iterdir() if versions(folder))
    return f"; give one of the models in it: {', '.join(models)}" if models else ""
