"""The best settings that a search found, as ``serkit tune`` writes them."""

from pathlib import Path
from typing import Any

from serkit.classifiers.spaces import BayesianRecipe, CompactRecipe
from serkit.errors import InputError, check_choice
from serkit.files import read_json
from serkit.gans.dcgan import DCGANSettings
from serkit.gans.wgan_gp import WGANGPSettings
from serkit.values import restored

SETTINGS = {
    "classifier": CompactRecipe,
    "bayesian": BayesianRecipe,
    "dcgan": DCGANSettings,
    "wgan-gp": WGANGPSettings,
}
"""What settings of a kind are."""


def read_tuned(path: Path | str) -> tuple[str, Any]:
    """Kind and settings of a ``best.json``.

    Args:
        path: of the file, or of the folder of a search.

    Returns:
        A key of :data:`SETTINGS`, and an instance of what it stands for.

    Raises:
        InputError: if there is no such file, or it holds something else.
    """
    path = Path(path)
    file = path / "best.json" if path.is_dir() else path
    try:
        found = read_json(file)
        kind, values = found["kind"], found["settings"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{file} holds no tuned settings ({error}); valid is best.json of serkit tune"
        ) from error
    check_choice("kind", kind, SETTINGS)
    return kind, restored(SETTINGS[kind], values)


def tuned_or(path: Path | None, settings: Any) -> Any:
    """The settings of a ``best.json`` that somebody may have given, or else these.

    Args:
        path: of the file; None for none.
        settings: those that are taken without one; they say of which kind it has to be.

    Raises:
        InputError: if the file is not there, or has settings of another kind.
    """
    if path is None:
        return settings
    kind, found = read_tuned(path)
    if type(found) is not type(settings):
        names = {made: name for name, made in SETTINGS.items()}
        raise InputError(f"{path} was tuned for {kind}; valid is {names[type(settings)]}")
    return found
