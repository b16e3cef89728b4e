import importlib.util
import sys
from pathlib import Path

import pytest

_FILE = Path(__file__).with_name("toy.py")


@pytest.fixture(scope="session")
def toy():
    """The module ``toy.py`` beside this file, which Ray's workers get as it is."""
    spec = importlib.util.spec_from_file_location("toy_of_grid", _FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
