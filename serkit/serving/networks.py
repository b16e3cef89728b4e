"""Networks out of Keras files."""

from pathlib import Path

import keras

from serkit.errors import InputError

# Loading them registers what Keras files of ours may hold.
from serkit.layers import dropout, variational  # noqa: F401


def load_network(file: Path | str) -> keras.Model:
    """A network that Keras saved, serkit's Bayesian layers included.

    Args:
        file: ``.keras``.

    Raises:
        InputError: if it is not there, or Keras cannot load it.
    """
    if not Path(file).is_file():
        raise InputError(f"{file} is no file; a .keras file is expected")
    try:
        return keras.models.load_model(file)
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{file} is no model that Keras can load: {reason}") from error
