"""Version folders of a model, as TF Serving expects them: ``NAME/1``, ``NAME/2``, …"""

from pathlib import Path

from serkit.errors import InputError

DETAILS = "assets.extra/serkit.json"
"""Where a SavedModel of ours keeps its labels, its spec and what else is known of it."""


def versions(folder: Path | str) -> list[int]:
    """The integer versions of a model that are in its folder, smallest first."""
    folder = Path(folder)
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


def next_version(folder: Path | str) -> Path:
    """The folder that the next version of a model gets."""
    return Path(folder, str(max(versions(folder), default=0) + 1))


def version_for(out: Path) -> Path:
    """Where an export goes: ``NAME/3`` itself, or the next version below ``NAME``.

    Raises:
        InputError: if that version is there: somebody may be served by it.
    """
    version = out if out.name.isdecimal() else next_version(out)
    if version.exists():
        raise InputError(
            f"{version} exists and is not overwritten; the next free version is "
            f"{next_version(version.parent)}"
        )
    return version


def find_version(path: Path) -> Path:
    """The folder of the version that a user means: the one given, or the newest below it.

    Raises:
        InputError: if there is none that serkit exported.
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
    """What is to be given in place of a folder that is no model, to be put behind that message.

    Returns:
        Empty where that is not known; else it begins with a semicolon.
    """
    if (path / "settings.json").is_file():
        name = path.resolve().name
        return (
            f"; it is a run's: serkit export {path} --out saved_models/{name} makes a model of it"
        )
    models = sorted(folder.name for folder in path.iterdir() if versions(folder))
    return f"; give one of the models in it: {', '.join(models)}" if models else ""
