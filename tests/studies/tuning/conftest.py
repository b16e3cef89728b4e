import importlib
import sys
from pathlib import Path

import pytest

# Processes that a test starts import from there, too.
sys.path.append(str(Path(__file__).parent))


@pytest.fixture(scope="session")
def toy():
    """The module ``toy_of_tuning.py`` beside this file."""
    return importlib.import_module("toy_of_tuning")
