"""Docstrings as the documentation site shows them: an extension of Griffe, see mkdocs.yml."""

import re
from typing import Any

import griffe

_BLOCK = re.compile(r"^( *)\.\. code-block:: python\n\n((?:\1    .*\n?|\n)+)", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Make examples code: ``Example:`` is ``Examples:``, and a code block of Sphinx is fenced."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is None:
            return
        text = re.sub(r"^( *)Example:$", r"\1Examples:", obj.docstring.value, flags=re.MULTILINE)
        obj.docstring.value = _BLOCK.sub(_fenced, text + "\n").rstrip("\n")


def _fenced(match: re.Match[str]) -> str:
    indent, code = match[1], match[2].rstrip("\n")
    lines = [line.removeprefix(indent + "    ") for line in code.split("\n")]
    body = "\n".join(f"{indent}{line}" if line else "" for line in lines)
    return f"{indent}```python\n{body}\n{indent}```\n"
