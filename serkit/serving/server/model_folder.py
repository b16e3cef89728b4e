"""Which versions of a model there are to serve."""

from pathlib import Path

from serkit.errors import InputError, check_choice
from serkit.serving.versions import instead_of

CHOICES = ("newest", "all")


def versions_to_serve(model: Path, which: str = "newest") -> dict[int, Path]:
    """Folders of SavedModels by their versions, the smallest first.

    Args:
        model: a folder of versions, as TF Serving wants them: named by whole numbers; or one of
            them, or a SavedModel of any other name, which counts as version 1.
        which: ``newest``, or ``all``.

    Raises:
        InputError: if there is none.
    """
    check_choice("versions", which, CHOICES)
    if not model.is_dir():
        raise InputError(f"model {model} does not exist; a folder of a SavedModel is expected")
    if _is_saved_model(model):
        return {_number(model.resolve()) or 1: model}
    found = {_number(path): path for path in sorted(model.iterdir()) if _is_saved_model(path)}
    numbers = sorted(found.keys() - {0})
    if not numbers:
        raise InputError(
            f"model {model} has no saved_model.pb, nor a folder named by a whole number with one"
            + instead_of(model)
        )
    return {number: found[number] for number in (numbers if which == "all" else numbers[-1:])}


def model_name(model: Path) -> str:
    """What a model is called if nobody says: the name of the folder that holds its versions."""
    model = model.resolve()
    return model.parent.name if _number(model) and _is_saved_model(model) else model.name


def _is_saved_model(path: Path) -> bool:
    return (path / "saved_model.pb").is_file()


def _number(path: Path) -> int:
    """0 if it is none; TF Serving's are of 64 bits."""
    is_number = path.name.isascii() and path.name.isdecimal() and len(path.name) < 19
    return int(path.name) if is_number else 0
