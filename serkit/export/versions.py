"""Version folders of a model, as TF Serving expects them: ``NAME/1``, ``NAME/2``, …"""

from pathlib import Path

from serkit.errors import InputError

DETAILS = "assets.extra/serkit.json"
"""File in an exported SavedModel with its labels, its spec and other known details."""


def versions(folder: Path | str) -> list[int]:
    """Return the version numbers in the folder of a model, smallest first."""
    folder = Path(folder)
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


def next_version(folder: Path | str) -> Path:
    """Return the folder of the next version of a model."""
    return Path(folder, str(max(versions(folder), default=0) + 1))


def version_for(out: Path) -> Path:
    """Return the folder for an export: ``NAME/3`` itself, or the next version in ``NAME``.

    Raises:
        InputError: if the version exists, because a server may be using it.
    """
    version = out if out.name.isdecimal() else next_version(out)
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
    numbers = versions(path)
    version = path / str(numbers[-1]) if numbers else path
    if not (version / "saved_model.pb").is_file() or not (version / DETAILS).is_file():
        raise InputError(
            f"{path} is not a model exported by serkit: no saved_model.pb, {DETAILS}"
            + instead_of(path)
        )
    return version


def instead_of(path: Path) -> str:
    """Suggest what to give instead of a folder that is not a model, for an error message.

    Returns:
        Text that begins with a semicolon; empty without a suggestion.
    """
    if (path / "settings.json").is_file():
        name = path.resolve().name
        return (
            f"; it is a run's: serkit export {path} --out saved_models/{name} makes a model of it"
        )
    models = sorted(folder.name for folder in path.iterdir() if versions(folder))
    return f"; give one of the models in it: {', '.join(models)}" if models else ""
