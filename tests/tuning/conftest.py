import importlib.util
from pathlib import Path

import pytest

_FILE = Path(__file__).with_name("toy.py")


@pytest.fixture(scope="session")
def toy():
    """The module ``toy.py`` beside this file."""
    spec = importlib.util.spec_from_file_location("toy", _FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
