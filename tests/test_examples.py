"""The examples in docstrings run and give what they say."""

import doctest
import importlib
import pkgutil

import pytest

import serkit

MODULES = [
    found.name
    for found in pkgutil.walk_packages(serkit.__path__, "serkit.")
    if not found.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of(name, tmp_path, monkeypatch):
    """In an empty folder, because an example may write files."""
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
