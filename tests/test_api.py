"""The public API: its names and their arguments."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import serkit
import serkit.layers
import serkit.metrics

SNAPSHOT = Path(__file__).with_name("public_api.txt")
MODULES = (serkit, serkit.layers, serkit.metrics)


NAMES = [
    f"{module.__name__}.{name}"
    for module in MODULES
    for name in sorted(module.__all__)
    if name not in ("layers", "metrics")
]


def public_thing(name: str):
    module, _, attribute = name.rpartition(".")
    return getattr(sys.modules[module], attribute)


def snapshot() -> str:
    """One line per name: its arguments, without their types."""
    lines = []
    for name in NAMES:
        thing = public_thing(name)
        arguments = ""
        if not (inspect.isclass(thing) and issubclass(thing, Exception)):
            parameters = inspect.signature(thing).parameters.values()
            plain = [parameter.replace(annotation=parameter.empty) for parameter in parameters]
            # Functions as defaults are printed with their address.
            arguments = re.sub(
                r"<[^<>]*(<[^<>]*>)?[^<>]* at [^<>]*>", "…", f"{inspect.Signature(plain)}"
            )
        lines.append(f"{name}{arguments}\n")
    return "".join(lines)


def test_a_change_of_the_api_is_a_decision():
    """After a wanted change: ``python tests/test_api.py`` writes the file anew."""
    assert snapshot() == SNAPSHOT.read_text("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_public_thing_is_documented(name):
    thing = public_thing(name)
    text = inspect.getdoc(thing) or ""
    assert "Example" in text
    if inspect.isfunction(thing) and inspect.signature(thing).parameters:
        assert "Args:" in text


def test_importing_a_module_does_not_hide_a_name_of_the_api():
    code = (
        "import serkit.datasets.audit, serkit.models.compact, serkit.studies.comparison, serkit;"
        "assert callable(serkit.audit) and callable(serkit.compact) and callable(serkit.compare)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing"):
        _ = serkit.nothing


if __name__ == "__main__":
    SNAPSHOT.write_text(snapshot(), "utf-8")
